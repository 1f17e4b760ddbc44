#!/usr/bin/env bash
# Every command and flag of the two programs, as a user types them: help with examples first, completion, output forms, exit codes.
# Needs on PATH: aviary, kubectl-amc, kubectl.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
port=${PORT:-$((20000 + RANDOM % 12000))}
pass=0 fail=0 finished=0
r=qwen-inference-rollout image=registry.example.com/inference/vllm-qwen

ok() { pass=$((pass + 1)); echo "ok    $*"; }
bad() { fail=$((fail + 1)); echo "FAIL  $*"; tail -n 12 "$work/out" | sed 's/^/      | /'; }
# ends WHAT EXIT PATTERN COMMAND...: it ends with that exit code, and what it printed matches.
ends() {
  local what=$1 want=$2 pattern=$3 got; shift 3
  "$@" >"$work/out" 2>&1 </dev/null; got=$?
  if [ $got != "$want" ]; then echo "exit $got, not $want" >>"$work/out"; bad "$what"; elif ! grep -qE -- "$pattern" "$work/out"; then echo "not in it: $pattern" >>"$work/out"; bad "$what"; else ok "$what"; fi
}
# prints WHAT COUNT PATTERN COMMAND...: it succeeds and prints so many lines that match.
prints() {
  local what=$1 count=$2 pattern=$3; shift 3
  if "$@" >"$work/out" 2>"$work/err" </dev/null && [ "$(grep -cE -- "$pattern" "$work/out")" = "$count" ]; then ok "$what"; else cat "$work/err" >>"$work/out"; echo "wanted $count lines like $pattern" >>"$work/out"; bad "$what"; fi
}
check() { local what=$1; shift; if "$@" >"$work/out" 2>&1 </dev/null; then ok "$what"; else bad "$what"; fi; }
soon() { local end=$((SECONDS + $1)); shift; until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.1; done; }
finish() {
  aviary down --data-dir "$work/data" >/dev/null 2>&1
  aviary down --data-dir "$work/demo" >/dev/null 2>&1
  aviary down --data-dir "$work/front" >/dev/null 2>&1
  rm -rf "$work"
  [ $finished = 1 ] || echo 'stopped before the end'
  echo "$pass passed, $fail failed"
  exit $((fail > 0 || finished == 0))
}
trap finish EXIT

amc() { kubectl amc "$@"; }
at() { [ "$(kubectl --context "$1" -n demo get rollout $r -o 'jsonpath={.status.phase}/{.status.canaryStatus.currentStepIndex}/{.status.canaryStatus.currentStepState}' 2>/dev/null)" = "$2" ]; }
both() { at beijing "$1" && at shanghai "$1"; }
healthy() { local c; for c in beijing shanghai; do [ "$(kubectl --context $c -n demo get rollout $r -o 'jsonpath={.status.phase}' 2>/dev/null)" = Healthy ] || return 1; done; }
ready() { local c; for c in beijing shanghai; do [ "$(kubectl --context $c -n demo get deploy qwen-inference -o 'jsonpath={.status.readyReplicas}' 2>/dev/null)" = 10 ] || return 1; done; }
runs() { [ "$(kubectl --context "$1" -n demo get pods -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | sort | uniq -c | tr -s ' ')" = " 10 $image:$2" ]; }
release() { kubectl -n demo set image deployment/qwen-inference "vllm=$image:$1"; }
# Help shows examples before the usage, and every flag has a text.
first_examples() { "$@" --help >"$work/out" 2>&1 && [ "$(grep -nE '^Examples:' "$work/out" | head -n 1 | cut -d: -f1)" -lt "$(grep -n '^Usage:' "$work/out" | head -n 1 | cut -d: -f1)" ]; }

# --- help, misuse, completion
for command in '' up down apiserver demo completion version; do check "aviary $command --help: examples first" first_examples aviary $command; done
for command in '' get describe clusters rollout 'rollout list' 'rollout get' 'rollout approve' 'rollout pause' 'rollout resume' 'rollout abort' 'rollout undo' 'rollout status' 'rollout history' 'rollout explain' completion version; do
  check "kubectl amc $command --help: examples first" first_examples kubectl-amc $command
