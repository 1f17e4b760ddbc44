#!/usr/bin/env bash
# Clocks that jump an hour, or a season, in the middle of a release, and certificates and tokens that are over: test/real/clock.sh
# The clocks are those of the hub, the members' controllers and agents, and of who types (lib/clock.c); the API servers' stay as they are.
# Nothing is lost, nothing passes that nobody approved, each thing is named, and mends itself or by one command.
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
#   CLOCK="hour gone" …    only these of: hour gone authority front token files agent_away      RUNS=20 …   so often; the bar is 20
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
. "$(dirname "${BASH_SOURCE[0]}")/lib/outage.bash"
members=(beijing shanghai) version=1
# Members that the hub reaches and one whose agent dials in.
eval "plain_$(declare -f hub)"
hub() { plain_hub --agent-address "127.0.0.1:$link" "$@"; }
"${CC:-clang-19}" -shared -fPIC -O2 -o "$work/clock.so" "$root/test/real/lib/clock.c" || exit 1
aviary=$(command -v aviary) plugin=$(command -v kubectl-amc)

# clock SECONDS NAME…: the clocks of these processes are off by that from now on; `me` is who types
clock() { local by=$1 each; shift; for each in "$@"; do echo "$by" >"$work/$each.clock.new" && mv "$work/$each.clock.new" "$work/$each.clock" || return 1; done; }
hour=3600 day=86400
everyone=(hub beijing shanghai me)
# by_clock NAME PROGRAM ARGUMENT…
by_clock() {
  local with=(env LD_PRELOAD="$work/clock.so" CLOCK_FILE="$work/$1.clock")
  shift
  # A process of `run` is to be the program itself, so that it can be killed.
  if [ "$BASHPID" = $$ ]; then "${with[@]}" "$@"; else exec "${with[@]}" "$@"; fi
}
aviary() { by_clock "${name:-me}" "$aviary" "$@"; }
kubectl-amc() { by_clock me "$plugin" "$@"; }

ready_says() { says "$2" not_ready "$1" ''; }
log_says() { grep -qE -- "$2" "$work/$1.log" || { tail -n 5 "$work/$1.log"; return 1; }; }

# All the fleet's clocks an hour ahead in the middle of a step, and back.
hour() {
  set_out
  rollout approve -M --wait=false >"$work/out" 2>&1
  check 'all clocks jump an hour ahead' clock $hour "${everyone[@]}"
  check 'both pause at step 2' soon 40 both state Progressing/2/StepPaused
  check 'with five' both runs "v$((version - 1))=5 v$version=5"
  sleep 5
  check 'the hub is ready' answers "$health"
  for each in "${members[@]}"; do check "so is $each" answers "${controllers[$each]}"; done
  check 'and both still wait' both state Progressing/2/StepPaused
  rollout approve -M --wait=false >"$work/out" 2>&1
  check 'all clocks go back' clock 0 "${everyone[@]}"
  check 'what was approved is done' soon 40 both state Healthy/3/Completed
  check 'with ten' both runs "v$version=10"
  set_out
  check 'all clocks go an hour back' clock -$hour "${everyone[@]}"
  check 'approve' rollout approve -M
  check 'both pause at step 2' soon 40 both state Progressing/2/StepPaused
  check 'the hub says so' soon 10 hub_counts 2
  sleep 65
  check 'a minute later they still wait' both state Progressing/2/StepPaused
  check 'all clocks are right again' clock 0 "${everyone[@]}"
  check 'it ends' finish_release
}
hub_counts() { counts "$health" "^aviary_rollout_step\{cluster=\"beijing\",namespace=\"demo\",rollout=\"$r\"\} $1$" "^aviary_rollout_step\{cluster=\"shanghai\",namespace=\"demo\",rollout=\"$r\"\} $1$"; }

