#!/usr/bin/env bash
# Releases of a StatefulSet from the hub, decided by kubectl amc: approved, taken back in the middle and after the end.
# Needs on PATH: aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"

amc() { local verb=$1; shift; kubectl amc rollout "$verb" rollouts/$r -n demo "$@"; }
up() { [ "$(in_ "$1" get statefulset qwen-inference -o 'jsonpath={.status.readyReplicas}' 2>/dev/null)" = 10 ]; }
push() { kubectl -n demo set image statefulset/qwen-inference "vllm=$image:$1"; }
# runs CLUSTER 'COUNT VERSION COUNT VERSION'
runs() { local all; all=$(in_ "$1" get pods -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | sort | uniq -c | sed "s, *\([0-9]*\) $image:,\1 ," | paste -sd' '); [ "$all" = "$2" ] || { echo "pods: $all, not $2"; return 1; }; }
# plain CLUSTER: nothing of a release is left there.
plain() {
  local left
  left=$(in_ "$1" get statefulset qwen-inference -o 'jsonpath={.metadata.annotations}{.metadata.labels}{.spec.updateStrategy.rollingUpdate.partition}')
  ! grep -qE 'rollouts.kruise.io/(in-progress|stable)|batchrelease|[1-9]$' <<<"$left" || { echo "$left"; return 1; }
  [ -z "$(in_ "$1" get batchreleases -o name)" ] || { in_ "$1" get batchreleases; return 1; }
}
both() { local what=$1 c; shift; for c in beijing shanghai; do check "$c $what" soon 30 "${@//CLUSTER/$c}"; done; }
manifests() { sed 's/kind: Deployment/kind: StatefulSet/' "$seed/workload.yaml" "$seed/rollout.yaml" | sed 's/^# .*/---/'; }

need 'a fleet of two clusters' aviary up --clusters beijing,shanghai --data-dir "$work/data" --port "$port" --pod-start 50ms --detach
export KUBECONFIG=$work/data/kubeconfig
manifests >"$work/sets.yaml"
check 'apply namespace, StatefulSet and Rollout' kubectl apply -n demo -f "$seed/namespace.yaml" -f "$work/sets.yaml"
both 'is ready' up CLUSTER
both 'has the Rollout' healthy CLUSTER

check 'release v2' push v2
both 'pauses at step 1' state CLUSTER Progressing/1/StepPaused
both 'has one pod of it' runs CLUSTER '9 v1 1 v2'
check 'explain counts it' tells 0 '^beijing +1/3 +StepPaused +AwaitingApproval ' amc explain
check 'the last ordinal is the first' prints 1 '^  qwen-inference-9 .* 1 +qwen-inference-' kubectl amc describe rollouts/$r -n demo -m beijing
check 'approve beijing' tells 0 '^beijing +1/3 +approved ' amc approve -m beijing
check 'beijing is at step 2' soon 30 state beijing Progressing/2/StepPaused
check 'with five' soon 10 runs beijing '5 v1 5 v2'
check 'shanghai has not moved' runs shanghai '9 v1 1 v2'
check 'abort in shanghai' amc abort -m shanghai
check 'shanghai is back' soon 30 runs shanghai '10 v1'
check 'and healthy' soon 30 healthy shanghai
check 'with nothing of the release left' soon 10 plain shanghai
check 'approve step 2' amc approve -m beijing --step 2
check 'beijing is healthy' soon 30 state beijing Healthy/3/Completed
check 'beijing runs v2 alone' soon 10 runs beijing '10 v2'
check 'with nothing of the release left' soon 10 plain beijing
check 'undo in beijing' amc undo -m beijing
check 'that is a release, in steps' soon 30 state beijing Progressing/1/StepPaused
check 'with one pod of v1' soon 10 runs beijing '1 v1 9 v2'
finished=1