done
for flag in --clusters --without-rollouts --pod-start --data-dir --port --durability --detach; do
  name=AVIARY_$(tr 'a-z-' 'A-Z_' <<<"${flag#--}")
  ends "aviary up $flag has $name" 0 "$flag.*$name|^ +.*\[$name\]" aviary up --help
done
ends 'a variable counts like its flag' 1 'error: --pod-start soon:' env AVIARY_POD_START=soon aviary up
ends 'aviary of an unknown command' 1 'error: unknown command "upp"; is up meant' aviary upp
ends 'aviary of an unknown flag' 1 'error: unknown flag --cluster; is --clusters meant' aviary up --cluster a
ends 'aviary without a command shows its help' 1 '^Examples:' aviary
for command in migrate; do ends "aviary $command: not supported, said so" 1 "error: aviary $command is not supported yet" aviary $command --anything; done
ends 'amc of an unknown command' 1 'error: unknown command "gett"; is get meant' kubectl-amc gett
ends 'amc of an unknown verb' 1 'unknown command "aprove"; is approve meant' kubectl-amc rollout aprove x
ends 'amc of an unknown flag' 1 'error: unknown flag --namespaces; is --namespace meant' kubectl-amc get pods --namespaces a
ends 'amc of a missing argument' 1 'error: rollout is required' kubectl-amc rollout approve -M
for command in logs promote 'rollout reject' 'rollout retry' 'rollout jump'; do ends "kubectl amc $command: not supported, said so" 1 "kubectl amc $command is not supported yet" kubectl-amc $command x -M; done
for program in aviary kubectl-amc; do
  ends "$program --version" 0 "^$program [0-9]+\.[0-9]+" $program --version
  ends "$program help" 0 '^Examples:' $program help
  ends "$program version" 0 "^$program [0-9]+\.[0-9]+" $program version
  check "$program completion bash can be read by bash" bash -c "source <($program completion bash) && complete -p $program"
  for shell in zsh fish; do
    ends "$program completion $shell" 0 "$program" $program completion $shell
    if command -v $shell >/dev/null; then check "$program completion $shell can be read by $shell" bash -c "$program completion $shell >$work/script && $shell --no-execute $work/script"; fi
  done
  ends "$program completion of an unknown shell" 1 'bash, zsh and fish' $program completion csh
done
prints 'aviary <TAB>' 1 '^up' aviary __complete u
prints 'aviary up --d<TAB>' 3 '^--d' aviary __complete up --d
prints 'amc rollout a<TAB>' 2 '^(approve|abort)' kubectl-amc __complete rollout a
prints 'amc get --<TAB>' 1 '^--sort-by' kubectl-amc __complete get pods --

# --- a fleet
check 'aviary up by variables alone' env AVIARY_CLUSTERS=beijing,shanghai AVIARY_DATA_DIR="$work/data" AVIARY_PORT=$port AVIARY_POD_START=100ms AVIARY_DETACH=true aviary up
[ $fail = 0 ] || exit
export KUBECONFIG=$work/data/kubeconfig
check 'apply namespace and workload' kubectl apply -f "$here/seed/namespace.yaml" -f "$here/seed/workload.yaml"
check 'it is ready' soon 30 ready
check 'apply the Rollout' kubectl apply -n demo -f "$here/seed/rollout.yaml"
check 'it is healthy' soon 30 healthy
kubectl label managedcluster beijing region=north >/dev/null

ends 'status of a finished release' 0 '^beijing step .* Healthy' amc rollout status $r -n demo
ends 'approve with nothing to approve' 4 'not paused' amc rollout approve $r -n demo -M
ends 'abort with nothing to abort' 4 'no release .* is in progress' amc rollout abort $r -n demo -M

