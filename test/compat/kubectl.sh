#!/bin/bash
# What people do with kubectl, against any API server: kubectl.sh KUBECTL KUBECONFIG
#   test/compat/kubectl.sh /usr/bin/kubectl aviary-data/kubeconfig
# Ends in "N passed, N failed" and fails when anything did.
set -u
if [ $# -ne 2 ]; then
    echo "usage: $0 KUBECTL KUBECONFIG" >&2
    exit 1
fi
K="$1 --kubeconfig $2"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pass=0; fail=0
# t NAME COMMAND…: it succeeds; g NAME PATTERN COMMAND…: its output matches.
t() { local name="$1"; shift; local out; out=$("$@" 2>&1); local rc=$?; if [ $rc -eq 0 ]; then pass=$((pass+1)); else fail=$((fail+1)); echo "FAIL $name rc=$rc: $out" | head -8; fi; }
g() { local name="$1" want="$2"; shift 2; local out; out=$("$@" 2>&1); if grep -qE "$want" <<<"$out"; then pass=$((pass+1)); else fail=$((fail+1)); echo "FAIL $name want /$want/: $out" | head -12; fi; }
NS=compat-$RANDOM
t version $K version
t api-resources $K api-resources
g api-versions apps/v1 $K api-versions
t ns $K create namespace $NS
t cm $K -n $NS create configmap a --from-literal=k=v
g getcm "^a +1" $K -n $NS get configmap a
g getjson '"k": "v"' $K -n $NS get cm a -o json
g getyaml 'k: v' $K -n $NS get cm a -o yaml
t label $K -n $NS label cm a x=y
g selector "^a " $K -n $NS get cm -l x=y
g noselector "No resources" $K -n $NS get cm -l x=z
t annotate $K -n $NS annotate cm a n=m
t patch $K -n $NS patch cm a -p '{"data":{"k2":"v2"}}'
t patchj $K -n $NS patch cm a --type=json -p '[{"op":"replace","path":"/data/k","value":"v3"}]'
t patchm $K -n $NS patch cm a --type=merge -p '{"data":{"k2":null}}'
g after '"k":"v3"' $K -n $NS get cm a -o jsonpath='{.data}'
cat > $work/dep.yaml <<Y
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: nginx:1, ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
Y
g apply created $K -n $NS apply -f $work/dep.yaml
g apply2 unchanged $K -n $NS apply -f $work/dep.yaml
sed -i 's/nginx:1/nginx:2/' $work/dep.yaml
g diff 'nginx:2' $K -n $NS diff -f $work/dep.yaml
g apply3 configured $K -n $NS apply -f $work/dep.yaml
g ssa 'serverside-applied' $K -n $NS apply --server-side --force-conflicts -f $work/dep.yaml
g dryrun 'server dry run' $K -n $NS apply --dry-run=server -f $work/dep.yaml
t scale $K -n $NS scale deployment web --replicas=5
g scaled '^5$' $K -n $NS get deployment web -o jsonpath='{.spec.replicas}{"\n"}'
t setimage $K -n $NS set image deployment/web main=nginx:3
g gen '^4|5$' $K -n $NS get deployment web -o jsonpath='{.metadata.generation}{"\n"}'
g describe 'RollingUpdateStrategy' $K -n $NS describe deployment web
g getall 'deployment.apps/web' $K -n $NS get all
g wide 'CONTAINERS' $K -n $NS get deploy -o wide
g explain 'replicas' $K explain deployment.spec
g notfound 'Error from server \(NotFound\): configmaps "nope" not found' $K -n $NS get cm nope
g cani '^yes' $K auth can-i create pods
g canino '^no' $K auth can-i create pods --as bob
g forbidden 'pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace' $K -n $NS get pods --as bob
t role $K -n $NS create role r --verb=get,list --resource=pods
t rb $K -n $NS create rolebinding r --role=r --user=bob
g canyes '^yes' $K -n $NS auth can-i list pods --as bob
cat > $work/crd.yaml <<Y
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.demo.example.com}
spec:
  group: demo.example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, required: [size], properties: {size: {type: integer, minimum: 1}, replicas: {type: integer, default: 2}, mode: {type: string, enum: [a, b]}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
Y
t crd $K apply -f $work/crd.yaml
t crdwait $K wait --for=condition=Established crd/widgets.demo.example.com --timeout=10s
printf 'apiVersion: demo.example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 3}\n' > $work/w.yaml
g cr created $K -n $NS apply -f $work/w.yaml
g crget 'w +3' $K -n $NS get wd
g crdefault '^2$' $K -n $NS get widget w -o jsonpath='{.spec.replicas}{"\n"}'
t crscale $K -n $NS scale widget w --replicas=4
g crinvalid 'should be greater than or equal to 1' $K -n $NS patch widget w --type=merge -p '{"spec":{"size":0}}'
g crmode 'supported values: "a", "b"' $K -n $NS patch widget w --type=merge -p '{"spec":{"mode":"c"}}'
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: unk}\ndatax: {a: b}\n' > $work/unk.yaml
g unknown 'unknown field "datax"|unknown field \\"datax\\"|ValidationError|strict decoding' $K -n $NS create -f $work/unk.yaml
( timeout 4 $K -n $NS get cm -w -o name > $work/watch.out 2>&1 & )
sleep 1; t cm2 $K -n $NS create configmap b; sleep 1
g watch 'configmap/b' cat $work/watch.out
t delcm $K -n $NS delete cm a
t deldep $K -n $NS delete deployment web --timeout=20s
t replace bash -c "$K -n $NS get cm b -o yaml | $K -n $NS replace -f -"
t events $K -n $NS get events
t delcrd $K delete crd widgets.demo.example.com --timeout=20s
t delns $K delete ns $NS --timeout=20s
g nsgone 'NotFound' $K get ns $NS
g kubesystem 'forbidden' $K delete ns kube-system
echo "$pass passed, $fail failed"
[ "$fail" -eq 0 ]
