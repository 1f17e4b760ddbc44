#!/usr/bin/env bash
# The article's release in two real clusters from a real hub: test/real/fleet.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
members=(beijing shanghai)

# What joining makes, but for the token.
joined() {
  in_ hub get managedcluster "$1" -o 'jsonpath={.metadata.uid} {.metadata.generation} {.metadata.annotations} {.spec}{"\n"}' &&
  in_ "$1" get clusterrole,clusterrolebinding -o json | python3 -c '
import json, sys
for each in json.load(sys.stdin)["items"]:
    if each["metadata"]["name"].startswith("aviary:"): print(each["kind"], each["metadata"]["name"], each["metadata"]["resourceVersion"])'
}
listed() { local text; text=$(amc clusters) && grep -q '^beijing ' <<<"$text" && grep -q '^shanghai ' <<<"$text" || { echo "$text"; return 1; }; }
start_fleet
before=$(joined beijing)
check 'join again' join beijing
check 'that changes nothing' test "$(joined beijing)" = "$before"
refused() { local words=$1 text; shift; text=$("$@" 2>&1) && { echo "$text"; return 1; }; grep -q "$words" <<<"$text" || { echo "$text"; return 1; }; }
check 'another cluster does not take over a name' refused 'is another cluster' aviary join beijing --kubeconfig "$work/shanghai/kubeconfig" --hub-kubeconfig "$work/hub/kubeconfig"
check 'the hub does not join itself' refused 'is the hub itself' aviary join here --kubeconfig <(cat "$work/hub/kubeconfig") --hub-kubeconfig "$work/hub/kubeconfig"
check 'an address that cannot be one is refused' refused 'by https alone' aviary hub --kubeconfig "$work/hub-aviary-hub.kubeconfig" --webhook-url "http://127.0.0.1:$webhook"
check 'kubectl amc lists them' listed
this=$(aviary version)
check 'with the controllers that they run' prints 2 "^(beijing|shanghai) +True .* aviary ${this#aviary } +" amc clusters
check 'so does kubectl' prints 2 "^(beijing|shanghai) .* aviary +${this#aviary }\$" in_ hub get managedclusters -o wide
check 'and the hub works with these' both supported True
check 'apply namespace and workload' in_ hub apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
check 'both are ready' soon 30 both ready
check 'apply the Rollout' in_ hub apply -f "$seed/rollout.yaml"
check 'both are healthy' soon 20 both healthy
for version in v2 v3; do
  old=v$((${version#v} - 1))
  check "release $version" release hub $version
  need 'both pause at step 1' soon 20 both state Progressing/1/StepPaused
  check 'with one pod of the new version' both runs "$old=9 $version=1"
  check 'kubectl amc shows both' test "$(amc get rollouts -M --no-headers | grep -c StepPaused)" = 2
  need 'approve beijing' rollout approve -m beijing
  check 'beijing pauses at step 2' soon 20 state beijing Progressing/2/StepPaused
  check 'with five' runs beijing "$old=5 $version=5"
  check 'shanghai has not moved' runs shanghai "$old=9 $version=1"
  check 'approve both' rollout approve -M
  check 'beijing is healthy' soon 20 state beijing Healthy/3/Completed
  check 'shanghai pauses at step 2' soon 20 state shanghai Progressing/2/StepPaused
  check 'with five' runs shanghai "$old=5 $version=5"
  check 'approve what is left' rollout approve -M
  check 'both are healthy' soon 20 both state Healthy/3/Completed
  check 'with ten' both runs "$version=10"
  check 'nothing of the release is left on the Deployments' soon 5 both clean
done

check 'release v4' release hub v4
check 'both pause at step 1' soon 20 both state Progressing/1/StepPaused
die hub
check 'without a hub kubectl amc says so' ends 1 rollout approve -M
hub
check 'killed and started, the hub is ready' soon 40 answers "$health"
check 'both are where they were' both state Progressing/1/StepPaused
check 'abort everywhere' rollout abort -M
check 'v3 is back' soon 20 both runs v3=10
check 'both are healthy' soon 20 both healthy
check 'history names who' bash -c "kubectl-amc rollout history $r --kubeconfig '$work/hub/kubeconfig' -n demo | grep -q admin"
token() { in_ hub -n aviary-system get secret cluster-beijing -o 'jsonpath={.data.token}'; }
condition() { in_ hub get managedcluster beijing -o "jsonpath={.status.conditions[?(@.type==\"$1\")].status}/{.status.conditions[?(@.type==\"$1\")].message}"; }
renewed() { [ "$(token)" != "$before" ] && grep -q '^True/' <<<"$(condition TokenRenewed)"; }
told() { grep -q "^False/.*refuses the hub's credentials.*aviary join beijing" <<<"$(condition ManagedClusterConditionAvailable)"; }
before=$(token)
check 'a token that is said to end' in_ hub -n aviary-system annotate --overwrite secret cluster-beijing fleet.aviary.dev/token-ends=2020-01-01T00:00:00Z
check 'is made anew by the hub' soon 20 renewed
check 'beijing takes the new one' amc get rollouts -m beijing
check 'all tokens are revoked' in_ beijing -n aviary-system delete serviceaccount aviary-hub
check 'the cluster says what to do' soon 40 told
check 'join again' join beijing
check 'it is available' soon 20 available beijing

# What joining made in a member, whatever its name: objects say who wrote them, but for an account, of which nothing is written.
of_join() {
  in_ "$1" -n aviary-system get clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,secrets -o json --show-managed-fields | python3 -c '
import json, sys
for each in json.load(sys.stdin)["items"]:
    kind, name, written = each["kind"], each["metadata"]["name"], each["metadata"].get("managedFields", [])
    if (kind, name) == ("ServiceAccount", "aviary-hub") or any(entry["manager"] == "aviary-join" for entry in written): print(kind, name)'
}
stays() { in_ shanghai get namespace/demo -o 'jsonpath={.metadata.uid}{"\n"}' && in_ shanghai get deployments,replicasets,pods,rollouts -o 'jsonpath={range .items[*]}{.kind} {.metadata.uid} {.metadata.generation}{"\n"}{end}'; }
unjoin() { aviary unjoin "$1" --kubeconfig "$work/$1/kubeconfig" --hub-kubeconfig "$work/hub/kubeconfig"; }
with_token() { kubectl --kubeconfig /dev/null --server "$(kubectl --kubeconfig "$work/shanghai/kubeconfig" config view -o 'jsonpath={.clusters[0].cluster.server}')" --certificate-authority "$work/shanghai/pki/ca.crt" --token "$1" auth whoami; }
check 'shanghai joins again, with all that a hub may have' join shanghai --admin
check 'an account, roles and bindings for it are there' prints 4 '^(ServiceAccount aviary-hub|ClusterRole aviary:hub|ClusterRoleBinding aviary:(hub|admin))$' of_join shanghai
check 'joined without that' join shanghai
check 'it has no more than it needs' prints 0 'aviary:admin' in_ shanghai get clusterrolebindings -o name
check 'and with it again' join shanghai --admin
given=$(in_ hub -n aviary-system get secret cluster-shanghai -o 'jsonpath={.data.token}' | base64 -d)
check 'its token is worth something' tells 0 'system:serviceaccount:aviary-system:aviary-hub' with_token "$given"
before=$(stays)
check 'a mistyped name takes nobody out' tells 1 'names shanghai, not shangai' aviary unjoin shangai --kubeconfig "$work/shanghai/kubeconfig" --hub-kubeconfig "$work/hub/kubeconfig"
check 'shanghai is as it was' prints 4 '^(ServiceAccount aviary-hub|ClusterRole aviary:hub|ClusterRoleBinding aviary:(hub|admin))$' of_join shanghai
check 'shanghai leaves' tells 0 'shanghai: the hub.s identity and roles are gone' unjoin shanghai
check 'nothing that joining made is left there' prints 0 . of_join shanghai
check 'nor on the hub' prints 0 . in_ hub -n aviary-system get managedcluster/shanghai secret/cluster-shanghai --ignore-not-found --no-headers
check 'its token is worth nothing' soon 20 refused Unauthorized with_token "$given"
check 'leaving again says that it is gone' tells 0 'managedcluster/shanghai and its credentials are gone' unjoin shanghai
check 'beijing is of the fleet' available beijing
check 'with all that joining made there' prints 3 '^(ServiceAccount aviary-hub|ClusterRole aviary:hub|ClusterRoleBinding aviary:hub)$' of_join beijing

# Where nothing was, nothing is left: the namespace goes, too, as long as nobody else has come to use it.
need 'a bare cluster' cluster bare --light
no_namespace() { local got; got=$(in_ "$1" get namespace aviary-system --ignore-not-found -o name); [ -z "$got" ]; }
check 'it joins' join bare
check 'somebody uses its namespace' in_ bare -n aviary-system create configmap somebody
check 'it leaves, and says what keeps that' tells 0 'the namespace aviary-system stays, as configmaps somebody is in it' unjoin bare
check 'that is there' in_ bare -n aviary-system get configmap somebody
check 'it is used no more' in_ bare -n aviary-system delete configmap somebody
check 'leaving again' unjoin bare
check 'the namespace is gone' soon 20 no_namespace bare
check 'with all that joining made' prints 0 . of_join bare
check 'release v5' release hub v5
check 'beijing pauses at step 1' soon 20 state beijing Progressing/1/StepPaused
check 'what was brought to shanghai stays as it is' test "$(stays)" = "$before"
check 'with its pods' runs shanghai v3=10
finished=1