# --- looking
prints 'get -n' 20 ' (beijing|shanghai) .* Y? *N?' amc get pods -n demo -M
prints 'get by a short name, one cluster' 1 '^qwen-inference +beijing +10/10 .* Y *$' amc get deploy -n demo -m beijing
prints 'get -m, more than once' 2 '^qwen-inference +(beijing|shanghai)' amc get -m beijing -m shanghai deploy -n demo
for kinds in deploy,svc all; do ends "get $kinds: not supported, said so" 1 "error: \"$kinds\": several kinds at once are not supported" amc get $kinds -n demo; done
prints 'get KIND NAME' 2 '^qwen-inference ' amc get deployments.apps qwen-inference -n demo
prints 'get KIND/NAME' 2 '^qwen-inference ' amc get deployment/qwen-inference -n demo
prints 'get -A has a column for the namespace' 1 '^NAMESPACE +NAME +CLUSTER ' amc get deploy -A
prints 'get --no-headers' 0 '^NAME' amc get deploy -n demo --no-headers
prints 'get -o wide' 1 'CONTAINERS' amc get deploy -n demo -o wide
prints 'get -o json' 2 '"fleet.aviary.dev/cluster": "(beijing|shanghai)"' amc get deploy -n demo -o json
prints 'get -o yaml' 2 'fleet.aviary.dev/cluster: (beijing|shanghai)' amc get deploy -n demo -o yaml
prints 'get -o name' 2 '^deployments.apps/qwen-inference$' amc get deploy -n demo -o name
prints 'get -o jsonpath' 2 '^(beijing|shanghai) 10$' amc get deploy -n demo -o 'jsonpath={range .items[*]}{.metadata.annotations.fleet\.aviary\.dev/cluster} {.spec.replicas}{"\n"}{end}'
ends 'get -o of an unknown form' 1 'error: -o toml: one of wide, json' amc get deploy -n demo -o toml
prints 'get -l' 2 '^qwen' amc get deploy -n demo -l app=qwen-inference
prints 'get -l of nothing' 0 . amc get deploy -n demo -l app=nothing
ends 'get -l that is none: what the server says' 1 '^error: unable to parse requirement' amc get deploy -n demo -l 'app in web'
prints 'get --field-selector' 20 . amc get pods -n demo --field-selector status.phase=Running --no-headers
prints 'get --cluster-selector' 1 '^qwen-inference +beijing' amc get deploy -n demo --cluster-selector region=north
ends 'get --cluster-selector of none' 1 'no cluster has the labels' amc get deploy -n demo --cluster-selector region=south
ends 'get of a cluster that is not there' 1 'managedclusters "nowhere" not found' amc get deploy -n demo -m nowhere
ends 'get of an unknown kind' 1 "doesn't have a resource type \"things\"" amc get things
ends 'get of an unknown name' 1 '"nothing" not found in any cluster' amc get deploy nothing -n demo
ends 'get of nothing at all' 0 'No resources found in default namespace' amc get deploy
ends 'get -m and -M' 1 'exclude each other' amc get deploy -M -m beijing
ends 'get --as without rights' 1 'forbidden: User "guest" cannot list' amc get pods -n demo --as guest
ends 'get --as with a group' 0 ' beijing ' amc get pods -n demo --as guest --as-group system:masters
ends 'get --context of a member' 1 'context beijing is a member; kubectl amc speaks to the hub' amc get pods --context beijing
ends 'get --context of the hub' 0 ' beijing ' amc get pods -n demo --context fleet
check 'the current context may be a member: the hub of its file is meant' bash -c 'kubectl config use-context beijing >/dev/null && kubectl amc clusters | grep -q shanghai; code=$?; kubectl config use-context fleet >/dev/null; exit $code'
ends 'get --request-timeout of nonsense' 1 'error: --request-timeout soon: a time such as' amc get pods --request-timeout soon
ends 'get --request-timeout=5' 0 ' beijing ' amc get pods -n demo --request-timeout=5
sorted() { [ "$(amc get pods -n demo -m beijing --no-headers --sort-by '{.metadata.name}' | cut -d' ' -f1)" = "$(amc get pods -n demo -m beijing -o name | cut -d/ -f2 | sort)" ]; }
check 'get --sort-by' sorted
ends 'get --sort-by of nonsense' 1 'error: --sort-by' amc get pods -n demo --sort-by '{.metadata['
(timeout 4 kubectl-amc get deploy -n demo -w >"$work/watch" 2>&1 </dev/null) & watcher=$!
sleep 1.2
kubectl -n demo scale deployment qwen-inference --replicas=11 >/dev/null
wait $watcher
cp "$work/watch" "$work/out"
check 'get -w shows what changes' grep -qE '^qwen-inference +beijing +11/11' "$work/watch"
check 'and nothing else' [ "$(grep -c '^NAME' "$work/watch")" = 1 ]
kubectl -n demo scale deployment qwen-inference --replicas=10 >/dev/null
check 'it is ready again' soon 30 ready
prints 'describe shows the cluster' 1 '^Cluster:  beijing' amc describe deployment qwen-inference -n demo -m beijing
ends 'describe ends in events' 0 'Normal +ScalingReplicaSet|^Events:' amc describe deployment/qwen-inference -n demo -m beijing
prints 'describe by labels' 20 '^Cluster:  ' amc describe pods -l app=qwen-inference -n demo
ends 'describe of what is not there' 1 'not found in any cluster' amc describe pod nothing -n demo
prints 'clusters' 2 '^(beijing|shanghai) +True ' amc clusters
prints 'clusters -o name' 1 '^managedclusters.*/beijing$' amc clusters --cluster-selector region=north -o name
prints 'rollout list' 1 "^demo +$r +deployment/qwen-inference +Healthy" amc rollout list -n demo
prints 'rollout list -A --no-headers' 1 . amc rollout list -A --no-headers
prints 'rollout list -o name' 1 "rollouts.rollouts.kruise.io/$r" amc rollout list -A -o name

