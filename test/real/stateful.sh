#!/usr/bin/env bash
# Releases of a StatefulSet in one real cluster, beside the native controller, by a service account that may what config/deploy says:
# test/real/stateful.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/member.bash"

release() { in_ $c set image statefulset/qwen-inference "vllm=$image:$1"; }
partition() { local got; got=$(in_ $c get statefulset qwen-inference -o 'jsonpath={.spec.updateStrategy.rollingUpdate.partition}'); [ "$got" = "$1" ] || { echo "partition $got, not $1"; return 1; }; }
ready() { [ "$(in_ $c get statefulset qwen-inference -o 'jsonpath={.status.readyReplicas}')" = 10 ]; }
# of COUNT VERSION: the pods with the highest ordinals have it
of() {
  local got
  got=$(in_ $c get pods -o 'jsonpath={range .items[*]}{.metadata.name}={.spec.containers[0].image}{"\n"}{end}' | grep -c -E "qwen-inference-($1)=.*:$2\$")
  [ "$got" = "$3" ] || { echo "$got of $1 have $2, not $3"; return 1; }
}
clean() {
  local left
  left=$(in_ $c get statefulset,controllerrevisions -o json | grep -E 'rollouts.kruise.io/|batchrelease' | grep -v workload-type)
  [ -z "$left" ] || { echo "$left"; return 1; }
}
manifest() { sed '/^---/,$d; s/^kind: Deployment/kind: StatefulSet/' "$seed/workload.yaml"; }

need 'a real cluster' cluster $c
need 'an identity of its own' identity $c aviary-member
member
need 'the member controller is ready' soon 20 answers "$health"
check 'a namespace' in_ $c create namespace demo
need 'the workload' in_ $c apply -f <(manifest)
need 'ten pods are ready' soon 60 ready
check 'the Rollout' in_ $c apply -f <(sed '/^---/,$d; s/kind: Deployment/kind: StatefulSet/' "$seed/rollout.yaml")
check 'it is healthy' soon 20 healthy $c

for version in v2 v3; do
  old=v$((${version#v} - 1))
  check "release $version" release $version
  check 'it pauses at step 1' soon 20 state $c Progressing/1/StepPaused
  check 'with one pod of the new version' runs $c "$old=9 $version=1"
  check 'the one with the highest ordinal' of 9 $version 1
  check 'approve step 1' approve
  check 'it pauses at step 2' soon 40 state $c Progressing/2/StepPaused
  check 'with five' runs $c "$old=5 $version=5"
  check 'those with the highest ordinals' of '[5-9]' $version 5
  check 'approve step 2' approve
  check 'it is healthy' soon 60 state $c Healthy/3/Completed
  check 'with ten' runs $c "$version=10"
  check 'nothing of the release is left' soon 5 clean
  check 'and no partition' partition 0
done

check 'release v4' release v4
check 'it pauses at step 1' soon 20 state $c Progressing/1/StepPaused
check 'lowering the partition is no error' in_ $c patch statefulset qwen-inference -p '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}'
check 'and it stays' partition 9
check 'twelve pods' in_ $c patch statefulset qwen-inference -p '{"spec":{"replicas":12}}'
check 'two of them are new' soon 30 runs $c 'v3=10 v4=2'
die member
member
check 'killed and started, the controller is ready' soon 30 answers "$health"
check 'at the same step' state $c Progressing/1/StepPaused
check 'a third version' release v5
check 'begins again, and a pod of the second that is not due stays' soon 30 runs $c 'v3=9 v4=1 v5=2'
check 'v3 is put back' release v3
check 'all pods run it' soon 60 runs $c 'v3=12'
check 'and it is healthy' soon 20 healthy $c
check 'nothing of the release is left' soon 5 clean
check 'and no partition' partition 0
finished=1
