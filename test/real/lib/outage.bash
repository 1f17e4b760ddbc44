# What the scripts share that take something away in the middle of a release; to be sourced after fleet.bash. $version is the newest.

says() { local pattern=$1 text; shift; text=$("$@" 2>&1 </dev/null); grep -qE -- "$pattern" <<<"$text" || { echo "$text"; echo "not in it: $pattern"; return 1; }; }
explained() { says "$1" kubectl-amc rollout explain "$r" --kubeconfig "$work/hub/kubeconfig" -n demo; }
# set_out: the next version, which both clusters wait with at step 1
set_out() {
  version=$((version + 1))
  check "release v$version" release hub v$version
  check 'both pause at step 1' soon 30 both state Progressing/1/StepPaused
}
# finish_release: approves what waits until both are done
finish_release() {
  local end=$((SECONDS + 60))
  until both state Healthy/3/Completed && both runs "v$version=10"; do
    [ $SECONDS -lt $end ] || return 1
    rollout approve -M --wait=false
    sleep 0.5
  done
}
not_ready() { python3 - "$1" "$2" <<'P'
import sys, urllib.error, urllib.request
try: urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/readyz")
except urllib.error.HTTPError as error:
    text = error.read().decode(); print(text); sys.exit(0 if sys.argv[2] in text else 1)
print("it is ready"); sys.exit(1)
P
}
decided() { in_ hub get decisions -o 'jsonpath={range .items[*]}{.metadata.name} {.status.outcome} {.status.clusters[*].outcome}{"\n"}{end}'; }
outcome() { says "$1" decided; }

begin() {
  start_fleet
  check 'apply namespace and workload' in_ hub apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
  check 'both are ready' soon 40 both ready
  check 'apply the Rollout' in_ hub apply -f "$seed/rollout.yaml"
  need 'both are healthy' soon 30 both healthy
}

# mode STATE: how the network between hub and members is from now on (proxy.py)
mode() { echo "$1" >"$work/network.new" && mv "$work/network.new" "$work/network"; }

# rounds PART…: each of them, RUNS times over
rounds() {
  local round part
  for round in $(seq "${RUNS:-1}"); do
    for part; do echo "-- $part, $round"; "$part"; done
  done
}

stop_beijing() { local each; die beijing; for each in kwok kube-scheduler kube-controller-manager kube-apiserver etcd; do "$real/fixture" kill --dir "$work/beijing" --part $each || return 1; done; }
start_beijing() { start_again beijing && controller beijing && soon 40 answers "${controllers[beijing]}"; }
