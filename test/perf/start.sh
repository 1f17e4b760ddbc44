#!/usr/bin/env bash
# How long `aviary up --detach` with two members takes on an empty folder, how much memory the fleet has after section 4
# of the first flight, and what it does when nobody asks it for anything.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
runs=${RUNS:-5}
idle=${IDLE_SECONDS:-40}
r=qwen-inference-rollout d=qwen-inference image=registry.example.com/inference/vllm-qwen

times=()
for ((run = 0; run < runs; ++run)); do
  fresh
  begin=$(now_ms)
  aviary up --clusters beijing,shanghai --data-dir "$data" --port "$port" --pod-start 500ms --detach >/dev/null || give_up "the fleet does not start"
  times+=($(($(now_ms) - begin)))
done
bar "aviary up --detach, 2 members, empty folder (median of $runs)" "$(median "${times[@]}")" LE 1000 ms

# Sections 1 to 4 of test/acceptance/first-flight.sh.
export KUBECONFIG=$data/kubeconfig
ready()   { [ "$(kubectl --context "$1" -n demo get deploy $d -o 'jsonpath={.status.readyReplicas}' 2>/dev/null)" = 10 ]; }
rollout() { kubectl --context "$1" -n demo get rollout $r -o "jsonpath=$2" 2>/dev/null; }
healthy() { [ "$(rollout "$1" '{.status.phase}')" = Healthy ]; }
paused()  { [ "$(rollout "$1" '{.status.canaryStatus.currentStepIndex}/{.status.canaryStatus.currentStepState}')" = 1/StepPaused ]; }
both()    { local c; for c in beijing shanghai; do soon 30 "$1" $c || give_up "$c: not $1"; done; }
kubectl apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml" >/dev/null || give_up "apply refused"
both ready
kubectl amc get deploy -n demo -M >/dev/null
kubectl apply -n demo -f "$seed/rollout.yaml" >/dev/null || give_up "apply refused"
both healthy
kubectl -n demo set image deploy/$d vllm=$image:v2 >/dev/null
both paused
kubectl -n demo label deploy $d team=llm >/dev/null
sleep 3
pid=$(pid_of_fleet)
bar "resident memory after section 4 of the first flight" "$(rss_mb "$pid")" LE 120 MB

# Idle, with a release paused in both members.
sleep 5
syncs=$(metric aviary_storage_syncs_total)
cpu=$(cpu_ms "$pid")
sleep "$idle"
cpu=$(($(cpu_ms "$pid") - cpu))
more=$(($(metric aviary_storage_syncs_total) - syncs))
bar "idle for $idle s: share of a core" "$(awk -v c=$cpu -v s="$idle" 'BEGIN { printf "%.2f", c / s / 10 }')" LE 1 %
bar "idle for $idle s: fsyncs of the store" "$more" LE 0 ""
if command -v strace >/dev/null; then
  # What the process really asks the kernel for, beside what the store counts.
  timeout "$idle" strace -f -qq -e trace=fsync,fdatasync,sync_file_range,msync -o "$work/trace" -p "$pid" 2>/dev/null
  bar "idle for $idle s: fsyncs by strace" "$(grep -cE 'f(data)?sync|msync|sync_file_range' "$work/trace")" LE 0 ""
fi
finished=1
