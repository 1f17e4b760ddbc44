#!/usr/bin/env bash
# Durability: `aviary up` is killed with -9 at random moments, also while it starts, under writers that create, patch, update and
# delete on the hub and in members, and under releases approved by kubectl-amc. Each writer notes what was acknowledged before it
# goes on; after every restart all of that must be there, and nothing else. At last: a restarted hub writes nothing to members
# that are right. Needs on PATH: aviary, kubectl-amc, kubectl, python3.
#   durability.sh               KILLS=5; the bar is KILLS=50
#   SEED=N durability.sh        the same choices again
exec python3 "$(dirname "${BASH_SOURCE[0]}")/lib/durability.py"
