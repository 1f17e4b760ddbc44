#!/usr/bin/env bash
# Releases that route requests in one real cluster, by a service account that may what config/deploy says: in each style by a HTTPRoute, a
# GRPCRoute, an Ingress and a VirtualService at once, whose definitions are those that are published; and by inference pools.
# Needs on PATH: kubectl; and test/real/build has been run, also for definitions, else it is left out. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/member.bash"
if [ ! -d "$real/definitions" ]; then echo 'left out: test/real/build definitions has not been run'; finished=1; exit; fi
routed='service/qwen-inference httproute/web grpcroute/calls ingress/web virtualservice/web'

tell() { in_ $c apply -f -; }
routes() {
  tell <<'END'
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: edge}]
  hostnames: [qwen.example.com]
  rules:
    - matches: [{path: {type: PathPrefix, value: /v1}}]
      timeouts: {request: 60s}
      backendRefs: [{name: qwen-inference, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: calls}
spec:
  parentRefs: [{name: edge}]
  rules:
    - matches: [{method: {service: inference.GRPCInferenceService}}]
      backendRefs: [{name: qwen-inference, port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {kubernetes.io/ingress.class: nginx}}
spec:
  rules:
    - host: qwen.example.com
      http: {paths: [{path: /v1, pathType: Prefix, backend: {service: {name: qwen-inference, port: {number: 80}}}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [qwen.example.com]
  http: [{name: primary, route: [{destination: {host: qwen-inference}}]}]
END
}
pools() {
  local name
  for name in qwen-inference qwen-inference-canary; do
    tell <<END || return 1
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {name: $name}
spec:
  selector: {matchLabels: {app: qwen-inference}}
  targetPorts: [{number: 8000}]
  endpointPickerRef: {name: $name-epp, port: {number: 9002}}
END
  done
  tell <<'END'
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: pooled}
spec:
  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: qwen-inference}]}]
