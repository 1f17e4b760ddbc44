#!/usr/bin/env bash
# Who may place where, who may decide, and as whom the hub asks members for people, by the RBAC of real API servers: test/real/tenancy.sh
# Needs on PATH: kubectl and openssl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
members=(beijing shanghai)
group=cluster.open-cluster-management.io

as() { local who=$1; shift; kubectl --kubeconfig "$work/$who" -n demo "$@"; }
set_of() { printf '%s\n' "apiVersion: $group/v1beta2" 'kind: ManagedClusterSet' "metadata: {name: $1}"; }
binding_of() { printf '%s\n' "apiVersion: $group/v1beta2" 'kind: ManagedClusterSetBinding' "metadata: {name: $1}" "spec: {clusterSet: ${2:-$1}}"; }
bind() { as "$1" create -f - <<<"$(binding_of "${@:2}")"; }
# move NAME CLUSTER =SET: into that set; -: into none
move() { as "$1" label managedcluster "$2" --overwrite "$group/clusterset$3"; }
unbind() { as "$1" delete managedclustersetbinding "$2"; }
sets() { [ "$(in_ hub get managedclustersets -o name | wc -l)" = 4 ]; }
# rejected "NAME REASON;…": where the Deployment is not, and why
rejected() { local got; got=$(in_ hub get fleetbinding deployment-qwen-inference -o 'jsonpath={range .status.rejected[*]}{.name} {.reason};{end}'); [ "$got" = "$1" ] || { echo "rejected: $got"; return 1; }; }
nothing() { [ -z "$(pods "$1")" ]; }
explains() { local text; text=$(decide alice explain 2>&1); grep -qE "$1" <<<"$text" || { echo "$text"; return 1; }; }
unmoved() { both state Progressing/1/StepPaused; }
last_requester() { [ "$(in_ hub get decisions -o 'jsonpath={.items[*].spec.requester.username}')" = "$1" ]; }
# What the hub's own account may be in a member: hub_may CLUSTER WORD RESOURCE…
hub_may() { local got; got=$(in_ "$1" auth can-i impersonate "${@:3}" --as system:serviceaccount:aviary-system:aviary-hub 2>/dev/null); [ "$got" = "$2" ] || { echo "$3: $got, not $2"; return 1; }; }
nobody_else() {
  local cluster=$1 each
  for each in users users/admin users/system:admin users/system:kube-controller-manager users/alice users/aviary:admin groups groups/system:masters \
    groups/aviary:admin serviceaccounts serviceaccounts/default uids.authentication.k8s.io userextras.authentication.k8s.io; do
    hub_may "$cluster" no "$each" || return 1
  done
  hub_may "$cluster" no userextras.authentication.k8s.io --subresource scopes
}
# asked CLUSTER PERSON USER: the member's audit log has a read of pods that the hub made as USER for PERSON
asked() {
  python3 - "$work/$1/audit.log" "$2" "$3" <<'END'
import json, sys
for line in open(sys.argv[1]):
    event = json.loads(line)
    seen = event.get("impersonatedUser")
    if not seen or event.get("objectRef", {}).get("resource") != "pods": continue
    if event["user"]["username"] != "system:serviceaccount:aviary-system:aviary-hub": sys.exit(f"by {event['user']}")
    if seen["username"] == sys.argv[3] and seen.get("extra", {}).get("person") == [sys.argv[2]]: sys.exit(0)
sys.exit("no such request")
END
}
# only_fixed CLUSTER: all that the hub was there were the fixed users, and in no group beyond theirs
only_fixed() {
  python3 - "$work/$1/audit.log" <<'END'
import json, sys
users = set()
for line in open(sys.argv[1]):
    event = json.loads(line)
    if event["user"].get("username") != "system:serviceaccount:aviary-system:aviary-hub" or "impersonatedUser" not in event: continue
    seen = event["impersonatedUser"]
    users.add((seen["username"], tuple(sorted(set(seen.get("groups", [])) - {"system:authenticated"}))))
print(users)
sys.exit(not users <= {("aviary:view", ("aviary:view",)), ("aviary:release", ("aviary:release",))} or not users)
END
}
# raw CLUSTER USER: a request in the member with the hub's own token, as somebody else
raw() {
  local token; token=$(in_ hub -n aviary-system get secret "cluster-$1" -o 'jsonpath={.data.token}' | base64 -d)
  kubectl --kubeconfig <(sed '/client-/d' "$work/$1/kubeconfig") --token "$token" --as "$2" get pods -n demo
}

