#!/usr/bin/env bash
# The gate of test/acceptance/gate.sh on real clusters: release after release from a hub on a real kube-apiserver in three real members;
# pods are counted at every pause, and nothing of a release may be left on any object. Ends in "N passed, N failed".
# Needs on PATH: kubectl; and test/real/build has been run.
#   test/real/gate.sh              RELEASES=3; the bar is RELEASES=50, which are 300 pauses
#   LINK=1 test/real/gate.sh       the members' agents dial in, and the hub has no credentials of theirs
#   PATIENCE=120 …                 seconds for a pause to come instead of 30, on a machine that is busy with other things
#   SEED=N test/real/gate.sh       the same choices again      MEMBERS="beijing shanghai" test/real/gate.sh   only these
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
read -ra members <<<"${MEMBERS:-beijing shanghai hangzhou}"

start_fleet
need 'a kubeconfig of all' contexts "$work/fleet.kubeconfig"
RELEASES=${RELEASES:-3} python3 "$root/test/acceptance/lib/gate.py" --kubeconfig "$work/fleet.kubeconfig" --members "$(IFS=,; echo "${members[*]}")" | tee "$work/gate"
counted "$work/gate"
finished=1
