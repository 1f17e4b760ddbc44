#!/usr/bin/env bash
# Rollouts of v1alpha1 in a real cluster that an earlier version has installed its definitions in, and on a real hub: read, edited and
# released in both versions: test/real/versions.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.bash"
webhook=$(port) health=$(port) hub_webhook=$(port) hub_health=$(port)
c=cluster
older=rollouts.v1alpha1.rollouts.kruise.io newer=rollouts.v1beta1.rollouts.kruise.io
definition=customresourcedefinition/rollouts.rollouts.kruise.io

member() { run member aviary member --kubeconfig "$work/$c-aviary-member.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$webhook" --webhook-port "$webhook" --health-port "$health"; }
# of CLUSTER KIND PATH VALUE
of() { local got; got=$(in_ "$1" get "$2" $r -o "jsonpath={$3}" 2>&1); [ "$got" = "$4" ] || { echo "$3: $got, not $4"; return 1; }; }
approve() { in_ $c patch "$1" $r --subresource=status --type=merge -p '{"status":{"canaryStatus":{"currentStepState":"StepReady"}}}'; }
versions() { local got; got=$(in_ "$1" get $definition -o 'jsonpath={.spec.versions[*].name} {.spec.conversion.strategy}'); [ "$got" = "$2" ] || { echo "$got, not $2"; return 1; }; }
bundle() { in_ $c get $definition -o 'jsonpath={.spec.conversion.webhook.clientConfig.caBundle}'; }
other_bundle() { [ "$(bundle)" != "$1" ]; }
reads() { in_ "$1" get "$2" $r; }
manifest() {
  cat <<END
apiVersion: rollouts.kruise.io/v1alpha1
kind: Rollout
metadata: {name: $r, annotations: {rollouts.kruise.io/rolling-style: partition}}
spec:
  rolloutID: "7"
  objectRef: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: qwen-inference}}
  strategy: {canary: {steps: [{weight: ${1:-10}}, {replicas: 50%}, {weight: 100}]}}
END
}
# The definitions as they were with one version.
earlier() {
  in_ $c create --dry-run=client -o json -f "$root/config/crds/rollouts.rollouts.kruise.io.yaml" -f "$root/config/crds/batchreleases.rollouts.kruise.io.yaml" | python3 -c '
import json, sys
text, at, decode = sys.stdin.read(), 0, json.JSONDecoder()
while text[at:].strip():
    text = text[at:].strip()
    item, at = decode.raw_decode(text)
    for each in item.get("items", [item]):
        each["spec"].pop("conversion")
        each["spec"]["versions"] = [version for version in each["spec"]["versions"] if version["storage"]]
        print(json.dumps(each))'
}

manifest >"$work/older.yaml"
need 'a real cluster' cluster $c
need 'an identity of its own' identity $c aviary-member
need 'the definitions of an earlier version' in_ $c create -f <(earlier)
check 'serve one version' versions $c 'v1beta1 None'
member
need 'the member controller is ready' soon 30 answers "$health"
check 'they serve two, and are converted' soon 10 versions $c 'v1beta1 v1alpha1 Webhook'
check 'a namespace' in_ $c create namespace demo
check 'the workload' in_ $c apply -f <(sed '/^apiVersion: policy/,$d' "$seed/workload.yaml")
check 'ten pods are ready' soon 30 ready $c
check 'a Rollout of v1alpha1' soon 20 in_ $c apply -f "$work/older.yaml"
check 'it is healthy' soon 20 healthy $c
check 'v1beta1 says traffic' of $c $newer '.spec.strategy.canary.steps[0].traffic' '10%'
check 'and names the workload' of $c $newer '.spec.workloadRef.name' qwen-inference
check 'v1alpha1 says weight' of $c $older '.spec.strategy.canary.steps[0].weight' 10
check 'and keeps rolloutID' of $c $older '.spec.rolloutID' 7
check 'kubectl shows the columns of v1alpha1' prints 1 "^$r +Healthy +3 +Completed" in_ $c get $older
check 'applied again it is unchanged' prints 1 'unchanged$' in_ $c apply -f <(manifest)
check 'what is wrong is said in the names of v1alpha1' tells 1 'spec.strategy.canary.steps\[0\].weight' in_ $c apply -f <(manifest 200)

