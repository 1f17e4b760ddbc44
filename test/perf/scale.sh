#!/usr/bin/env bash
# A hundred members: how long the fleet takes to start, one release with ten pods in each, memory, and a fan-out read.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
runs=${RUNS:-3}
members=${MEMBERS:-100}
r=qwen-inference-rollout d=qwen-inference image=registry.example.com/inference/vllm-qwen
export KUBECONFIG=$data/kubeconfig
# Rows of `amc get rollouts -M` by phase, step and state.
rows()      { kubectl amc get rollouts -n demo -M --no-headers 2>/dev/null; }
all_paused() { [ "$(rows | grep -cE " Progressing +$1 +StepPaused ")" = "$members" ]; }
all_healthy() { [ "$(rows | grep -cE ' Healthy ')" = "$members" ]; }
all_done()  { [ "$(rows | grep -cE ' Healthy +3 +Completed ')" = "$members" ]; }
all_ready() { [ "$(kubectl -n demo get deploy $d -o 'jsonpath={.status.readyReplicas}')" = $((members * 10)) ]; }

starts=() releases=() reads=()
for ((run = 0; run < runs; ++run)); do
  fresh
  begin=$(now_ms)
  aviary up --clusters "$members" --data-dir "$data" --port "$port" --pod-start 500ms --detach >/dev/null || give_up "the fleet does not start"
  starts+=($(($(now_ms) - begin)))
  kubectl apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml" >/dev/null || give_up "apply refused"
  soon 60 all_ready || give_up "not all pods are ready"
  kubectl apply -n demo -f "$seed/rollout.yaml" >/dev/null || give_up "apply refused"
  soon 60 all_healthy || give_up "not all Rollouts are Healthy"
  begin=$(now_ms)
  kubectl -n demo set image deploy/$d vllm=$image:v2 >/dev/null
  for step in 1 2; do
    soon 60 all_paused $step || give_up "not all members pause at step $step"
    kubectl amc rollout approve rollouts/$r -n demo -M >"$work/approved" 2>&1 || give_up "approve -M: $(tail -n 3 "$work/approved")"
  done
  soon 60 all_done || give_up "not all members complete"
  releases+=($(($(now_ms) - begin)))
  for ((read = 0; read < 5; ++read)); do
    begin=$(now_ms)
    kubectl amc get rollouts -n demo -M >/dev/null || give_up "amc get refused"
    reads+=($(($(now_ms) - begin)))
  done
  pid=$(pid_of_fleet)
  echo "run $((run + 1)): start ${starts[-1]} ms, release ${releases[-1]} ms, resident $(rss_mb "$pid") MB, processor $(cpu_ms "$pid") ms"
done
bar "start of $members members on an empty folder (median of $runs)" "$(median "${starts[@]}")" LE 5000 ms
bar "release of 10 pods in each, set-image to all Healthy (median of $runs)" "$(median "${releases[@]}")" LE 15000 ms
bar "resident memory after it" "$(rss_mb "$pid")" LE 1024 MB
bar "kubectl amc get rollouts -M (median of ${#reads[@]})" "$(median "${reads[@]}")" LE 300 ms
finished=1
