#!/usr/bin/env bash
# Two real clusters whose objects kubectl and Karmada have delivered become a hub's, and nothing changes in them: test/real/adopt.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
members=(beijing shanghai)
commands=0

# typed COMMAND…: one of the commands that a user needs
typed() { commands=$((commands + 1)); "$@"; }
# documents NAME…: those of these files of the seed that are no policies
documents() {
  python3 - "$seed" "$@" <<'END'
import re, sys
for name in sys.argv[2:]:
    for document in re.split(r"(?m)^---$", open(f"{sys.argv[1]}/{name}.yaml").read()):
        if "PropagationPolicy" not in document: print("---\n" + document)
END
}
# by_karmada CLUSTER REPLICAS: as Karmada leaves them: its labels, annotations of each cluster, and one manager of all fields
by_karmada() {
  documents workload rollout | sed "s/qwen-inference/llama/; s/replicas: 10\$/replicas: $2/" >"$work/$1-karmada.yaml" &&
  in_ "$1" create --dry-run=client -o json -f "$work/$1-karmada.yaml" | python3 -c '
import json, sys
cluster, text, items = sys.argv[1], sys.stdin.read(), []
while text.strip():
    one, end = json.JSONDecoder().raw_decode(text.lstrip())
    text = text.lstrip()[end:]
    items += one.get("items", [one])
for each in items:
    metadata = each["metadata"]
    metadata.setdefault("labels", {}).update({"karmada.io/managed": "true", "work.karmada.io/permanent-id": "3f1c2a90-5d6e-4b7f-8a01-9c2d3e4f5a6b"})
    metadata.setdefault("annotations", {}).update({"work.karmada.io/namespace": "karmada-es-" + cluster, "work.karmada.io/name": metadata["name"], "resourcetemplate.karmada.io/uid": "0b6e"})
print(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))' "$1" >"$work/$1-karmada.json" &&
  in_ "$1" create --field-manager karmada-controller-manager -f "$work/$1-karmada.json"
}
settings() { in_ "$1" create configmap settings --from-literal=mode="$2" --from-literal=port=80; }
# What adopting must leave as it is: generations, specs, annotations and pods, with their restarts.
untouched() {
  in_ "$1" get deployments,rollouts,services -o 'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation} {.metadata.annotations} {.spec}{"\n"}{end}' &&
  in_ "$1" get pods --sort-by .metadata.name -o 'jsonpath={range .items[*]}{.metadata.uid} {.status.startTime} {.status.containerStatuses[*].restartCount}{"\n"}{end}'
}
versions() { in_ "$1" get deployments,rollouts,services -o 'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}'; }
# owned CLUSTER KIND NAME WHO: who claims anything of what the hub says
owned() {
  local got
  got=$(in_ "$1" get "$2" "$3" -o json --show-managed-fields | python3 -c '
import json, sys
names = set()
for entry in json.load(sys.stdin)["metadata"]["managedFields"]:
    if entry.get("subresource") != "status" and {"f:spec", "f:data"} & set(entry["fieldsV1"]): names.add(entry["manager"])
print(" ".join(sorted(names)))')
  [ "$got" = "$4" ] || { echo "$2/$3 in $1: $got, not $4"; return 1; }
}
adopt() { aviary adopt "$@" -n demo --clusters beijing,shanghai --kubeconfig "$work/hub/kubeconfig"; }
from_kubectl() { adopt --from kubectl deploy/qwen-inference rollout/$r service/qwen-inference "$@"; }
from_karmada() { adopt --from karmada rollout/llama-rollout deploy/llama service/llama "$@"; }
unlabelled() { [ -z "$(in_ "$1" get deployments,rollouts,services -l karmada.io/managed -o name)" ]; }
llama() { local got; got=$(in_ "$1" get rollout llama-rollout -o 'jsonpath={.status.phase}/{.status.canaryStatus.currentStepState}' 2>&1); [[ $got = $2 ]] || { echo "rollout llama: $got, not $2"; return 1; }; }
llama_ready() { [ "$(in_ "$1" get deployment llama -o 'jsonpath={.status.readyReplicas}')" = "$2" ]; }
set_llama() { in_ "$1" set image deployment/llama "vllm=$image:$2"; }
# new_pods CLUSTER COUNT: of qwen-inference with v2
new_pods() { [ "$(in_ "$1" get pods -l app=qwen-inference -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | grep -c ':v2$')" = "$2" ]; }
nobodys() { [ "$(in_ "$1" get configmap settings -o 'jsonpath={.metadata.name} {.metadata.labels.fleet\.aviary\.dev/hub}')" = 'settings ' ]; }
on_hub() { in_ hub get deployments,services,configmaps,rollouts,propagationpolicies -o name | grep -v kube-root-ca.crt; }

documents namespace workload rollout >"$work/delivered.yaml"
for each in "${members[@]}"; do start_member "$each"; done
check 'kubectl delivers to beijing' in_ beijing apply -f "$work/delivered.yaml"
check 'and to shanghai, server-side' in_ shanghai apply --server-side -f "$work/delivered.yaml"
check 'Karmada delivers to beijing' by_karmada beijing 4
check 'and to shanghai' by_karmada shanghai 2
check 'settings of beijing' settings beijing a
check 'others of shanghai' settings shanghai b
check 'both are ready' soon 30 both ready
check 'both are healthy' soon 30 both healthy
check 'so are those of Karmada' soon 30 both llama 'Healthy/*'
check 'with four' soon 30 llama_ready beijing 4
check 'and two' soon 30 llama_ready shanghai 2
need 'a light hub' cluster hub --light
need 'an identity of the hub' identity hub aviary-hub
typed hub
need 'the hub is ready' soon 40 answers "$health"
for each in "${members[@]}"; do need "$each joins" typed join "$each"; done
need 'the clusters are available' soon 40 both available

# ---- from kubectl ----
before=$(both untouched) were=$(both versions)
check 'nothing of it is the hub'\''s' soon 20 prints 2 ' N$' amc get deployment qwen-inference -M --no-headers
check 'a dry run says what would change' prints 6 '^(beijing|shanghai) +(deployment|rollout|service)/qwen-inference[a-z-]* +labels only' from_kubectl --dry-run
check 'and writes nothing on the hub' ends 1 on_hub
check 'nor in the members' test "$(both versions)" = "$were"
need 'adopt' typed prints 6 '^(beijing|shanghai) +(deployment|rollout|service)/qwen-inference[a-z-]* +adopted' from_kubectl
check 'no generation, no annotation and no pod has changed' test "$(both untouched)" = "$before"
for each in "${members[@]}"; do
  for what in 'deployment qwen-inference' "rollout $r" 'service qwen-inference'; do check "the hub alone owns $what in $each" owned "$each" $what aviary-hub; done
done
check 'all is the hub'\''s' prints 2 ' Y$' amc get rollouts $r -M --no-headers
were=$(both versions)
check 'adopting again finds it so' prints 6 ' unchanged' from_kubectl
check 'and changes nothing' test "$(both versions)" = "$were"
check 'a new version, on the hub' release hub v2
need 'stops at step 1 in both' soon 20 both state Progressing/1/StepPaused
check 'with one pod of it' both new_pods 1
check 'one command approves both' typed prints 2 '^(beijing|shanghai) +1/3 +approved' rollout approve -M
echo "commands to the first fleet-wide approval: $commands"
check 'that were five at most' [ "$commands" -le 5 ]
check 'both pause at step 2' soon 20 both state Progressing/2/StepPaused
check 'approve the rest' soon 20 rollout approve -M
check 'both are healthy' soon 30 both state Healthy/3/Completed
check 'with ten' both new_pods 10

# ---- from Karmada ----
check 'a release that the hub has not brought' set_llama beijing v2
check 'pauses' soon 20 llama beijing Progressing/StepPaused
check 'in the middle of it nothing is taken over' tells 4 '^beijing +deployment/llama +refused +a release is under way' from_karmada
check 'and nothing is written' ends 1 in_ hub get deployment llama
check 'back to v1' set_llama beijing v1
check 'at rest again' soon 30 llama beijing 'Healthy/*'
check 'with four' soon 30 llama_ready beijing 4
before=$(both untouched)
need 'adopt from Karmada' prints 6 ' adopted' from_karmada
check 'no generation, no annotation and no pod has changed' test "$(both untouched)" = "$before"
check 'nothing is Karmada'\''s to update or delete' both unlabelled
for each in "${members[@]}"; do
  for what in 'deployment llama' 'rollout llama-rollout' 'service llama'; do check "the hub alone owns $what in $each" owned "$each" $what aviary-hub; done
done
check 'the hub has all six replicas' test "$(in_ hub get deployment llama -o 'jsonpath={.spec.replicas}')" = 6
check 'adopting again finds it so' prints 6 ' unchanged' from_karmada
check 'three more, on the hub' in_ hub scale deployment llama --replicas 9
check 'are divided' soon 20 llama_ready beijing 6
check 'as they were' soon 20 llama_ready shanghai 3
check 'a new version, on the hub' set_llama hub v2
check 'stops in both' soon 20 both llama Progressing/StepPaused

# ---- what differs ----
was=$(on_hub)
check 'a difference is named, and refused' tells 4 '^shanghai +configmap/settings +differs +data.mode is "b" here and "a" on the hub' adopt --from kubectl cm/settings
check 'the same in a dry run' tells 4 'nothing is written' adopt --from kubectl cm/settings --dry-run
check 'nothing is written on the hub' test "$(on_hub)" = "$was"
check 'made equal' in_ shanghai patch configmap settings --type merge -p '{"data":{"mode":"a"}}'
check 'it is taken over' prints 2 ' adopted' adopt --from kubectl cm/settings
check 'one that is not there is named' tells 4 '^beijing +configmap/none +refused +is not there' adopt --from kubectl cm/none
check 'so is a cluster that is none' tells 1 'managedclusters "mars" not found' aviary adopt --from kubectl cm/settings -n demo --clusters mars --kubeconfig "$work/hub/kubeconfig"
check 'the object goes from the hub' in_ hub delete configmap settings
check 'and is nobody'\''s in the members' soon 20 both nobodys
finished=1
