#!/usr/bin/env bash
# What goes wrong around a release, by name: a webhook that is down, credentials that are revoked, two hubs by mistake, a member
# that is away for long, leaders that are killed, networks that are cut, stalled or slow: test/real/outages.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
#   OUTAGES="webhook away" …    only these of: webhook credentials other_hub two_hubs stopped_hub two_members stopped_member away expired
#                               named hub_store network
#   RUNS=20 …                   so often; the bar is 20
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
. "$(dirname "${BASH_SOURCE[0]}")/lib/outage.bash"
members=(beijing shanghai) version=1
# With who asked for what.
cluster() { clusters+=("$1"); "$real/fixture" up --bin "$real" --dir "$work/$1" --audit "${@:2}"; }

holder() { in_ "$1" -n aviary-system get lease "$2" -o 'jsonpath={.spec.holderIdentity}'; }
leads() { [[ $(holder "$1" "$2") == "$3".* ]]; }
# follows CLUSTER LEASE IDENTITY: it leads within five seconds; says after how long
follows() {
  local begun; begun=$(date +%s%N)
  soon 10 leads "$@" || { echo "holder: $(holder "$1" "$2")"; return 1; }
  took=$((($(date +%s%N) - begun) / 1000000))
  [ $took -le 5000 ]
}

# told_once LOG…: what the hubs and their API say of a Decision that is over, by its uid and cluster, is one and the same. A hub that comes
# next tells again what it finds; one that carried it out again had other times. Within one log nothing is told twice.
told_once() {
  in_ hub get decisions -o json >"$work/decisions.json" && python3 - "$work/decisions.json" "$@" <<'P'
import collections, json, sys
known, wrong = {}, []
def over(where, uid, status):
    for row in [{"outcome": status["outcome"]}, *status["clusters"]]:
        said = {key: row.get(key) for key in ("outcome", "from", "to", "at")}
        first, before = known.setdefault((uid, row.get("cluster")), (where, said))
        if said != before: wrong.append(f"{uid} {row.get('cluster')}: {first} says {before}, {where} {said}")
for path in sys.argv[2:]:
    lines = [json.loads(line) for line in open(path)]
    for each in lines:
        if each["stage"] == "Settled": over(path, each["decision"]["uid"], each)
    counted = collections.Counter((each["decision"]["uid"], each["stage"]) for each in lines)
    wrong += [f"{path} says {count} times {key}" for key, count in counted.items() if count > 1]
told = {uid for uid, cluster in known}
for each in json.load(open(sys.argv[1]))["items"]:
    uid, status = each["metadata"]["uid"], each.get("status", {})
    if status.get("outcome", "Pending") == "Pending": continue
    if uid not in told: wrong.append(f"{uid} is over, and in no log")
    over("the API", uid, status)
print(f"{len(told)} are told to be over", *wrong, sep="\n")
sys.exit(bool(wrong) or not told)
P
}

