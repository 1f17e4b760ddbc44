#!/usr/bin/env bash
# Prefill and decode as one release from the hub: they begin a step, come to its pause and end together, and what takes one back names the
# other. Needs on PATH: aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"

# part NAME: a Deployment, its Rollout, and what places both
part() {
  kubectl apply -n demo -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  replicas: 4
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec: {containers: [{name: vllm, image: "vllm:v1"}]}
---
apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata: {name: $1, annotations: {rollouts.aviary.dev/group: qwen}}
spec:
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: $1}
  strategy: {blueGreen: {steps: [{replicas: "50%"}, {replicas: "100%"}]}}
---
apiVersion: policy.one.alibabacloud.com/v1alpha1
kind: PropagationPolicy
metadata: {name: $1}
spec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: $1}, {apiVersion: rollouts.kruise.io/v1beta1, kind: Rollout, name: $1}]}
END
}
amc() { local verb=$1 name=$2; shift 2; kubectl amc rollout "$verb" "rollouts/$name" -n demo "$@"; }
image_of() { kubectl -n demo set image "deployment/$1" "vllm=vllm:$2"; }
# at NAME PHASE/STEP/STATE
at() { local got; got=$(in_ beijing get rollout "$1" -o 'jsonpath={.status.phase}/{.status.currentStepIndex}/{.status.currentStepState}' 2>&1); [ "$got" = "$2" ] || { echo "$1: $got, not $2"; return 1; }; }
# runs NAME 'COUNT VERSION …'
runs() { local all; all=$(in_ beijing get pods -l "app=$1" -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | sort | uniq -c | sed 's, *\([0-9]*\) vllm:,\1 ,' | paste -sd' '); [ "$all" = "$2" ] || { echo "$1: $all, not $2"; return 1; }; }
waits() { amc explain "$1" | grep -q '^beijing .*WaitingForGroup' || { amc explain "$1"; return 1; }; }
both() { local what=$1 each; shift; for each in prefill decode; do check "$each $what" soon 30 "${@//NAME/$each}"; done; }

need 'a fleet of one cluster' aviary up --clusters beijing --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
export KUBECONFIG=$work/data/kubeconfig
check 'a namespace' kubectl apply -f "$seed/namespace.yaml"
for each in prefill decode; do check "apply $each" part $each; done
both 'runs v1' runs NAME '4 v1'
both 'is healthy' in_ beijing wait rollout/NAME --for 'jsonpath={.status.phase}=Healthy' --timeout 1s

check 'release v2 of prefill' image_of prefill v2
check 'which waits for decode' soon 30 waits prefill
check 'and has its old pods alone' runs prefill '4 v1'
check 'release v2 of decode' image_of decode v2
both 'pauses at step 1' at NAME Progressing/1/StepPaused
both 'has two pods beside the old ones' runs NAME '4 v1 2 v2'
check 'approve prefill' amc approve prefill -M --step 1
check 'it waits for decode' soon 30 waits prefill
check 'and has no more pods' runs prefill '4 v1 2 v2'
check 'approve decode' amc approve decode -M --step 1
both 'pauses at step 2' at NAME Progressing/2/StepPaused
check 'approve the last step of prefill' amc approve prefill -M --step 2
check 'it waits for decode' soon 30 waits prefill
check 'and keeps its old pods' runs prefill '4 v1 4 v2'
check 'approve the last step of decode' amc approve decode -M --step 2
both 'is healthy' at NAME Healthy/2/Completed
both 'runs v2 alone' runs NAME '4 v2'

for each in prefill decode; do check "release v3 of $each" image_of $each v3; done
both 'pauses at step 1' at NAME Progressing/1/StepPaused
check 'abort of prefill names decode' tells 0 'decode is of the same group, qwen, and not taken back by this: kubectl amc rollout abort' amc abort prefill -M
check 'prefill is back' soon 30 runs prefill '4 v2'
check 'decode stays at its step' at decode Progressing/1/StepPaused
check 'abort of decode' amc abort decode -M
check 'decode is back' soon 30 runs decode '4 v2'
both 'is healthy' in_ beijing wait rollout/NAME --for 'jsonpath={.status.phase}=Healthy' --timeout 1s
finished=1
