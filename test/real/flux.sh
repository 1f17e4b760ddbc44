#!/usr/bin/env bash
# How Flux takes a release in a real cluster, by the expressions of config/gitops/flux: what it evaluates them with is Flux's own.
# Needs on PATH: kubectl; and test/real/build has been run, also for flux-health, else it is left out. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
if [ ! -x "$real/flux-health" ]; then echo 'left out: test/real/build flux-health has not been run'; finished=1; exit; fi
members=(beijing)

evaluated() { "$real/flux-health" "$root/config/gitops/flux/health.yaml"; }
# taken STATUS CLUSTER OBJECT: Current, InProgress or Failed
taken() { local got; got=$(in_ "$2" get "$3" -o json | evaluated) && [ "$got" = "$1" ] || { echo "$3: $got, not $1"; return 1; }; }
# before_anybody_looked KIND: an object without a status; Flux asks again
before_anybody_looked() { local said; said=$(echo "{\"apiVersion\":\"$1\",\"kind\":\"$2\",\"metadata\":{\"name\":\"web\",\"generation\":1}}" | evaluated 2>&1); grep -q 'no such attribute' <<<"$said" || { echo "$said"; return 1; }; }
decisions() { in_ hub get decisions -o name; }

start_fleet
check 'apply namespace and workload' in_ hub apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
check 'the cluster is ready' soon 30 ready beijing
check 'what brings the workload is current' soon 20 taken Current hub fleetbinding/deployment-qwen-inference
check 'apply the Rollout' in_ hub apply -f "$seed/rollout.yaml"
check 'it is healthy' soon 20 healthy beijing
check '… and current' soon 10 taken Current beijing rollout/$r
check 'release v2' release hub v2
need 'it pauses at step 1' soon 20 state beijing Progressing/1/StepPaused
check '… in progress' taken InProgress beijing rollout/$r
check 'approve' rollout approve -M
check 'it pauses at step 2' soon 20 state beijing Progressing/2/StepPaused
check 'the Decision is current' soon 10 taken Current hub "$(decisions)"
check 'approve again' rollout approve -M
check 'the release is complete' soon 20 state beijing Healthy/3/Completed
check '… and the Rollout is current' soon 10 taken Current beijing rollout/$r

# A version whose pods never start, and a deadline for that.
check 'a deadline' in_ hub annotate rollout $r rollouts.aviary.dev/progress-deadline-seconds=1
check 'it has come' soon 10 in_ beijing wait --for=jsonpath='{.metadata.annotations.rollouts\.aviary\.dev/progress-deadline-seconds}'=1 rollout/$r --timeout=1s
check 'release a broken v3' in_ hub patch deployment qwen-inference --type=merge -p "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"simulator.aviary.dev/behaviour\":\"crash-loop\"}}}}}"
check 'failed' soon 30 taken Failed beijing rollout/$r
check 'abort' rollout abort -M
check 'it is back' soon 30 healthy beijing
check '… and current' soon 10 taken Current beijing rollout/$r
for each in rollouts.kruise.io/v1beta1/Rollout fleet.aviary.dev/v1alpha1/FleetBinding fleet.aviary.dev/v1alpha1/Decision; do
  check "a ${each##*/} at which nobody has looked is not known yet" before_anybody_looked "${each%/*}" "${each##*/}"
done
finished=1
