# For the scripts beside it: a folder of their own, figures of a process, and bars. Needs aviary, kubectl-amc and
# aviary-perf on PATH (tools/bench puts them there) and kubectl.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seed=$here/../acceptance/seed
work=$(mktemp -d "${BENCH_FOLDER:-${TMPDIR:-/tmp}}/aviary-perf.XXXXXX")
data=$work/data
port=${PORT:-$((20000 + RANDOM % 12000))}
missed=0 finished=0

end_of_script() {
  aviary down --data-dir "$data" >/dev/null 2>&1
  rm -rf "$work"
  [ $finished = 1 ] || echo "stopped before the end"
  exit $((missed > 0 || finished == 0))
}
trap end_of_script EXIT

now_ms() { echo $(($(date +%s%N) / 1000000)); }
# median NUMBER...: the lower one of the two in the middle
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }
# bar WHAT FIGURE LE|GE BOUND UNIT: says both, and whether it holds
bar() {
  local sign='<=' word=holds
  [ "$3" = LE ] || sign='>='
  awk -v a="$2" -v b="$4" -v s="$sign" 'BEGIN { exit !(a != "" && (s == "<=" ? a <= b : a >= b)) }' || { word=MISSED; missed=$((missed + 1)); }
  printf '%-6s  %-70s %10s %s  (bound %s %s)\n' "$word" "$1" "$2" "$5" "$sign" "$4"
}
# field NAME LINE: of `name=value` pairs
field() { sed -nE "s/.*(^| )$1=([^ ]+).*/\2/p" <<<"$2"; }
# soon SECONDS COMMAND...: true as soon as the command is
soon() { local end=$((SECONDS + $1)); shift; until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.02; done; }
give_up() { echo "$*" >&2; exit 1; }

pid_of_fleet() { cat "$data/aviary.pid"; }
rss_mb() { awk '/^VmRSS/ { printf "%.0f\n", $2 / 1024 }' "/proc/$1/status"; }
# Processor time so far, in milliseconds.
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1000 / hz) }' "/proc/$1/stat"; }
metric() { kubectl --kubeconfig "$data/kubeconfig" --context "${2:-fleet}" get --raw /metrics | awk -v name="$1" '$1 == name { print $2 }'; }
fresh() { aviary down --data-dir "$data" >/dev/null 2>&1; rm -rf "$data"; }
# Prints the disk's own time for a durable write, and sets raw_per_second.
raw_fsync() {
  local line
  line=$("$here/raw-fsync" "$work") || give_up "no raw fsyncs"
  raw_per_second=$(field per_second "$line")
  echo "        $line"
}