# another CLUSTER NAME TO: the identity of $work/CLUSTER-NAME.kubeconfig by a token of its own, to tell two processes apart
another() { cp "$work/$1-$2.kubeconfig" "$3" && kubectl --kubeconfig "$3" config set-credentials "$2" --token="$(in_ "$1" -n aviary-system create token "$2" --duration 24h)"; }
# wrote CLUSTER WHO: what was written there since then, by who has the token in this kubeconfig, or this name
wrote() {
  tail -n +$((${begun[$1]} + 1)) "$work/$1/audit.log" | python3 -c '
import base64, json, re, sys
who = sys.argv[1]
if who.endswith(".kubeconfig"):
    claims = re.search(r"token: [^.]+\.([^.]+)\.", open(who).read())[1]
    who = "JTI=" + json.loads(base64.urlsafe_b64decode(claims + "=="))["jti"]
for line in sys.stdin:
    each = json.loads(line)
    user, what = each["user"], each.get("objectRef", {})
    # A request that its client gives up before it is known whose it is has no name.
    if who not in (user.get("username"), *user.get("extra", {}).get("authentication.kubernetes.io/credential-id", [])): continue
    # A review and a dry run are questions.
    if each["verb"] in ("get", "list", "watch") or what.get("resource", "").endswith("reviews") or "dryRun=All" in each["requestURI"]: continue
    print(each["verb"], "/".join(filter(None, (what.get("resource"), what.get("subresource")))), what.get("name"), each["responseStatus"]["code"])' "$2"
}
# approved COUNT: so many steps were, in each member
approved() { local each; for each in "${members[@]}"; do prints "$1" '^patch rollouts/status .* 200$' wrote "$each" $of_hub || return 1; done; }
unwritten() { local each; for each in "${members[@]}"; do prints 0 . wrote "$each" "$1" || return 1; done; }
# All of a release, as it is written by now.
written() {
  in_ hub get decisions,fleetbindings,rollouts,deployments -o "jsonpath=$rows" || return 1
  local each; for each in "${members[@]}"; do in_ "$each" get rollouts,batchreleases,deployments,replicasets,pods -o "jsonpath=$rows" || return 1; done
}
rows='{range .items[*]}{.kind} {.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{"\n"}{end}'
still() { written >"$work/written" && sleep 1 && as_written; }
as_written() { diff "$work/written" <(written); }
# added LOG LINES PATTERN: after so many lines there is one like this
added() { tail -n +$(($2 + 1)) "$work/$1.log" | grep -q "$3"; }

# Nothing passes that cannot be held back, and it goes on by itself.
webhook() {
  version=$((version + 1))
  die beijing
  check 'without its webhook beijing takes no new version' tells 1 'freeze.rollouts.aviary.dev' release beijing v$version
  check 'nor one from the hub' release hub v$version
  # What is no new version of a released workload does not wait for it.
  in_beijing() { in_ beijing -n demo "$@"; }
  check 'workloads without a Rollout are made' in_beijing create deployment plain --image plain:v1
  check 'and changed' in_beijing set image deployment/plain plain=plain:v2
  check 'and taken away' in_beijing delete deployment plain
  check 'the released one is scaled' in_beijing scale deployment qwen-inference --replicas 11
  check 'and back' in_beijing scale deployment qwen-inference --replicas 10
  check 'and labelled' in_beijing label deployment qwen-inference --overwrite "round=$version"
  check 'shanghai pauses at step 1' soon 30 state shanghai Progressing/1/StepPaused
  sleep 3
  check 'beijing has what it had' runs beijing "v$((version - 1))=10"
  check 'explain names cluster and cause' explained '^beijing .*(WebhookNotInForce|ControllerAbsent|ApplyFailed)'
  controller beijing
  check 'its controller is back' soon 30 answers "${controllers[beijing]}"
  check 'beijing pauses at step 1, too' soon 30 state beijing Progressing/1/StepPaused
  check 'with one pod of it' runs beijing "v$((version - 1))=9 v$version=1"
  check 'it ends' finish_release
}

credentials() {
  set_out
  check 'the hub'"'"'s identity in beijing is deleted' in_ beijing -n aviary-system delete serviceaccount aviary-hub
  check 'beijing is not available' soon 40 available beijing False
  check 'explain names cluster and cause' explained '^beijing .*ClusterUnreachable'
  check 'and what to do' says "refuses the hub's credentials.*aviary join beijing" in_ hub get managedcluster beijing -o 'jsonpath={.status.conditions[*].message}'
  check 'approve both: it counts as soon as beijing is back' rollout approve -M --wait=false
  check 'shanghai goes on' soon 20 state shanghai Progressing/2/StepPaused
  check 'beijing does not' state beijing Progressing/1/StepPaused
  check 'join again' join beijing
  check 'beijing goes on' soon 40 state beijing Progressing/2/StepPaused
  check 'it ends' finish_release
}

