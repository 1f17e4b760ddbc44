#!/usr/bin/env bash
# Two real clusters whose release kubectl has delivered: approved without a hub, and by a hub that joins them later; by people who have the
# rights that the guide names (docs/guide/attach.md), and a hub that has those of config/deploy.
# Needs on PATH: kubectl and openssl; and test/real/build has been run. Ends in "N passed, N failed".
#   KRUISE=1 test/real/attach.sh         they run Kruise's controller, by the stand-in with its defects, and not `aviary member`
#   RELEASES=2 …                         releases of which each step is approved in turn without the hub and by it
#   STALE=0.7 SEED=N PATIENCE=120 …      as in kruise.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
. "$(dirname "${BASH_SOURCE[0]}")/lib/kruise.bash"
members=(prod-a prod-b) RELEASES=${RELEASES:-2}
commands=0 version=1 approvals=0

# typed COMMAND…: one of the commands that a user needs
typed() { commands=$((commands + 1)); "$@"; }
deliver() { in_ "$1" apply -f "$work/delivered.yaml"; }
# What attaching must leave as it is: the workload's generation and its pods, with their restarts.
untouched() {
  in_ "$1" get deployment qwen-inference -o 'jsonpath={.metadata.generation} {.metadata.labels} {.spec.template}{"\n"}' &&
  in_ "$1" get rollout $r -o 'jsonpath={.metadata.generation} {.metadata.labels} {.metadata.finalizers}{"\n"}' &&
  in_ "$1" get pods --sort-by .metadata.name -o 'jsonpath={range .items[*]}{.metadata.uid} {.status.startTime} {.status.containerStatuses[*].restartCount}{"\n"}{end}'
}
all_untouched() { untouched prod-a; untouched prod-b; }
never_restarted() { local got; got=$(all_untouched | grep -E "^[0-9a-f-]{36} [^ ]+ [^0]"); [ -z "$got" ] || { echo "$got"; return 1; }; }
# directly NAME COMMAND…: as that person in the members, without a hub
directly() { local who=$1; shift; KUBECONFIG=$work/prod-a-$who:$work/prod-b-$who kubectl-amc "$@" --contexts 'prod-*'; }
as() { local who=$1; shift; kubectl-amc "$@" --kubeconfig "$work/$who"; }
next_version() {
  old=v$version version=$((version + 1)) new=v$version
  for each in "${members[@]}"; do check "$new for $each" release "$each" $new; done
}
# complete: all pods are of the new version, and nothing of the release is left
complete() {
  check 'both are healthy' soon "$PATIENCE" both state Healthy/3/Completed
  check 'with ten' soon 20 both runs "$new=10"
  check 'nothing of the release is left on the Deployments' soon 20 both clean
}
patient=(--timeout "${PATIENCE}s")
goes=([1]=50% [2]=100%)
# approves HOW STEP NAME ARGUMENT…: everywhere, directly or by the hub
approves() {
  local how=$1 step=$2 who=$3; shift 3
  approvals=$((approvals + 1))
  check "$who approves step $step $how" prints 2 "^prod-[ab] +$step/3 +approved +moving to ${goes[step]}" "$how" "$who" rollout approve $r -n demo -M "${patient[@]}" "$@"
}
unmoved() { paused "$1" "$2" && [ "$(in_ hub get decisions -o name | wc -l)" = "$decided" ]; }
newest_decision() { in_ hub get decisions --sort-by .metadata.creationTimestamp -o 'jsonpath={.items[-1:].status.outcome} {.items[-1:].status.clusters[*].outcome}'; }
# refused_to CLUSTER ACCOUNT: what that was refused there since `begin_here`
refused_to() {
  tail -n +$((${begun[$1]} + 1)) "$work/$1/audit.log" | python3 -c '
import json, sys
for line in sys.stdin:
    each = json.loads(line)
    if each["user"].get("username") == sys.argv[1] and each.get("responseStatus", {}).get("code") in (401, 403): print(each["verb"], each["requestURI"])' "$2"
}