# --- deciding
check 'release v2' release v2
check 'both pause at step 1' soon 30 both Progressing/1/StepPaused
kubectl --context shanghai annotate nodes --all simulator.aviary.dev/behaviour=crash-loop simulator.aviary.dev/images=vllm-qwen:v2 >/dev/null
check 'a canary that crashes while its cluster is paused is seen' soon 20 bash -c "kubectl amc rollout explain $r -n demo | grep -qE '^shanghai: 1 of 1 v2 pods '"
ends 'and left out of what is next' 0 '^next: .* approve .* -m beijing --step 1' amc rollout explain $r -n demo
prints 'and of -M' 1 '^shanghai +1/3 +not-yet +1 of 1 v2 pods .*; -m shanghai approves it all the same' amc rollout approve $r -n demo -M --dry-run=server
ends 'who names it is warned' 0 '^warning: shanghai: 1 of 1 v2 pods ' amc rollout approve $r -n demo -m shanghai --dry-run=server
kubectl --context shanghai annotate nodes --all simulator.aviary.dev/behaviour- simulator.aviary.dev/images- >/dev/null
check 'all is well again' soon 30 ready
ends 'status: an approval is awaited' 3 '^beijing step 1/3 StepPaused: AwaitingApproval' amc rollout status rollouts/$r -n demo
ends 'status -w ends there too' 3 '^20[0-9-]+T[0-9:.]+Z beijing step 1/3' amc rollout status $r -n demo -w
prints 'rollout get: a tree' 2 '^(├──|└──) (beijing|shanghai)  Progressing  step 1/3  StepPaused  on v2: 1/10' amc rollout get rollout/$r -n demo
prints 'explain -o json' 1 '"stuck": true' amc rollout explain $r -n demo -o json
prints 'explain -o jsonpath' 2 '^AwaitingApproval$' amc rollout explain $r -n demo -o 'jsonpath={range .clusters[*]}{.reason}{"\n"}{end}'
prints 'explain -m' 1 '^(beijing|shanghai) ' amc rollout explain $r -n demo -m beijing
ends 'explain -m counts these' 0 'on v2: 1/10 ' amc rollout explain $r -n demo -m beijing
prints 'status -m, get -m' 2 beijing bash -c "kubectl amc rollout get $r -n demo -m beijing; kubectl amc rollout status $r -n demo -m beijing; true"
ends 'explain -w is refused' 1 'kubectl amc rollout explain does not take --watch' amc rollout explain $r -n demo -w
ends 'a verb about one object refuses -A' 1 'name its namespace by -n' amc rollout explain $r -A
ends 'approve needs to be told where' 1 '-m CLUSTER.*-M' amc rollout approve $r -n demo
ends 'approve --dry-run=client prints the Decision' 0 'action: Approve' amc rollout approve $r -n demo -M --dry-run=client
prints 'approve --dry-run=server checks it' 2 '^(beijing|shanghai) +1/3 +approved \(server dry run\)' amc rollout approve $r -n demo -M --dry-run=server
ends 'approve --dry-run=server as a guest' 1 'forbidden' amc rollout approve $r -n demo -M --dry-run=server --as guest
prints 'dry runs leave no Decision' 0 . kubectl -n demo get decisions.fleet.aviary.dev --no-headers
check 'and move nothing' both Progressing/1/StepPaused
ends 'approve of another step' 4 'no cluster is paused at step 2' amc rollout approve $r -n demo -M --step 2
ends 'approve --cluster-selector' 0 '^beijing +1/3 +approved' amc rollout approve $r -n demo --cluster-selector region=north --step 1 --reason 'p95 is fine'
check 'beijing is at step 2' soon 30 at beijing Progressing/2/StepPaused
check 'shanghai is not' at shanghai Progressing/1/StepPaused
prints 'history says who and why not more' 1 '^[0-9]+[sm] +Approve +admin +beijing +1 +Applied' amc rollout history $r -n demo
prints 'history -m of another cluster' 0 . amc rollout history $r -n demo -m shanghai
prints 'history -o wide says of which release, and why' 1 '^[0-9]+[sm] +Approve +admin +beijing +1 +Applied +[0-9a-f]{6} +p95 is fine ' amc rollout history $r -n demo -o wide
ends 'history of what is not there' 1 'rollouts.rollouts.kruise.io "nosuch" not found' amc rollout history nosuch -n demo
prints 'history -o json has the reason' 1 '"reason": "p95 is fine"' amc rollout history $r -n demo -o json
(timeout 3 kubectl-amc rollout get $r -n demo -w >"$work/watch" 2>&1 </dev/null) & watcher=$!
sleep 1
ends 'pause' 0 '^shanghai +1/3 +paused' amc rollout pause $r -n demo -m shanghai
ends 'explain says how to go on' 0 '^next: .* resume .* -m shanghai' amc rollout explain $r -n demo
ends 'what is paused is not approved' 4 '^shanghai +1/3 +not-yet +somebody paused the release: resume first' amc rollout approve $r -n demo -m shanghai
ends 'resume' 0 '^shanghai +1/3 +resumed' amc rollout resume $r -n demo -m shanghai
wait $watcher
check 'rollout get -w prints a line a change' [ "$(grep -cE '^20.*(beijing|shanghai)  Progressing' "$work/watch")" -ge 2 ]
kubectl --context shanghai annotate nodes --all simulator.aviary.dev/behaviour=never-ready >/dev/null
ends 'approve --wait=false does not wait' 0 '^shanghai +1/3 +sent' amc rollout approve $r -n demo -m shanghai --wait=false
check 'shanghai moves' soon 20 at shanghai Progressing/2/StepUpgrade
ends 'approve -M where one is not paused is partial' 2 '^shanghai +2/3 +not-yet +not paused: StepUpgrade' amc rollout approve $r -n demo -M
check 'beijing completes' soon 30 at beijing Healthy/3/Completed
ends 'status -w --timeout' 5 'not done within 1s' amc rollout status $r -n demo -w --timeout 1s
kubectl --context shanghai annotate nodes --all simulator.aviary.dev/behaviour- >/dev/null
prints 'abort says what is finished already' 1 '^beijing +3/3 +done +finished on v2: undo takes it back' amc rollout abort $r -n demo -M --dry-run=server
ends 'abort' 0 '^shanghai +2/3 +aborted' amc rollout abort $r -n demo -M
check 'shanghai is back on v1' soon 30 runs shanghai v1
ends 'status -w ends there, and it is not done' 1 'shanghai step .*: TakenBack pinned to v1, v2 rejected' amc rollout status $r -n demo -w
ends 'status says so too' 1 '^shanghai step .*: TakenBack' amc rollout status $r -n demo
ends 'undo, also after a release' 0 '^beijing .* undone' amc rollout undo $r -n demo -m beijing
check 'which is a release of its own' soon 30 at beijing Progressing/1/StepPaused
ends 'explain says which way it goes' 0 'undo v2 -> v1   on v2: 9/20' amc rollout explain $r -n demo
prints 'and the tree' 1 'beijing  Progressing  step 1/3  StepPaused  on v2: 9/10  ready: 10/10  pinned to v1, v2 rejected' amc rollout get $r -n demo
ends 'undo once more' 4 '^beijing +1/3 +done +goes back to v1 already' amc rollout undo $r -n demo -m beijing
ends 'nor is it aborted' 4 'nothing to abort' amc rollout abort $r -n demo -M
ends 'and approved like one' 0 '^beijing +1/3 +approved' amc rollout approve $r -n demo -m beijing
check 'beijing is at step 2 of it' soon 30 at beijing Progressing/2/StepPaused
ends 'to its end' 0 '^beijing +2/3 +approved' amc rollout approve $r -n demo -m beijing
check 'beijing is back on v1' soon 30 runs beijing v1
check 'explain says where all are' soon 20 bash -c "kubectl amc rollout explain $r -n demo | grep -qE 'pinned to v1, v2 rejected   on v2: 0/20'"

