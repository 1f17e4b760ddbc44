#!/usr/bin/env bash
# What people do with kubectl (test/compat/kubectl.sh), with the kubectl on PATH, against the hub of a fleet and one of its members,
# where workloads run. Needs on PATH: aviary, kubectl. PARTS='hub member apiserver' asks the API server alone too.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
port=${PORT:-$((20000 + RANDOM % 12000))}
passed=0 failed=0 finished=0
finish() {
  aviary down --data-dir "$work/fleet" >/dev/null 2>&1
  aviary down --data-dir "$work/alone" >/dev/null 2>&1
  rm -rf "$work"
  [ $finished = 1 ] || { echo 'stopped before the end'; failed=$((failed + 1)); }
  echo "$passed passed, $failed failed"
  exit $((failed > 0))
}
trap finish EXIT

kubectl version --client 2>/dev/null | grep -E '^Client'
parts=${PARTS:-hub member}
aviary up --clusters beijing --data-dir "$work/fleet" --port "$port" --pod-start 100ms --detach >/dev/null || exit
case $parts in *apiserver*) aviary apiserver --data-dir "$work/alone" --port $((port + 1)) --detach >/dev/null || exit ;; esac
try() {
  case $1 in
    hub) set -- "$work/fleet/kubeconfig" ;;
    member) set -- "$work/fleet/kubeconfig" beijing ;;
    apiserver) set -- "$work/alone/kubeconfig" ;;
  esac
  "$here/../compat/kubectl.sh" kubectl "$@"
}
# Each has a cluster of its own, so all at once.
for part in $parts; do try "$part" >"$work/$part" 2>&1 & done
wait
for part in $parts; do
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$work/$part" | tail -n 1)
  [ -n "$line" ] || line='0 passed, 1 failed'
  grep -v "^$line$" "$work/$part"
  echo "ok    $part: $line"
  passed=$((passed + $(cut -d' ' -f1 <<<"$line")))
  failed=$((failed + $(cut -d' ' -f3 <<<"$line")))
done
finished=1
