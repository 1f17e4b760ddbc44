#!/usr/bin/env bash
# Releases of a DaemonSet in one real cluster, beside the native controller, by a service account that may what config/deploy says:
# test/real/daemon.sh
# Needs on PATH: kubectl, python3; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/member.bash"

release() { in_ $c set image daemonset/qwen-inference "vllm=$image:$1"; }
strategy() { local got; got=$(in_ $c get daemonset qwen-inference -o 'jsonpath={.spec.updateStrategy.type}'); [ "$got" = "$1" ] || { echo "type $got, not $1"; return 1; }; }
ready() { [ "$(in_ $c get daemonset qwen-inference -o 'jsonpath={.status.numberReady}')" = "$1" ]; }
# batch COUNT VERSION BATCH: so many pods of it carry this batch-id
batch() {
  local got
  got=$(in_ $c get pods -l "rollouts.kruise.io/rollout-batch-id=$3" -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | grep -c ":$2\$")
  [ "$got" = "$1" ] || { echo "$got pods of $2 in batch $3, not $1"; return 1; }
}
clean() {
  local left
  left=$(in_ $c get daemonset,controllerrevisions -o json | grep -E 'rollouts.kruise.io/|batchrelease' | grep -v workload-type)
  [ -z "$left" ] || { echo "$left"; return 1; }
}
# The fewest pods that were ready at any look while another command ran.
least() {
  local fewest=10 got
  while [ ! -e "$work/stop" ]; do
    got=$(in_ $c get daemonset qwen-inference -o 'jsonpath={.status.numberReady}') && [ "$got" -lt $fewest ] && fewest=$got
    echo "$fewest" >"$work/least"
    sleep 0.2
  done
}
never_below() { local got; got=$(cat "$work/least"); [ "$got" -ge "$1" ] || { echo "only $got pods were ready"; return 1; }; }
manifest() { sed '/^---/,$d; s/^kind: Deployment/kind: DaemonSet/; s/^  replicas: 10/  updateStrategy: {rollingUpdate: {maxUnavailable: 2}}/' "$seed/workload.yaml"; }
node() {
  in_ $c get node "$(in_ $c get nodes -o 'jsonpath={.items[0].metadata.name}')" -o json | python3 -c '
import json, sys
node = json.load(sys.stdin)
name = "more-1"
node["metadata"] = {"name": name, "labels": {**node["metadata"]["labels"], "kubernetes.io/hostname": name}, "annotations": node["metadata"].get("annotations", {})}
node["spec"] = {}
print(json.dumps(node))' | in_ $c create -f -
}

need 'a real cluster of ten nodes' cluster $c --nodes 10
need 'an identity of its own' identity $c aviary-member
member
need 'the member controller is ready' soon 20 answers "$health"
check 'a namespace' in_ $c create namespace demo
need 'the workload' in_ $c apply -f <(manifest)
need 'ten pods are ready' soon 60 ready 10
check 'the Rollout' in_ $c apply -f <(sed '/^---/,$d; s/kind: Deployment/kind: DaemonSet/' "$seed/rollout.yaml")
check 'it is healthy' soon 20 healthy $c

least & processes+=($!)
for version in v2 v3; do
  old=v$((${version#v} - 1))
  check "release $version" release $version
  check 'it is held in the same write' strategy OnDelete
  check 'it pauses at step 1' soon 30 state $c Progressing/1/StepPaused
  check 'with one pod of the new version' runs $c "$old=9 $version=1"
  check 'labelled with its batch' batch 1 $version 1
  check 'approve step 1' approve
  check 'it pauses at step 2' soon 60 state $c Progressing/2/StepPaused
  check 'with five' runs $c "$old=5 $version=5"
  check 'four of them of batch 2' batch 4 $version 2
  check 'approve step 2' approve
  check 'it is healthy' soon 90 state $c Healthy/3/Completed
  check 'with ten' runs $c "$version=10"
  check 'nothing of the release is left' soon 5 clean
  check 'and its own strategy is back' strategy RollingUpdate
done
touch "$work/stop"
check 'as many were ready as maxUnavailable says' never_below 8

check 'release v4' release v4
check 'it pauses at step 1' soon 30 state $c Progressing/1/StepPaused
check 'the strategy written over is no error' in_ $c patch daemonset qwen-inference -p '{"spec":{"updateStrategy":{"type":"RollingUpdate"}}}'
check 'and it stays' strategy OnDelete
check 'a node more' node
check 'has the new version' soon 30 runs $c 'v3=9 v4=2'
die member
member
check 'killed and started, the controller is ready' soon 30 answers "$health"
check 'at the same step' soon 20 state $c Progressing/1/StepPaused
check 'a third version' release v5
check 'begins again: those of the second go first' soon 60 runs $c 'v3=9 v5=2'
check 'it pauses at step 1' soon 30 state $c Progressing/1/StepPaused
check 'v3 is put back' in_ $c rollout undo daemonset/qwen-inference --to-revision=3
check 'all pods run it' soon 60 runs $c 'v3=11'
check 'and it is healthy' soon 30 healthy $c
check 'nothing of the release is left' soon 5 clean
check 'and its own strategy is back' strategy RollingUpdate

check 'a strategy of OnDelete' in_ $c patch daemonset qwen-inference -p '{"spec":{"updateStrategy":{"type":"OnDelete"}}}'
check 'release v6' release v6
check 'it pauses at step 1' soon 30 state $c Progressing/1/StepPaused
check 'approve step 1' approve
check 'it pauses at step 2' soon 60 state $c Progressing/2/StepPaused
check 'approve step 2' approve
check 'it is healthy' soon 90 state $c Healthy/3/Completed
check 'every pod has it' runs $c 'v6=11'
check 'nothing of the release is left' soon 5 clean
check 'and OnDelete stays' strategy OnDelete
finished=1
