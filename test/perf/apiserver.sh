#!/usr/bin/env bash
# The API server alone, as a process of its own, over TLS on loopback: reads, durable creates, watches, memory. The load
# runs beside it on the same machine; the share of the processor that each takes is printed.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
runs=${RUNS:-3}
seconds=${SECONDS_EACH:-5}
start() { fresh; aviary apiserver --data-dir "$data" --port "$port" --detach >/dev/null || give_up "the server does not start"; }
load() { aviary-perf --kubeconfig "$data/kubeconfig" --server "$(pid_of_fleet)" "$@" || give_up "the load failed"; }

raw_fsync
gets=() creates=() ratios=() lates=() sizes=()
for ((run = 0; run < runs; ++run)); do
  start
  line=$(load get --connections 64 --seconds "$seconds") && echo "run $((run + 1)): $line"
  gets+=("$(field rate "$line")")
  line=$(load create --connections 64 --seconds "$seconds") && echo "run $((run + 1)): $line"
  creates+=("$(field rate "$line")")
  ratios+=("$(awk -v a="$(field rate "$line")" -v b="$raw_per_second" 'BEGIN { printf "%.1f\n", a / b }')")
  start
  line=$(load watch --watches 1000 --rate 100 --seconds "$seconds") && echo "run $((run + 1)): $line"
  lates+=("$(field p99_ms "$line")")
  start
  load create --connections 64 --objects 50000 >/dev/null
  sleep 2
  sizes+=("$(rss_mb "$(pid_of_fleet)")")
done
bar "get of 1 KB, 64 connections (median of $runs)" "$(median "${gets[@]}")" GE 20000 /s
bar "create of 1 KB with fsync, 64 connections (median of $runs)" "$(median "${creates[@]}")" GE 4000 /s
echo "        creates for each raw fsync of this disk: $(median "${ratios[@]}")"
bar "1,000 watches, 100 writes a second: write due to delivered, p99 (median of $runs)" "$(median "${lates[@]}")" LE 50 ms
bar "resident memory at 50,000 objects (median of $runs)" "$(median "${sizes[@]}")" LE 200 MB
finished=1