# A member disappears in the middle of a release and comes back an hour later.
gone() {
  set_out
  check 'all of beijing stops' stop_beijing
  check 'it is not available' soon 60 available beijing False
  rollout approve -M --wait=false >"$work/out" 2>&1
  check 'shanghai goes on' soon 20 state shanghai Progressing/2/StepPaused
  check 'the approval of beijing waits' soon 10 outcome 'Pending .*Waiting'
  waiting=$(decided | sed -n 's/ Pending .*Waiting.*//p')
  check 'an hour later' clock $((hour + 60)) hub me
  check 'it has expired, and says so' soon 75 outcome "^$waiting .*Expired "
  check 'explain names what is away' explained '^beijing .*ClusterUnreachable'
  check 'beijing starts' start_beijing
  check 'it is available' soon 40 available beijing
  sleep 5
  check 'and stays where it was' state beijing Progressing/1/StepPaused
  check 'with its pods' runs beijing "v$((version - 1))=9 v$version=1"
  check 'explain says what it waits for' explained '^beijing .*AwaitingApproval'
  check 'approve it again' rollout approve -m beijing
  check 'it goes on' soon 40 state beijing Progressing/2/StepPaused
  check 'all clocks are right again' clock 0 "${everyone[@]}"
  check 'it ends' finish_release
}

# Certificates that API servers do not take, of webhooks and of the hub's reads: over, or not begun because a clock was wrong.
authority() {
  local cluster config of
  set_out
  die hub; die beijing
  check 'beijing has no authority for webhooks' in_ beijing -n aviary-system delete secret aviary-member-webhooks
  check 'the clocks of hub and beijing are more than a year ahead' clock $((400 * day)) hub beijing
  hub; controller beijing
  check 'beijing says that its webhooks are not reached, and why' soon 100 ready_says "${controllers[beijing]}" 'x509: certificate has expired or is not yet valid'
  check 'so does the hub' soon 100 ready_says "$health" 'x509: certificate has expired or is not yet valid'
  version=$((version + 1))
  check 'no new version passes there' tells 1 'certificate has expired or is not yet valid' release beijing v$version
  version=$((version - 1))
  check 'the clocks are right again' clock 0 hub beijing
  check 'beijing is ready by itself' soon 100 answers "${controllers[beijing]}"
  check 'so is the hub' soon 100 answers "$health"
  check 'the fleet is read by the hub again' soon 20 explained '^beijing .*AwaitingApproval'
  die hub; die beijing
  clock $((-4000 * day)) openssl && by_clock openssl openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=over -keyout "$work/over.key" -out "$work/over.crt" 2>"$work/out"
  for cluster in hub beijing; do
    of=$([ $cluster = hub ] && echo hub || echo member)
    check "while $cluster is down its authority has ended" over "$cluster" "aviary-$of-webhooks"
    for config in mutating validating; do check "and its API server trusts no other" trusts_over "$cluster" $config aviary-$of; done
  done
  hub; controller beijing
  check 'beijing makes another at its start' soon 60 answers "${controllers[beijing]}"
  check 'so does the hub' soon 60 answers "$health"
  for cluster in hub beijing; do
    of=$([ $cluster = hub ] && echo hub || echo member)
    check "nobody trusts the one of $cluster that is over" trusts_no_more "$cluster" aviary-$of
  done
  check 'nothing has moved' both runs "v$((version - 1))=9 v$version=1"
  check 'it ends' finish_release
}
over() { in_ "$1" -n aviary-system create secret generic "$2" --from-file=ca.crt="$work/over.crt" --from-file=ca.key="$work/over.key" --dry-run=client -o yaml | in_ "$1" -n aviary-system replace -f -; }
trusts_over() {
  in_ "$1" get "$2webhookconfiguration" "$3" -o json | python3 -c '
import base64, json, sys
object = json.load(sys.stdin)
for each in object["webhooks"]: each["clientConfig"]["caBundle"] = base64.b64encode(open(sys.argv[1], "rb").read()).decode()
print(json.dumps(object))' "$work/over.crt" | in_ "$1" replace -f -
}
trusts_no_more() { local got; got=$(in_ "$1" get mutatingwebhookconfiguration "$2" -o 'jsonpath={.webhooks[0].clientConfig.caBundle}'); [ -n "$got" ] && [ "$got" != "$(base64 -w 0 "$work/over.crt")" ]; }

