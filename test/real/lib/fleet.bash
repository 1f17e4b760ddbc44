# What the scripts with a hub and members share; to be sourced. The hub runs on the light cluster `hub`, each member on one of its own.
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
webhook=$(port) health=$(port) link=$(port)
declare -A linked=()        # the agents' ports of /readyz
declare -A controllers=()   # those of the members' controllers
declare -A asked=()         # and those of their webhooks
declare -A program=()       # what runs where not this tree's aviary does: of a cluster's name, its agent's, of hub, and of join

# both COMMAND ARGUMENT…: in every one of $members, two as a rule; the first that fails ends it
both() { local each; for each in "${members[@]}"; do "$1" "$each" "${@:2}" || return 1; done; }
amc() { kubectl-amc --kubeconfig "$work/hub/kubeconfig" -n demo "$@"; }
rollout() { local verb=$1; shift; kubectl-amc rollout "$verb" rollouts/$r --kubeconfig "$work/hub/kubeconfig" -n demo "$@"; }
available() { [ "$(in_ hub get managedcluster "$1" -o 'jsonpath={.status.conditions[?(@.type=="ManagedClusterConditionAvailable")].status}')" = "${2:-True}" ]; }

# known CLUSTER WHAT VALUE: what the hub claims of its rollout controller; supported CLUSTER STATUS: and whether that is one to work with
known() { local got; got=$(in_ hub get managedcluster "$1" -o "jsonpath={.status.clusterClaims[?(@.name==\"rollouts.aviary.dev/$2\")].value}"); [ "$got" = "$3" ] || { echo "$2: $got, not $3"; return 1; }; }
supported() { local got; got=$(in_ hub get managedcluster "$1" -o 'jsonpath={.status.conditions[?(@.type=="RolloutControllerSupported")].status}'); [ "$got" = "$2" ] || { echo "supported: $got, not $2"; return 1; }; }