# --- a Rollout that reaches no cluster
sed -e '/^---/,$d' -e "s/name: $r/name: lost/" -e 's/name: qwen-inference$/name: nothing/' "$here/seed/rollout.yaml" | kubectl apply -n demo -f - >/dev/null
ends 'explain says what is missing' 0 '^NOT RELEASED: spec.workloadRef names deployment/nothing' amc rollout explain lost -n demo
ends 'status is not done' 1 '^error: spec.workloadRef names deployment/nothing' amc rollout status lost -n demo
kubectl -n demo delete rollout lost >/dev/null

# --- a cluster that does not answer: registered, and nothing is behind it
printf 'apiVersion: cluster.open-cluster-management.io/v1\nkind: ManagedCluster\nmetadata: {name: frankfurt}\nspec: {hubAcceptsClient: true}\n' | kubectl apply -f - >/dev/null
check 'it is known to be away' soon 20 bash -c "kubectl amc clusters | grep -qE '^frankfurt +False'"
ends 'get of unreachable clusters only' 6 '^cluster\(frankfurt\): unreachable for ' amc get deploy -n demo -m frankfurt
ends 'get where some are unreachable' 2 '^cluster\(frankfurt\): unreachable for ' amc get deploy -n demo -M
ends '--allow-unreachable' 0 '^qwen-inference +beijing' amc get deploy -n demo -M --allow-unreachable

