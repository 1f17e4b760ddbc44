#!/usr/bin/env bash
# A TrafficRouting in one real cluster, held by releases of two Deployments, by a service account that may what config/deploy says; and `aviary
# uninstall` while it is in force: test/real/routing.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.bash"
webhook=$(port) health=$(port)
c=cluster

tell() { in_ $c apply -f -; }
crd() {
  tell <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: httproutes.gateway.networking.k8s.io
  annotations: {api-approved.kubernetes.io: "unapproved, for a test"}
spec:
  group: gateway.networking.k8s.io
  scope: Namespaced
  names: {kind: HTTPRoute, listKind: HTTPRouteList, plural: httproutes, singular: httproute}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
END
}
# workload NAME: a Deployment, and its Rollout, which names the TrafficRouting.
workload() {
  tell <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  replicas: 5
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec: {containers: [{name: main, image: "main:v1"}]}
---
apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata:
  name: $1
  annotations: {rollouts.kruise.io/trafficrouting: mesh}
spec:
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: $1}
  strategy: {canary: {enableExtraWorkloadForCanary: true, steps: [{replicas: 1}, {replicas: "100%"}]}}
END
}
routing() {
  tell <<'END'
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {rules: [{backendRefs: [{name: web, port: 80}]}]}
---
apiVersion: rollouts.kruise.io/v1alpha1
kind: TrafficRouting
metadata: {name: mesh}
spec:
  objectRef: [{service: web, gracePeriodSeconds: 1, gateway: {httpRouteName: web}}]
  strategy:
    matches: [{headers: [{name: user, value: qa}]}]
    requestHeaderModifier: {set: [{name: x-color, value: gray}]}
END
}
ready_one() { [ "$(in_ $c get deployment "$1" -o 'jsonpath={.status.readyReplicas}')" = 5 ] && [ "$(in_ $c get rollout "$1" -o 'jsonpath={.status.phase}')" = Healthy ]; }
at() { local got; got=$(in_ $c get rollout "$1" -o 'jsonpath={.status.phase}/{.status.currentStepIndex}/{.status.currentStepState}' 2>&1); [ "$got" = "$2" ] || { echo "$1: $got, not $2"; return 1; }; }
approve() { in_ $c patch rollout "$1" --subresource=status --type=merge -p '{"status":{"canaryStatus":{"currentStepState":"StepReady"}}}'; }
image_of() { in_ $c set image "deployment/$1" "main=main:$2"; }
# held PHASE ROLLOUT…
held() {
  local got want=$1; shift
  got=$(in_ $c get trafficrouting mesh -o json | python3 -c '
import json, sys
item = json.load(sys.stdin)
held = sorted(each.split("/")[1] for each in item["metadata"].get("finalizers", []) if each.startswith("progressing."))
print(item.get("status", {}).get("phase"), *held)')
  [ "$got" = "$want${1+ $*}" ] || { echo "$got, not $want $*"; return 1; }
}
rules() { in_ $c get httproute web -o 'jsonpath={.spec}{.metadata.annotations.rollouts\.aviary\.dev/original-rules}'; }
routed() { rules | grep -q x-color; }
same() { [ "$(rules)" = "$before" ] || { rules; return 1; }; }

need 'a real cluster' cluster $c
need 'an identity of its own' identity $c aviary-member
run member aviary member --kubeconfig "$work/$c-aviary-member.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$webhook" --webhook-port "$webhook" --health-port "$health"
need 'the member controller is ready' soon 20 answers "$health"
check 'a namespace' in_ $c create namespace demo
check 'the Gateway API' crd
for each in api web; do check "$each" workload $each; done
for each in api web; do check "$each is healthy" soon 40 ready_one $each; done
check 'a route and a TrafficRouting' soon 20 routing
check 'it is healthy' soon 20 held Healthy
before=$(rules)
check 'what is wrong with one is said' tells 1 'weight: Invalid value: 101' in_ $c patch trafficrouting mesh --type=merge -p '{"spec":{"strategy":{"weight":101}}}'
for each in api web; do check "release $each" image_of $each v2; done
for each in api web; do check "$each pauses at step 1" soon 20 at $each Progressing/1/StepPaused; done
check 'both hold it' held Progressing api web
check 'it is in force' soon 5 routed
check 'objectRef stays' tells 1 'immutable' in_ $c patch trafficrouting mesh --type=merge -p '{"spec":{"objectRef":[{"service":"a","gateway":{"httpRouteName":"b"}}]}}'
check 'approve web' approve web
check 'it is complete' soon 30 at web Healthy/2/Completed
check 'api holds it' held Progressing api
check 'api goes back' image_of api v1
check 'nobody holds it' soon 30 held Healthy
check 'the route is what it was' same
check 'release web' image_of web v3
check 'web pauses at step 1' soon 20 at web Progressing/1/StepPaused
check 'it is in force' soon 5 routed
die member
check 'uninstall' aviary uninstall --kubeconfig "$work/$c/kubeconfig" --release-in-progress rollback
check 'the route is what it was' same
check 'no finalizer holds the TrafficRouting' in_ $c delete trafficrouting mesh --timeout 10s
finished=1
