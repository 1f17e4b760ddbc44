#!/bin/bash
# What people do with kubectl, against any API server: kubectl.sh KUBECTL KUBECONFIG [CONTEXT]
#   test/compat/kubectl.sh /usr/bin/kubectl aviary-data/kubeconfig
#   test/compat/kubectl.sh /usr/bin/kubectl aviary-data/kubeconfig beijing
# With CONTEXT that cluster is asked, and it must run workloads: Deployments become ready and are rolled.
# Ends in "N passed, N failed" and fails when anything did.
set -u
if [ $# -lt 2 ]; then
    echo "usage: $0 KUBECTL KUBECONFIG [CONTEXT]" >&2
    exit 1
fi
K="$1 --kubeconfig $2${3:+ --context $3}"
workloads=${3:-}
# The kubectl's minor version: 20 of v1.20.2.
minor=$("$1" version --client -o json | sed -nE 's/.*"gitVersion": *"v1\.([0-9]+).*/\1/p')
newer() { [ "$minor" -ge "$1" ]; }
export KUBECTL_EXTERNAL_DIFF='diff -u -N'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pass=0; fail=0
# t NAME COMMAND…: it succeeds; g NAME PATTERN COMMAND…: its output matches.
t() { local name="$1"; shift; local out; out=$("$@" 2>&1); local rc=$?; if [ $rc -eq 0 ]; then pass=$((pass+1)); else fail=$((fail+1)); echo "FAIL $name rc=$rc: $out" | head -8; fi; }
g() { local name="$1" want="$2"; shift 2; local out; out=$("$@" 2>&1); if grep -qE "$want" <<<"$out"; then pass=$((pass+1)); else fail=$((fail+1)); echo "FAIL $name want /$want/: $out" | head -12; fi; }
# x NAME EXIT PATTERN COMMAND…: it ends with that exit code (- for any but 0) and its output matches.
x() { local name="$1" code="$2" want="$3"; shift 3; local out rc; out=$("$@" 2>&1); rc=$?; if grep -qE "$want" <<<"$out" && { [ "$rc" = "$code" ] || { [ "$code" = - ] && [ $rc != 0 ]; }; }; then pass=$((pass+1)); else fail=$((fail+1)); echo "FAIL $name rc=$rc, not $code with /$want/: $out" | head -12; fi; }
# on TEXT COMMAND…: the command with TEXT as its input.
on() { local text="$1"; shift; printf '%s\n' "$text" | "$@"; }
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
# A kubectl that takes its own fields over gives up where the Deployment's status changes meanwhile.
if [ "$workloads" ]; then t settled $K -n $NS rollout status deployment/web --timeout=60s; fi
g ssa 'serverside-applied' $K -n $NS apply --server-side --force-conflicts -f $work/dep.yaml
# A newer kubectl hands over what it applied from the client.
if newer 26; then g handover '^0$' bash -c "$K -n $NS get deployment web -o json --show-managed-fields | grep -c kubectl-client-side-apply"; fi
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
# What is printed, and how.
g labels 'x=y' $K -n $NS get cm --show-labels
g columns 'L +y|y$' $K -n $NS get cm -L x
g name '^configmap/a$' $K -n $NS get cm a -o name
g custom '^a +v3' $K -n $NS get cm a -o custom-columns=N:.metadata.name,V:.data.k
g template '^a=v3' $K -n $NS get cm a -o go-template='{{.metadata.name}}={{.data.k}}{{"\n"}}'
g sortby '^b' bash -c "$K -n $NS get cm --sort-by=.metadata.name --no-headers | grep -E '^(a|b) ' | tail -n 1"
g fields '^configmap/b$' $K -n $NS get cm --field-selector metadata.name=b -o name
g allspaces "^$NS +a " $K get cm -A
g chunks '^a ' $K -n $NS get cm --chunk-size=1
g two 'configmap/a' $K -n $NS get cm/a deployment/web -o name
g raw '"major"' $K get --raw /version
g rawopenapi '"swagger"' $K get --raw /openapi/v2
g rawv3 '"apis/apps/v1"' $K get --raw /openapi/v3
g rawlist '"DeploymentList"' $K get --raw /apis/apps/v1/namespaces/$NS/deployments
g healthz '^ok' $K get --raw /healthz
g readyz '^ok' $K get --raw /readyz
g clusterinfo 'is running at' $K cluster-info
g resourceverbs 'deployments .*create.*delete' $K api-resources --api-group=apps -o wide
g resourcenames '^deployments.apps$' $K api-resources --namespaced=true -o name
g explainrec 'containers' $K explain deployment.spec.template.spec --recursive
g explainversion 'VERSION: +apps/v1|VERSION: +v1' $K explain deployment --api-version=apps/v1
g explaincr 'size' $K explain widget.spec
x nokind - "the server doesn't have a resource type \"nothings\"" $K get nothings
if newer 21; then g managed 'managedFields' $K -n $NS get cm a -o yaml --show-managed-fields; g unmanaged '^0$' bash -c "$K -n $NS get cm a -o yaml | grep -c managedFields"; fi
if newer 28; then g whoami 'Username' $K auth whoami; fi
if newer 24; then g substatus '"kind": "Widget"' $K -n $NS get widget w --subresource=status -o json; t patchstatus $K -n $NS patch widget w --subresource=status --type=merge -p '{"status":{"replicas":4,"note":"seen"}}'; g statusset '^seen$' $K -n $NS get widget w -o jsonpath='{.status.note}{"\n"}'; fi

# What is created by a word.
t secret $K -n $NS create secret generic s --from-literal=password=x
g secretdata '^eA==$' $K -n $NS get secret s -o jsonpath='{.data.password}{"\n"}'
t createdeploy $K -n $NS create deployment gen --image=nginx:1 --replicas=2
t expose $K -n $NS expose deployment gen --port=80 --target-port=8080
g exposed '^80:8080$' $K -n $NS get service gen -o jsonpath='{.spec.ports[0].port}:{.spec.ports[0].targetPort}{"\n"}'
t autoscale $K -n $NS autoscale deployment gen --min=1 --max=3 --cpu-percent=80
g hpa 'Deployment/gen' $K -n $NS get hpa gen
t sa $K -n $NS create serviceaccount robot
t run $K -n $NS run pod --image=busybox:1 --restart=Never
t job $K -n $NS create job j --image=busybox:1
# kubectl 1.20 writes cron jobs and disruption budgets of versions that Kubernetes 1.25 has taken away.
if newer 21; then t cronjob $K -n $NS create cronjob c --image=busybox:1 --schedule='*/5 * * * *'; t jobfrom $K -n $NS create job j2 --from=cronjob/c; t pdb $K -n $NS create poddisruptionbudget p --selector=app=gen --min-available=1; fi
t quota $K -n $NS create quota q --hard=pods=100
t ingress $K -n $NS create ingress i --rule=example.com/=gen:80
t clusterrole $K create clusterrole $NS --verb=get --resource=deployments.apps --resource-name=web
t clusterrolebinding $K create clusterrolebinding $NS --clusterrole=$NS --serviceaccount=$NS:robot
t priorityclass $K create priorityclass $NS --value=10
t generated bash -c "printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: gen-}\n' | $K -n $NS create -f -"
t dryclient $K -n $NS create configmap dry --dry-run=client -o yaml
t dryserver $K -n $NS create configmap dry --dry-run=server -o yaml
x drygone - 'NotFound' $K -n $NS get cm dry
x exists - 'already exists' $K -n $NS create configmap a
g reconcile 'reconciled' $K -n $NS auth reconcile -f <($K -n $NS get role r -o yaml)

# What is changed by a word.
t setenv $K -n $NS set env deployment/gen A=1 B=2
g env '^A=1 B=2 $' $K -n $NS get deployment gen -o jsonpath='{range .spec.template.spec.containers[0].env[*]}{.name}={.value} {end}{"\n"}'
t unsetenv $K -n $NS set env deployment/gen A-
g env2 '^B=2 $' $K -n $NS get deployment gen -o jsonpath='{range .spec.template.spec.containers[0].env[*]}{.name}={.value} {end}{"\n"}'
g envlist 'B=2' $K -n $NS set env deployment/gen --list
t setresources $K -n $NS set resources deployment gen --limits=cpu=200m,memory=512Mi --requests=cpu=0.1
g resources '^200m/100m$' $K -n $NS get deployment gen -o jsonpath='{.spec.template.spec.containers[0].resources.limits.cpu}/{.spec.template.spec.containers[0].resources.requests.cpu}{"\n"}'
t setaccount $K -n $NS set serviceaccount deployment gen robot
t setselector $K -n $NS set selector service gen app=gen,tier=x
t setsubject $K -n $NS set subject rolebinding r --user=carol
g subject 'carol' $K -n $NS get rolebinding r -o wide
x labelagain - "already has a value" $K -n $NS label cm a x=z
t labelover $K -n $NS label --overwrite cm a x=z
t labelremove $K -n $NS label cm a x-
t labelall $K -n $NS label cm --all swept=yes
g labelled 'configmap/b' $K -n $NS get cm -l swept=yes -o name
g inset 'configmap/b' $K -n $NS get cm -l 'swept in (yes,maybe),!nope' -o name
t strategic $K -n $NS patch deployment gen -p '{"spec":{"template":{"spec":{"containers":[{"name":"nginx","image":"nginx:9"}]}}}}'
g merged '^nginx:9 B$' $K -n $NS get deployment gen -o jsonpath='{.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].name}{"\n"}'
x badpatch - 'test|invalid' $K -n $NS patch cm a --type=json -p '[{"op":"test","path":"/data/k","value":"other"}]'
t edit env KUBE_EDITOR='sed -i s/v3/v4/' $K -n $NS edit cm a
g edited '^v4$' $K -n $NS get cm a -o jsonpath='{.data.k}{"\n"}'
t replaceforce bash -c "$K -n $NS get cm a -o yaml | $K -n $NS replace --force -f -"
x conflict - 'Conflict|modified' bash -c "$K -n $NS get cm a -o yaml | sed 's/resourceVersion: .*/resourceVersion: \"1\"/' | $K -n $NS replace -f -"
x immutable - 'immutable' $K -n $NS patch deployment gen --type=merge -p '{"spec":{"selector":{"matchLabels":{"app":"other"}}}}'
x scaleguard - 'Expected replicas|precondition' $K -n $NS scale deployment gen --current-replicas=7 --replicas=1
t scaleguarded $K -n $NS scale deployment gen --current-replicas=2 --replicas=1

# apply, in all its forms.
if newer 26; then allow=allowlist; else allow=whitelist; fi
printf 'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: l1, labels: {set: l}}, data: {a: "1", b: "2"}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: l2, labels: {set: l}}}\n' > $work/list.yaml
g applylist 'configmap/l2 created' $K -n $NS apply -f $work/list.yaml
sed -i 's/, b: "2"//' $work/list.yaml
g applydrop 'configmap/l1 configured' $K -n $NS apply -f $work/list.yaml
g dropped '^.?.?"?a"?:"1".$|^map.a:1.$|^{"a":"1"}$' $K -n $NS get cm l1 -o jsonpath='{.data}{"\n"}'
g lastapplied '"?name"?: "?l1' $K -n $NS apply view-last-applied cm l1
x difference 1 '^\+.*"?c"?: "?3' bash -c "sed 's/a: \"1\"/a: \"1\", c: \"3\"/' $work/list.yaml | $K -n $NS diff -f -"
x nodifference 0 '^$' $K -n $NS diff -f $work/list.yaml
x diffserverside 1 '^\+.*c: "3"' bash -c "sed 's/a: \"1\"/a: \"1\", c: \"3\"/' $work/list.yaml | $K -n $NS diff --server-side --field-manager other -f -"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ssa}\ndata: {a: "1"}\n' > $work/ssa.yaml
g ssacreate serverside-applied $K -n $NS apply --server-side --field-manager one -f $work/ssa.yaml
sed -i 's/"1"/"2"/' $work/ssa.yaml
x ssaconflict - 'conflict with "one"' $K -n $NS apply --server-side --field-manager two -f $work/ssa.yaml
g ssaforce serverside-applied $K -n $NS apply --server-side --field-manager two --force-conflicts -f $work/ssa.yaml
g ssadry 'server dry run' $K -n $NS apply --server-side --dry-run=server --field-manager two -f $work/ssa.yaml
sed -i 's/name: l2/name: l3/' $work/list.yaml
g prune 'configmap/l2 pruned' $K -n $NS apply --prune -l set=l --prune-$allow=core/v1/ConfigMap -f $work/list.yaml
mkdir -p $work/k && printf 'namePrefix: k-\nresources: [ssa.yaml]\n' > $work/k/kustomization.yaml && cp $work/ssa.yaml $work/k/
g kustomize 'configmap/k-ssa created' $K -n $NS apply -k $work/k
x typo - 'unknown field|ValidationError|strict decoding' $K -n $NS apply -f <(printf 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: typo}\nspec: {replicaz: 1, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: m, image: i}]}}}\n')
if newer 25; then
    g warned 'unknown field "spec.replicaz"' $K -n $NS apply --validate=warn -f <(printf 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: typo}\nspec: {replicaz: 1, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: m, image: i}]}}}\n')
