#!/usr/bin/env bash
# The gate: releases in a row in three members, through the real programs. Approvals come at once and late, together and one by one;
# in between the hub's Deployment is labelled, scaled and applied again. At every pause of each member the pods of each version
# are counted, a watch sees that no moment has more of the new version than was approved, and after each release nothing of it may
# be on any object. Needs on PATH: aviary, kubectl-amc, kubectl, python3.
#   gate.sh                  RELEASES=5; the bar is RELEASES=50, which are 300 pauses
#   SEED=N gate.sh           the same choices again      KEEP=1 leaves the fleet running
exec python3 "$(dirname "${BASH_SOURCE[0]}")/lib/gate.py"
