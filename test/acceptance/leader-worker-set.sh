#!/usr/bin/env bash
# Releases of a LeaderWorkerSet in one member, in steps of whole groups, decided without the hub: approved, taken back, scaled, given back.
# Needs on PATH: aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
c=beijing

direct() { local verb=$1; shift; kubectl amc rollout "$verb" rollouts/$r -n demo --direct --context $c "$@"; }
# runs 'COUNT VERSION COUNT VERSION': pods.
runs() { local all; all=$(in_ $c get pods -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | sort | uniq -c | sed "s, *\([0-9]*\) $image:,\1 ," | paste -sd' '); [ "$all" = "$1" ] || { echo "pods: $all, not $1"; return 1; }; }
# group INDEX VERSION: the leader and both workers are of it.
group() { local pod; for pod in qwen-inference-$1 qwen-inference-$1-1 qwen-inference-$1-2; do [ "$(in_ $c get pod $pod -o 'jsonpath={.spec.containers[0].image}')" = "$image:$2" ] || return 1; done; }
groups_ready() { [ "$(in_ $c get lws qwen-inference -o 'jsonpath={.status.readyReplicas}')" = "$1" ]; }
partition() { local got; got=$(in_ $c get lws qwen-inference -o 'jsonpath={.spec.rolloutStrategy.rollingUpdateConfiguration.partition}'); [ "$got" = "$1" ] || { echo "partition $got, not $1"; return 1; }; }
new_version() { kubectl amc set image rollouts/$r "vllm=$image:$1" -n demo -M --contexts $c; }
plain() { ! in_ $c get lws,controllerrevisions,batchreleases -o json | grep -E 'rollouts.kruise.io/|batchrelease' | grep -v workload-type; }
rollout() { sed '/^---/,$d; s,apiVersion: apps/v1,apiVersion: leaderworkerset.x-k8s.io/v1,; s/kind: Deployment/kind: LeaderWorkerSet/' "$seed/rollout.yaml"; }
workload() {
  cat <<END_OF_SET
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: qwen-inference}
spec:
  replicas: 4
  leaderWorkerTemplate:
    size: 3
    workerTemplate:
      metadata: {labels: {app: qwen-inference}}
      spec: {containers: [{name: vllm, image: "$image:v1"}]}
END_OF_SET
}

need 'a cluster' aviary up --clusters $c --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
export KUBECONFIG=$work/data/kubeconfig
need 'a namespace there' kubectl --context $c create namespace demo
check 'the Rollout, in a cluster that does not have the kind' in_ $c apply -f <(rollout)
check 'the kind' kubectl --context $c apply -f "$here/../../src/kube/simulator/definitions/leaderworkersets.yaml"
check 'is served' kubectl --context $c wait --for condition=Established --timeout 20s crd/leaderworkersets.leaderworkerset.x-k8s.io
check 'four groups of three' soon 20 in_ $c apply -f <(workload)
check 'are ready' soon 60 groups_ready 4
check 'twelve pods' runs '12 v1'
check 'the Rollout has found them' soon 30 healthy $c

check 'release v2' new_version v2
check 'it pauses at step 1' soon 30 state $c Progressing/1/StepPaused
check 'one group has it, the last' group 3 v2
check 'and no other' runs '9 v1 3 v2'
check 'lowering the partition is no error' in_ $c patch lws qwen-inference --type merge -p '{"spec":{"rolloutStrategy":{"rollingUpdateConfiguration":{"partition":0}}}}'
sleep 1
check 'and no way past the step' runs '9 v1 3 v2'
check 'approve step 1' direct approve --step 1 --timeout 30s
check 'it pauses at step 2' soon 30 state $c Progressing/2/StepPaused
check 'two groups have it' runs '6 v1 6 v2'
check 'its pods know their batch' [ "$(in_ $c get pod qwen-inference-2-1 -o 'jsonpath={.metadata.labels.rollouts\.kruise\.io/rollout-batch-id}')" = 2 ]
check 'six groups' in_ $c patch lws qwen-inference --type merge -p '{"spec":{"replicas":6}}'
check 'half of them have it' soon 60 runs '9 v1 9 v2'
check 'abort' tells 0 '^beijing +2/3 +aborted +going back to v1' kubectl amc rollout abort rollouts/$r -n demo -M --contexts $c
check 'all groups are back' soon 90 runs '18 v1'
check 'it is healthy' soon 30 healthy $c
check 'with nothing of the release left' soon 20 plain
check 'and its own partition' partition 0

check 'release v3' new_version v3
check 'it pauses at step 1' soon 30 state $c Progressing/1/StepPaused
check 'a new version in the middle' new_version v4
check 'begins at step 1' soon 30 state $c Progressing/1/StepPaused
check 'the last group has it' soon 60 group 5 v4
check 'the Rollout goes' in_ $c delete rollout $r
check 'and the rest is let through' soon 90 runs '18 v4'
check 'with nothing of the release left' soon 20 plain
check 'and its own partition' partition 0
finished=1
