#!/usr/bin/env bash
# What goes wrong around a release, by name: a webhook that is down, credentials that are revoked, two hubs by mistake, a member
# that is away for long, leaders that are killed: test/real/outages.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
#   OUTAGES="webhook away" …    only these of: webhook credentials other_hub two_hubs two_members away expired
#   RUNS=20 …                   so often; the bar is 20
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
. "$(dirname "${BASH_SOURCE[0]}")/lib/outage.bash"
members=(beijing shanghai) version=1

holder() { in_ "$1" -n aviary-system get lease "$2" -o 'jsonpath={.spec.holderIdentity}'; }
leads() { [[ $(holder "$1" "$2") == "$3".* ]]; }
# follows CLUSTER LEASE IDENTITY: it leads within five seconds; says after how long
follows() {
  local begun; begun=$(date +%s%N)
  soon 10 leads "$@" || { echo "holder: $(holder "$1" "$2")"; return 1; }
  took=$((($(date +%s%N) - begun) / 1000000))
  [ $took -le 5000 ]
}

# Nothing passes that cannot be held back, and it goes on by itself.
webhook() {
  version=$((version + 1))
  die beijing
  check 'without its webhook beijing takes no new version' tells 1 'freeze.rollouts.aviary.dev' release beijing v$version
  check 'nor one from the hub' release hub v$version
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

# Another fleet's hub finds that what it would bring is the first one's.
other_hub() {
  local first_webhook=$webhook first_health=$health
  set_out
  if [ ! -e "$work/other" ]; then
    check 'a hub of another fleet' cluster other --light
    check 'its identity' identity other aviary-hub
  fi
  webhook=$(port) health=$(port)
  run other aviary hub --kubeconfig "$work/other-aviary-hub.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$webhook" --webhook-port "$webhook" --health-port "$health" --audit-log "$work/other-audit.log"
  check 'it is ready' soon 40 answers "$health"
  check 'beijing joins it, too' aviary join beijing --kubeconfig "$work/beijing/kubeconfig" --hub-kubeconfig "$work/other/kubeconfig"
  check 'it has other plans for the workload' in_ other apply -f "$seed/namespace.yaml" -f <(sed 's/vllm-qwen:v1/vllm-qwen:v99/' "$seed/workload.yaml")
  check 'and stops at the object, with the reason' soon 30 says 'OtherHub|belongs to hub' in_ other get fleetbindings -o yaml
  check 'beijing stays at step 1' state beijing Progressing/1/StepPaused
  check 'with its pods' runs beijing "v$((version - 1))=9 v$version=1"
  die other
  webhook=$first_webhook health=$first_health
  check 'the first one goes on' rollout approve -M
  check 'both pause at step 2' soon 20 both state Progressing/2/StepPaused
  check 'it ends' finish_release
}

# A second hub on the same API, by mistake or for safety, waits; it leads when the first is killed.
two_hubs() {
  local at ok first_webhook=$webhook first_health=$health
  at=$(port) ok=$(port)
  set_out
  run second aviary hub --identity second --kubeconfig "$work/hub-aviary-hub.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$at" --webhook-port "$at" --health-port "$ok" --audit-log "$work/second-audit.log"
  check 'a second hub waits, and says so' soon 20 not_ready "$ok" 'another hub leads'
  sleep 5
  check 'it still does' not_ready "$ok" 'another hub leads'
  check 'the first one goes on' rollout approve -M
  check 'both pause at step 2' soon 20 both state Progressing/2/StepPaused
  die hub
  check 'killed, the second leads within 5 s' follows hub aviary-hub second
  echo "         after ${took:-?} ms"
  check 'it is ready' soon 20 answers "$ok"
  webhook=$at health=$ok
  check 'the release goes on' soon 30 finish_release
  check 'nothing was decided twice' bash -c '! grep -h . "$0" "$1" 2>/dev/null | sort | uniq -d | grep .' "$work/audit.log" "$work/second-audit.log"
  die second
  webhook=$first_webhook health=$first_health
  hub
  check 'the first one leads again' soon 20 answers "$health"
}

two_members() {
  local at ok
  at=$(port) ok=$(port)
  set_out
  run standby aviary member --identity standby --kubeconfig "$work/beijing-aviary-member.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$at" --webhook-port "$at" --health-port "$ok"
  check 'a second controller is ready' soon 30 answers "$ok"
  check 'and does not lead' bash -c '[[ "$0" != standby.* ]]' "$(holder beijing aviary-member)"
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

begin
rounds ${OUTAGES:-webhook credentials other_hub two_hubs two_members away expired}
finished=1