start_hub --require-clusterset-binding
for each in "${members[@]}"; do add_member "$each" --audit; done
need 'the clusters are available' soon 40 both available
need 'roles for people' in_ hub apply -k "$root/config/deploy/hub/people"
for each in alice bob carol dave; do need "a certificate of $each" person "$each"; done

check 'sets gpu and batch' in_ hub apply -f <(set_of gpu; echo ---; set_of batch)
check 'beside default and global, which every fleet has' soon 15 sets
check 'the set default is what it is' tells 1 'the set default is of the type' in_ hub patch managedclusterset default --type merge -p '{"spec":{"clusterSelector":{"selectorType":"LabelSelector","labelSelector":{}}}}'
check 'beijing is in gpu' in_ hub label managedcluster beijing $group/clusterset=gpu
check 'shanghai is in batch' in_ hub label managedcluster shanghai $group/clusterset=batch
check 'dave may label' in_ hub create clusterrole label-clusters --verb get,patch --resource managedclusters.$group
check 'every cluster' in_ hub create clusterrolebinding dave-labels --clusterrole label-clusters --user dave
check 'and moves none to another set by that' tells 1 'managedclustersets.* "batch" is forbidden: User "dave" cannot create resource "managedclustersets/join"' move dave shanghai -
check 'he may join gpu' in_ hub create clusterrole join-gpu --verb create --resource managedclustersets.$group/join --resource-name gpu
check 'that is, this' in_ hub create clusterrolebinding dave-gpu --clusterrole join-gpu --user dave
check 'out of batch he moves nothing into it' tells 1 '"batch" is forbidden' move dave shanghai =gpu
check 'nor gpu into another' tells 1 '"eu" is forbidden' move dave beijing =eu
check 'out of gpu he does' move dave beijing -
check 'and back into it' move dave beijing =gpu
check 'every other label is his' as dave label managedcluster shanghai rack=7
check 'a namespace' in_ hub apply -f "$seed/namespace.yaml"
check 'alice approves in demo' in_ hub create rolebinding alice --clusterrole aviary-release-approver --user alice
check 'in beijing alone' in_ hub create clusterrole act-beijing --verb act --resource managedclusters.$group --resource-name beijing
check 'that is, this' in_ hub create clusterrolebinding alice-act --clusterrole act-beijing --user alice
check 'she may make bindings in demo' in_ hub create rolebinding alice-binds --clusterrole aviary-clusterset-binder --user alice
check 'to the set gpu' in_ hub create clusterrole bind-gpu --verb create --resource managedclustersets.$group/bind --resource-name gpu
check 'that is, this' in_ hub create clusterrolebinding alice-gpu --clusterrole bind-gpu --user alice
check 'all of them see the fleet' in_ hub create clusterrolebinding llm --clusterrole aviary-fleet-viewer --group llm
check 'bob approves in demo, and in no cluster' in_ hub create rolebinding bob --clusterrole aviary-release-approver --user bob
check 'carol is admin of demo' in_ hub create rolebinding carol --clusterrole admin --user carol
check 'and may act in every cluster' in_ hub create clusterrolebinding carol-act --clusterrole aviary-cluster-actor --user carol

check 'a workload with policies' in_ hub apply -f "$seed/workload.yaml"
check 'the Rollout' in_ hub apply -f "$seed/rollout.yaml"
check 'go nowhere while no set is bound' soon 15 rejected 'beijing ClusterSetNotBound;shanghai ClusterSetNotBound;'
check 'explain says so' explains 'ClusterSetNotBound'
check 'alice may not bind batch' tells 1 'alice" cannot create resource "managedclustersets/bind"' bind alice batch
check 'nor may carol bind gpu, as admin of the namespace' tells 1 'forbidden' bind carol gpu
check 'a binding has the name of its set' tells 1 'must be "gpu", the name of the set' bind alice mine gpu
check 'alice binds gpu' bind alice gpu
check 'ten pods in beijing' soon 30 ready beijing
check 'not in shanghai' rejected 'shanghai ClusterSetNotBound;'
check 'where there is nothing' nothing shanghai
check 'an administrator binds batch' in_ hub create -f <(binding_of batch)
check 'ten pods in shanghai' soon 30 ready shanghai
check 'both are healthy' soon 20 both healthy

