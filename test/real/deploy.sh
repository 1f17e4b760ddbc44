#!/usr/bin/env bash
# config/deploy on real API servers, and what pods do: a service account's token that is replaced, an authority that is made anew, an end in
# good order: test/real/deploy.sh
# Needs on PATH: kubectl and openssl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.bash"
c=cluster account=$work/account deploy=$root/config/deploy
webhook=$(port) health=$(port) other=$(port) light=$(port)

ours() { local cluster=$1; shift; in_ "$cluster" -n aviary-system "$@"; }
server() { kubectl --kubeconfig "$work/$1/kubeconfig" config view --raw -o 'jsonpath={.clusters[0].cluster.server}'; }
endpoints() { [ "$(ours $c get endpointslices -l kubernetes.io/service-name=aviary-member -o 'jsonpath={.items[*].endpoints[*].conditions.ready}')" = "$1" ]; }
# As the kubelet does it: a token that is good as long as the Secret of that name is there.
mount() {
  ours $c create secret generic "$1" >/dev/null &&
  ours $c create token aviary-member --bound-object-kind Secret --bound-object-name "$1" >"$account/token.new" &&
  mv "$account/token.new" "$account/token"
}
# pod NAME ARGUMENT…: as the container of the Deployment, but for the flags that one machine needs.
pod() {
  local name=$1 at; shift
  at=$(server $c); at=${at#https://}
  run "$name" env -u KUBECONFIG HOME="$work" KUBERNETES_SERVICE_HOST="${at%:*}" KUBERNETES_SERVICE_PORT="${at##*:}" \
    AVIARY_SERVICE_ACCOUNT_DIR="$account" aviary member --bind-address 127.0.0.1 --identity "$name" "$@"
}
url="--webhook-url https://127.0.0.1:$webhook"
holder() { ours $c get lease aviary-member -o 'jsonpath={.spec.holderIdentity}'; }
leads() { [[ $(holder) == "$1".* ]]; }
bundle() { in_ $c get mutatingwebhookconfiguration aviary-member -o 'jsonpath={.webhooks[0].clientConfig.caBundle}' | base64 -d; }
authority() { ours $c get secret aviary-member-webhooks -o 'jsonpath={.data.ca\.crt}' | base64 -d; }
serves_new() { openssl s_client -connect "127.0.0.1:$webhook" -CAfile <(authority) -verify_return_error </dev/null 2>/dev/null >/dev/null; }
trusts() { local all; all=$(bundle); [[ $all == *"$1"* ]]; }
approve() { in_ $c patch rollout $r --subresource=status --type=merge -p '{"status":{"canaryStatus":{"currentStepState":"StepReady"}}}'; }
guarded() { in_ $c annotate --overwrite rollout $r "try=$RANDOM"; }
# Writes that webhooks are asked about, until the file $work/enough is there; $work/lost has those that failed.
keep_writing() { while [ -d "$work" ] && [ ! -e "$work/enough" ]; do guarded >/dev/null 2>>"$work/lost" || echo failed >>"$work/lost"; sleep 0.1; done; }
not_ready() { ! answers "$1" && kill -0 "${pids[$2]}"; }
ended() { wait "${pids[$1]}"; }

need 'a real cluster' cluster $c
check 'apply -k member' ours $c apply -k "$deploy/member"
check 'its pods run' ours $c rollout status deployment/aviary-member --timeout 40s
check 'the Service leads to both' soon 10 endpoints 'true true'

mkdir "$account"
kubectl --kubeconfig "$work/$c/kubeconfig" config view --raw -o 'jsonpath={.clusters[0].cluster.certificate-authority-data}' | base64 -d >"$account/ca.crt"
printf aviary-system >"$account/namespace"
check 'without a token it says so' tells 1 "service account .*$account/token: No such file" env -u KUBECONFIG KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=1 AVIARY_SERVICE_ACCOUNT_DIR="$account" aviary member
need 'the pod gets a token' mount first
pod one --webhook-port "$webhook" --health-port "$health"
check 'a pod does not wait for its Service to lead to it' soon 20 answers "$health"
check 'the API server is to ask the Service' test "$(in_ $c get mutatingwebhookconfiguration aviary-member -o 'jsonpath={.webhooks[0].clientConfig.service.namespace}/{.webhooks[0].clientConfig.service.name}')" = aviary-system/aviary-member
kill "${pids[one]}"
check 'told to end it ends in good order' ended one

pod one $url --webhook-port "$webhook" --health-port "$health" --shutdown-delay 2s
need 'at an address it is ready' soon 20 answers "$health"
check 'it leads' leads one
pod two $url --webhook-port "$other" --health-port "$light"
check 'another is ready too' soon 20 answers "$light"
check 'a namespace' in_ $c create namespace demo
check 'the workload' in_ $c apply -f <(sed '/^apiVersion: policy/,$d' "$seed/workload.yaml")
check 'ten pods are ready' soon 30 ready $c
check 'the Rollout' in_ $c apply -f <(sed '/^---/,$d' "$seed/rollout.yaml")
check 'it is healthy' soon 20 healthy $c
check 'release v2' release $c v2
check 'it pauses at step 1' soon 20 state $c Progressing/1/StepPaused

check 'the token is replaced' mount second
check 'and the first one revoked' ours $c delete secret first
before=$(bundle)
keep_writing & writing=$!
check 'the authority is taken away' ours $c delete secret aviary-member-webhooks
check 'another is made and served' soon 40 serves_new
check 'the API server trusts it' trusts "$(authority)"
check 'and the former, while replicas may show it' trusts "$before"
sleep 1
touch "$work/enough"; wait $writing
check 'no write was lost meanwhile' test ! -s "$work/lost"
sleep 1
check 'after the API server has forgotten the first token: approve' approve
check 'it pauses at step 2' soon 20 state $c Progressing/2/StepPaused

kill "${pids[one]}"
check 'told to end it is not ready any more' soon 1 not_ready "$health" one
check 'another leads within a second' soon 1 leads two
check 'it still answers' guarded
check 'and ends in good order' ended one
pod one $url --webhook-port "$webhook" --health-port "$health"
check 'another pod takes its place' soon 20 answers "$health"
check 'approve' approve
check 'the other completes it' soon 20 state $c Healthy/3/Completed
check 'the roles are enough' none_forbidden $c

# Two hubs as pods: the Service leads to the one that leads.
marked() { ours $c get pods -l fleet.aviary.dev/leading=true -o 'jsonpath={.items[*].metadata.name}'; }
marks() { [ "$(marked)" = "$1" ]; }
found() { [ "$(ours $c get endpointslices -l kubernetes.io/service-name=aviary-hub -o 'jsonpath={.items[*].endpoints[*].targetRef.name}')" = "$1" ]; }
hub_pod() { run "$1" env POD_NAME="$2" aviary hub --kubeconfig "$work/$c-aviary-hub.kubeconfig" --bind-address 127.0.0.1 --identity "$2" --webhook-port "$3" --health-port "$4" --audit-log "$work/audit.log"; }
need 'an identity of the hub' identity $c aviary-hub
check 'apply -k hub' ours $c apply -k "$deploy/hub"
check 'both pods run' ours $c rollout status deployment/aviary-hub --timeout 40s
read -r first second < <(ours $c get pods -l app.kubernetes.io/name=aviary-hub -o 'jsonpath={.items[*].metadata.name}')
check 'the Service leads nowhere yet' found ''
first_port=$(port) second_port=$(port) again_port=$(port)
hub_pod first "$first" "$(port)" "$first_port"
check 'the first is ready' soon 30 answers "$first_port"
check 'the Service leads to it' soon 10 found "$first"
hub_pod second "$second" "$(port)" "$second_port"
check 'the second is ready too' soon 30 answers "$second_port"
check 'and not marked' marks "$first"
die first
check 'killed, the second is marked within five seconds' soon 5 marks "$second"
check 'the Service leads to it' soon 10 found "$second"
die second
hub_pod second "$second" "$(port)" "$again_port"
check 'killed and started again it waits for no lease' soon 3 answers "$again_port"
kill "${pids[second]}"
check 'told to end it ends in good order' ended second
check 'its roles are enough' none_forbidden $c

need 'keys of a light control plane' "$deploy/control-plane/keys" "$work/hub/pki" 127.0.0.1
check 'are not made twice' tells 1 'made once' "$deploy/control-plane/keys" "$work/hub/pki"
check 'the administrator is not among what pods get' bash -c "! ls '$work/hub/pki' | grep -E 'admin|ca.key'"
check 'keys go into a Secret' ours $c create secret generic aviary-hub-pki --from-file "$work/hub/pki"
check 'a volume for etcd' in_ $c apply -f - <<'Y'
{apiVersion: v1, kind: PersistentVolume, metadata: {name: data}, spec: {capacity: {storage: 8Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /data}}}
Y
check 'apply -k control-plane, where a hub of the cluster was' ours $c apply -k "$deploy/control-plane"
check 'its API runs' ours $c rollout status statefulset/aviary-hub-api --timeout 40s
check 'and its hub' ours $c rollout status deployment/aviary-hub --timeout 40s
etcd=$(port) peers=$(port) api=$(port) hub=$(port)
kubectl kustomize "$deploy/control-plane" -o "$work/control-plane.yaml"
# container NAME: as the manifest has it, in this machine's folders and ports
container() {
  local command
  command=$(ours $c create --dry-run=client -f "$work/control-plane.yaml" -o 'jsonpath={.spec.template.spec.containers[?(@.name=="'"$1"'")].command}' 2>/dev/null |
    sed "s|/var/lib/etcd|$work/hub/etcd|g; s|/etc/kubernetes/pki|$work/hub/pki|g; s|127.0.0.1:2379|127.0.0.1:$etcd|g; s|127.0.0.1:2380|127.0.0.1:$peers|g; s|secure-port=6443|secure-port=$api|")
  mapfile -t command < <(python3 -c 'import json, sys; print("\n".join(json.loads(sys.argv[1])))' "$command")
  run "$1" "$real/${command[0]}" "${command[@]:1}" "${@:2}"
}
sed -i "s|https://127.0.0.1.*'|https://127.0.0.1:$api'|" "$work/hub/pki/controller-manager.kubeconfig" "$work/hub/pki/yours/admin.kubeconfig"
cp "$work/hub/pki/yours/admin.kubeconfig" "$work/hub/kubeconfig"
container etcd
container kube-apiserver --bind-address=127.0.0.1 --advertise-address=127.0.0.1
need 'the light control plane answers' soon 30 in_ hub get --raw /readyz
container kube-controller-manager
check 'apply -k control-plane/api' soon 10 ours hub apply -k "$deploy/control-plane/api"
has_token() { [ -n "$(ours hub get secret aviary-hub-token -o 'jsonpath={.data.token}')" ]; }
need 'its hub has a token' soon 20 has_token
ours hub get secret aviary-hub-token -o 'jsonpath={.data.token}' | base64 -d >"$work/hub/token"
cp "$work/hub/kubeconfig" "$work/hub/process.kubeconfig"
kubectl --kubeconfig "$work/hub/process.kubeconfig" config set users.hub.tokenFile token >/dev/null
kubectl --kubeconfig "$work/hub/process.kubeconfig" config set-context hub --user=hub >/dev/null
run hub aviary hub --kubeconfig "$work/hub/process.kubeconfig" --bind-address 127.0.0.1 --webhook-port "$(port)" --health-port "$hub" --audit-log "$work/audit.log"
check 'a hub is ready' soon 30 answers "$hub"
check 'and told to end ends in good order' bash -c "kill ${pids[hub]}"
check 'at once' ended hub
check 'its roles are enough' none_forbidden hub
finished=1
