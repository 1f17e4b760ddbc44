#!/usr/bin/env bash
# Two Deployments whose releases share one TrafficRouting: the HTTPRoute is changed by the first of them and put back after the last one,
# whatever its end. Needs on PATH: aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"

member() { in_ beijing "$@"; }
tell() { member apply -f -; }
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
# deployment NAME
deployment() {
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
END
}
# rollout NAME: of that Deployment.
rollout() {
  tell <<END
apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata:
  name: $1
  annotations: {rollouts.kruise.io/trafficrouting: mesh}
spec:
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: $1}
  strategy:
    canary:
      enableExtraWorkloadForCanary: true
      patchPodTemplateMetadata: {labels: {color: gray}}
      steps: [{replicas: 1}, {replicas: "100%"}]
END
}
routing() {
  tell <<'END'
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
route() {
  tell <<'END'
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {rules: [{backendRefs: [{name: web, port: 80}]}]}
END
}
rules() { member get httproute web -o 'jsonpath={.spec}{.metadata.annotations}'; }
same() { local now; now=$(rules); [ "$now" = "$before" ] || { echo "$now"; return 1; }; }
routed() { local now; now=$(rules); grep -q '"x-color"' <<<"$now" || { echo "$now"; return 1; }; }
# shared PHASE COUNT: and so many releases hold it.
shared() {
  local phase holders
  phase=$(member get trafficrouting mesh -o 'jsonpath={.status.phase}') holders=$(member get trafficrouting mesh -o 'jsonpath={.metadata.finalizers}' | grep -o 'progressing\.' | wc -l)
  [ "$phase/$holders" = "$1/$2" ] || { echo "$phase, $holders releases"; return 1; }
}
# at NAME PHASE/STEP/STATE
at() { local got; got=$(member get rollout "$1" -o 'jsonpath={.status.phase}/{.status.currentStepIndex}/{.status.currentStepState}' 2>&1); [ "$got" = "$2" ] || { echo "$got, not $2"; return 1; }; }
healthy() { [ "$(member get rollout "$1" -o 'jsonpath={.status.phase}')" = Healthy ]; }
ready() { [ "$(member get deployment "$1" -o 'jsonpath={.status.readyReplicas}')" = 5 ]; }
release() { member set image "deployment/$1" "main=main:$2"; }
approve() { kubectl amc rollout approve "rollouts/$1" -n demo --direct --context beijing; }
says() { member get rollout "$1" -o 'jsonpath={.status.message}' | grep -q "$2"; }

need 'a cluster' aviary up --clusters beijing --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
export KUBECONFIG=$work/data/kubeconfig
check 'a namespace' kubectl --context beijing create namespace demo
check 'the Gateway API' crd
check 'a route' soon 20 route
for each in web api; do check "Deployment $each" deployment $each; done
for each in web api; do
  check "$each is ready" soon 30 ready $each
  check "Rollout $each" rollout $each
  check "$each is healthy" soon 20 healthy $each
done
before=$(rules)

check 'a release of web' release web v2
check 'waits for the TrafficRouting' soon 20 says web 'TrafficRouting demo/mesh does not exist'
check 'which is created' routing
check 'web is at its first step' soon 30 at web Progressing/1/StepPaused
check 'it is in force' soon 10 shared Progressing 1
check 'the route is changed' soon 10 routed
check 'a release of api' release api v2
check 'api is at its first step' soon 30 at api Progressing/1/StepPaused
check 'both hold it' shared Progressing 2
check 'what it names cannot be changed now' tells 1 'immutable' member patch trafficrouting mesh --type=merge -p '{"spec":{"objectRef":[{"service":"a","gateway":{"httpRouteName":"b"}}]}}'

check 'web is approved' approve web
check 'web is complete' soon 40 at web Healthy/2/Completed
check 'api holds it still' shared Progressing 1
check 'the route is changed still' routed
check 'api goes back' release api v1
check 'api is as before' soon 40 healthy api
check 'nobody holds it' soon 10 shared Healthy 0
check 'the route is what it was' soon 10 same

check 'another release of web' release web v3
check 'holds it' soon 30 shared Progressing 1
check 'its Rollout is deleted' member delete rollout web --timeout 60s
check 'nobody holds it any more' soon 10 shared Healthy 0
check 'and the route is what it was' soon 10 same
check 'a release of api' release api v3
check 'has it in force' soon 30 routed
check 'the TrafficRouting is deleted' member delete trafficrouting mesh --wait=false
check 'the route is what it was, at once' soon 20 same
check 'the release goes on' soon 30 at api Progressing/1/StepPaused
check 'api is approved' approve api
check 'api is complete' soon 40 at api Healthy/2/Completed
check 'the TrafficRouting is gone' soon 10 tells 1 NotFound member get trafficrouting mesh
finished=1
