#!/usr/bin/env bash
# `aviary member` in the place of Kruise's manager in one real cluster, in the middle of a release at each state of it, as the guide says
# (attach: Replacing Kruise's manager). The manager is a stand-in (kubernetes/kruise-stand-in). Ends in "N passed, N failed".
# Needs on PATH: kubectl; and test/real/build has been run.
#   STATES="1/StepUpgrade 2/StepPaused" …    only at these
. "$(dirname "${BASH_SOURCE[0]}")/lib/member.bash"
kruise=$(port) version=1 end=v1

manager() { run kruise "$real/kruise-stand-in" --kubeconfig "$work/$c/kubeconfig" --webhook-port "$kruise" --stale 0; }
installed() { in_ $c get mutatingwebhookconfiguration kruise-rollout-mutating-webhook-configuration -o name; }
without() { in_ $c delete mutatingwebhookconfiguration,validatingwebhookconfiguration "$@" --ignore-not-found; }
# Where it stands: STEP/STATE while it moves on, then the reason why it does not any more.
stands() { in_ $c get rollout $r -o json | python3 -c '
import json, sys
status = json.load(sys.stdin).get("status", {})
reason = next((each["reason"] for each in status.get("conditions", []) if each["type"] == "Progressing"), "")
step = status.get("canaryStatus", {})
phase = status.get("phase", "")
where = "%s/%s" % (step.get("currentStepIndex"), step.get("currentStepState"))
print("Healthy" if phase == "Healthy" else where if reason == "InRolling" else reason)'; }
# reaches WHERE SECONDS: approves each step before that
reaches() {
  local got end=$((SECONDS + $2))
  until got=$(stands); [ "$got" = "$1" ]; do
    [ $SECONDS -lt $end ] || { echo "it is at $got, not at $1"; return 1; }
    case $got in */StepPaused) approve ;; esac
    sleep 0.1
  done
}
of_version() { in_ $c get pods -o 'jsonpath={range .items[*]}{.metadata.uid} {.spec.containers[0].image}{"\n"}{end}' | sed -n "s/ .*:$1\$//p" | sort; }
at() { local got; got=$(stands); [ "$got" = "$1" ] || { echo "it is at $got, not at $1"; return 1; }; }
still_there() { local gone; gone=$(comm -23 "$1" <(of_version "$2")); [ -z "$gone" ] || { echo "made again: $gone"; return 1; }; }

need 'a real cluster' cluster $c
need 'an identity of its own' identity $c aviary-member
check 'a namespace' in_ $c create namespace demo
check 'the kinds' in_ $c apply -f "$root/config/crds/rollouts.rollouts.kruise.io.yaml" -f "$root/config/crds/batchreleases.rollouts.kruise.io.yaml"
manager
need "Kruise's manager is there" soon 40 installed
need 'the workload' in_ $c apply -f <(sed '/^---/,$d' "$seed/workload.yaml")
check 'its pods take three seconds' in_ $c patch deployment qwen-inference -p '{"spec":{"template":{"metadata":{"annotations":{"simulator.aviary.dev/start":"3s"}}}}}'
need 'ten pods are ready' soon 60 runs $c v1=10
check 'the Rollout' in_ $c apply -f <(sed '/^---/,$d' "$seed/rollout.yaml")
need 'it is healthy' soon 40 healthy $c
need 'the workload is its own' soon 20 tells 0 deployment in_ $c get deployment qwen-inference -o 'jsonpath={.metadata.labels.rollouts\.kruise\.io/workload-type}'
need 'ten pods are ready' soon 60 ready $c

for state in ${STATES:-1/StepUpgrade 1/StepPaused 2/StepUpgrade 2/StepPaused 3/StepUpgrade Finalising Cancelling}; do
  version=$((version + 1)) old=$end new=v$version end=$new
  echo "-- $state"
  check "release $new by Kruise's manager" release $c $new
  if [ "$state" = Cancelling ]; then
    end=$old
    check 'until it pauses at step 1' reaches 1/StepPaused 120
    check "$old is put back" release $c $old
    check 'until it is being taken back' soon 40 at Cancelling
  else
    check "until $state" reaches "$state" 120
  fi
  die kruise
  of_version $end >"$work/approved"
  check 'its webhooks go' without kruise-rollout-mutating-webhook-configuration kruise-rollout-validating-webhook-configuration
  member
  need 'the member controller is ready' soon 20 answers "$health"
  case $state in
    */StepPaused)
      count=$(wc -l <"$work/approved")
      sleep 3
      check 'what was not approved waits' at "$state"
      check 'with the pods that it had' runs $c "$old=$((10 - count)) $new=$count"
      ;;
  esac
  check 'it goes on to its end' reaches Healthy 60
  check "with ten pods of $end" soon 20 runs $c "$end=10"
  check 'none that had it was made again' still_there "$work/approved" $end
  check 'nothing of either is left' soon 10 clean $c
  die member
  check 'and back' without aviary-member
  manager
  need "Kruise's manager is there" soon 40 installed
done
finished=1