# A hub of another fleet does not get a cluster by mistake; told to take it over, it finds that what it would bring is the first one's.
other_hub() {
  local first_webhook=$webhook first_health=$health uid
  set_out
  if [ ! -e "$work/other" ]; then
    check 'a hub of another fleet' cluster other --light
    check 'its identity' identity other aviary-hub
  fi
  webhook=$(port) health=$(port)
  run other aviary hub --kubeconfig "$work/other-aviary-hub.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$webhook" --webhook-port "$webhook" --health-port "$health" --audit-log "$work/other-audit.log"
  check 'it is ready' soon 40 answers "$health"
  webhook=$first_webhook
  uid=$(in_ hub get namespace kube-system -o 'jsonpath={.metadata.uid}')
  of_other() { aviary "$1" beijing --kubeconfig "$work/beijing/kubeconfig" --hub-kubeconfig "$work/other/kubeconfig" "${@:2}"; }
  identity_there() { in_ beijing -n aviary-system get clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts -o "jsonpath=$rows" | grep -i aviary; }
  local before; before=$(identity_there)
  check 'the first one has an identity in beijing' prints 2 '^(ServiceAccount aviary-hub|ClusterRoleBinding aviary:hub) ' identity_there
  check 'beijing does not join it: it says whose the cluster is, and what to do' tells 1 "has uid $uid.*aviary unjoin.*--replace" of_other join --read-and-approve
  check 'what the first one may do is as it was' test "$(identity_there)" = "$before"
  check 'leaving it, the identity there stays' tells 0 "the identity there stays.* uid $uid" of_other unjoin
  check 'as it was' test "$(identity_there)" = "$before"
  check 'it takes the cluster over' tells 0 "it was of the hub whose .* uid $uid" of_other join --replace
  check 'it has other plans for the workload' in_ other apply -f "$seed/namespace.yaml" -f <(sed 's/vllm-qwen:v1/vllm-qwen:v99/' "$seed/workload.yaml")
  check 'and stops at the object, with the reason' soon 30 says 'OtherHub|belongs to hub' in_ other get fleetbindings -o yaml
  check 'beijing stays at step 1' state beijing Progressing/1/StepPaused
  check 'with its pods' runs beijing "v$((version - 1))=9 v$version=1"
  check 'the first one has no credentials any more' soon 40 available beijing False
  check 'explain says so' explained '^beijing .*ClusterUnreachable'
  check 'joining again is no way back by itself' tells 1 'is of another hub' join beijing
  check 'it takes the cluster back' join beijing --replace
  check 'and has it' soon 40 available beijing
  before=$(identity_there)
  check 'the other one leaves the cluster' tells 0 "the identity there stays.* uid $uid" of_other unjoin
  check 'on its side all is gone' prints 0 . in_ other -n aviary-system get managedcluster/beijing secret/cluster-beijing --ignore-not-found --no-headers
  check 'the identity there is as it was' test "$(identity_there)" = "$before"
  die other
  health=$first_health
  check 'the first one goes on' rollout approve -M
  check 'both pause at step 2' soon 20 both state Progressing/2/StepPaused
  check 'it has the cluster' available beijing
  check 'it ends' finish_release
}

