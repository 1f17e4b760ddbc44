#!/usr/bin/env bash
# A hub that is lost in the middle of a release across three real members, and one restored from an old backup: test/real/recover.sh
# Within a minute of the hub's end there is another, and what Git does not say is rebuilt from the members, with no pod touched and no
# Decision lost or doubled.
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
#   LINK=1 test/real/recover.sh         the members' agents dial in
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
members=(beijing shanghai hangzhou)

apply() { in_ hub apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml" -f "$seed/rollout.yaml"; }
recover() { aviary hub recover --from-members --kubeconfig "$work/hub-aviary-hub.kubeconfig" "$@"; }
# Everything of a member that must not change: pods, and what a controller would act upon.
touched() {
  in_ "$1" get pods,deployments,rollouts -o json | python3 -c '
import json, sys
for each in sorted(json.load(sys.stdin)["items"], key=lambda each: (each["kind"], each["metadata"]["name"])):
    print(each["kind"], each["metadata"]["name"], each["metadata"]["uid"], each["metadata"].get("generation"))'
}
same() { diff <(touched "$1") "$work/$1.before"; }
remember() { local each; for each in "${members[@]}"; do touched "$each" >"$work/$each.before"; done; }
pins() { in_ hub get fleetbindings -o json | python3 -c '
import json, sys
for each in json.load(sys.stdin)["items"]:
    for row in each["spec"]["clusters"]:
        print(each["metadata"]["name"], *(f"{key}={row[key]}" for key in ("name", "paused", "revision", "rejected") if row.get(key)))'; }
same_pins() { diff <(pins) "$work/pins"; }
decisions() { in_ hub get decisions -o json | python3 -c '
import json, sys
for each in json.load(sys.stdin)["items"]:
    print(each["metadata"]["name"], each["spec"]["action"], each["spec"]["requester"]["username"], each.get("status", {}).get("outcome"))'; }
on_record() { in_ "$1" get configmap "aviary-record-$2" -o 'jsonpath={.data.record}' | grep -q "$3"; }
stands() { in_ hub get fleetbinding deployment-qwen-inference -o 'jsonpath={.status.abnormal[*].reason} ' | grep -q "^$1 "; }
# In all three clusters.
stands_everywhere() { [ "$(in_ hub get fleetbinding deployment-qwen-inference -o 'jsonpath={.status.abnormal[*].reason}')" = "$1 $1 $1" ]; }
says_away() {
  in_ hub get fleetbinding deployment-qwen-inference -o 'jsonpath={range .status.abnormal[*]}{.cluster} {.reason}{"\n"}{end}' | grep -q "^$1 ClusterUnreachable"
}
nowhere() { ! in_ hub -n aviary-system get configmap aviary-fleet; }
# Exit 2 or 6: nothing but what waits.
waits_there() { local text got; text=$("$@" 2>&1); got=$?; echo "exit $got: $text"; [ $got = 2 ] || [ $got = 6 ] || return 1; grep -q waiting <<<"$text"; }
# What a person does: the identity is the former hub's, and agents know its authority alone, and have certificates under it.
join_again() {
  if [ -z "${LINK:-}" ]; then join "$1" --replace; return; fi
  join_by_agent "$1" && in_ "$1" -n aviary-system apply -f "$work/$1-agent.yaml" && soon 40 dialled "$1"
}
gone_hub() {
  die hub
  "$real/fixture" down --dir "$work/hub" && rm -rf "$work/hub"
}

start_fleet
check 'apply everything' soon 20 apply
need 'all are ready' soon 60 both ready
need 'all are healthy' soon 30 both healthy
check 'at rest there is nothing to keep' prints 0 . in_ beijing get configmaps -l fleet.aviary.dev/record --no-headers
check 'release v2' release hub v2
need 'all pause at step 1' soon 60 both state Progressing/1/StepPaused
check 'where it comes from is kept in the members' soon 10 both on_record deployment-qwen-inference "vllm-qwen:v1"
check 'approve beijing' rollout approve -m beijing
check 'beijing pauses at step 2' soon 60 state beijing Progressing/2/StepPaused
check 'abort shanghai' rollout abort -m shanghai
check 'shanghai is back at v1' soon 60 runs shanghai v1=10
check 'and healthy' soon 30 healthy shanghai
check 'its pin is kept in the members' soon 10 on_record beijing deployment-qwen-inference '"rejected"'
stopped=$(process_of hangzhou kube-apiserver)
remember
kill -STOP "$stopped"
check 'hangzhou is away' soon 60 available hangzhou False
check 'approved there, it waits' waits_there rollout approve -m hangzhou
name=$(in_ hub get decisions -o 'jsonpath={range .items[?(@.status.outcome=="Pending")]}{.metadata.name}{end}')
check 'that is kept in the members that answer, at once' soon 1 on_record beijing rollout-$r "$name"
pins >"$work/pins"
lost=$(date +%s%N)
check 'the hub is gone for good' gone_hub
kill -CONT "$stopped"

start_hub
for each in "${members[@]}"; do need "$each joins a new hub" join_again "$each"; done
need 'the clusters are available' soon 40 both available
check 'what Git has, the version before, is applied' soon 20 apply
check 'the new hub sees that it is another one' soon 30 stands OtherHub
check 'a dry run says what would be done' tells 0 "decision $name: Approve in hangzhou" recover --dry-run
check '… and does nothing' nowhere
check 'and brings no decision of another person' tells 1 'by the hub alone' aviary hub recover --from-members --kubeconfig "$work/hub/kubeconfig"
check 'no decision is there' prints 0 . in_ hub get decisions --no-headers
check 'until then nothing is touched' both same
began=$(date +%s%N)
check 'recover' tells 0 'the hub goes on' recover
check 'hangzhou goes on by the approval that waited' soon 60 state hangzhou Progressing/2/StepPaused
ended=$(date +%s%N)
took=$(((ended - lost) / 1000000))
echo "from the hub's end to the fleet going on: $took ms; from the command: $(((ended - began) / 1000000)) ms"
check 'within a minute' test "$took" -le 60000
for each in beijing shanghai; do check "no pod and no generation was touched in $each" same "$each"; done
check 'in hangzhou those of the next step alone' runs hangzhou 'v1=5 v2=5'
check 'no pod of the new version was lost there' test "$(in_ hangzhou get pods -o 'jsonpath={.items[*].metadata.uid}' | tr ' ' '\n' | grep -cFf - <(grep ^Pod "$work/hangzhou.before"))" -ge 5
check 'pins are as they were' same_pins
check 'the decision is there once, carried out, and whose it was' soon 10 prints 1 "^$name Approve .*admin.* Applied$" decisions
check 'and no other' prints 1 . decisions
check 'the hub has the version of the release' prints 1 vllm-qwen:v2 in_ hub get deployment qwen-inference -o 'jsonpath={.spec.template.spec.containers[0].image}{"\n"}'
check 'again, there is nothing to do' tells 0 'nothing to do' recover
check 'what it carries is of the new epoch' prints 1 '^2[.]' in_ beijing get deployment qwen-inference -o 'jsonpath={.metadata.labels.fleet\.aviary\.dev/generation}{"\n"}'
check 'approve what is left' rollout approve -m beijing,hangzhou
check 'beijing is healthy' soon 60 state beijing Healthy/3/Completed
check 'hangzhou is healthy' soon 60 state hangzhou Healthy/3/Completed
check 'shanghai is still where it was put' runs shanghai v1=10
check 'undo goes back to what was kept' rollout undo -m hangzhou
check 'by steps, as any release' soon 60 state hangzhou Progressing/1/StepPaused
check 'with one pod' runs hangzhou 'v1=1 v2=9'
check 'approve' rollout approve -m hangzhou
check 'it pauses at step 2' soon 60 state hangzhou Progressing/2/StepPaused
check 'approve' rollout approve -m hangzhou
check 'hangzhou is back at v1' soon 60 state hangzhou Healthy/3/Completed
check 'with ten' runs hangzhou v1=10

# An old backup: the store of the hub as it is now, brought back after a release that it does not know.
etcd=$(process_of hub etcd)
kill -STOP "$etcd"
check 'a backup of the hub' cp -a "$work/hub/etcd" "$work/backup"
kill -CONT "$etcd"
check 'release v3' release hub v3
need 'all pause at step 1' soon 60 both state Progressing/1/StepPaused
check 'approve beijing' rollout approve -m beijing
check 'beijing pauses at step 2' soon 60 state beijing Progressing/2/StepPaused
check 'pause shanghai' rollout pause -m shanghai
check 'that is kept in the members' soon 10 on_record beijing rollout-$r '"paused":true'
check 'and the release' soon 10 on_record beijing deployment-qwen-inference vllm-qwen:v3
pins >"$work/pins"
remember
check 'the hub is gone' gone_hub
mkdir "$work/hub" && mv "$work/backup" "$work/hub/etcd"
# Hangzhou answers only when the hub has written status for long: that makes what it restored no newer.
late=$(process_of hangzhou kube-apiserver)
kill -STOP "$late"
start_hub
check 'restored, it says that hangzhou is away' soon 60 says_away hangzhou
die hub
hub
need 'also when it begins anew' soon 60 answers "$health"
check 'hangzhou is away' soon 60 says_away hangzhou
kill -CONT "$late"
need 'the clusters are available' soon 60 both available
check 'it sees that it is behind' soon 30 stands_everywhere BehindMembers
sleep 5
check 'and touches nothing' both same
die hub
hub
need 'nor when it begins anew' soon 60 answers "$health"
sleep 3
check 'it is still behind' stands_everywhere BehindMembers
check 'and touches nothing' both same
check 'recover' tells 0 'the hub goes on' recover
check 'nothing was touched' both same
check 'pins are as they were' same_pins
check 'resume shanghai' rollout resume -m shanghai
check 'approve' rollout approve -M
check 'beijing is healthy' soon 60 state beijing Healthy/3/Completed
check 'hangzhou pauses at step 2' soon 60 state hangzhou Progressing/2/StepPaused
check 'with five' runs hangzhou 'v1=5 v3=5'
check 'again, there is nothing to do' tells 0 'nothing to do' recover
finished=1