fi
x wrongtype - 'expected|cannot unmarshal|invalid type|ValidationError|must be' $K -n $NS apply -f <(printf 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: wrong}\nspec: {replicas: "three", selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: m, image: i}]}}}\n')

# describe, wait, events, nodes.
for what in configmap/a secret/s service/gen deployment/gen serviceaccount/robot pod/pod job/j hpa/gen quota/q ingress/i role/r rolebinding/r widget/w; do g "describe $what" "Name: +${what#*/}" $K -n $NS describe $what; done
if newer 21; then for what in cronjob/c pdb/p; do g "describe $what" "Name: +${what#*/}" $K -n $NS describe $what; done; fi
g "describe namespace" 'Status: +Active' $K describe namespace $NS
g "describe crd" 'widgets.demo.example.com' $K describe crd widgets.demo.example.com
g "describe clusterrole" 'deployments.apps' $K describe clusterrole $NS
if newer 23; then t waitjson $K -n $NS wait cm/a --for=jsonpath='{.data.k}'=v4 --timeout=5s; t eventsverb $K -n $NS events; fi
x waitnever - 'timed out' $K -n $NS wait widget/w --for=condition=Never --timeout=1s
( sleep 1; $K -n $NS delete cm l1 >/dev/null ) &
t waitdelete $K -n $NS wait cm/l1 --for=delete --timeout=10s
wait
t node bash -c "printf 'apiVersion: v1\nkind: Node\nmetadata: {name: $NS}\n' | $K create -f -"
t cordon $K cordon $NS
g cordoned '^true$' $K get node $NS -o jsonpath='{.spec.unschedulable}{"\n"}'
t taint $K taint node $NS a=b:NoSchedule
t drain $K drain $NS --ignore-daemonsets --timeout=10s
t uncordon $K uncordon $NS
g "describe node" 'Taints: +a=b:NoSchedule' $K describe node $NS
t delnode $K delete node $NS
g listed 'touched|app=gen' $K -n $NS label deployment gen --list
x toofew - 'at least one label|cannot be handled|requires' $K -n $NS label cm
t savedconfig $K -n $NS create --save-config configmap saved
t deldry $K -n $NS delete cm saved --dry-run=server
t stillthere $K -n $NS get cm saved
# Writing by --raw forgets the path of a server that is not at /, in kubectls before 1.37.
if [ -z "$workloads" ]; then
    t rawdelete $K delete --raw /api/v1/namespaces/$NS/configmaps/saved
    t rawcreate bash -c "printf '{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"raw\"}}' | $K create --raw /api/v1/namespaces/$NS/configmaps -f -"