# second_hub KUBECONFIG, standby_member KUBECONFIG: beside the first, with its webhooks at port $at and its health at $ok
at_ports() { printf '%s\n' --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$at" --webhook-port "$at" --health-port "$ok"; }
second_hub() { run second aviary hub --identity second --kubeconfig "$1" $(at_ports) --audit-log "$work/second-audit.log"; }
standby_member() { run standby aviary member --identity standby --kubeconfig "$1" $(at_ports); }
first_leads() { local who; who=$(holder beijing aviary-member); [ -n "$who" ] && [[ $who != standby.* ]] || { echo "holder: $who"; return 1; }; }

# A second hub on the same API, by mistake or for safety, waits; it leads when the first is killed.
two_hubs() {
  local at ok first_webhook=$webhook first_health=$health
  at=$(port) ok=$(port)
  set_out
  second_hub "$work/hub-aviary-hub.kubeconfig"
  check 'a second hub waits, and says so' soon 20 not_ready "$ok" 'another hub leads'
  sleep 5
  check 'it still does' not_ready "$ok" 'another hub leads'
  begin_here
  check 'the first one goes on' rollout approve -M
  check 'both pause at step 2' soon 20 both state Progressing/2/StepPaused
  die hub
  check 'killed, the second leads within 5 s' follows hub aviary-hub second
  echo "         after ${took:-?} ms"
  check 'it is ready' soon 20 answers "$ok"
  webhook=$at health=$ok
  check 'the release goes on' soon 30 finish_release
  check 'nothing was decided twice' soon 5 told_once "$work/audit.log" "$work/second-audit.log"
  check 'nor carried out twice' approved 2
  die second
  webhook=$first_webhook health=$first_health
  hub
  check 'the first one leads again' soon 20 answers "$health"
}

# A hub that stands still for longer than its Lease does nothing of what it had before it when it goes on.
stopped_hub() { stands_still; stands_still approving; }
# stands_still [approving]
stands_still() {
  local at ok new lines first_webhook=$webhook first_health=$health
  at=$(port) ok=$(port)
  set_out
  check 'a token for a second hub' another hub aviary-hub "$work/second.kubeconfig"
  second_hub "$work/second.kubeconfig"
  check 'it waits' soon 20 not_ready "$ok" 'another hub leads'
  begin_here
  if [ "${1:-}" = approving ]; then
    check 'approve both' rollout approve -M --wait=false
    # Somewhere between the Decision and its end.
    python3 -c 'import random, time; time.sleep(random.uniform(0, 0.1))'
  fi
  kill -STOP "${pids[hub]}"
  check 'the one that leads stands still: the second leads within 5 s' follows hub aviary-hub second
  echo "         after ${took:-?} ms"
  check 'it is ready' soon 20 answers "$ok"
  webhook=$at health=$ok
  [ "${1:-}" = approving ] || check 'approve both' rollout approve -M
  check 'both pause at step 2' soon 20 both state Progressing/2/StepPaused
  check 'each was approved once' approved 1
  [ "${1:-}" = approving ] || check 'and the second has written' bash -c 'grep -q decisions/status <<<"$0"' "$(wrote hub "$work/second.kubeconfig")"
  check 'nothing moves any more' soon 20 still
  new=$(holder hub aviary-hub) lines=$(wc -l <"$work/hub.log")
  begin_here
  kill -CONT "${pids[hub]}"
  check 'the first one goes on, and leads no more' soon 10 added hub "$lines" 'leading no more'
  check 'it waits, and says so' soon 10 not_ready "$first_health" 'another hub leads'
  sleep 6
  check 'it still does' not_ready "$first_health" 'another hub leads'
  check 'the Lease is the second one'"'"'s' test "$(holder hub aviary-hub)" = "$new"
  check 'the first one has written nothing' prints 0 . wrote hub "$work/hub-aviary-hub.kubeconfig"
  check 'nor has any hub in a member' unwritten $of_hub
  check 'nothing has changed' as_written
  check 'both have five' both runs "v$((version - 1))=5 v$version=5"
  check 'and explain says so' explained '^beijing +2/3 +StepPaused +AwaitingApproval'
  check 'it ends' finish_release
  die second
  webhook=$first_webhook health=$first_health
  check 'the second killed, the first one leads again' soon 20 answers "$health"
  check 'nothing was decided twice' soon 5 told_once "$work/audit.log" "$work/second-audit.log"
}

two_members() {
  local at ok
  at=$(port) ok=$(port)
  set_out
  standby_member "$work/beijing-aviary-member.kubeconfig"
  check 'a second controller is ready' soon 30 answers "$ok"
  check 'and does not lead' first_leads
  rollout approve -M --wait=false >"$work/out"
  die beijing
  check 'in the middle of a step the one that leads is killed: the other leads within 5 s' follows beijing aviary-member standby
  echo "         after ${took:-?} ms"
  check 'both pause at step 2' soon 30 both state Progressing/2/StepPaused
  check 'with five' both runs "v$((version - 1))=5 v$version=5"
  check 'it ends' finish_release
  controller beijing
  die standby
  check 'the first one leads again' soon 20 answers "${controllers[beijing]}"
}

# The same of a member's controller, in the middle of a step.
stopped_member() {
  local at ok new lines
  at=$(port) ok=$(port)
  set_out
  check 'a token for a second controller' another beijing aviary-member "$work/standby.kubeconfig"
  standby_member "$work/standby.kubeconfig"
  check 'it is ready' soon 30 answers "$ok"
  check 'and does not lead' first_leads
  begin_here
  rollout approve -M --wait=false >"$work/out"
  kill -STOP "${pids[beijing]}"
  check 'the one that leads stands still: the other leads within 5 s' follows beijing aviary-member standby
  echo "         after ${took:-?} ms"
  check 'both pause at step 2' soon 30 both state Progressing/2/StepPaused
  check 'with five' both runs "v$((version - 1))=5 v$version=5"
  check 'nothing moves any more' soon 20 still
  new=$(holder beijing aviary-member) lines=$(wc -l <"$work/beijing.log")
  begin_here
  kill -CONT "${pids[beijing]}"
  check 'the first one goes on, and leads no more' soon 10 added beijing "$lines" 'leading no more'
  sleep 6
  check 'the Lease is the other one'"'"'s' test "$(holder beijing aviary-member)" = "$new"
  check 'the first one has written nothing' prints 0 . wrote beijing "$work/beijing-aviary-member.kubeconfig"
  check 'nothing has changed' as_written
  check 'explain is right' explained '^beijing +2/3 +StepPaused +AwaitingApproval'
  check 'it ends' finish_release
  die standby
  check 'the other killed, the first one leads again' soon 20 first_leads
}

# All of a member is away in the middle of a release; what was decided meanwhile holds when it is back.
away() {
  set_out
  check 'all of beijing stops' stop_beijing
  check 'it is not available' soon 60 available beijing False
  check 'approve both: it counts as soon as beijing is back' rollout approve -M --wait=false
  check 'explain names it' explained '^beijing .*ClusterUnreachable'
  check 'shanghai goes on' soon 20 state shanghai Progressing/2/StepPaused
  sleep "${AWAY:-10}"
  check 'beijing starts' start_beijing
  check 'what was decided is carried out' soon 40 state beijing Progressing/2/StepPaused
  check 'with five' runs beijing "v$((version - 1))=5 v$version=5"
  check 'and so it is written' outcome 'Applied Applied Applied'
  check 'it ends' finish_release
}

# A Decision whose time is over does nothing when the member is back.
expired() {
  set_out
  check 'all of beijing stops' stop_beijing
  check 'it is not available' soon 60 available beijing False
  rollout approve -m beijing --dry-run=client -o yaml | sed -E "s/expiresAt: .*/expiresAt: \"$(date -u -d '+10 seconds' +%Y-%m-%dT%H:%M:%SZ)\"/" >"$work/decision.yaml"
  check 'an approval that holds for ten seconds' in_ hub apply -f "$work/decision.yaml"
  check 'it expires' soon 30 outcome "^$(in_ hub create --dry-run=client -o 'jsonpath={.metadata.name}' -f "$work/decision.yaml") Expired "
  check 'beijing starts' start_beijing
  check 'it is available' soon 40 available beijing
  sleep 3
  check 'and stays where it was' state beijing Progressing/1/StepPaused
  check 'it ends' finish_release
}

# Whatever is away in the middle of a release, explain says what, and the release goes on once it is back.
named() {
  local each
  set_out
  # What the hub still has to write there would wait for the webhook, and explain say that.
  check 'and nothing is written any more' soon 30 still
  die beijing
  check 'approve both, without a controller in beijing' rollout approve -M --wait=false
  check 'explain names the controller' soon 30 explained '^beijing +1/3 +StepReady +Approved +[0-9]+s +the rollout controller there goes on +cluster owner'
  controller beijing
  check 'it is back, and both pause at step 2' soon 40 both state Progressing/2/StepPaused
  for each in etcd kube-apiserver; do
    check "$each of beijing is killed" "$real/fixture" kill --dir "$work/beijing" --part "$each"
    check 'explain names the cluster' soon 60 explained '^beijing .*ClusterUnreachable'
    check 'and shanghai stands as before' explained '^shanghai +2/3 +StepPaused +AwaitingApproval'
    check "$each is back" "$real/fixture" start --dir "$work/beijing" --part "$each"
    check 'explain says what it waits for' soon 60 explained '^beijing +2/3 +StepPaused +AwaitingApproval'
  done
  die hub
  check 'without a hub explain says so, and what to do' says '`aviary hub` does not answer.*--contexts' rollout explain
  hub
  check 'the hub is back' soon 40 answers "$health"
  check 'explain says the same again' soon 40 explained '^beijing +2/3 +StepPaused +AwaitingApproval'
  # In the middle of a step, whose pods do not start while nobody could say so.
  local nodes; nodes=$(process_of beijing kwok)
  kill -STOP "$nodes"
  check 'approve beijing' rollout approve -m beijing --wait=false
  check 'its pods are on their way' soon 30 state beijing Progressing/3/StepUpgrade
  die beijing
  check 'explain names the controller again' soon 60 explained '^beijing +3/3 +StepUpgrade +ControllerAbsent +[0-9]+[sm].* +a rollout controller runs there +cluster owner'
  kill -CONT "$nodes"
  controller beijing
  check 'beijing is complete' soon 60 state beijing Healthy/3/Completed
  check 'it ends' soon 90 finish_release
}

# What stands in both while nobody can say anything: nothing goes beyond the step.
stands_at() { both state "Progressing/$1/StepPaused" && both runs "v$((version - 1))=$((10 - $2)) v$version=$2"; }
unreached='Unknown +ClusterUnreachable +([0-9]+s|-)? *member connects again +network on-call'
meanwhile='clusters go on to their next pause; --contexts asks them without it'

# The hub's API server or its store is away in the middle of a release: explain fails and says so, and without the hub all is seen.
hub_store() {
  local part
  set_out
  in_both() { (export KUBECONFIG=$work/beijing/kubeconfig:$work/shanghai/kubeconfig; kubectl-amc rollout explain $r -n demo --contexts 'beijing,shanghai'); }
  for part in etcd kube-apiserver; do
    check "the hub's $part is killed" "$real/fixture" kill --dir "$work/hub" --part $part
    case $part in
      etcd) check 'explain says that nobody leads, why, and what to do' soon 30 tells 1 "no hub leads at the moment \\(nobody can lead: .*\\).*$meanwhile" rollout explain ;;
      *) check 'explain says what does not answer, and what to do' tells 1 "the hub's API server does not answer: (connecting to|TLS handshake with) 127.* The $meanwhile" rollout explain ;;
    esac
    check 'nor is anything approved' ends 1 rollout approve -M --timeout 5s
    check 'without it all is seen' tells 0 '^beijing +1/3 +StepPaused +AwaitingApproval' in_both
    check 'nothing goes beyond the step' stands_at 1 1
    check "the hub's $part is back" "$real/fixture" start --dir "$work/hub" --part $part
    check 'explain says what both wait for' soon 90 both explained_at 1/3
  done
  check 'nothing has gone beyond the step' stands_at 1 1
  check 'approve both' rollout approve -M
  check 'both pause at step 2' soon 30 stands_at 2 5
  check 'it ends' finish_release
}
explained_at() { explained "^$1 +$2 +StepPaused +AwaitingApproval"; }

