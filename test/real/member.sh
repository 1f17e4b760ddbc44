#!/usr/bin/env bash
# Releases in one real cluster by `aviary member`, beside the native Deployment controller: test/real/member.sh
# Needs on PATH: aviary, kubectl; and test/real/build has been run. Ends in "N passed, N failed".
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
real=$root/build/real
work=$(mktemp -d)
pass=0 fail=0 finished=0 member=
r=qwen-inference-rollout image=registry.example.com/inference/vllm-qwen

check() { local what=$1; shift; if "$@" >"$work/out" 2>&1; then pass=$((pass + 1)); echo "ok    $what"; else fail=$((fail + 1)); echo "FAIL  $what"; tail -n 15 "$work/out" | sed 's/^/      | /'; fi; }
soon() { local end=$((SECONDS + $1)); shift; until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.05; done; }
finish() {
  [ -z "$member" ] || { kill "$member"; wait "$member"; } 2>/dev/null
  "$real/fixture" down --dir "$work/cluster"
  [ $fail = 0 ] || tail -n 20 "$work/member.log" | sed 's/^/member | /'
  rm -rf "$work"
  [ $finished = 1 ] || echo 'stopped before the end'
  echo "$pass passed, $fail failed"
  exit $((fail > 0 || finished == 0))
}
trap finish EXIT

in_() { kubectl -n demo "$@"; }
# What runs, without what is ending: "v1=9 v2=1".
pods() {
  in_ get pods -o json | python3 -c '
import collections, json, sys
images = [pod["spec"]["containers"][0]["image"] for pod in json.load(sys.stdin)["items"] if "deletionTimestamp" not in pod["metadata"]]
print(" ".join(f"{version}={count}" for version, count in sorted(collections.Counter(image.split(":")[1] for image in images).items())))'
}
runs() { local got; got=$(pods); [ "$got" = "$1" ] || { echo "pods: $got, not $1"; return 1; }; }
state() { local got; got=$(in_ get rollout $r -o 'jsonpath={.status.phase}/{.status.canaryStatus.currentStepIndex}/{.status.canaryStatus.currentStepState}' 2>&1); [ "$got" = "$1" ] || { echo "rollout: $got, not $1"; return 1; }; }
healthy() { [ "$(in_ get rollout $r -o 'jsonpath={.status.phase}')" = Healthy ]; }
ready() { [ "$(in_ get deployment qwen-inference -o 'jsonpath={.status.readyReplicas}')" = "$1" ]; }
answers() { python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$health/readyz')"; }
release() { in_ set image deployment/qwen-inference "vllm=$image:$1"; }
approve() { in_ patch rollout $r --subresource=status --type=merge -p '{"status":{"canaryStatus":{"currentStepState":"StepReady"}}}'; }
clean() {
  local left; left=$(in_ get deployment qwen-inference -o json | grep -E 'rollouts.kruise.io/|batchrelease|"paused": true|"Recreate"' | grep -v -E 'workload-type')
  [ -z "$left" ] || { echo "$left"; return 1; }
}
# The controller's own identity, as its deployment would have it.
identity() {
  kubectl create namespace aviary-system && kubectl -n aviary-system create serviceaccount aviary-member &&
  kubectl create clusterrolebinding aviary-member --clusterrole=cluster-admin --serviceaccount=aviary-system:aviary-member &&
  cp "$KUBECONFIG" "$work/member.kubeconfig" &&
  kubectl --kubeconfig "$work/member.kubeconfig" config set-credentials aviary-member --token="$(kubectl -n aviary-system create token aviary-member)" &&
  kubectl --kubeconfig "$work/member.kubeconfig" config set-context --current --user=aviary-member
}
start_member() {
  aviary member --kubeconfig "$work/member.kubeconfig" --webhook-url "https://127.0.0.1:$webhook" --webhook-port "$webhook" --health-port "$health" >>"$work/member.log" 2>&1 &
  member=$!
}
port() { echo $((20000 + RANDOM % 12000)); }
webhook=$(port) health=$(port)

check 'a real cluster' "$real/fixture" up --bin "$real" --dir "$work/cluster"
[ $fail = 0 ] || exit
command -v aviary >/dev/null || PATH=$root/build/dev/bin:$PATH
export KUBECONFIG=$work/cluster/kubeconfig
check 'an identity of its own' identity
start_member
check 'the member controller is ready' soon 20 answers
[ $fail = 0 ] || exit
check 'a namespace' kubectl create namespace demo
check 'the workload' kubectl apply -f <(sed '/^apiVersion: policy/,$d' "$here/../acceptance/seed/workload.yaml")
check 'ten pods are ready' soon 30 ready 10
check 'the Rollout' kubectl apply -n demo -f <(sed '/^---/,$d' "$here/../acceptance/seed/rollout.yaml")
check 'it is healthy' soon 20 healthy
for version in v2 v3; do
  old=v$((${version#v} - 1))
  check "release $version" release $version
  check 'it pauses at step 1' soon 20 state Progressing/1/StepPaused
  check 'with one pod of the new version' runs "$old=9 $version=1"
  check 'approve step 1' approve
  check 'it pauses at step 2' soon 20 state Progressing/2/StepPaused
  check 'with five' runs "$old=5 $version=5"
  check 'approve step 2' approve
  check 'it is healthy' soon 20 state Healthy/3/Completed
  check 'with ten' runs "$version=10"
  check 'nothing of the release is left on the Deployment' soon 5 clean
  check 'and ten pods are ready' soon 10 ready 10
done

check 'release v4' release v4
check 'it pauses at step 1' soon 20 state Progressing/1/StepPaused
check 'the Deployment cannot be un-paused' in_ patch deployment qwen-inference -p '{"spec":{"paused":false}}'
sleep 1
check 'still one pod of the new version' runs 'v3=9 v4=1'
kill -9 "$member"; wait "$member" 2>/dev/null
start_member
check 'killed and started, the controller is ready' soon 30 answers
check 'at the same step' state Progressing/1/StepPaused
check 'v3 is put back' release v3
check 'all pods run it' soon 20 runs 'v3=10'
check 'and it is healthy' soon 20 healthy
finished=1
