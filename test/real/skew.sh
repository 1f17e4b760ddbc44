#!/usr/bin/env bash
# A fleet of two real clusters whose programs are of an earlier version, replaced by this one's in the middle of releases: first the hub,
# then a member at every state of a step. The replacement touches no pod, nothing passes that nobody approved, and each release ends.
# Ends in "N passed, N failed"; exit 3 without an earlier version.
# Needs on PATH: kubectl; and test/real/build has been run.
#   OLD=$(tools/build-at REVISION) test/real/skew.sh        the earlier version; else the newest that tools/build-at has built
#   LINK=1 …                                                members whose agents dial in; these are replaced, too
#   RECORD=test/compat/skew/NAME …                          keeps the objects as that version leaves them, for app_member_test
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
OLD=${OLD:-$(ls -t "$root"/build/at/*/bin/aviary 2>/dev/null | head -n 1)}
if [ ! -x "$OLD" ]; then echo 'left out: there is no earlier version to try: OLD=$(tools/build-at REVISION)'; exit 3; fi
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
members=(beijing shanghai) version=1 running=v1 slow=3s
program=([hub]=$OLD [beijing]=$OLD [shanghai]=$OLD [beijing-agent]=$OLD [shanghai-agent]=$OLD [join]=$OLD)
echo "      the earlier version: $OLD, $("$OLD" version)"

# now_new / now_old: which program runs in beijing from here on
now_new() { unset 'program[beijing]'; start_beijing; }
now_old() { program[beijing]=$OLD; stop beijing; start_beijing; }
start_beijing() { controller beijing; need "beijing is ready with $("${program[beijing]:-aviary}" version)${program[beijing]:+ of before}" soon 40 answers "${controllers[beijing]}"; }
# What a replacement is not to touch: who the pods are, and what people have written.
untouched() {
  in_ "$1" get pods -o json | python3 -c '
import json, sys
for each in sorted(each["metadata"]["name"] for each in json.load(sys.stdin)["items"] if "deletionTimestamp" not in each["metadata"]): print(each)' &&
  in_ "$1" get deployment,rollout -o 'jsonpath={range .items[*]}{.kind} {.metadata.generation}{"\n"}{end}'
}
# record STATE: what is there now
record() {
  [ -n "${RECORD:-}" ] || return 0
  mkdir -p "$root/$RECORD" &&
  in_ beijing get deployments,replicasets,pods,rollouts,batchreleases -o json | python3 "$root/test/real/lib/record.py" >"$root/$RECORD/$1.json"
}
# set_out: the next version, in both clusters
set_out() {
  version=$((version + 1)) old=$running new=v$version
  check "release $new" release hub $new
}
pauses() {
  check "both pause at step $1" soon 60 both state "Progressing/$1/StepPaused"
  check "with $2" soon 20 both runs "$2"
}
approve() { rollout approve -M; }
# ends_well: whatever waits is approved until both have the new version
ends_well() {
  local end=$((SECONDS + 120))
  until both state Healthy/3/Completed && both runs "$new=10"; do
    [ $SECONDS -lt $end ] || return 1
    rollout approve -M --wait=false
    sleep 0.5
  done
  running=$new
  soon 20 both clean
}
# replace_at_rest STATE PHASE/STEP/STATE PODS: at a pause; it stays as it is
replace_at_rest() {
  local before; before=$(untouched beijing)
  stop beijing
  record "$1"
  now_new
  sleep 3
  check "$1: its pods, and what was written, are the same" test "$(untouched beijing)" = "$before"
  check "$1: it is where it was" state beijing "$2"
  check "$1: with $3" runs beijing "$3"
}
# replace_agent PHASE/STEP/STATE PODS: the same of the one that dials in
replace_agent() {
  local before; before=$(untouched beijing)
  stop beijing-agent
  unset 'program[beijing-agent]'
  need 'an agent of this version' agent beijing
  check 'it is linked' soon 40 dialled beijing
  check 'beijing is available' soon 40 available beijing
  sleep 3
  check 'its agent replaced, its pods, and what was written, are the same' test "$(untouched beijing)" = "$before"
  check 'it is where it was' state beijing "$1"
  check "with $2" runs beijing "$2"
}

# Everything is of before: its way to join, too.
start_fleet
sed "s|^    metadata:\$|&\n      annotations: {simulator.aviary.dev/start: $slow}|" "$seed/workload.yaml" >"$work/workload.yaml"
check 'apply namespace and workload' in_ hub apply -f "$seed/namespace.yaml" -f "$work/workload.yaml"
check 'both are ready' soon 60 both ready
check 'apply the Rollout' in_ hub apply -f "$seed/rollout.yaml"
need 'both are healthy' soon 40 both healthy

# The hub first, as the guide has it.
set_out
pauses 1 "$old=9 $new=1"
before=$(untouched beijing; untouched shanghai)
stop hub
unset 'program[hub]'
hub
need 'the hub is ready, with this version' soon 60 answers "$health"
check 'the clusters are available' soon 40 both available
sleep 3
check 'no pod was touched, and nothing written' test "$(untouched beijing; untouched shanghai)" = "$before"
check 'both are where they were' both state Progressing/1/StepPaused
check 'approve both' approve
pauses 2 "$old=5 $new=5"
check 'approve both' approve
check 'both are healthy' soon 60 both state Healthy/3/Completed
check 'with ten' soon 20 both runs "$new=10"
running=$new
check 'nothing of the release is left on the Deployments' soon 20 both clean

# This hub, and members of before.
set_out
pauses 1 "$old=9 $new=1"
check 'abort everywhere' rollout abort -M
check "$old is back" soon 60 both runs "$old=10"
check 'both are healthy' soon 60 both healthy
# Identities of the first versions could not read which controller runs there.
known_or_not() { supported beijing True || supported beijing Unknown; }
check 'what an identity of before may not read is no failure' soon 20 known_or_not
unset 'program[join]'
if [ -z "${LINK:-}" ]; then
  check 'beijing joins again' join beijing
else
  check 'beijing joins again' join_by_agent beijing
  check 'its manifest is applied' in_ beijing -n aviary-system apply -f "$work/beijing-agent.yaml"
fi

# And then the member, wherever its release is.
replace_at_rest Healthy "$(in_ beijing get rollout $r -o 'jsonpath={.status.phase}/{.status.canaryStatus.currentStepIndex}/{.status.canaryStatus.currentStepState}')" "$old=10"
this=$(aviary version)
check 'the hub says which version runs there' soon 80 known beijing controller-version "${this#aviary }"
check 'and that it works with that one' supported beijing True
now_old

set_out
check 'beijing is at step 1' soon 20 state beijing Progressing/1/StepUpgrade
sleep 1
stop beijing
record StepUpgrade-1
now_new
pauses 1 "$old=9 $new=1"
now_old
replace_at_rest StepPaused-1 Progressing/1/StepPaused "$old=9 $new=1"
[ -z "${LINK:-}" ] || replace_agent Progressing/1/StepPaused "$old=9 $new=1"
now_old
stop beijing
check 'approve both, while the controller of beijing is down' rollout approve -M --wait=false
check 'that waits for it' soon 20 state beijing Progressing/1/StepReady
record StepReady-1
now_new
pauses 2 "$old=5 $new=5"
now_old
replace_at_rest StepPaused-2 Progressing/2/StepPaused "$old=5 $new=5"
now_old
check 'approve both' rollout approve -M --wait=false
check 'beijing is at step 3' soon 20 state beijing Progressing/3/StepUpgrade
sleep 1
stop beijing
record StepUpgrade-3
now_new
check 'the release ends' ends_well

now_old
set_out
pauses 1 "$old=9 $new=1"
check 'approve both' rollout approve -M --wait=false
check 'beijing is at step 2' soon 20 state beijing Progressing/2/StepUpgrade
sleep 1
stop beijing
record StepUpgrade-2
now_new
pauses 2 "$old=5 $new=5"
now_old
check 'abort everywhere' rollout abort -M --wait=false
going_back() { [ "$(in_ beijing get rollout $r -o 'jsonpath={.status.conditions[?(@.type=="Progressing")].reason}')" = Cancelling ]; }
check 'beijing goes back' soon 20 going_back
stop beijing
record Cancelling
now_new
check "$old is back" soon 60 both runs "$old=10"
check 'both are healthy' soon 60 both healthy
check 'nothing of the release is left on the Deployments' soon 20 both clean
set_out
pauses 1 "$old=9 $new=1"
check 'the next release ends, with members of both versions' ends_well
finished=1