python3 - "$seed" >"$work/delivered.yaml" <<'P'
import re, sys
for name in ("namespace", "workload", "rollout"):
    for document in re.split(r"(?m)^---$", open(f"{sys.argv[1]}/{name}.yaml").read()):
        if "PropagationPolicy" not in document: print("---\n" + document)
P
for each in "${members[@]}"; do
  if [ -n "${KRUISE:-}" ]; then start_kruise "$each" --audit; else start_member "$each" --audit; fi
  check "deliver to $each" deliver "$each"
done
check 'both are ready' soon "$PATIENCE" both ready
check 'both are healthy' soon "$PATIENCE" both healthy

# In the clusters alice has what the guide says that who approves without a hub needs, and bob what looking needs.
for each in "${members[@]}"; do
  check "roles in $each" in_ "$each" apply -f - <<'Y'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: looks}
rules:
  - {apiGroups: [rollouts.kruise.io], resources: [rollouts], verbs: [get, list]}
  - {apiGroups: [apps], resources: [deployments], verbs: [get]}
  - {apiGroups: [""], resources: [pods], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: approves}
rules:
  - {apiGroups: [rollouts.kruise.io], resources: [rollouts, rollouts/status], verbs: [patch]}
Y
  for who in alice bob; do
    check "a certificate of $who" person $who "$each"
    check "$who looks" in_ "$each" create rolebinding "$who-looks" --clusterrole looks --user $who
  done
  check 'alice approves' in_ "$each" create rolebinding alice-approves --clusterrole approves --user alice
done

next_version
pauses 1 v1=9\ v2=1

# Without a hub.
before=$(all_untouched)
check 'the contexts show both' prints 2 '^qwen-inference-rollout +prod-[ab] +Progressing .* N$' directly bob get rollouts -n demo -M
check 'explain' tells 0 '^prod-b +1/3 +StepPaused +AwaitingApproval' directly bob rollout explain $r -n demo
check 'who may only look does not approve, and is told why' tells 1 '^prod-b .*(forbidden|may not|cannot).*bob' directly bob rollout approve $r -n demo -M
check 'looking touches nothing' [ "$(all_untouched)" = "$before" ]
commands=0
typed approves directly 1 alice
echo "commands to the first fleet-wide approval without a hub: $commands"
pauses 2 v1=5\ v2=5

# A hub that is attached; its process has the rights of config/deploy.
need 'a light hub' cluster hub --light --audit
before=$(all_untouched)
commands=0
need 'an identity of the hub' typed identity hub aviary-hub
typed hub --mode attach
need 'the hub is ready' soon 40 answers "$health"
check 'prod-a joins' typed join prod-a --read-and-approve
check 'prod-b joins' typed join prod-b --read-and-approve
check 'the hub shows both' soon 20 prints 2 '^demo +qwen-inference-rollout +prod-[ab] +Progressing .* N$' as hub/kubeconfig get rollouts -A -M
check 'explain' soon 20 tells 0 '^prod-b +2/3 +StepPaused +AwaitingApproval' rollout explain
begin_here   # an API server takes a moment to learn of roles that are new
check 'it has the release of both' tells 0 'v1 -> v2 +on v2: 10/20 +ready: 20/20' rollout explain
check 'attaching touches nothing' [ "$(all_untouched)" = "$before" ]
check 'and nobody has approved' paused 2 v1=5\ v2=5
check 'policies are none of its kinds' tells 1 '' in_ hub get propagationpolicies
check 'abort is for who brought it' tells 4 'something else than this hub' rollout abort -M
typed approves as 2 hub/kubeconfig --reason 'p95 ok'
echo "commands to the first fleet-wide approval by an attached hub: $commands"
check 'that were five at most' [ "$commands" -le 5 ]
complete
check 'it is on record' tells 0 'Approve .*prod-b +2 +Applied' rollout history

