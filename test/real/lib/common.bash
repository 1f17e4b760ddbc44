# What the scripts of test/real share; to be sourced. Sets real (the programs of a real Kubernetes; with OLDEST=1 the oldest one) and seed.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
. "$root/test/lib/checks.bash"
real=$root/build/real${OLDEST:+-oldest}
[ -z "${OLDEST:-}" ] || PATH=$real:$PATH
seed=$root/test/acceptance/seed
command -v aviary >/dev/null || PATH=$root/build/dev/bin:$PATH
clusters=() processes=()

# end_process SIGNAL PID: a process of this script, and no other that has the number of one that has ended
end_process() {
  ! grep -qsx "PPid:[[:space:]]*$$" "/proc/$2/status" || kill -"$1" "$2"
  wait "$2" 2>/dev/null
  return 0
}
clean_up() {
  local each
  # The last one first: a kube-apiserver without its etcd does not end.
  local index
  for ((index = ${#processes[@]} - 1; index >= 0; --index)); do end_process TERM "${processes[index]}"; done
  for each in "${clusters[@]}"; do "$real/fixture" down --dir "$work/$each"; done
  [ $fail = 0 ] || last_words 20
}
# last_words LINES: so many of each process of this script
last_words() { local each; for each in "$work"/*.log; do [ ! -e "$each" ] || tail -n "$1" "$each" | sed "s/^/$(basename "$each" .log) | /"; done; }
# When something fails: in a long run that is gone at its end.
tell_more() { [ $fail -gt 3 ] || last_words 12; }

# in_ CLUSTER ARGUMENT…: kubectl there
in_() { local cluster=$1; shift; kubectl --kubeconfig "$work/$cluster/kubeconfig" -n demo "$@"; }
cluster() { clusters+=("$1"); "$real/fixture" up --bin "$real" --dir "$work/$1" "${@:2}"; }
# start_again CLUSTER: whatever of it was there before, until it answers
start_again() {
  local part
  for part in etcd kube-apiserver kube-controller-manager kube-scheduler kwok; do
    [ ! -e "$work/$1/commands/$part" ] || "$real/fixture" start --dir "$work/$1" --part "$part" || return 1
  done
  soon 40 in_ "$1" get --raw /readyz
}
# process_of CLUSTER PART: its pid
process_of() { awk -v name="$2" '$1 == name {print $2}' "$work/$1/pids"; }
# identity CLUSTER NAME: $work/CLUSTER-NAME.kubeconfig, of a service account of its own, which may what config/deploy says
identity() {
  local config=$work/$1-$2.kubeconfig
  kubectl --kubeconfig "$work/$1/kubeconfig" apply -k "$root/config/deploy/${2#aviary-}/access" &&
  cp "$work/$1/kubeconfig" "$config" &&
  kubectl --kubeconfig "$config" config set-credentials "$2" --token="$(in_ "$1" -n aviary-system create token "$2" --duration 24h)" &&
  kubectl --kubeconfig "$config" config set-context --current --user="$2"
}
# run NAME COMMAND…: a process of that name, whose output is in $work/NAME.log; its pid is in ${pids[NAME]}. All run by $under, if that is set.
declare -A pids=()
under=()
run() {
  local name=$1; shift
  "${under[@]}" "$@" >>"$work/$name.log" 2>&1 &
  pids[$name]=$!
  processes+=($!)
}
# stop NAME: as a Deployment ends a pod; die NAME: at once
stop() { end_process TERM "${pids[$1]}"; }
die() { end_process KILL "${pids[$1]}"; }
answers() { python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$1/readyz')"; }

# What runs in a cluster, without what is ending: "v1=9 v2=1".
pods() {
  in_ "$1" get pods -o json | python3 -c '
import collections, json, re, sys
by_number = lambda item: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", item[0])]
images = [pod["spec"]["containers"][0]["image"] for pod in json.load(sys.stdin)["items"] if "deletionTimestamp" not in pod["metadata"]]
print(" ".join(f"{version}={count}" for version, count in sorted(collections.Counter(image.split(":")[1] for image in images).items(), key=by_number)))'
}
runs() { local got; got=$(pods "$1"); [ "$got" = "$2" ] || { echo "pods: $got, not $2"; return 1; }; }
# state CLUSTER PHASE/STEP/STATE
state() { local got; got=$(in_ "$1" get rollout $r -o 'jsonpath={.status.phase}/{.status.canaryStatus.currentStepIndex}/{.status.canaryStatus.currentStepState}' 2>&1); [ "$got" = "$2" ] || { echo "rollout: $got, not $2"; return 1; }; }
# at PHASE/STEP/STATE: of the Rollout in the one cluster $c, in whatever style
at() { local got; got=$(in_ $c get rollout $r -o 'jsonpath={.status.phase}/{.status.currentStepIndex}/{.status.currentStepState}' 2>&1); [ "$got" = "$1" ] || { echo "rollout: $got, not $1: $(in_ $c get rollout $r -o 'jsonpath={.status.message}')"; return 1; }; }
healthy() { [ "$(in_ "$1" get rollout $r -o 'jsonpath={.status.phase}')" = Healthy ]; }
ready() { [ "$(in_ "$1" get deployment qwen-inference -o 'jsonpath={.status.readyReplicas}')" = 10 ]; }
release() { in_ "$1" set image deployment/qwen-inference "vllm=$image:$2"; }
# What the API server of a cluster has refused, to anybody.
none_forbidden() { in_ "$1" get --raw /metrics >"$work/metrics" && ! grep '^apiserver_request_total{.*code="40[13]"' "$work/metrics"; }
# Nothing of a release is left on the Deployment.
clean() {
  local object left
  object=$(in_ "$1" get deployment qwen-inference -o json) || return 1
  left=$(grep -E 'rollouts.kruise.io/|batchrelease|"paused": true|"Recreate"' <<<"$object" | grep -v -E 'workload-type')
  [ -z "$left" ] || { echo "$left"; return 1; }
}
