# What scripts that end in "N passed, N failed" share; to be sourced. Makes $work, a folder that goes at the end, and counts; before the end
# `clean_up` is called, which the script defines. A script that has come to its end says so with finished=1.
set -u
work=$(mktemp -d)
pass=0 fail=0 finished=0
r=qwen-inference-rollout image=registry.example.com/inference/vllm-qwen

# port: one of 127.0.0.1 that nothing listens at and that this script was not given before, below those that the system gives itself
port() {
  local each
  while :; do
    each=$((20000 + RANDOM % 12000))
    mkdir "$work/port-$each" 2>/dev/null || continue
    (exec 3<>"/dev/tcp/127.0.0.1/$each") 2>/dev/null || break
  done
  echo $each
}
# check WHAT COMMAND…: it succeeds. Where it does not `tell_more` is called, if the script defines that.
check() {
  local what=$1; shift
  if "$@" >"$work/out" 2>&1; then pass=$((pass + 1)); echo "ok    $what"; return; fi
  fail=$((fail + 1)); echo "FAIL  $what"
  tail -n 15 "$work/out" | sed 's/^/      | /'
  ! declare -F tell_more >/dev/null || tell_more | sed 's/^/      | /'
}
# need WHAT COMMAND…: a check without which the rest makes no sense.
need() { check "$@"; [ $fail = 0 ] || exit; }
# counted FILE [CODE]: adds what another run has counted, by its last such line; one without it, or that ended in a CODE, has failed.
counted() {
  local there failed
  read -r there _ failed _ < <(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 1)
  [ "${2:-0}" = 0 ] || [ "${failed:-0}" != 0 ] || failed=1
  pass=$((pass + ${there:-0})) fail=$((fail + ${failed:-1}))
}
# ends EXIT COMMAND…: with that exit code.
ends() { local want=$1 got; shift; "$@"; got=$?; [ $got = "$want" ] || { echo "exit $got, not $want"; return 1; }; }
# tells EXIT PATTERN COMMAND…: with that exit code, and one line at least that matches.
tells() { local want=$1 pattern=$2 text got; shift 2; text=$("$@" 2>&1 </dev/null); got=$?; echo "$text"; [ $got = "$want" ] || { echo "exit $got, not $want"; return 1; }; grep -qE -- "$pattern" <<<"$text" || { echo "not in it: $pattern"; return 1; }; }
# prints COUNT PATTERN COMMAND…: it succeeds and prints so many lines that match.
prints() { local want=$1 pattern=$2 text count; shift 2; text=$("$@" </dev/null) || return 1; echo "$text"; count=$(grep -cE -- "$pattern" <<<"$text"); [ "$count" = "$want" ] || { echo "$count lines like $pattern, not $want"; return 1; }; }
# soon SECONDS COMMAND…: until it succeeds.
soon() { local end=$((SECONDS + $1)); shift; until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.1; done; }
finish() {
  clean_up
  [ -n "${KEEP:-}" ] && echo "kept: $work" || rm -rf "$work"
  [ $finished = 1 ] || echo 'stopped before the end'
  echo "$pass passed, $fail failed"
  exit $((fail > 0 || finished == 0))
}
trap finish EXIT