# The hub's identity in a member may look and approve, and nothing else.
can() { in_ "$1" auth can-i --as $of_hub "${@:2}"; }
check 'it may approve' can prod-a patch rollouts.rollouts.kruise.io --subresource status
for what in 'patch deployments' 'update rollouts.rollouts.kruise.io' 'delete rollouts.rollouts.kruise.io' 'create namespaces' 'get secrets'; do check "it may not $what" ends 1 can prod-a $what; done

# People on the hub: alice approves, bob looks.
check 'roles for people' in_ hub apply -k "$root/config/deploy/hub/people"
for each in alice bob; do check "a certificate of $each" person $each; done
check 'all of them see the fleet' in_ hub create clusterrolebinding llm --clusterrole aviary-fleet-viewer --group llm
check 'alice approves in demo' in_ hub create rolebinding alice --clusterrole aviary-release-approver --user alice
check 'in every cluster' in_ hub create clusterrolebinding alice-act --clusterrole aviary-cluster-actor --user alice
check 'bob sees releases in demo' in_ hub create rolebinding bob --clusterrole aviary-release-viewer --user bob
next_version
pauses 1 "$old=9 $new=1"
decided=$(in_ hub get decisions -o name | wc -l)
check 'bob sees both' prints 2 "^qwen-inference-rollout +prod-[ab] +Progressing .* N\$" as bob get rollouts -n demo -M
check 'and what they wait for' tells 0 '^prod-b +1/3 +StepPaused +AwaitingApproval' decide bob explain
check 'he does not approve, and is told which right he lacks' tells 1 'forbidden.*"bob".*decisions' decide bob approve -M
check 'nor does she as somebody else' tells 1 'forbidden.*"alice".*impersonate' decide alice approve -M --as hub
check 'alice does not abort' tells 4 'something else than this hub' decide alice abort -M
check 'nothing has moved, and there is no Decision' unmoved 1 "$old=9 $new=1"
approves as 1 alice --reason 'hers'
pauses 2 "$old=5 $new=5"
check 'it is on record as hers' tells 0 "Approve +alice +prod-b +1 +Applied .*hers" decide bob history -o wide
check 'in the audit log too' grep -q '"alice"' "$work/audit.log"
check 'bob may not approve this one either' tells 1 'forbidden.*"bob"' decide bob approve -M
approves directly 2 alice --reason 'hub is slow'
complete
check 'the hub has it on record, with her name' soon 20 prints 2 "Approve +\(in member\) +prod-[ab] +2 +Applied .*hub is slow" decide alice history -o wide

# In turn, so that each way meets what the other has left.
for ((turn = 1; turn <= RELEASES; ++turn)); do
  next_version
  for step in 1 2; do
    [ $step = 1 ] && pauses 1 "$old=9 $new=1" || pauses 2 "$old=5 $new=5"
    if [ $(((turn + step) % 2)) = 0 ]; then approves directly $step alice; else approves as $step alice; fi
  done
  complete
done
# An approval that the hub has taken up is not lost with it.
next_version
pauses 1 "$old=9 $new=1"
approvals=$((approvals + 2))
check 'alice approves, and does not wait' decide alice approve -M --wait=false
die hub
hub --mode attach
check 'the hub is killed, and another is ready' soon 40 answers "$health"
pauses 2 "$old=5 $new=5"
check 'it was carried out' soon 20 tells 0 '^Applied Applied Applied$' newest_decision
check 'alice approves step 2, and does not wait' decide alice approve -M --wait=false
complete

for each in "${members[@]}"; do
  [ -z "${KRUISE:-}" ] || lost_none "$approvals" "$each"
done
check 'no pod was started again' never_restarted
for each in hub "${members[@]}"; do check "nothing in $each was refused to the hub" prints 0 . refused_to "$each" $of_hub; done
finished=1