# --- completion asks the hub
prints 'amc rollout approve <TAB>: Rollouts' 1 "^$r" kubectl-amc __complete rollout approve -n demo ''
prints 'amc rollout approve rollouts/<TAB>' 1 "^rollouts/$r" kubectl-amc __complete rollout approve -n demo rollouts/q
prints 'amc -m <TAB>: clusters' 3 '^(beijing|frankfurt|shanghai)' kubectl-amc __complete rollout approve x -m ''
prints 'amc -m beijing,<TAB>' 1 '^beijing,shanghai' kubectl-amc __complete get pods -m beijing,s
prints 'amc get d<TAB>: resources' 1 '^deployments' kubectl-amc __complete get dep
prints 'amc get deploy <TAB>: names' 1 '^qwen-inference' kubectl-amc __complete get deploy -n demo ''
prints 'amc -n <TAB>: namespaces' 1 '^demo' kubectl-amc __complete get pods -n d
prints 'amc --context <TAB>' 3 '^(fleet|beijing|shanghai)' kubectl-amc __complete get pods --context ''
prints 'amc -o <TAB>' 1 '^yaml' kubectl-amc __complete get pods -o y
if kubectl __complete amc '' 2>/dev/null | grep -q '^rollout'; then
  prints 'kubectl amc rollout a<TAB>, by kubectl itself' 2 '^(approve|abort)' kubectl __complete amc rollout a