END
}
# As docs/guide/traffic.md says
grant() {
  in_ $c create clusterrole aviary-member-mesh --verb get,list,watch,update --resource virtualservices.networking.istio.io &&
  in_ $c create clusterrolebinding aviary-member-mesh --clusterrole aviary-member-mesh --serviceaccount aviary-system:aviary-member
}
routings='"trafficRoutings":[{"service":"qwen-inference","gracePeriodSeconds":1,"gateway":{"httpRouteName":"web","grpcRouteName":"calls"},"ingress":{"classType":"nginx","name":"web"},
  "customNetworkRefs":[{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","name":"web"}]}]'
steps='[{"replicas":"20%","traffic":"20%"},{"replicas":"50%","matches":[{"headers":[{"type":"Exact","name":"user","value":"qa"}]}]}]'
# strategy canary|blueGreen FIELDS: of the Rollout, at rest
strategy() {
  part=$1Status
  in_ $c patch rollout $r --type=json -p "[{\"op\":\"replace\",\"path\":\"/spec/strategy\",\"value\":{\"$1\":{\"steps\":$steps,$2}}}]"
}
# Without what an API server changes with every write.
whole() {
  in_ $c get $routed -o json | python3 -c '
import json, sys
for item in json.load(sys.stdin)["items"]:
    for key in ("resourceVersion", "generation", "managedFields"): item["metadata"].pop(key, None)
    print(json.dumps(item, sort_keys=True))'
}
same() { whole >"$work/after"; diff "$work/before" "$work/after"; }
gone() { [ "$(in_ $c get service,ingress qwen-inference-canary web-canary -o name --ignore-not-found)" = '' ]; }
# shares STABLE CANARY: what each of them gives the two Services
shares() {
  local backends='{range .spec.rules[0].backendRefs[*]}{.name}={.weight} {end}' got want="qwen-inference=$1 qwen-inference-canary=$2 "
  for each in httproute/web grpcroute/calls; do
    got=$(in_ $c get $each -o "jsonpath=$backends")
    [ "$got" = "$want" ] || { echo "$each: $got"; return 1; }
  done
  got=$(in_ $c get virtualservice web -o 'jsonpath={range .spec.http[0].route[*]}{.destination.host}={.weight} {end}')
  [ "$got" = "$want" ] || { echo "virtualservice: $got"; return 1; }
  got=$(in_ $c get ingress web-canary -o 'jsonpath={.metadata.annotations.nginx\.ingress\.kubernetes\.io/canary-weight}')
  [ "$got" = "$2" ] || { echo "ingress: $got"; return 1; }
}
# matched: requests with the header go to the new version, and no others
matched() {
  local each got
  for each in httproute/web grpcroute/calls; do
    got=$(in_ $c get $each -o 'jsonpath={range .spec.rules[*]}{.matches[0].headers[0].value}>{.backendRefs[*].name} {end}')
    [ "$got" = 'qa>qwen-inference-canary >qwen-inference ' ] || [ "$got" = '>qwen-inference qa>qwen-inference-canary ' ] || { echo "$each: $got"; return 1; }
  done
  got=$(in_ $c get virtualservice web -o 'jsonpath={range .spec.http[*]}{.match[0].headers.user.exact}>{.route[*].destination.host} {end}')
  [ "$got" = 'qa>qwen-inference-canary >qwen-inference ' ] || { echo "virtualservice: $got"; return 1; }
  got=$(in_ $c get ingress web-canary -o 'jsonpath={.metadata.annotations.nginx\.ingress\.kubernetes\.io/canary-by-header}={.metadata.annotations.nginx\.ingress\.kubernetes\.io/canary-by-header-value}')
  [ "$got" = user=qa ] || { echo "ingress: $got"; return 1; }
}
# apart VERSION COUNT: so many pods of that version, and no others, are behind the second Service, and none of them behind the first
apart() {
  in_ $c get endpointslices,pods -o json | python3 -c '
import json, sys
items = json.load(sys.stdin)["items"]
version = {item["metadata"]["name"]: item["spec"]["containers"][0]["image"].rpartition(":")[2] for item in items if item["kind"] == "Pod"}
behind = {"qwen-inference": [], "qwen-inference-canary": []}
for item in items:
    if item["kind"] != "EndpointSlice": continue
    for each in item.get("endpoints") or []:
        if each["conditions"].get("ready"): behind[item["metadata"]["labels"]["kubernetes.io/service-name"]].append(version.get(each["targetRef"]["name"]))
second, first = behind["qwen-inference-canary"], behind["qwen-inference"]
print(behind)
sys.exit(second != [sys.argv[1]] * int(sys.argv[2]) or sys.argv[1] in first)' "$1" "$2"
}

need 'a real cluster' cluster $c
need 'an identity of its own' identity $c aviary-member
check 'the definitions' in_ $c create -f "$real/definitions"
check 'rights on VirtualServices' grant
member
need 'the member controller is ready' soon 20 answers "$health"
check 'a namespace' in_ $c create namespace demo
check 'the workload and its Service' in_ $c apply -f <(sed '/^apiVersion: policy/,$d' "$seed/workload.yaml")
check 'ten pods are ready' soon 30 ready $c
check 'routes' soon 20 routes
check 'the Rollout' in_ $c apply -f <(sed '/^---/,$d' "$seed/rollout.yaml")
check 'it is healthy' soon 20 healthy $c
check 'what is routed, as it is' eval 'whole >"$work/before" && [ "$(wc -l <"$work/before")" = 5 ]'

number=1
for style in partition canary blueGreen; do
  case $style in
    partition) check "$style: the strategy" strategy canary "$routings" ;;
    canary) check "$style: the strategy" strategy canary "\"enableExtraWorkloadForCanary\":true,$routings" ;;
    blueGreen) check "$style: the strategy" strategy blueGreen "$routings" ;;
  esac
  number=$((number + 1))
  check "$style: release v$number" release $c v$number
  need "$style: it pauses at step 1" soon 40 at Progressing/1/StepPaused
  check "$style: a fifth of the requests everywhere" shares 80 20
  check "$style: two pods of the new version behind its Service alone" soon 10 apart v$number 2
  check "$style: approve step 1" approve
  need "$style: it pauses at step 2" soon 40 at Progressing/2/StepPaused
  check "$style: requests with the header alone" matched
  check "$style: five pods of the new version behind its Service alone" soon 10 apart v$number 5
  check "$style: approve step 2" approve
  need "$style: it is complete" soon 60 at Healthy/2/Completed
  check "$style: with the new version alone" soon 30 runs $c "v$number=10"
  check "$style: what is routed is as it was" soon 10 same
  check "$style: nothing is left beside it" soon 10 gone
  check "$style: release v9" release $c v9
  need "$style: it pauses at step 1" soon 40 at Progressing/1/StepPaused
  check "$style: v$number is put back" release $c v$number
  check "$style: v$number alone" soon 40 runs $c "v$number=10"
  check "$style: it is healthy" soon 30 healthy $c
  check "$style: what is routed is as it was" soon 10 same
  check "$style: nothing is left beside it" soon 10 gone
done

check 'pools: two, and a route' pools
pooled=$(in_ $c get httproute pooled -o 'jsonpath={.spec}')
check 'pools: the strategy' strategy canary '"enableExtraWorkloadForCanary":true,"disableGenerateCanaryService":true,"patchPodTemplateMetadata":{"labels":{"track":"canary"}},"trafficRoutings":[{"service":"qwen-inference","gateway":{"httpRouteName":"pooled"}}]'
check 'pools: release v5' release $c v5
need 'pools: it pauses at step 1' soon 40 at Progressing/1/StepPaused
check 'pools: a fifth of the requests' tells 0 '^qwen-inference=80 qwen-inference-canary=20 $' in_ $c get httproute pooled -o 'jsonpath={range .spec.rules[0].backendRefs[*]}{.name}={.weight} {end}'
check 'pools: v4 is put back' release $c v4
check 'pools: it is healthy' soon 40 healthy $c
check 'pools: the route is as it was' [ "$(in_ $c get httproute pooled -o 'jsonpath={.spec}')" = "$pooled" ]
check 'the roles are enough' none_forbidden $c
finished=1
