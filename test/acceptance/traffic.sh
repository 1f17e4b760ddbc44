#!/usr/bin/env bash
# Real requests through a real proxy (HAProxy) while releases of each style route them: at each step the share that the new version gets is
# measured, no request fails, and the Service and the route are what they were afterwards. Behind the proxy are the fake inference
# engines of the simulated pods. Needs on PATH: aviary, kubectl, python3; and haproxy, or build/haproxy (tools/setup).
#   RELEASES=1               releases of each of STYLES (partition canary blueGreen) that go forward, and one with each of
#   EVENTS='back scaled'     which come in step 2: back, scaled, superseded, jumped
#   REQUESTS=2000            at each step; the bar is RELEASES=20 REQUESTS=10000
#   KIND=Deployment          or StatefulSet (partition alone), CloneSet (no canary)
#   ROUTE=HTTPRoute          or Ingress, of class nginx
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
haproxy=(haproxy)
command -v haproxy >/dev/null 2>&1 || haproxy=(env "LD_LIBRARY_PATH=$(dirname "$(find "$root/build/haproxy/usr/lib" -name 'liblua5.3.so.0' 2>/dev/null | head -n 1)")" "$root/build/haproxy/usr/sbin/haproxy")
exec python3 "$here/lib/traffic.py" --haproxy "${haproxy[@]}"
