#!/usr/bin/env bash
# Releases of a custom kind that is like a StatefulSet in one real cluster, beside a stand-in for its controller (lib/gamesets.py), by a
# service account that may what config/deploy and the guide say: test/real/custom.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/member.bash"

release() { in_ $c patch gameset qwen-inference --type=json -p "[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/image\",\"value\":\"$image:$1\"}]"; }
partition() { local got; got=$(in_ $c get gameset qwen-inference -o 'jsonpath={.spec.updateStrategy.rollingUpdate.partition}'); [ "$got" = "$1" ] || { echo "partition $got, not $1"; return 1; }; }
ready() { [ "$(in_ $c get gameset qwen-inference -o 'jsonpath={.status.readyReplicas}')" = 10 ]; }
says() { local got; got=$(in_ $c get rollout $r -o 'jsonpath={.status.message}'); [ "$got" = "$1" ] || { echo "it says: $got"; return 1; }; }
clean() {
  local left
  left=$(in_ $c get gameset,statefulset,controllerrevisions -o json | grep -E 'rollouts.kruise.io/|batchrelease' | grep -v workload-type)
  [ -z "$left" ] || { echo "$left"; return 1; }
}
custom() { sed '/^---/,$d; s/^kind: Deployment/kind: GameSet/; s|apiVersion: apps/v1|apiVersion: example.org/v1|' "$seed/workload.yaml"; }
rollout() { sed '/^---/,$d; s/kind: Deployment/kind: GameSet/; s|apiVersion: apps/v1|apiVersion: example.org/v1|' "$seed/rollout.yaml"; }
definition() { cat <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gamesets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: gamesets, singular: gameset, kind: GameSet, listKind: GameSetList}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
END
}
# The example of the guide, as it stands there.
grant() { sed -n '/^## Custom kinds/,/^## Clusters/{/^```yaml/,/^```$/{/^```/!p}}' "$root/docs/guide/kruise-compatibility.md"; }

need 'a real cluster' cluster $c
need 'an identity of its own' identity $c aviary-member
check 'a namespace' in_ $c create namespace demo
check 'a custom kind' in_ $c apply -f <(definition)
check 'it is served' in_ $c wait --for condition=Established --timeout 20s crd/gamesets.example.org
run gamesets python3 "$root/test/real/lib/gamesets.py" "$work/$c/kubeconfig" "$(kubectl --kubeconfig "$work/$c/kubeconfig" config current-context)"
member
need 'the member controller is ready' soon 20 answers "$health"
need 'the workload' in_ $c apply -f <(custom)
need 'ten pods are ready' soon 60 ready
check 'a Rollout of such a kind is refused' tells 1 'spec.workloadRef: WorkloadRef kind is not supported' in_ $c apply -f <(rollout)
die member

member --filter-workload-type=false
need 'with the flag the member controller is ready' soon 40 answers "$health"
check 'it is taken' soon 20 in_ $c apply -f <(rollout)
check 'it is granted as the guide says' in_ $c apply -f <(grant)
check 'the Rollout waits for the label' soon 40 says 'Workload Not Found'
check 'which is given' in_ $c label gameset qwen-inference rollouts.kruise.io/workload-type=statefulset
check 'it is healthy' soon 40 healthy $c

for version in v2 v3; do
  old=v$((${version#v} - 1))
  check "release $version" release $version
  check 'it pauses at step 1' soon 40 state $c Progressing/1/StepPaused
  check 'with one pod of the new version' runs $c "$old=9 $version=1"
  check 'approve step 1' approve
  check 'it pauses at step 2' soon 60 state $c Progressing/2/StepPaused
  check 'with five' runs $c "$old=5 $version=5"
  check 'approve step 2' approve
  check 'it is healthy' soon 60 state $c Healthy/3/Completed
  check 'with ten' soon 20 runs $c "$version=10"
  check 'nothing of the release is left' soon 5 clean
  check 'and no partition' partition 0
done

check 'release v4' release v4
check 'it pauses at step 1' soon 40 state $c Progressing/1/StepPaused
check 'lowering the partition is no error' in_ $c patch gameset qwen-inference --type=merge -p '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}'
check 'and it stays' partition 9
die member
check 'while nobody answers a new version is refused' tells 1 'failed calling webhook "freeze-labelled.rollouts.aviary.dev"' release v5
check 'and nothing that is written to a StatefulSet is' in_ $c label statefulset qwen-inference seen=yes
member --filter-workload-type=false
need 'the member controller is back' soon 40 answers "$health"
check 'the version before is put back' soon 20 release v3
check 'it ends' soon 60 state $c Healthy/1/StepPaused
check 'with ten of the old version' soon 30 runs $c 'v3=10'
check 'nothing of the release is left' soon 5 clean
finished=1
