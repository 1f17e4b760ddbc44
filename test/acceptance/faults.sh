#!/usr/bin/env bash
# Bad input and faults against the real programs: each ends in a clear error with its reason and what to do, nothing that was
# acknowledged is lost, and nothing crashes. Malformed, mistyped, huge and deep bodies; half-open connections; watchers that stop
# reading; a second process on the same folder, a port in use, a corrupt store, a full disk (as root, on a small tmpfs).
# Needs on PATH: aviary, kubectl-amc, kubectl, python3.
#   PARTS='bodies by_kubectl connections watches places corrupt full_disk' faults.sh      some of them alone
exec python3 "$(dirname "${BASH_SOURCE[0]}")/lib/faults.py"
