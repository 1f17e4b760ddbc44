# Figures and whether they hold, for the scripts of test/perf; to be sourced. `missed` counts the bars that do not.
missed=0

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
rss_mb() { awk '/^VmRSS/ { printf "%.0f\n", $2 / 1024 }' "/proc/$1/status"; }
