#!/usr/bin/env bash
# As traffic.sh: real requests by an Ingress to the pods of a CloneSet, while releases begin anew in the middle.
KIND=CloneSet ROUTE=Ingress STYLES=partition EVENTS='superseded jumped' exec "$(dirname "${BASH_SOURCE[0]}")/traffic.sh"
