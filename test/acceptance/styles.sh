#!/usr/bin/env bash
# Releases in canary and in blue-green style from the hub, decided by kubectl amc: approved, paused, taken back in one cluster and in all.
# Needs on PATH: aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"

amc() { local verb=$1; shift; kubectl amc rollout "$verb" rollouts/$r -n demo "$@"; }
# at CLUSTER PHASE/STEP/STATE
at() { local got; got=$(in_ "$1" get rollout $r -o 'jsonpath={.status.phase}/{.status.currentStepIndex}/{.status.currentStepState}' 2>&1); [ "$got" = "$2" ] || { echo "rollout: $got, not $2"; return 1; }; }
# runs CLUSTER 'COUNT VERSION COUNT VERSION'
runs() { local all; all=$(in_ "$1" get pods -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | sort | uniq -c | sed "s, *\([0-9]*\) $image:,\1 ," | paste -sd' '); [ "$all" = "$2" ] || { echo "pods: $all, not $2"; return 1; }; }
# plain CLUSTER: nothing of a release is left there.
plain() {
  local left
  left=$(in_ "$1" get deployment qwen-inference -o 'jsonpath={.metadata.annotations}{.metadata.labels}{.spec.paused}{.spec.strategy}{.spec.minReadySeconds}')
  ! grep -qE 'rollouts.kruise.io/(original|in-progress|deployment|batch|stable|advanced)|batchrelease|true$|Recreate|2147483646' <<<"$left" || { echo "$left"; return 1; }
  [ "$(in_ "$1" get deployments,batchreleases -o name | wc -l)" = 1 ] || { in_ "$1" get deployments,batchreleases; return 1; }
}
# explains PATTERN: each cluster's row matches.
explains() { [ "$(amc explain | grep -cE "^(beijing|shanghai) +$1")" = 2 ] || { amc explain; return 1; }; }
both() { local what=$1 c; shift; for c in beijing shanghai; do check "$c $what" soon 30 "${@//CLUSTER/$c}"; done; }
style() {
  kubectl -n demo patch rollout $r --type=json -p "[{\"op\":\"replace\",\"path\":\"/spec/strategy\",\"value\":$1}]"
}
heard() { [ "$(kubectl -n demo get rollout $r -o 'jsonpath={.status.phase}')" = Healthy ]; }
taken() { for c in beijing shanghai; do [ "$(in_ $c get rollout $r -o 'jsonpath={.spec.strategy.blueGreen.steps[0].replicas}{.spec.strategy.canary.enableExtraWorkloadForCanary}')" = "$1" ] || return 1; done; }

# An autoscaler, brought to both clusters by the hub.
autoscaler() {
  kubectl -n demo apply -f - <<'END'
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: qwen}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: qwen-inference}, minReplicas: 1, maxReplicas: 20}
---
apiVersion: policy.one.alibabacloud.com/v1alpha1
kind: PropagationPolicy
metadata: {name: autoscalers}
spec: {resourceSelectors: [{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: qwen}]}
END
}
# scales CLUSTER NAME: what its autoscaler scales.
scales() { local got; got=$(in_ "$1" get hpa qwen -o 'jsonpath={.spec.scaleTargetRef.name}' 2>&1); [ "$got" = "$2" ] || { echo "it scales $got, not $2"; return 1; }; }
# What an autoscaler there would do.
resize() { in_ "$1" scale deployment/qwen-inference --replicas "$2"; }

need 'a fleet of two clusters' aviary up --clusters beijing,shanghai --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
export KUBECONFIG=$work/data/kubeconfig
check 'apply namespace and workload' kubectl apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
both 'is ready' ready CLUSTER
check 'apply the Rollout' kubectl apply -n demo -f "$seed/rollout.yaml"
both 'has it' healthy CLUSTER
check 'an autoscaler' autoscaler
both 'has it, too' scales CLUSTER qwen-inference