fi
t scaleselector $K -n $NS scale deployment -l app=gen --replicas=1
x scaleversion - 'modified|Conflict|resource version|precondition' $K -n $NS scale deployment gen --resource-version=1 --replicas=2
g patchout '"dry": "yes"' $K -n $NS patch cm b --dry-run=server -o json --type=merge -p '{"data":{"dry":"yes"}}'
g canilist 'selfsubjectaccessreviews' $K -n $NS auth can-i --list --as bob
g logs 'not supported|NotFound|not found|could not find' $K -n $NS logs pod
x execute - 'not supported|NotFound|not found|could not find' $K -n $NS exec pod -- true
if newer 31; then ( sleep 1; $K -n $NS create configmap later >/dev/null ) & t waitcreate $K -n $NS wait cm/later --for=create --timeout=10s; wait; fi
if newer 24; then t editstatus env KUBE_EDITOR='sed -i s/seen/edited/' $K -n $NS edit widget w --subresource=status; g editedstatus '^edited$' $K -n $NS get widget w -o jsonpath='{.status.note}{"\n"}'; fi
if newer 27; then
    t applyset env KUBECTL_APPLYSET=true $K -n $NS apply --prune --applyset=secret/set -f $work/ssa.yaml
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n' > $work/other.yaml
    g applysetprune 'configmap/ssa pruned' env KUBECTL_APPLYSET=true $K -n $NS apply --prune --applyset=secret/set -f $work/other.yaml
    g explainold 'replicas' $K explain deployment.spec --output=plaintext-openapiv2
