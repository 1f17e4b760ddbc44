#!/usr/bin/env bash
# Every part killed and started again, and the network between hub and member cut, stalled and slowed, while a release goes on in two real
# clusters: nothing is lost, nothing passes that nobody approved, and it goes on within a second. Ends in "N passed, N failed".
# Needs on PATH: kubectl; and test/real/build has been run.
#   test/real/faults.sh                 RUNS=1; the bar is RUNS=20 of each fault
#   LINK=1 test/real/faults.sh          the members' agents dial in      FAULTS="hub member-etcd" …   only these
#   LONG=0.1 FAULT_SECONDS=40 …         so many of the faults, of one, last from 3 up to so many seconds; LONG=1: all
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
members=(beijing shanghai) far=$(port) mode=$work/network
echo pass >"$mode"

start_hub ${LINK:+--agent-port "$far"}
near=$link
for each in "${members[@]}"; do start_member "$each"; done
if [ -n "${LINK:-}" ]; then
  # Both agents' links go through it.
  run network python3 "$root/test/real/lib/proxy.py" "$near" "$far" "$mode"
  for each in "${members[@]}"; do bring_in "$each"; done
else
  server=$(kubectl --kubeconfig "$work/beijing/kubeconfig" config view -o 'jsonpath={.clusters[0].cluster.server}')
  run network python3 "$root/test/real/lib/proxy.py" "$near" "${server##*:}" "$mode"
  sed "s|$server|https://127.0.0.1:$near|" "$work/beijing/kubeconfig" >"$work/beijing-far.kubeconfig"
  need 'beijing joins, far away' soon 10 aviary join beijing --kubeconfig "$work/beijing-far.kubeconfig" --hub-kubeconfig "$work/hub/kubeconfig"
  bring_in shanghai
fi
need 'the clusters are available' soon 40 both available
need 'a kubeconfig of all' contexts "$work/fleet.kubeconfig"

: >"$work/parts"
for each in "${!pids[@]}"; do [ "$each" = network ] || echo "$each ${pids[$each]}" >>"$work/parts"; done
python3 "$root/test/real/lib/faults.py" --work "$work" --fixture "$real/fixture" --members "$(IFS=,; echo "${members[*]}")" ${LINK:+--link} | tee "$work/faults"
counted "$work/faults"
finished=1