last=v1 number=1
for way in canary blueGreen; do
  steps='"steps":[{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}]'
  if [ $way = canary ]; then
    style="{\"canary\":{\"enableExtraWorkloadForCanary\":true,$steps}}" as=true
  else
    style="{\"blueGreen\":{$steps}}" as=10%
  fi
  # Its status there is written twice a second at most, and says whether the style may change.
  check 'the hub has heard of it' soon 10 heard
  check "$way style" style "$style"
  check 'both clusters have it' soon 20 taken $as

  number=$((number + 1)) next=v$number
  check "release $next" release $next
  both 'pauses at step 1' at CLUSTER Progressing/1/StepPaused
  both 'has one pod beside ten' runs CLUSTER "10 $last 1 $next"
  check 'explain says what both wait for' soon 10 explains '1/3 +StepPaused +AwaitingApproval '
  check 'one row for each cluster' prints 2 "^$r +(beijing|shanghai) +Progressing +1 +StepPaused " kubectl amc get rollouts -n demo -M
  if [ $way = blueGreen ]; then
    both 'has its autoscaler off' scales CLUSTER qwen-inference-DisableByRollout
    sleep 2
    both 'has it off still: to the hub it is no drift' scales CLUSTER qwen-inference-DisableByRollout
    check 'beijing is scaled to 20 there' resize beijing 20
    check 'and both versions follow' soon 20 runs beijing "20 $last 2 $next"
    sleep 2
    check 'the hub leaves it at that' runs beijing "20 $last 2 $next"
    check 'beijing is scaled back' resize beijing 10
    check 'and both versions follow' soon 20 runs beijing "10 $last 1 $next"
  fi
  check 'approve beijing' tells 0 '^beijing +1/3 +approved ' amc approve -m beijing
  check 'beijing is at step 2' soon 30 at beijing Progressing/2/StepPaused
  check 'with five beside ten' soon 10 runs beijing "10 $last 5 $next"
  check 'shanghai has not moved' runs shanghai "10 $last 1 $next"
  check 'pause both' amc pause -M
  check 'what is paused is not approved' ends 4 amc approve -M
  check 'resume both' amc resume -M
  check 'approve step 1' tells 0 '^shanghai +1/3 +approved ' amc approve -m shanghai --step 1
  both 'is at step 2' at CLUSTER Progressing/2/StepPaused
  check 'approve step 2' amc approve -M --step 2
  if [ $way = blueGreen ]; then
    both 'waits at the last step, too' at CLUSTER Progressing/3/StepPaused
    both 'has ten beside ten' runs CLUSTER "10 $last 10 $next"
    check 'approve step 3' tells 0 '^beijing +3/3 +approved ' amc approve -M --step 3
  fi
  both 'is healthy' at CLUSTER Healthy/3/Completed
  both "runs $next alone" runs CLUSTER "10 $next"
  both 'has nothing of the release left' plain CLUSTER
  both 'has its autoscaler on' scales CLUSTER qwen-inference
  last=$next

  for back in abort undo; do
    number=$((number + 1)) next=v$number
    check "release $next" release $next
    both 'pauses at step 1' at CLUSTER Progressing/1/StepPaused
    check 'approve step 1' amc approve -M
    both 'is at step 2' at CLUSTER Progressing/2/StepPaused
    check "$back in beijing" amc $back -m beijing
    check "beijing is back on $last" soon 30 runs beijing "10 $last"
    check 'beijing is healthy' soon 30 healthy beijing
    check 'with nothing of the release left' soon 10 plain beijing
    check 'shanghai has not moved' runs shanghai "10 $last 5 $next"
    check "$back in shanghai" amc $back -m shanghai
    check "shanghai is back on $last" soon 30 runs shanghai "10 $last"
    both 'has nothing of the release left' plain CLUSTER
    check "put $last back on the hub" release $last
  done

  number=$((number + 1)) next=v$number
  check "release $next" release $next
  both 'pauses at step 1' at CLUSTER Progressing/1/StepPaused
  check 'a third version in the middle' release v99
  if [ $way = canary ]; then
    both 'begins again with it' runs CLUSTER "10 $last 1 v99"
  else
    check 'explain says that it is refused' soon 20 explains '1/3 +NewVersionRefused +NewVersionRefused '
    check 'and there is nothing to approve' ends 4 amc approve -M
    both 'has made no pod of it' runs CLUSTER "10 $last 1 $next"
  fi
  check "put $last back on the hub" release $last
  both "is back on $last" runs CLUSTER "10 $last"
  both 'is healthy' healthy CLUSTER
  both 'has nothing of the release left' plain CLUSTER
done
finished=1
