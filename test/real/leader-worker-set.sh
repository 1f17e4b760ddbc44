#!/usr/bin/env bash
# Releases of a LeaderWorkerSet in one real cluster, beside the kind's own controllers and webhooks, by a service account that may what
# config/deploy says. Ends in "N passed, N failed".
# Needs on PATH: kubectl; and test/real/build has been run, also for lws-controllers, else it is left out.
. "$(dirname "${BASH_SOURCE[0]}")/lib/member.bash"
if [ ! -x "$real/lws-controllers" ]; then echo 'left out: test/real/build lws-controllers has not been run'; finished=1; exit; fi
lws=$(port)

release() { in_ $c patch leaderworkerset qwen-inference --type=json -p "[{\"op\":\"replace\",\"path\":\"/spec/leaderWorkerTemplate/workerTemplate/spec/containers/0/image\",\"value\":\"$image:$1\"}]"; }
partition() { local got; got=$(in_ $c get leaderworkerset qwen-inference -o 'jsonpath={.spec.rolloutStrategy.rollingUpdateConfiguration.partition}'); [ "${got:-0}" = "$1" ] || { echo "partition $got, not $1"; return 1; }; }
ready() { [ "$(in_ $c get leaderworkerset qwen-inference -o 'jsonpath={.status.readyReplicas}')" = "$1" ]; }
# groups COUNT VERSION: so many groups, the highest of five, have all three of their pods in it
groups() {
  local got
  got=$(in_ $c get pods -o 'jsonpath={range .items[*]}{.metadata.labels.leaderworkerset\.sigs\.k8s\.io/group-index} {.spec.containers[0].image}{"\n"}{end}' | sort | uniq -c |
    awk -v version=":$2" '$1 == 3 && substr($3, length($3) - length(version) + 1) == version { print $2 }' | sort -rn | tr '\n' ' ')
  [ "$got" = "$(seq -s ' ' 4 -1 $((5 - $1))) " ] || { echo "groups of $2: $got, not the highest $1"; return 1; }
}
clean() {
  local left
  left=$(in_ $c get leaderworkerset,statefulset,controllerrevisions -o json | grep -E 'rollouts.kruise.io/|batchrelease' | grep -v workload-type)
  [ -z "$left" ] || { echo "$left"; return 1; }
}
workload() { cat <<END
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: qwen-inference, namespace: demo}
spec:
  replicas: 5
  leaderWorkerTemplate:
    size: 3
    workerTemplate:
      spec:
        containers:
        - {name: vllm, image: "$image:v1"}
END
}
webhooks() { in_ $c get mutatingwebhookconfiguration lws -o name; }

need 'a real cluster' cluster $c
need 'an identity of its own' identity $c aviary-member
check 'a namespace' in_ $c create namespace demo
check 'the kind' in_ $c apply -f "$root/src/kube/simulator/definitions/leaderworkersets.yaml"
check 'it is served' in_ $c wait --for condition=Established --timeout 20s crd/leaderworkersets.leaderworkerset.x-k8s.io
run lws "$real/lws-controllers" --kubeconfig "$work/$c/kubeconfig" --webhook-port "$lws"
need 'its controllers are there' soon 40 webhooks
member
need 'the member controller is ready' soon 20 answers "$health"
need 'the workload' soon 20 in_ $c apply -f <(workload)
need 'five groups are ready' soon 90 ready 5
check 'the Rollout' in_ $c apply -f <(sed '/^---/,$d; s|apiVersion: apps/v1|apiVersion: leaderworkerset.x-k8s.io/v1|; s/kind: Deployment/kind: LeaderWorkerSet/' "$seed/rollout.yaml")
check 'it is healthy' soon 40 healthy $c

for version in v2 v3; do
  old=v$((${version#v} - 1))
  check "release $version" release $version
  check 'it pauses at step 1' soon 60 state $c Progressing/1/StepPaused
  check 'with one group of the new version' groups 1 $version
  check 'approve step 1' approve
  check 'it pauses at step 2' soon 90 state $c Progressing/2/StepPaused
  check 'with three' groups 3 $version
  check 'the others have the old one' runs $c "$old=6 $version=9"
  check 'approve step 2' approve
  check 'it is healthy' soon 90 state $c Healthy/3/Completed
  check 'with all' soon 20 groups 5 $version
  check 'nothing of the release is left' soon 5 clean
  check 'and no partition' partition 0
done

check 'release v4' release v4
check 'it pauses at step 1' soon 60 state $c Progressing/1/StepPaused
check 'lowering the partition is no error' in_ $c patch leaderworkerset qwen-inference --type=merge -p '{"spec":{"rolloutStrategy":{"rollingUpdateConfiguration":{"partition":0}}}}'
check 'and it stays' partition 4
check 'the version before is put back' release v3
check 'it ends' soon 90 state $c Healthy/1/StepPaused
check 'with all groups of it' soon 60 groups 5 v3
check 'nothing of the release is left' soon 5 clean
finished=1