# The network between the hub and a member that it reaches, and one whose agent dials in; then the agent itself.
network() {
  local near far server each
  near=$(port) far=$(port)
  set_out
  mode pass
  server=$(kubectl --kubeconfig "$work/beijing/kubeconfig" config view -o 'jsonpath={.clusters[0].cluster.server}')
  run to-beijing python3 "$root/test/real/lib/proxy.py" "$near" "${server##*:}" "$work/network"
  run to-hub python3 "$root/test/real/lib/proxy.py" "$link" "$far" "$work/network"
  sed "s|$server|https://127.0.0.1:$near|" "$work/beijing/kubeconfig" >"$work/beijing-far.kubeconfig"
  die hub
  hub --agent-address "127.0.0.1:$link" --agent-port "$far"
  check 'the hub takes agents' soon 40 answers "$health"
  check 'beijing joins, far away' soon 20 aviary join beijing --kubeconfig "$work/beijing-far.kubeconfig" --hub-kubeconfig "$work/hub/kubeconfig"
  check 'shanghai joins by an agent' join_by_agent shanghai --replace
  check 'its manifest is applied' in_ shanghai -n aviary-system apply -f "$work/shanghai-agent.yaml"
  check 'its agent starts' agent shanghai
  check 'it is linked' soon 40 dialled shanghai
  check 'explain says what both wait for' soon 40 both explained_at 1/3
  for each in cut stall; do
    check "the network is in the mode $each" mode $each
    check 'explain names both, and what ends it' soon 30 both unreached_in
    case $each in
      cut) check 'and why: nobody takes a connection' explained '^beijing: does not answer: TLS handshake with 127' ;;
      stall) check 'and why: nothing comes' soon 20 explained '^beijing: does not answer: no answer within 5 s' ;;
    esac
    check 'and why in the other one' explained '^shanghai: does not answer: (no agent of shanghai is linked|no answer within 5 s)'
    check 'it shows the pods that it saw last' explained "on v$version: 2/20"
    check 'nothing goes beyond the step' stands_at 1 1
    check 'the network is there again' mode pass
    check 'explain says what both wait for' soon 20 both explained_at 1/3
  done
  # Just before it is noticed.
  check 'the network stalls' mode stall
  check 'explain draws no cluster as fine that has just gone silent' both unreached_in
  check 'approve both: it counts as soon as they are back' rollout approve -M --wait=false
  sleep 12
  check 'nothing goes beyond the step' stands_at 1 1
  check 'the network is slow' mode slow
  check 'both pause at step 2' soon 40 stands_at 2 5
  check 'explain is slow, and right' soon 20 both explained_at 2/3
  check 'the network is there again' mode pass
  die shanghai-agent
  check 'without its agent explain names shanghai' soon 20 explained "^shanghai +2/3\\? +$unreached"
  check 'and why' soon 20 explained '^shanghai: does not answer: no agent of shanghai is linked'
  check 'beijing stands as before' explained_at beijing 2/3
  check 'approve both: it counts as soon as shanghai is back' rollout approve -M --wait=false
  check 'beijing is complete' soon 30 state beijing Healthy/3/Completed
  check 'shanghai stays' state shanghai Progressing/2/StepPaused
  check 'its agent starts' agent shanghai
  check 'shanghai is complete' soon 30 state shanghai Healthy/3/Completed
  check 'with ten each' both runs "v$version=10"
  check 'beijing is reached as before' join beijing
  check 'and so is shanghai' join shanghai --replace
  die shanghai-agent
  die to-beijing; die to-hub; die hub
  hub
  check 'the hub is ready' soon 40 answers "$health"
  check 'and has both' soon 40 both available
}
unreached_in() { tells 0 "^$1 +1/3\\? +$unreached" rollout explain; }

begin
rounds ${OUTAGES:-webhook credentials other_hub two_hubs stopped_hub two_members stopped_member away expired named hub_store network}
finished=1