elif kubectl version --client -o json | grep -qE '"gitVersion": *"v1\.(2[0-5])\.'; then
  echo 'left out: completion by kubectl itself, which kubectl before 1.26 does not know of plugins'
else
  kubectl __complete amc '' >"$work/out" 2>&1; bad 'kubectl completes amc by kubectl_complete-amc'
fi

# --- the demo, from the program alone
check 'aviary demo plays to its end' env DEMO_PAUSE=0 aviary demo --data-dir "$work/demo"
ends "aviary demo leaves a fleet alone that is not the demo's" 1 "error: .*/data has a fleet that is not the demo's" aviary demo --data-dir "$work/data"
ends 'which runs on' 0 ' beijing ' amc get deploy -n demo -m beijing
mkdir "$work/mine"; echo x >"$work/mine/thesis.txt"
ends 'aviary demo leaves a folder with other things alone' 1 'error: .*/mine is no fleet' aviary demo --data-dir "$work/mine"
check 'the things are there' test -e "$work/mine/thesis.txt"
aviary up --clusters lima --data-dir "$work/front" --port $((port + 1)) >"$work/front.out" 2>&1 </dev/null & front=$!
check 'aviary up in the foreground says when it is ready' soon 30 grep -q 'fleet of 1 clusters ready' "$work/front.out"
ends 'its folder is in use' 1 "is in use by aviary with pid $front: end it with .aviary down" aviary up --clusters lima --data-dir "$work/front" --port $((port + 1))
ends 'aviary down ends it too' 0 '^ended' aviary down --data-dir "$work/front"
check 'it has ended well' wait $front
ends 'aviary up with fewer clusters says which is left out' 0 'warning: .* has data of lima too, which is not started: .--clusters oslo,lima. starts it' aviary up --clusters oslo --data-dir "$work/front" --port $((port + 1)) --detach
check 'settings in its kubeconfig' kubectl --kubeconfig "$work/front/kubeconfig" config set-context --current --namespace demo
check 'and it is not drawn as fine' soon 20 bash -c "kubectl --kubeconfig $work/front/kubeconfig get managedcluster lima -o 'jsonpath={.status.conditions[?(@.type==\"ManagedClusterConditionAvailable\")].status} {.status.conditions[?(@.type==\"ManagedClusterConditionAvailable\")].message}' | grep -q '^False not run by this process'"
check 'aviary down' aviary down --data-dir "$work/front"
ends 'aviary up --port 0 says which it is' 0 'ready on https://127.0.0.1:[1-9]' aviary up --clusters oslo --data-dir "$work/front" --port 0 --detach
prints 'its kubeconfig keeps the settings' 1 'namespace: demo' kubectl --kubeconfig "$work/front/kubeconfig" config view --minify
check 'aviary down' aviary down --data-dir "$work/front"
ends 'aviary up --without-rollouts of an unknown cluster' 1 'error: --without-rollouts: "zzz" is none of --clusters a,b' aviary up --clusters a,b --without-rollouts zzz --data-dir "$work/nothing"
ends 'aviary down of nothing' 0 'nothing runs on' aviary down --data-dir "$work/nothing"
finished=1