fi
x nometrics - 'Metrics API not available|not available' $K top pods -n $NS
if newer 24; then x token - 'not supported|could not find' $K -n $NS create token robot; fi

# Watches.
( timeout 6 $K -n $NS get cm --watch-only -o name > $work/only.out 2>&1 & )
( timeout 6 $K -n $NS get widgets -w --output-watch-events > $work/events.out 2>&1 & )
sleep 1
t touch1 $K -n $NS label cm b touched=1
t touch2 $K -n $NS label widget w touched=1
sleep 0.5
g watchonly '^configmap/b$' cat $work/only.out
g watchevents '^MODIFIED +w +3' cat $work/events.out
( timeout 3 $K -n $NS get cm b -w -o json > $work/json.out 2>&1 & ); sleep 1; t touch3 $K -n $NS annotate cm b touched=3; sleep 0.5; g watchjson '"touched": "3"' cat $work/json.out
g rollouthistory 'REVISION|No rollout history|no rollout history' $K -n $NS rollout history deployment/gen

if [ "$workloads" ]; then
    t rolled $K -n $NS rollout status deployment/gen --timeout=60s
    t available $K -n $NS wait deployment/gen --for=condition=Available --timeout=30s
    t podready $K -n $NS wait pod -l app=gen --for=condition=Ready --timeout=30s
    t restart $K -n $NS rollout restart deployment/gen
    t restarted $K -n $NS rollout status deployment/gen --timeout=60s
    g history '^2 ' $K -n $NS rollout history deployment/gen
    g historyof 'Image:' $K -n $NS rollout history deployment/gen --revision=2
    t pause $K -n $NS rollout pause deployment/gen
    x paused - 'paused' $K -n $NS rollout restart deployment/gen
    t resume $K -n $NS rollout resume deployment/gen
    t setimage2 $K -n $NS set image deployment/gen '*=nginx:10'
    t rolled2 $K -n $NS rollout status deployment/gen --timeout=60s
    t undo $K -n $NS rollout undo deployment/gen
    t undone $K -n $NS rollout status deployment/gen --timeout=60s
    g undoneimage '^nginx:9$' $K -n $NS get deployment gen -o jsonpath='{.spec.template.spec.containers[0].image}{"\n"}'
    g endpoints 'gen' $K -n $NS get endpointslices
    g scaleddown '^1$' $K -n $NS get deployment gen -o jsonpath='{.status.readyReplicas}{"\n"}'
    g podwide 'NOMINATED NODE' $K -n $NS get pods -o wide
    g "describe pod" 'Conditions:' $K -n $NS describe pod -l app=gen
    g "describe replicaset" 'Controlled By: +Deployment/gen' $K -n $NS describe rs -l app=gen
    pod=$($K -n $NS get pods -l app=gen -o jsonpath='{.items[0].metadata.name}')
    t delpod $K -n $NS delete pod "$pod" --wait=false
    t delforce $K -n $NS delete pod pod --grace-period=0 --force
    t orphan $K -n $NS delete deployment gen --cascade=orphan
    g orphaned 'gen-' $K -n $NS get rs -l app=gen
    t foreground $K -n $NS delete rs -l app=gen --cascade=foreground --timeout=30s
    g nopods '^0$' bash -c "sleep 1; $K -n $NS get pods -l app=gen -o name | grep -c ."
fi

t delcm $K -n $NS delete cm a
t deldep $K -n $NS delete deployment web --timeout=20s
t replace bash -c "$K -n $NS get cm b -o yaml | $K -n $NS replace -f -"
t events $K -n $NS get events
t delsel $K -n $NS delete cm -l swept=yes
t delfile $K -n $NS delete -f $work/ssa.yaml --ignore-not-found
t delall $K -n $NS delete cm --all
x delnone - 'NotFound' $K -n $NS delete cm a
t delignore $K -n $NS delete cm a --ignore-not-found
t delbackground $K -n $NS delete svc,job --all --wait=false
t delcluster $K delete clusterrole/$NS clusterrolebinding/$NS priorityclass/$NS
t delcrd $K delete crd widgets.demo.example.com --timeout=20s
t delns $K delete ns $NS --timeout=20s
g nsgone 'NotFound' $K get ns $NS
g kubesystem 'forbidden' $K delete ns kube-system
echo "$pass passed, $fail failed"
[ "$fail" -eq 0 ]
