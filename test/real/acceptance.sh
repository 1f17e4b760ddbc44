#!/usr/bin/env bash
# The scripts of test/acceptance as they stand, against real clusters: `aviary up` starts a real hub and real members there
# (lib/playground), and nothing else is different. Ends in "N passed, N failed".
# Needs on PATH: kubectl; and test/real/build has been run.
#   test/real/acceptance.sh              all but those that are about simulated clusters: pods that fail by an annotation of their node, a
#                                        process or a server that there is not here
#   SCRIPTS="first-flight" …             only these         LINK=1 …   the members' agents dial in
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.bash"
export PATH=$root/test/real/lib/playground:$PATH

for script in ${SCRIPTS:-first-flight second-release direct adopt attach gitops groups stateful styles traffic-routing}; do
  begun=$SECONDS
  "$root/test/acceptance/$script.sh" >"$work/said" 2>&1 </dev/null
  code=$?
  grep -E '^ok ' "$work/said" | sed "s/^ok   /ok    $script:/"
  grep -vE '^ok ' "$work/said" | sed "s/^/      | /"
  counted "$work/said" $code
  echo "      $script ${LINK:+with agents }took $((SECONDS - begun)) s"
done
finished=1
