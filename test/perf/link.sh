#!/usr/bin/env bash
# A thousand members whose agents dial one hub, through a kill and a restart of that: the hub on a light real cluster, as a process of its
# own; the agents and their members in another (aviary-perf agents). Needs on PATH: aviary, kubectl-amc, aviary-perf (tools/bench puts them
# there), kubectl and test/real/build has been run.
#   test/perf/link.sh          AGENTS=100 RATE=50 SECONDS_EACH=10: fewer, for a try
. "$(dirname "${BASH_SOURCE[0]}")/../real/lib/fleet.bash"
. "$root/test/lib/bars.bash"
agents=${AGENTS:-1000} rate=${RATE:-550} seconds=${SECONDS_EACH:-20}
LINK=1
if [ ! -x "$real/kube-apiserver" ]; then echo 'left out: test/real/build has not been run'; finished=1; exit; fi

give_up() { echo "$*" >&2; exit 1; }
peak_mb() { awk '/^VmHWM/ { printf "%.0f\n", $2 / 1024 }' "/proc/${pids[hub]}/status"; }
# said WHAT: the load's line of that name, as soon as it is there
said() {
  local line
  until line=$(grep "^$1 " "$work/load.out"); do
    kill -0 "${pids[load]}" 2>/dev/null || give_up "the load has ended: $(tail -n 3 "$work/load.log")"
    sleep 0.05
  done
  echo "        $line"
}
load() { exec aviary-perf --kubeconfig "$work/hub/kubeconfig" agents --agents "$agents" --rate "$rate" --seconds "$seconds" >"$work/load.out"; }
rows() { kubectl-amc get rollouts -A -M --kubeconfig "$work/hub/kubeconfig" --no-headers; }

echo "programs: $(command -v aviary)   load: $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores"
start_hub
idle=$(rss_mb "${pids[hub]}")
: >"$work/load.out"
run load load
said prepared
said joined
line=$(said status) && echo "$line"
check 'the hub shows the Rollout of every member' test "$(rows | grep -c '^default')" = "$agents"
bar "status that comes up $agents links" "$(field megabytes_per_second "$line")" GE 1 MB/s
bar "hub's resident memory at most, while $agents join and report ($idle MiB before)" "$(peak_mb)" LE 400 MiB
die hub
began=$(now_ms)
hub
line=$(said again) && echo "$line"
bar "from the start of a hub until all $agents are linked and answer" "$(awk -v a="$(field at_ms "$line")" -v b="$began" 'BEGIN { printf "%.1f\n", (a - b) / 1000 }')" LE 30 s
line=$(said after) && echo "$line"
bar "status that comes up them again" "$(field megabytes_per_second "$line")" GE 1 MB/s
bar "that hub's resident memory at most" "$(peak_mb)" LE 400 MiB
check 'it shows the Rollout of every member' test "$(rows | grep -c '^default')" = "$agents"
fail=$((fail + missed))
finished=1
