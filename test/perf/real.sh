#!/usr/bin/env bash
# Real clusters (test/real) under one hub: an approval to the next pause, beside what the native controllers need for as many pods; the
# requests of the member's controller by the API server's audit log; an object's way to the members and a status' way back; the hub's
# memory. Needs on PATH: aviary, kubectl-amc, aviary-perf (tools/bench puts them there), kubectl and test/real/build has been run.
#   test/perf/real.sh          LINK=1: the members' agents dial in
# What a release takes is measured with the two members of fleet.sh; for all else a third joins. MEMBERS="beijing shanghai hangzhou",
# or `beijing` alone: these for everything.
#   APPROVALS=50 ROUNDS=30 IDLE_SECONDS=20 test/perf/real.sh: both in nine parts
#   GOGC=100: Kubernetes' programs collect garbage as they do by default; the fixture has them do it less often
. "$(dirname "${BASH_SOURCE[0]}")/../real/lib/fleet.bash"
. "$root/test/lib/bars.bash"
read -ra members <<<"${MEMBERS:-beijing shanghai}"
approvals=${APPROVALS:-50} rounds=${ROUNDS:-30} idle=${IDLE_SECONDS:-20}
if [ ! -x "$real/kube-apiserver" ]; then echo 'left out: test/real/build has not been run'; finished=1; exit; fi

give_up() { echo "$*" >&2; exit 1; }
names() { local IFS=,; echo "${members[*]}"; }
load() { python3 "$root/test/perf/real.py" --kubeconfig "$work/fleet.kubeconfig" --members "$(names)" --rounds "$rounds" "$@" || give_up "no ${!#}"; }
reaction() { aviary-perf --kubeconfig "$work/fleet.kubeconfig" reaction --clusters "$(names)" --approvals "$1" || give_up 'no reaction'; }
# requests FROM_LINE: what the controller of the first member has asked since, one line; but for its lease, which it renews as time goes by
requests() { python3 - "$work/${members[0]}/audit.log" "$1" <<'END'
import collections, json, sys
counts = collections.Counter()
with open(sys.argv[1]) as file:
    for number, line in enumerate(file):
        if number < int(sys.argv[2]): continue
        event = json.loads(line)
        watch = event["verb"] == "watch"
        # A watch when it begins, everything else when it is answered.
        if event["user"]["username"] != "system:serviceaccount:aviary-system:aviary-member" or (event["stage"] == "ResponseStarted") != watch: continue
        what = event.get("objectRef", {})
        counts[event["verb"], what.get("resource", event["requestURI"]), what.get("subresource", "")] += 1
write = ("create", "patch", "update", "delete")
def of(resource, verbs=None): return sum(count for (verb, each, _), count in counts.items() if each == resource and (not verbs or verb in verbs))
pods, sets, leases = of("pods", write), of("replicasets", write), of("leases")
print(f"requests all={sum(counts.values())} leases={leases} pod_writes={pods} set_writes={sets} other={sum(counts.values()) - leases - pods - sets}")
for (verb, resource, sub), count in counts.most_common(): print(f"          {count:6} {verb} {resource}{'/' + sub if sub else ''}")
END
}
lines() { wc -l <"$work/${members[0]}/audit.log"; }
each() { awk -v a="$1" -v n="$((approvals / parts * parts))" 'BEGIN { printf "%.2f\n", a / n }'; }

echo "programs: $(command -v aviary)   load: $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores   GOGC ${GOGC:-of the fixture}"
start_fleet --audit --nodes 4
need 'a kubeconfig of all' contexts "$work/fleet.kubeconfig"

# The two take turns, and each is compared with the one beside it: what else the machine does is the same for both.
parts=9 natives=() reactions=() beyond=()
reaction 1 >/dev/null
sleep 2
from=$(lines)
for part in $(seq $parts); do
  line=$(rounds=$((rounds / parts)) load native) || exit
  echo "$line" | sed 's/^/        /'
  natives+=("$(field p50_ms "$(grep native-replaced <<<"$line")")")
  line=$(reaction $((approvals / parts))) || exit
  echo "        $line"
  reactions+=("$(field p50_ms "$line")")
  beyond+=("$(awk -v a="${reactions[-1]}" -v b="${natives[-1]}" 'BEGIN { printf "%.1f\n", a - b }')")
done
sleep 2
echo "        beyond the native controllers, part by part: ${beyond[*]}"
bar "Decision to next pause ($(median "${reactions[@]}") ms), beyond the native controllers' $(median "${natives[@]}") ms: p50" "$(median "${beyond[@]}")" LE 150 ms
counted=$(requests "$from")
echo "        ${counted//$'\n'/$'\n'        }"
bar "a release's requests beside pod labels and ReplicaSet writes" "$(each "$(field other "$(head -n 1 <<<"$counted")")")" LE 30 ''
bar "a release's writes of pod labels, of ten pods" "$(each "$(field pod_writes "$(head -n 1 <<<"$counted")")")" LE 10 ''
echo "        a release's writes of ReplicaSets: $(each "$(field set_writes "$(head -n 1 <<<"$counted")")")"

if [ -z "${MEMBERS:-}" ]; then
  members+=(hangzhou)
  add_member hangzhou --audit --nodes 4
  need 'it is available' soon 40 available hangzhou
  need 'a kubeconfig of all' contexts "$work/fleet.kubeconfig"
fi
sleep "$idle"
bar "hub's resident memory, ${#members[@]} members, idle" "$(rss_mb "${pids[hub]}")" LE 60 MiB
line=$(load status) || exit
echo "        $line"
bar "a status, from a member to the hub: p50" "$(field p50_ms "$line")" LE 120 ms
line=$(load objects) || exit
echo "$line" | sed 's/^/        /'
bar "one new object, hub to ${#members[@]} members: p50" "$(field p50_ms "$(grep object-created <<<"$line")")" LE 60 ms
bar "500 objects at once, hub to ${#members[@]} members" "$(field seconds "$(grep ^objects <<<"$line")")" LE 12 s
sleep "$idle"
bar "hub's resident memory with 500 objects" "$(rss_mb "${pids[hub]}")" LE 100 MiB
line=$(load --many 100 rollouts) || exit
echo "        $line"
bar "100 Rollouts at once, in times of the same Deployments without" "$(field ratio "$line")" LE 3 x
fail=$((fail + missed))
finished=1