# The front proxy of the hub's API server gets another authority, of the same name: the hub, which goes on, takes it from then on.
front() {
  check 'the fleet is read by the hub' soon 40 fleet_read
  check "the front proxy of the hub's API server is of another authority" other_front "$work/hub/pki"
  check 'it is killed' "$real/fixture" kill --dir "$work/hub" --part kube-apiserver
  check 'and starts' start_hub_server
  check 'the fleet is read by the hub again' soon 40 fleet_read
  check 'which says that it took another' log_says hub 'front proxy has another authority'
  check 'the hub is ready' soon 40 answers "$health"
}
# Again where it ends: whoever connects meanwhile may have got its port.
start_hub_server() {
  local count
  for count in 1 2 3; do
    "$real/fixture" start --dir "$work/hub" --part kube-apiserver || return 1
    ! soon 20 in_ hub get --raw /readyz || return 0
    "$real/fixture" kill --dir "$work/hub" --part kube-apiserver
  done
  tail -n 5 "$work/hub/log/kube-apiserver.log"
  return 1
}
fleet_read() { in_ hub get --raw '/apis/proxy.fleet.aviary.dev/v1alpha1/resources?version=v1&resource=configmaps&namespace=default'; }
other_front() {
  local request=(openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
  "${request[@]}" -x509 -days 30 -subj /CN=front-proxy-ca -keyout "$1/front-proxy-ca.key" -out "$1/front-proxy-ca.crt" &&
  "${request[@]}" -subj /CN=front-proxy -keyout "$1/front-proxy.key" -out "$1/front-proxy.csr" &&
  openssl x509 -req -days 30 -in "$1/front-proxy.csr" -CA "$1/front-proxy-ca.crt" -CAkey "$1/front-proxy-ca.key" -out "$1/front-proxy.crt" -extfile <(echo authorityKeyIdentifier=keyid)
}

# The hub's token in a member ends while the member is away.
token() {
  set_out
  check 'all of beijing stops' stop_beijing
  check 'it is not available' soon 60 available beijing False
  rollout approve -M --wait=false >"$work/out" 2>&1
  check 'the token of the hub there ends meanwhile' spend_token beijing
  check 'beijing starts' start_beijing
  check 'the hub says why it is not available, and what to do' soon 40 says "refuses the hub's credentials, which have ended.*aviary join beijing" in_ hub get managedcluster beijing -o 'jsonpath={.status.conditions[?(@.type=="ManagedClusterConditionAvailable")].message}'
  check 'so does explain' soon 10 explained '^beijing: .*aviary join beijing'
  check 'and that it could not be made anew' soon 100 says 'cannot be made anew.*aviary join beijing' in_ hub get managedcluster beijing -o 'jsonpath={.status.conditions[?(@.type=="TokenRenewed")].message}'
  check 'beijing stays where it was' state beijing Progressing/1/StepPaused
  check 'join again' join beijing
  check 'what was approved is done' soon 40 state beijing Progressing/2/StepPaused
  check 'it ends' finish_release
}
spend_token() {
  in_ hub -n aviary-system get secret "cluster-$1" -o json | python3 -c '
import base64, json, subprocess, sys, time
secret = json.load(sys.stdin)
head, claims, _ = base64.b64decode(secret["data"]["token"]).decode().split(".")
claims = json.loads(base64.urlsafe_b64decode(claims + "=="))
claims.update(iat=int(time.time()) - 7200, nbf=int(time.time()) - 7200, exp=int(time.time()) - 3600)
pack = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
text = head + "." + pack(json.dumps(claims).encode())
der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", sys.argv[1]], input=text.encode(), capture_output=True, check=True).stdout
first = der[4:4 + der[3]]; second = der[6 + der[3]:]   # ES256 has the two numbers bare
signature = b"".join(each.lstrip(b"\0").rjust(32, b"\0") for each in (first, second))
secret["data"]["token"] = base64.b64encode((text + "." + pack(signature)).encode()).decode()
secret["metadata"].get("annotations", {}).pop("fleet.aviary.dev/token-ends", None)
print(json.dumps(secret))' "$work/$1/pki/service-account.key" >"$work/spent.json" && kubectl --kubeconfig "$work/hub/kubeconfig" replace -f "$work/spent.json"
}

# The client certificates with which hub and member reach their own API servers end, and the files are replaced.
files() {
  local each
  set_out
  die hub; die beijing
  check 'certificates in files, which end in half a minute' by_files 30
  hub; controller beijing
  check 'beijing is ready' soon 25 answers "${controllers[beijing]}"
  check 'so is the hub' soon 25 answers "$health"
  check 'ended, beijing says so' soon 60 ready_says "${controllers[beijing]}" 'client certificate of context .* ended at'
  check 'so does the hub' soon 60 ready_says "$health" 'client certificate of context .* ended at'
  check 'and in their logs' log_says hub 'client certificate of context .* ended at'
  check 'others take their place' by_files 3600
  check 'beijing is ready without a start' soon 20 answers "${controllers[beijing]}"
  check 'so is the hub' soon 20 answers "$health"
  check 'nothing has moved' both runs "v$((version - 1))=9 v$version=1"
  check 'it ends' finish_release
  die hub; die beijing
  identity hub aviary-hub && identity beijing aviary-member || return
  hub; controller beijing
  check 'both are ready by their tokens again' soon 40 answers "$health"
}
# by_files SECONDS: kubeconfigs of hub and beijing with a certificate in files that lasts so long
by_files() {
  certified hub aviary-hub "$1" && certified beijing aviary-member "$1"
}
certified() {
  local config=$work/$1-$2.kubeconfig pem=$work/$1-$2
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$pem.key.new" -out "$pem.csr" \
    -subj "/O=system:serviceaccounts/O=system:serviceaccounts:aviary-system/CN=system:serviceaccount:aviary-system:$2" 2>/dev/null &&
  clock $(($3 - day)) openssl && ( by_clock openssl openssl x509 -req -days 1 -in "$pem.csr" -CA "$work/$1/pki/ca.crt" -CAkey "$work/$1/pki/ca.key" -out "$pem.crt.new" 2>/dev/null ) &&
  mv "$pem.key.new" "$pem.key" && mv "$pem.crt.new" "$pem.crt" &&
  kubectl --kubeconfig "$config" config delete-user "$2" &&
  kubectl --kubeconfig "$config" config set-credentials "$2" --client-certificate "$pem.crt" --client-key "$pem.key"
}

# An agent is down until its certificate has ended.
agent_away() {
  set_out
  check 'shanghai joins by an agent' join_by_agent shanghai --replace
  check 'its manifest is applied' in_ shanghai -n aviary-system apply -f "$work/shanghai-agent.yaml"
  check 'its agent starts' agent shanghai
  check 'it is linked' soon 40 dialled shanghai
  check 'shanghai is available' soon 20 available shanghai
  die shanghai-agent
  check 'its agent killed, shanghai is away' soon 20 available shanghai False
  rollout approve -M --wait=false >"$work/out" 2>&1
  check 'a season later' clock $((91 * day)) hub me shanghai-agent
  check 'its agent starts' agent shanghai
  check 'it says that its certificate has ended, and what to do' soon 20 ready_says "${linked[shanghai]}" "certificate ended at .*aviary join shanghai --agent"
  check 'so does the hub' soon 20 says 'without a certificate that counts was refused.*aviary join shanghai --agent' in_ hub get managedcluster shanghai -o 'jsonpath={.status.conditions[*].message}'
  check 'explain names it, and what ends it' explained '^shanghai +1/3\? +Unknown +ClusterUnreachable +[0-9]+[smhd][0-9a-z]* +member connects again +network on-call'
  check 'and why' explained '^shanghai: does not answer: .*aviary join shanghai --agent'
  check 'shanghai stays where it was' state shanghai Progressing/1/StepPaused
  check 'join again' join_by_agent shanghai
  check 'its manifest is applied' in_ shanghai -n aviary-system apply -f "$work/shanghai-agent.yaml"
  check 'it is linked' soon 20 dialled shanghai
  check 'shanghai is available' soon 20 available shanghai
  check 'what was approved is over, and kept no longer' soon 75 prints 0 . decided
  check 'shanghai stays where it was' state shanghai Progressing/1/StepPaused
  check 'all clocks are right again' clock 0 hub me shanghai-agent
  check 'the link stands' dialled shanghai
  check 'it ends' finish_release
  die shanghai-agent
  check 'shanghai is reached by the hub again' join shanghai --replace
  check 'and available' soon 20 available shanghai
}

begin
rounds ${CLOCK:-hour gone authority front token files agent_away}
finished=1