check 'release v2' release $c v2
check 'it pauses at step 1' soon 20 state $c Progressing/1/StepPaused
check 'with one pod of the new version' runs $c 'v1=9 v2=1'
check 'v1alpha1 says so' of $c $older '.status.canaryStatus.currentStepState' StepPaused
check 'approve step 1 in v1alpha1' approve $older
check 'it pauses at step 2' soon 20 state $c Progressing/2/StepPaused
check 'with five' runs $c 'v1=5 v2=5'
check 'the BatchRelease is read in v1alpha1' prints 1 "^$r +Deployment +" in_ $c get batchreleases.v1alpha1.rollouts.kruise.io
check 'an edit in v1alpha1' in_ $c patch $older $r --type=json -p '[{"op":"replace","path":"/spec/strategy/canary/steps/1/replicas","value":"60%"}]'
check 'is there in v1beta1' of $c $newer '.spec.strategy.canary.steps[1].replicas' '60%'
check 'an edit in v1beta1' in_ $c patch $newer $r --type=json -p '[{"op":"replace","path":"/spec/strategy/canary/steps/1/replicas","value":"70%"}]'
check 'is there in v1alpha1' of $c $older '.spec.strategy.canary.steps[1].replicas' '70%'
check 'beside its rolloutID' of $c $older '.spec.rolloutID' 7
check 'seven pods of the new version' soon 20 runs $c 'v1=3 v2=7'
die member
check 'without a member v1beta1 is read' reads $c $newer
check 'and v1alpha1 is an error that says why' tells 1 'conversion webhook for rollouts.kruise.io/v1beta1, Kind=Rollout failed' reads $c $older
member
check 'started again, the controller is ready' soon 30 answers "$health"
check 'v1alpha1 is read' soon 20 reads $c $older
check 'at step 2 still' soon 20 state $c Progressing/2/StepPaused
check 'approve step 2 in v1beta1' approve $newer
check 'it is healthy' soon 30 state $c Healthy/3/Completed
check 'with ten' runs $c 'v2=10'
check 'nothing of the release is left on the Deployment' soon 5 clean $c

# More of them than fit into one request of the usual size: they are converted a list at a time.
many() {
  local index
  for ((index = 0; index < 60; ++index)); do
    printf '{"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"many-%d","namespace":"many","annotations":{"note":"%0100000d"}},"spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"many-%d"},"strategy":{"canary":{"steps":[{"replicas":"10%%"}]}}}}\n' $index 7 $index
  done
}
check 'a namespace for many Rollouts' in_ $c create namespace many
check 'six megabytes of them' in_ $c -n many create -f <(many)
check 'are listed in v1alpha1' prints 60 '^many-' in_ $c -n many get $older
check 'and go' in_ $c delete namespace many

before=$(bundle)
check 'the authority is taken away' in_ $c -n aviary-system delete secret aviary-member-webhooks
check 'the definition trusts another' soon 60 other_bundle "$before"
check 'and v1alpha1 is read' soon 60 reads $c $older
check 'somebody takes the conversion away' in_ $c patch $definition --type=merge -p '{"spec":{"conversion":{"strategy":"None","webhook":null}}}'
check 'it is put back' soon 20 versions $c 'v1beta1 v1alpha1 Webhook'

need 'a light hub' cluster hub --light
need 'an identity of the hub' identity hub aviary-hub
run hub aviary hub --kubeconfig "$work/hub-aviary-hub.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$hub_webhook" --webhook-port "$hub_webhook" --health-port "$hub_health"
need 'the hub is ready' soon 30 answers "$hub_health"
check 'a namespace there' in_ hub create namespace demo
check 'a Rollout of v1alpha1 there' soon 20 in_ hub apply -f "$work/older.yaml"
check 'is read in v1beta1' of hub $newer '.spec.strategy.canary.steps[0].traffic' '10%'
check 'and in v1alpha1' of hub $older '.spec.rolloutID' 7
check 'what is wrong there is said in the names of v1alpha1' tells 1 'spec.strategy.canary.steps\[0\].weight' in_ hub apply -f <(manifest 200)
finished=1
