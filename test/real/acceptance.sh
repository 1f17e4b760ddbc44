#!/usr/bin/env bash
# The scripts of test/acceptance as they stand, against real clusters: `aviary up` starts a real hub and real members there
# (lib/playground), and nothing else is different. Ends in "N passed, N failed".
# Needs on PATH: kubectl; and test/real/build has been run.
#   test/real/acceptance.sh              all but those that are about simulated clusters: pods that fail by an annotation of their node, a
#                                        process or a server that there is not here
#   SCRIPTS="first-flight" …             only these         LINK=1 …   the members' agents dial in
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.bash"
export PATH=$root/test/real/lib/playground:$PATH

for script in ${SCRIPTS:-first-flight second-release direct adopt attach gitops stateful styles traffic-routing}; do
  begun=$SECONDS
  "$root/test/acceptance/$script.sh" >"$work/said" 2>&1 </dev/null
  code=$?
  grep -E '^ok ' "$work/said" | sed "s/^ok   /ok    $script:/"
  grep -vE '^ok ' "$work/said" | sed "s/^/      | /"
  read -r passed_there _ failed_there _ < <(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$work/said" | tail -n 1)
  [ $code = 0 ] || [ "${failed_there:-0}" != 0 ] || failed_there=1
  pass=$((pass + ${passed_there:-0})) fail=$((fail + ${failed_there:-0}))
  echo "      $script ${LINK:+with agents }took $((SECONDS - begun)) s"
done
finished=1
