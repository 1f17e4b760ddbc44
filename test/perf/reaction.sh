#!/usr/bin/env bash
# From a Decision's creation on the hub to the next pause in each of two members, over TLS, with a durable store; the
# disk's own fsync time beside it. And what one release of ten pods costs in requests of the member's controller.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
runs=${RUNS:-3}
approvals=${APPROVALS:-200}
# Requests that the server has counted of the member's controller in one cluster, but for what a watch begins with:
#   requests CLUSTER [RESOURCE-PATTERN [VERB-PATTERN]]
requests() {
  awk -v cluster="$1" -v resource="^(${2:-.*})$" -v verb="^(${3:-.*})$" '
    function label(name) { return match($0, "[{,]" name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : "" }
    /^aviary_apiserver_requests_total[{]/ && label("cluster") == cluster && label("user") == "system:aviary:member" && label("verb") ~ verb && label("resource") ~ resource { sum += $NF }
    END { print sum + 0 }' "$work/metrics"
}
count() { kubectl --kubeconfig "$data/kubeconfig" get --raw /metrics >"$work/metrics" || give_up "no metrics"; }
per_release() { awk -v a="$1" -v n="$approvals" 'BEGIN { printf "%.2f\n", a / n }'; }

raw_fsync
p50=() p99=()
for ((run = 0; run < runs; ++run)); do
  fresh
  aviary up --clusters beijing,shanghai --data-dir "$data" --port "$port" --pod-start 0s --detach >/dev/null || give_up "the fleet does not start"
  # Once around first: the watches that stay open are open then, and the Rollouts are there.
  load() { aviary-perf --kubeconfig "$data/kubeconfig" reaction --clusters beijing,shanghai --approvals "$1"; }
  load 1 >/dev/null || give_up "no reaction"
  sleep 1
  count
  all=$(requests beijing) pods=$(requests beijing pods) sets=$(requests beijing replicasets)
  pod_patches=$(requests beijing pods patch) set_writes=$(requests beijing replicasets 'create|patch|update|delete')
  line=$(load "$approvals") || give_up "no reaction"
  echo "run $((run + 1)): $line"
  p50+=("$(field p50_ms "$line")")
  p99+=("$(field p99_ms "$line")")
  sleep 1
  count
  pod_patches=$(($(requests beijing pods patch) - pod_patches))
  set_writes=$(($(requests beijing replicasets 'create|patch|update|delete') - set_writes))
  all=$(($(requests beijing) - all - pod_patches - set_writes))
done
bar "Decision to next pause, $approvals approvals in 2 members: p50 (median of $runs)" "$(median "${p50[@]}")" LE 50 ms
bar "Decision to next pause, $approvals approvals in 2 members: p99 (median of $runs)" "$(median "${p99[@]}")" LE 150 ms
bar "a release's requests beside pod labels and ReplicaSet writes ($approvals releases)" "$(per_release "$all")" LE 30 ""
bar "a release's writes of pod labels, of ten pods" "$(per_release "$pod_patches")" LE 10 ""
echo "        a release's writes of ReplicaSets: $(per_release "$set_writes")"
finished=1
