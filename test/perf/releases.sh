#!/usr/bin/env bash
# A hundred Rollouts of one simulated cluster released at once, in three steps with `duration: 0`, pods that start at once:
# how long it takes, what a release costs in requests of the controller, and what the controller adds to the memory of a
# fleet in which the same Deployments are rolled without it.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
rollouts=${ROLLOUTS:-100}
# Requests that the server has counted of the controller, watches apart: requests [RESOURCE-PATTERN [VERB-PATTERN]]
requests() {
  awk -v resource="^(${1:-.*})$" -v verb="^(${2:-.*})$" '
    function label(name) { return match($0, "[{,]" name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : "" }
    /^aviary_apiserver_requests_total[{]/ && label("user") == "system:aviary:member" && label("verb") != "watch" && label("verb") ~ verb && label("resource") ~ resource { sum += $NF }
    END { print sum + 0 }' "$work/metrics"
}
count() { kubectl --kubeconfig "$data/kubeconfig" --context fleet get --raw /metrics >"$work/metrics" || give_up "no metrics"; }
peak_mb() { awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$(pid_of_fleet)/status"; }
fleet() {
  fresh
  aviary up --clusters beijing --data-dir "$data" --port "$port" --pod-start 0s --detach "$@" >/dev/null || give_up "the cluster does not start"
  local node
  for node in gpu-node-1 gpu-node-2; do
    kubectl --kubeconfig "$data/kubeconfig" --context beijing patch node $node --subresource status --type merge \
      -p '{"status":{"capacity":{"pods":"2000"},"allocatable":{"pods":"2000"}}}' >/dev/null || give_up "no room for the pods"
  done
}
load() { aviary-perf --kubeconfig "$data/kubeconfig" --context beijing releases --rollouts "$rollouts" "$@"; }

fleet --without-rollouts beijing
native=$(load --native) || give_up "the Deployments are not rolled out"
without=$(peak_mb)
echo "        without Rollouts: $native peak_mb=$without"

fleet
count
before=$(requests)
line=$(load) || give_up "the releases do not end"
with=$(peak_mb)
sleep 1
count
labels=$(requests pods patch) sets=$(requests replicasets 'create|patch|update|delete')
all=$(($(requests) - before - labels - sets))
echo "        with Rollouts:    $line peak_mb=$with"
per_release() { awk -v a="$1" -v n="$rollouts" 'BEGIN { printf "%.2f\n", a / n }'; }
bar "$rollouts Rollouts released at once" "$(field seconds "$line")" LE 5 s
bar "a release's requests beside pod labels and ReplicaSet writes" "$(per_release $all)" LE 30 ""
bar "a release's writes of pod labels, of ten pods" "$(per_release "$labels")" LE 10 ""
bar "what the controller adds to the fleet's memory at its most" $((with - without)) LE 60 MB
[ "$sets" -gt 0 ] || { echo "MISSED  the releases were not the controller's: it has written no ReplicaSet"; missed=$((missed + 1)); }
echo "        a release's writes of ReplicaSets: $(per_release "$sets")"
finished=1