# hub ARGUMENT…: the process; start_hub ARGUMENT…: with its cluster before it
hub() {
  [ -z "${LINK:-}" ] || set -- --agent-address "127.0.0.1:$link" "$@"
  run hub "${program[hub]:-aviary}" hub --kubeconfig "$work/hub-aviary-hub.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$webhook" --webhook-port "$webhook" --health-port "$health" --audit-log "$work/audit.log" "$@"
}
start_hub() {
  need 'a light hub' cluster hub --light
  need 'an identity of the hub' identity hub aviary-hub
  hub "$@"
  need 'the hub is ready' soon 40 answers "$health"
}
# start_member NAME ARGUMENT…: a cluster, started with these arguments, and its controller; it has not joined
start_member() {
  need "the cluster $1" cluster "$@"
  need "an identity of its controller" identity "$1" aviary-member
  [ -n "${controllers[$1]:-}" ] || controllers[$1]=$(port) asked[$1]=$(port)
  controller "$1"
  need "its controller is ready" soon 40 answers "${controllers[$1]}"
}
controller() {
  run "$1" "${program[$1]:-aviary}" member --kubeconfig "$work/$1-aviary-member.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:${asked[$1]}" --webhook-port "${asked[$1]}" --health-port "${controllers[$1]}"
}
join() { "${program[join]:-aviary}" join "$1" --kubeconfig "$work/$1/kubeconfig" --hub-kubeconfig "$work/hub/kubeconfig" "${@:2}"; }
join_by_agent() { "${program[join]:-aviary}" join "$1" --agent --hub-kubeconfig "$work/hub/kubeconfig" "${@:2}" >"$work/$1-agent.yaml"; }
# The pods of these clusters run nothing, so the agent is run here, as the manifest's account.
agent() {
  local config=$work/$1-agent.kubeconfig
  [ -n "${linked[$1]:-}" ] || linked[$1]=$(port)
  cp "$work/$1/kubeconfig" "$config" &&
  kubectl --kubeconfig "$config" config set-credentials agent --token="$(in_ "$1" -n aviary-system create token aviary-agent --duration 24h)" &&
  kubectl --kubeconfig "$config" config set-context --current --user=agent &&
  run "$1-agent" "${program[$1-agent]:-aviary}" agent --kubeconfig "$config" --bind-address 127.0.0.1 --health-port "${linked[$1]}"
}
# counts PORT PATTERN…: /metrics there has a line like each
counts() {
  local text each; text=$(python3 -c "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:$1/metrics').read().decode())") || return 1
  shift
  for each in "$@"; do grep -qE -- "$each" <<<"$text" || { grep -E '^(aviary|rest)_' <<<"$text" | head -n 40; echo "no line like $each"; return 1; }; done
}
dialled() { answers "${linked[$1]}"; }
# bring_in NAME: a member joins by credentials, or with LINK=1 by its agent; add_member NAME MEMBER_ARGUMENT…: with its cluster before it
add_member() { start_member "$@"; bring_in "$1"; }
bring_in() {
  if [ -z "${LINK:-}" ]; then need "$1 joins" join "$1"; return; fi
  need "$1 joins by an agent" join_by_agent "$1"
  need 'its manifest is applied' in_ "$1" -n aviary-system apply -f "$work/$1-agent.yaml"
  need 'its agent starts' agent "$1"
  need 'it is linked' soon 40 dialled "$1"
}
# start_fleet MEMBER_ARGUMENT…: the hub and all of $members, joined
start_fleet() {
  local each
  start_hub
  for each in "${members[@]}"; do add_member "$each" "$@"; done
  need 'the clusters are available' soon 40 both available
}
# contexts FILE: a kubeconfig with a context of its name for each member, and `fleet` for the hub, which is the current one
contexts() {
  local each name
  for each in hub "${members[@]}"; do
    name=$each
    [ "$each" != hub ] || name=fleet
    kubectl --kubeconfig "$1" config set-cluster "$name" --embed-certs --certificate-authority "$work/$each/pki/ca.crt" \
      --server "$(kubectl --kubeconfig "$work/$each/kubeconfig" config view -o 'jsonpath={.clusters[0].cluster.server}')" &&
    kubectl --kubeconfig "$1" config set-credentials "$name" --embed-certs --client-certificate "$work/$each/pki/admin.crt" --client-key "$work/$each/pki/admin.key" &&
    kubectl --kubeconfig "$1" config set-context "$name" --cluster "$name" --user "$name" || return 1
  done
  kubectl --kubeconfig "$1" config use-context fleet
}
# person NAME [CLUSTER]: $work/NAME, a kubeconfig of the hub for that user in the group llm; $work/CLUSTER-NAME, of a member
person() {
  local at=${2:-hub} to=$work/${2:+$2-}$1
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$to.key" -subj "/O=llm/CN=$1" -out "$to.csr" &&
  openssl x509 -req -in "$to.csr" -CA "$work/$at/pki/ca.crt" -CAkey "$work/$at/pki/ca.key" -CAcreateserial -days 1 -out "$to.crt" &&
  cp "$work/$at/kubeconfig" "$to" &&
  kubectl --kubeconfig "$to" config set-credentials "$1${2:+-$2}" --embed-certs --client-certificate "$to.crt" --client-key "$to.key" &&
  kubectl --kubeconfig "$to" config set-context --current --user="$1${2:+-$2}"
}
# decide NAME VERB ARGUMENT…
decide() { local who=$1 verb=$2; shift 2; kubectl-amc rollout "$verb" rollouts/$r --kubeconfig "$work/$who" -n demo "$@"; }
of_hub=system:serviceaccount:aviary-system:aviary-hub   # the hub's own, on its cluster and in members
declare -A begun=()   # lines of the clusters' audit logs before what is looked at
begin_here() { local each; for each in hub "${members[@]}"; do begun[$each]=$(wc -l <"$work/$each/audit.log"); done; }
