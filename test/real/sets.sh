#!/usr/bin/env bash
# The same stories of StatefulSets, DaemonSets and Kruise's workloads in a real cluster and in a simulated one: what pods do, and what is reported, is alike: test/real/sets.sh [STORY…]
# Needs on PATH: kubectl, python3; and test/real/build has been run; for Kruise's workloads `test/real/build kruise-controllers`, else they are left out. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.bash"
c=cluster
stories=("$@")
[ $# -gt 0 ] || {
  stories=(ordered broken parallel parallel-broken on-delete min-ready daemon daemon-surge daemon-on-delete daemon-broken)
  [ ! -x "$real/kruise-controllers" ] || stories+=(clone clone-surge clone-paused clone-broken clone-blue-green clone-in-place kruise-ordered kruise-parallel kruise-in-place kruise-daemon kruise-daemon-surge)
}

clean_up_common=$(declare -f clean_up)
eval "${clean_up_common/clean_up/clean_up_cluster}"
clean_up() { aviary down --data-dir "$work/fleet" >/dev/null 2>&1; clean_up_cluster; }

# The simulated cluster has two nodes; as many as the real one has are made like them.
nodes() {
  local index
  for index in 3 4; do
    kubectl --kubeconfig "$work/simulated" get node gpu-node-1 -o json | python3 -c '
import json, sys
node = json.load(sys.stdin)
name = "gpu-node-" + sys.argv[1]
node["metadata"] = {"name": name, "labels": {**node["metadata"]["labels"], "kubernetes.io/hostname": name}}
print(json.dumps(node))' $index | kubectl --kubeconfig "$work/simulated" create -f - || return 1
  done
}
alike() {
  local name=$1 other
  python3 "$root/test/real/lib/stories.py" "$work/simulated" "$name" >"$work/$name.simulated" 2>&1 &
  other=$!
  python3 "$root/test/real/lib/stories.py" "$work/$c/kubeconfig" "$name" >"$work/$name.real" 2>&1
  wait $other
  [ -s "$work/$name.real" ] && grep -q '^deleted' "$work/$name.real" || { tail -n 3 "$work/$name.real"; return 1; }
  diff "$work/$name.real" "$work/$name.simulated"
}

need 'a real cluster of four nodes' cluster $c --nodes 4
need 'a fleet with a simulated cluster' aviary up --clusters a --without-rollouts a --port 0 --data-dir "$work/fleet" --detach
need 'the simulated cluster' kubectl --kubeconfig "$work/fleet/kubeconfig" config view --raw --minify --flatten --context a
cp "$work/out" "$work/simulated"
need 'it has four nodes too' nodes
# Its own definitions there, all of them, or it looks for the others for long; ours here.
kruise_in_both() {
  local module
  module=$(GOTOOLCHAIN=local go list -C "$root/test/real/kruise" -mod=readonly -m -f '{{.Dir}}' github.com/openkruise/kruise) &&
  kubectl --kubeconfig "$work/$c/kubeconfig" create -f "$module/config/crd/bases" &&
  kubectl --kubeconfig "$work/$c/kubeconfig" wait --for condition=established --timeout 20s crd --all &&
  kubectl --kubeconfig "$work/simulated" create -f "$root/src/kube/simulator/definitions"
}
# The garbage collector looks for new kinds twice a minute; what has an owner of one that it does not know stays.
collects() {
  local owner
  in_ $c -n default create -f - <<<'{"apiVersion":"apps.kruise.io/v1alpha1","kind":"CloneSet","metadata":{"name":"owner"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"owner"}},"template":{"metadata":{"labels":{"app":"owner"}},"spec":{"containers":[{"name":"main","image":"main"}]}}}}' &&
  owner=$(in_ $c -n default get clonesets.apps.kruise.io owner -o 'jsonpath={.metadata.uid}') &&
  in_ $c -n default create -f - <<<'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"owned","ownerReferences":[{"apiVersion":"apps.kruise.io/v1alpha1","kind":"CloneSet","name":"owner","uid":"'"$owner"'"}]}}' &&
  in_ $c -n default delete clonesets.apps.kruise.io owner && soon 60 collected
}
collected() { [ -z "$(in_ $c -n default get configmap owned --ignore-not-found -o name)" ]; }
case " ${stories[*]}" in *' clone'*|*' kruise'*)
  need "both have Kruise's kinds" kruise_in_both
  need 'the garbage collector knows them' collects
  run kruise "$real/kruise-controllers" --kubeconfig "$work/$c/kubeconfig"
esac
for story in "${stories[@]}"; do check "the story of $story" alike "$story"; done
finished=1
