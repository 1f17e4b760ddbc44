# For the scripts beside it: a folder of their own, figures of a process, and bars. Needs aviary, kubectl-amc and
# aviary-perf on PATH (tools/bench puts them there) and kubectl.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seed=$here/../acceptance/seed
work=$(mktemp -d "${BENCH_FOLDER:-${TMPDIR:-/tmp}}/aviary-perf.XXXXXX")
data=$work/data
port=${PORT:-$((20000 + RANDOM % 12000))}
finished=0
. "$here/../lib/bars.bash"

end_of_script() {
  aviary down --data-dir "$data" >/dev/null 2>&1
  rm -rf "$work"
  [ $finished = 1 ] || echo "stopped before the end"
  exit $((missed > 0 || finished == 0))
}
trap end_of_script EXIT

# soon SECONDS COMMAND...: true as soon as the command is
soon() { local end=$((SECONDS + $1)); shift; until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.02; done; }
give_up() { echo "$*" >&2; exit 1; }

pid_of_fleet() { cat "$data/aviary.pid"; }
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