check 'release v2' release hub v2
need 'both pause at step 1' soon 20 both state Progressing/1/StepPaused
check 'nothing is unbound in the middle of a release' tells 1 'is releasing in beijing and cannot be un-placed there' unbind alice gpu
check 'nor its set deleted' tells 1 'is releasing in shanghai and cannot be un-placed there' in_ hub delete managedclusterset batch
check 'alice may not approve everywhere' tells 1 'managedclusters.* "shanghai" is forbidden.*alice.* cannot act' decide alice approve -M
check 'bob may in no cluster' tells 1 'is forbidden.*bob.* cannot act' decide bob approve -m beijing
check 'carol may not decide, admin or not' tells 1 'is forbidden.*carol' decide carol approve -m beijing
check 'nor may alice abort' tells 1 'cannot abort' decide alice abort -m beijing
check 'nothing has moved, and there is no Decision' unmoved
check 'none' test -z "$(in_ hub get decisions -o name)"
check 'alice approves beijing' decide alice approve -m beijing
check 'beijing pauses at step 2' soon 20 state beijing Progressing/2/StepPaused
check 'shanghai has not moved' state shanghai Progressing/1/StepPaused
check 'it was alice' last_requester alice
check 'the audit log says so' grep -q '"alice"' "$work/audit.log"
check 'abort everywhere' rollout abort -M
check 'v1 is back' soon 20 both runs v1=10
check 'both are healthy' soon 20 both healthy

check 'alice reads pods of beijing' kubectl-amc get pods -m beijing --kubeconfig "$work/alice" -n demo
check 'its audit log says that it was she' soon 10 asked beijing alice aviary:view
for each in "${members[@]}"; do
  check "in $each the hub may be aviary:view" hub_may "$each" yes users/aviary:view
  check 'and aviary:release' hub_may "$each" yes users/aviary:release
  check 'and nobody else' nobody_else "$each"
done
check 'it has been nobody else' only_fixed beijing
check 'what the hub records nobody else writes' tells 1 'decisions are written once and carried out by the hub' in_ hub patch "$(in_ hub get decisions -o name | head -n 1)" --subresource status --type merge -p '{"status":{"outcome":"Failed"}}'
check 'its token is refused as anybody else' tells 1 'cannot impersonate resource "users"' raw beijing alice
check 'and as an administrator' tells 1 'cannot impersonate resource "users"' raw beijing aviary:admin

# Who administrates the fleet is an administrator in the members that have joined so.
through() { kubectl --kubeconfig "$work/$1" get --raw "/apis/proxy.fleet.aviary.dev/v1alpha1/clusters/$2/proxy/api/v1/namespaces/demo/${3:-secrets/weights}"; }
need 'a certificate of erin' person erin
check 'all of them read members' in_ hub create clusterrole proxy-reader --verb get --resource managedclusters.$group/proxy
check 'that is, this' in_ hub create clusterrolebinding llm-reads --clusterrole proxy-reader --group llm
check 'erin as an administrator' in_ hub create clusterrole proxy-admin --verb admin --resource managedclusters.$group/proxy
check 'that is, this' in_ hub create clusterrolebinding erin-admin --clusterrole proxy-admin --user erin
for each in "${members[@]}"; do check "a Secret in $each" in_ "$each" create secret generic weights --from-literal key=value; done
check 'shanghai joins again, for administrators too' join shanghai --admin
check 'alice does not read it' tells 1 'secrets "weights" is forbidden: User "aviary:view"' through alice shanghai
check 'erin does' soon 10 through erin shanghai
check 'and pods' through erin shanghai pods
check 'its audit log says that it was she, as an administrator' soon 10 asked shanghai erin aviary:admin
check 'in beijing, which has not joined so, she does not' tells 1 'secrets "weights" is forbidden: User "aviary:view"|cannot impersonate' through erin beijing

check 'an administrator takes batch away' unbind hub/kubeconfig batch
check 'shanghai has nothing any more' soon 30 nothing shanghai
check 'the binding says why' soon 10 rejected 'shanghai ClusterSetNotBound;'
check 'beijing has what it had' runs beijing v1=10
finished=1
