#!/usr/bin/env bash
# Every command and flag of the two programs, as a user types them: help with examples first, completion, output forms, exit codes.
# Needs on PATH: aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"

clean_up() { local each; for each in data demo front twice; do aviary down --data-dir "$work/$each" >/dev/null 2>&1; done; }
amc() { kubectl amc "$@"; }
on_terminal() { python3 -c 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' "$@" </dev/null; }
both() { state beijing "$1" && state shanghai "$1"; }
all_healthy() { healthy beijing && healthy shanghai; }
all_ready() { ready beijing && ready shanghai; }
# Help shows examples before the usage, and every flag has a text.
first_examples() { local text; text=$("$@" --help 2>&1) && [ "$(grep -nE '^Examples:' <<<"$text" | head -n 1 | cut -d: -f1)" -lt "$(grep -n '^Usage:' <<<"$text" | head -n 1 | cut -d: -f1)" ]; }

# --- help, misuse, completion
for command in '' up down apiserver demo completion version hub member agent join unjoin adopt; do check "aviary $command --help: examples first" first_examples aviary $command; done
for command in '' get describe clusters set 'set image' rollout 'rollout list' 'rollout get' 'rollout approve' 'rollout pause' 'rollout resume' 'rollout abort' 'rollout undo' 'rollout jump' 'rollout status' 'rollout history' 'rollout explain' completion version; do
  check "kubectl amc $command --help: examples first" first_examples kubectl-amc $command
done
for flag in --clusters --without-rollouts --pod-start --data-dir --port --durability --detach; do
  name=AVIARY_$(tr 'a-z-' 'A-Z_' <<<"${flag#--}")
  check "aviary up $flag has $name" tells 0 "$flag.*$name|^ +.*\[$name\]" aviary up --help
done
check 'a variable counts like its flag' tells 1 'error: --pod-start soon:' env AVIARY_POD_START=soon aviary up
check 'aviary of an unknown command' tells 1 'error: unknown command "upp"; is up meant' aviary upp
check 'aviary of an unknown flag' tells 1 'error: unknown flag --cluster; is --clusters meant' aviary up --cluster a
check 'aviary member of a gate that is always on' tells 1 'error: --feature-gates: AdvancedDeployment is always true: ' aviary member --feature-gates=AdvancedDeployment=false
check 'aviary member of a flag with another value' tells 1 'error: --partition-percent-limit: 80: it is always 50: ' aviary member --partition-percent-limit 80
check 'aviary member of a switch' tells 1 'error: --leader-elect: false: it is always true: ' aviary member --leader-elect=false
check "Kruise's manifest asks for more in the log: taken" tells 1 'error: --feature-gates: AdvancedDeployment is always true: ' aviary member --v=5 --feature-gates=AdvancedDeployment=false
check 'aviary member serves webhooks at 9443' prints 1 '^ +--webhook-port .*\(default 9443\)' aviary member --help
check 'and its health and metrics at 8080' prints 1 '^ +--health-port .*\(default 8080\)' aviary member --help
check "Kruise's flags are not completed" prints 0 '^--leader' aviary __complete member --lead
check 'aviary without a command shows its help' tells 1 '^Examples:' aviary
for command in migrate; do check "aviary $command: not supported, said so" tells 1 "error: aviary $command is not supported: " aviary $command --anything; done
check 'amc of an unknown command' tells 1 'error: unknown command "gett"; is get meant' kubectl-amc gett
check 'amc of an unknown verb' tells 1 'unknown command "aprove"; is approve meant' kubectl-amc rollout aprove x
check 'amc of an unknown flag' tells 1 'error: unknown flag --namespaces; is --namespace meant' kubectl-amc get pods --namespaces a
check 'amc of a missing argument' tells 1 'error: rollout is required' kubectl-amc rollout approve -M
for command in logs promote 'rollout reject' 'rollout retry'; do check "kubectl amc $command: not supported, said so" tells 1 "kubectl amc $command is not supported: " kubectl-amc $command x -M; done
for program in aviary kubectl-amc; do
  check "$program --version" tells 0 "^$program [0-9]+\.[0-9]+" $program --version
  check "$program help" tells 0 '^Examples:' $program help
  check "$program version" tells 0 "^$program [0-9]+\.[0-9]+" $program version
  check "$program completion bash can be read by bash" bash -c "source <($program completion bash) && complete -p $program"
  for shell in zsh fish; do
    check "$program completion $shell" tells 0 "$program" $program completion $shell
    if command -v $shell >/dev/null; then check "$program completion $shell can be read by $shell" bash -c "$program completion $shell >$work/script && $shell --no-execute $work/script"; fi
  done
  check "$program completion of an unknown shell" tells 1 'bash, zsh and fish' $program completion csh
done
check 'aviary <TAB>' prints 1 '^up' aviary __complete u
check 'aviary up --d<TAB>' prints 3 '^--d' aviary __complete up --d
check 'amc rollout a<TAB>' prints 2 '^(approve|abort)' kubectl-amc __complete rollout a
check 'amc rollout explain -o <TAB>' prints 1 '^json$' kubectl-amc __complete rollout explain x -o ''
check 'it prints no names' prints 0 '^name' kubectl-amc __complete rollout explain x -o ''
check 'amc rollout history -o <TAB>' prints 1 '^name' kubectl-amc __complete rollout history x -o ''
check 'amc get --<TAB>' prints 1 '^--sort-by' kubectl-amc __complete get pods --

# --- a fleet
check 'aviary up by variables alone' env AVIARY_CLUSTERS=beijing,shanghai AVIARY_DATA_DIR="$work/data" AVIARY_PORT=$port AVIARY_POD_START=100ms AVIARY_DETACH=true aviary up
[ $fail = 0 ] || exit
export KUBECONFIG=$work/data/kubeconfig
check 'apply namespace and workload' kubectl apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
check 'it is ready' soon 30 all_ready
check 'apply the Rollout' kubectl apply -n demo -f "$seed/rollout.yaml"
check 'it is healthy' soon 30 all_healthy
kubectl label managedcluster beijing region=north >/dev/null

check 'status of a finished release' tells 0 '^beijing step .* Healthy' amc rollout status $r -n demo
check 'approve with nothing to approve' tells 4 'not paused' amc rollout approve $r -n demo -M
check 'abort with nothing to abort' tells 4 'no release .* is in progress' amc rollout abort $r -n demo -M

# --- looking
check 'get -n' prints 20 ' (beijing|shanghai) .* Y? *N?' amc get pods -n demo -M
check 'get by a short name, one cluster' prints 1 '^qwen-inference +beijing +10/10 .* Y *$' amc get deploy -n demo -m beijing
check 'get -m, more than once' prints 2 '^qwen-inference +(beijing|shanghai)' amc get -m beijing -m shanghai deploy -n demo
for kinds in deploy,svc all; do check "get $kinds: not supported, said so" tells 1 "error: \"$kinds\": several kinds at once are not supported" amc get $kinds -n demo; done
check 'get KIND NAME' prints 2 '^qwen-inference ' amc get deployments.apps qwen-inference -n demo
check 'get KIND/NAME' prints 2 '^qwen-inference ' amc get deployment/qwen-inference -n demo
check 'get -A has a column for the namespace' prints 1 '^NAMESPACE +NAME +CLUSTER ' amc get deploy -A
check 'get --no-headers' prints 0 '^NAME' amc get deploy -n demo --no-headers
check 'get -o wide' prints 1 'CONTAINERS' amc get deploy -n demo -o wide
check 'get -o json' prints 2 '"fleet.aviary.dev/cluster": "(beijing|shanghai)"' amc get deploy -n demo -o json
check 'get -o yaml' prints 2 'fleet.aviary.dev/cluster: (beijing|shanghai)' amc get deploy -n demo -o yaml
check 'get -o name' prints 2 '^deployment.apps/qwen-inference$' amc get deploy -n demo -o name
check 'get -o jsonpath' prints 2 '^(beijing|shanghai) 10$' amc get deploy -n demo -o 'jsonpath={range .items[*]}{.metadata.annotations.fleet\.aviary\.dev/cluster} {.spec.replicas}{"\n"}{end}'
check 'get -o of an unknown form' tells 1 'error: -o toml: one of wide, json' amc get deploy -n demo -o toml
check 'get -l' prints 2 '^qwen' amc get deploy -n demo -l app=qwen-inference
check 'get -l of nothing' prints 0 . amc get deploy -n demo -l app=nothing
check 'get -l that is none: what the server says' tells 1 '^error: unable to parse requirement' amc get deploy -n demo -l 'app in web'
check 'get --field-selector' prints 20 . amc get pods -n demo --field-selector status.phase=Running --no-headers
check 'get --cluster-selector' prints 1 '^qwen-inference +beijing' amc get deploy -n demo --cluster-selector region=north
check 'get --cluster-selector of none' tells 1 'no cluster has the labels' amc get deploy -n demo --cluster-selector region=south
check 'get of a cluster that is not there' tells 1 'managedclusters "nowhere" not found' amc get deploy -n demo -m nowhere
check 'get of clusters without a name' tells 1 '^error: say where: -m CLUSTER' amc get deploy -n demo -m ''
check 'clusters without a name' tells 1 '^error: say where: -m CLUSTER' amc clusters -m ''
check 'contexts without a name' tells 1 '^error: --contexts: say which contexts' amc get deploy -n demo --contexts ''
check 'a pattern is no context of --direct' tells 1 'by the name of its context' amc rollout pause "$r" -n demo --direct --context 'beij*'
check 'groups without a user' tells 1 'requesting groups system:masters without impersonating a user' amc get pods --as-group system:masters
check 'get of a name in all namespaces' tells 1 'cannot be retrieved by name across all namespaces' amc get deploy qwen-inference -A
check 'get of two objects' tells 1 'several objects at once are not supported' amc get deploy/qwen-inference deploy/other -n demo
check 'get of an empty name' tells 1 '^error: name: it is empty' amc get deploy '' -n demo
check 'get that cannot be written' tells 1 'error: writing the output: No space left on device' bash -c 'kubectl-amc get pods -n demo -o json 2>&1 >/dev/full'
check 'get whose reader has enough' tells 0 '^NAME' bash -c 'set -o pipefail; kubectl-amc get pods -n demo 2>&1 | head -n 1'
check 'get of an unknown kind' tells 1 "doesn't have a resource type \"things\"" amc get things
check 'get of a name and by labels' tells 1 'leave them out with a name' amc get deploy qwen-inference -n demo -l app=qwen-inference
check 'get -w of an unknown name ends' tells 1 '"nothing" not found' timeout 10 kubectl-amc get deploy nothing -n demo -w
check 'get of an unknown name' tells 1 '"nothing" not found in namespace demo of any cluster' amc get deploy nothing -n demo
check 'get of nothing at all' tells 0 'No resources found in default namespace' amc get deploy
check 'get -m and -M' tells 1 'exclude each other' amc get deploy -M -m beijing
check 'get --as without rights' tells 1 'forbidden: User "guest" cannot list' amc get pods -n demo --as guest
check 'get --as with a group' tells 0 ' beijing ' amc get pods -n demo --as guest --as-group system:masters
check 'get --context of a member' tells 1 'context beijing is a member; kubectl amc speaks to the hub' amc get pods --context beijing
check 'get --context of the hub' tells 0 ' beijing ' amc get pods -n demo --context fleet
check 'the current context may be a member: the hub of its file is meant' bash -c 'kubectl config use-context beijing >/dev/null && kubectl amc clusters | grep -q shanghai; code=$?; kubectl config use-context fleet >/dev/null; exit $code'
check 'get --request-timeout of nonsense' tells 1 'error: --request-timeout soon: a time such as' amc get pods --request-timeout soon
check 'get --request-timeout=5' tells 0 ' beijing ' amc get pods -n demo --request-timeout=5
sorted() { [ "$(amc get pods -n demo -m beijing --no-headers --sort-by '{.metadata.name}' | cut -d' ' -f1)" = "$(amc get pods -n demo -m beijing -o name | cut -d/ -f2 | sort)" ]; }
check 'get --sort-by' sorted
check 'get --sort-by of nonsense' tells 1 'error: --sort-by' amc get pods -n demo --sort-by '{.metadata['
(timeout 4 kubectl-amc get deploy -n demo -w >"$work/watch" 2>&1 </dev/null) & watcher=$!
sleep 1.2
kubectl -n demo scale deployment qwen-inference --replicas=11 >/dev/null
wait $watcher
check 'get -w shows what changes' grep -qE '^qwen-inference +beijing +11/11' "$work/watch"
check 'and nothing else' [ "$(grep -c '^NAME' "$work/watch")" = 1 ]
kubectl -n demo scale deployment qwen-inference --replicas=10 >/dev/null
check 'it is ready again' soon 30 all_ready
check 'describe shows the cluster' prints 1 '^Cluster:  beijing' amc describe deployment qwen-inference -n demo -m beijing
check 'describe ends in events' tells 0 'Normal +ScalingReplicaSet|^Events:' amc describe deployment/qwen-inference -n demo -m beijing
check 'describe by labels' prints 20 '^Cluster:  ' amc describe pods -l app=qwen-inference -n demo
check 'describe of what is not there' tells 1 'not found in namespace demo of any cluster' amc describe pod nothing -n demo
check 'clusters' prints 2 '^(beijing|shanghai) +True ' amc clusters
check 'clusters -o name' prints 1 '^managedcluster.cluster.open-cluster-management.io/beijing$' amc clusters --cluster-selector region=north -o name
check 'rollout list' prints 1 "^demo +$r +deployment/qwen-inference +Healthy" amc rollout list -n demo
check 'rollout list -A --no-headers' prints 1 . amc rollout list -A --no-headers
check 'rollout list -o name' prints 1 "^rollout.rollouts.kruise.io/$r" amc rollout list -A -o name

# --- deciding
check 'set image releases v2' tells 0 '^image of deployment/qwen-inference set$' amc set image rollouts/$r vllm=$image:v2 -n demo
check 'both pause at step 1' soon 30 both Progressing/1/StepPaused
kubectl --context shanghai annotate nodes --all simulator.aviary.dev/behaviour=crash-loop simulator.aviary.dev/images=vllm-qwen:v2 >/dev/null
check 'a canary that crashes while its cluster is paused is seen' soon 20 bash -c "kubectl amc rollout explain $r -n demo | grep -qE '^shanghai: 1 of 1 v2 pods '"
check 'and left out of what is next' tells 0 '^next: .* approve .* -m beijing --step 1' amc rollout explain $r -n demo
check 'and of -M' tells 2 '^shanghai +1/3 +not-yet +1 of 1 v2 pods .*; -m shanghai approves it all the same' amc rollout approve $r -n demo -M --dry-run=server
check 'who names it is warned' tells 0 '^warning: shanghai: 1 of 1 v2 pods ' amc rollout approve $r -n demo -m shanghai --dry-run=server
kubectl --context shanghai annotate nodes --all simulator.aviary.dev/behaviour- simulator.aviary.dev/images- >/dev/null
check 'all is well again' soon 30 all_ready
check 'status: an approval is awaited' tells 3 '^beijing step 1/3 StepPaused: AwaitingApproval' amc rollout status rollouts/$r -n demo
check 'status -w ends there too' tells 3 '^20[0-9-]+T[0-9:.]+Z beijing step 1/3' amc rollout status $r -n demo -w
check 'rollout get: a tree' prints 2 '^(├──|└──) (beijing|shanghai)  Progressing  step 1/3  StepPaused  on v2: 1/10' amc rollout get rollout/$r -n demo
check 'explain -o json' prints 1 '"stuck": true' amc rollout explain $r -n demo -o json
check 'explain -o jsonpath' prints 2 '^AwaitingApproval$' amc rollout explain $r -n demo -o 'jsonpath={range .clusters[*]}{.reason}{"\n"}{end}'
check 'explain -m' prints 1 '^(beijing|shanghai) ' amc rollout explain $r -n demo -m beijing
check 'explain -m counts these' tells 0 'on v2: 1/10 ' amc rollout explain $r -n demo -m beijing
check 'status -m, get -m' prints 2 beijing bash -c "kubectl amc rollout get $r -n demo -m beijing; kubectl amc rollout status $r -n demo -m beijing; true"
check 'explain -w is refused' tells 1 'kubectl amc rollout explain does not take --watch' amc rollout explain $r -n demo -w
check 'a verb about one object refuses -A' tells 1 'name its namespace by -n' amc rollout explain $r -A
check 'approve needs to be told where' tells 1 '-m CLUSTER.*-M' amc rollout approve $r -n demo
check 'approve --dry-run=client prints the Decision' tells 0 'action: Approve' amc rollout approve $r -n demo -M --dry-run=client
check 'approve --dry-run=server checks it' prints 2 '^(beijing|shanghai) +1/3 +approved \(server dry run\)' amc rollout approve $r -n demo -M --dry-run=server
check 'approve --dry-run=server as a guest' tells 1 'forbidden' amc rollout approve $r -n demo -M --dry-run=server --as guest
check 'dry runs leave no Decision' prints 0 . kubectl -n demo get decisions.fleet.aviary.dev --no-headers
check 'and move nothing' both Progressing/1/StepPaused
check 'a form that is none is refused before anything is done' tells 1 'error: -o toml: one of json, yaml, name' amc rollout approve $r -n demo -M -o toml
check 'approve -o json' prints 2 '"result": "approved \(server dry run\)"' amc rollout approve $r -n demo -M -o json --dry-run=server
check 'status -w -o json ends in the whole' tells 3 '"stuck": true' amc rollout status $r -n demo -w -o json
check 'get -w of a tree has no other form' tells 1 '-w shows lines' amc rollout get $r -n demo -w -o json
check 'approve of another step' tells 4 'no cluster is paused at step 2' amc rollout approve $r -n demo -M --step 2
check 'approve --cluster-selector' tells 0 '^beijing +1/3 +approved' amc rollout approve $r -n demo --cluster-selector region=north --step 1 --reason 'p95 is fine'
check 'beijing is at step 2' soon 30 state beijing Progressing/2/StepPaused
check 'shanghai is not' state shanghai Progressing/1/StepPaused
check 'describe rollout: where it stands' tells 0 '^\* 2 +50% +- +until it is approved +StepPaused' amc describe rollout $r -n demo -m beijing
check '… and its pods by batch' prints 5 '^  qwen-inference-[0-9a-z-]+ +1/1 +[12] +[0-9a-z]+ +Running' amc describe rollout $r -n demo -m beijing
check '… of each cluster' prints 2 '^Cluster: +(beijing|shanghai)$' amc describe rollouts $r -n demo
check 'describe -w redraws in place' tells 0 $'\x1b\\[[0-9]+A' on_terminal kubectl-amc describe rollout $r -n demo -m beijing -w --timeout 5s
check 'describe -w off a terminal' tells 1 '^error: describe -w redraws in place, on a terminal' amc describe rollout $r -n demo -w
check 'describe -w ends where it is gone' tells 1 'nothing.* not found in namespace demo of any cluster' on_terminal timeout 20 kubectl-amc describe pod nothing -n demo -w
check 'rollout get -w on a terminal is a tree' tells 124 '^├── beijing .*2/3' on_terminal timeout 5 kubectl-amc rollout get $r -n demo -w
check 'rollout restart' tells 1 '^error: .*rollout restart is not supported: kubectl rollout restart makes the same change' amc rollout restart $r -n demo
check 'undo --fast is about traffic' tells 0 '^beijing +2/3 +jumped \(server dry run\)' amc rollout undo $r -n demo -m beijing --fast --dry-run=server
check 'set image: no such container' tells 1 'it has no container "web", but vllm' amc set image rollouts/$r -n demo web=v9
check 'set image: the policy says where' tells 1 'on a hub a release goes to all clusters of the policy' amc set image rollouts/$r -n demo vllm=$image:v9 -m beijing
check 'set image of what has none' tells 1 'a Service has no pod template' amc set image service/qwen-inference -n demo vllm=$image:v9
check 'set image: malformed' tells 1 '"vllm" is not CONTAINER=IMAGE' amc set image deployment/qwen-inference -n demo vllm
check 'set image: server dry run' tells 0 'image of deployment/qwen-inference set \(server dry run\)' amc set image rollouts/$r -n demo vllm=$image:v9 --dry-run=server
check 'set image to what it has' tells 0 'it has that image already' amc set image deployment/qwen-inference -n demo vllm=$image:v2
check 'jump needs a step' tells 1 'error: --to is required' amc rollout jump $r -n demo -m beijing
check 'jump to no step' tells 1 '0 is no step: they count from 1' amc rollout jump $r -n demo -m beijing --to 0
check 'jump beyond the last' tells 4 '^beijing +2/3 +refused +there is no step 4: the last one is 3' amc rollout jump $r -n demo -m beijing --to 4
check 'jump --dry-run=client prints the Decision' tells 0 'toStep: 1' amc rollout jump $r -n demo -m beijing --to 1 --dry-run=client
check 'jump back' tells 0 '^beijing +2/3 +jumped +back to step 1; pods stay' amc rollout jump $r -n demo -m beijing --to 1 --reason 'look again'
check 'it waits at that step' soon 30 state beijing Progressing/1/StepPaused
check 'with the pods it had' tells 0 'on v2: 6/20' amc rollout explain $r -n demo
check 'jump to where all are' tells 4 'is at step 1 already' amc rollout jump $r -n demo -M --to 1
check 'jump of all to no such step' tells 4 'nothing to jump: .* has no step 99 in any chosen cluster' amc rollout jump $r -n demo -M --to 99
kubectl -n demo patch rollout $r --type merge -p '{"spec":{"strategy":{"paused":true}}}' >/dev/null
everywhere='is paused everywhere; this ends it: kubectl patch rollout .* -n demo --type merge'
check 'paused everywhere' soon 20 tells 0 '^next: +kubectl patch rollout' amc rollout explain $r -n demo
check 'approve says what ends it' tells 4 "nothing to approve: .* $everywhere" amc rollout approve $r -n demo -M
check 'resume says so, too' tells 4 "nothing to resume: .* $everywhere" amc rollout resume $r -n demo -M
kubectl -n demo patch rollout $r --type merge -p '{"spec":{"strategy":{"paused":false}}}' >/dev/null
check 'no more' soon 20 tells 0 '^next: .* approve .* -m beijing,shanghai --step 1' amc rollout explain $r -n demo
check 'jump to the next step' tells 0 '^beijing +1/3 +jumped' amc rollout jump $r -n demo -m beijing --to 2
check 'beijing is at step 2 again' soon 30 state beijing Progressing/2/StepPaused
check 'history has the jumps' prints 2 '^[0-9]+[sm] +Jump +admin +beijing +[12] +Applied' amc rollout history $r -n demo
check 'jumping is no approval in a member' prints 0 'in member' amc rollout history $r -n demo
check 'history says who and why not more' prints 1 '^[0-9]+[sm] +Approve +admin +beijing +1 +Applied' amc rollout history $r -n demo
check 'and how long the pause had lasted by then' prints 1 '^[0-9]+[sm] +Approve +admin +beijing +1 +Applied +[0-9]+[sm] ' amc rollout history $r -n demo
check 'history -m of another cluster' prints 0 . amc rollout history $r -n demo -m shanghai
check 'history -o wide says of which release, and why' prints 1 '^[0-9]+[sm] +Approve +admin +beijing +1 +Applied +[0-9a-f]{6} +p95 is fine ' amc rollout history $r -n demo -o wide
check 'history of what is not there' tells 1 'rollouts.rollouts.kruise.io "nosuch" not found in namespace demo' amc rollout history nosuch -n demo
check 'history -o name -m of another cluster' prints 0 . amc rollout history $r -n demo -m shanghai -o name
check 'history -o json has the reason' prints 1 '"reason": "p95 is fine"' amc rollout history $r -n demo -o json
(timeout 3 kubectl-amc rollout get $r -n demo -w >"$work/watch" 2>&1 </dev/null) & watcher=$!
sleep 1
check 'pause' tells 0 '^shanghai +1/3 +paused' amc rollout pause $r -n demo -m shanghai --reason 'p95 doubled'
check 'explain says who had it paused, and why' tells 0 '^shanghai: paused by admin at 20[^ ]+Z: p95 doubled$' amc rollout explain $r -n demo
check 'explain says how to go on' tells 0 '^next: .* resume .* -m shanghai' amc rollout explain $r -n demo
check 'what is paused is not approved' tells 4 '^shanghai +1/3 +not-yet +somebody paused the release: resume first' amc rollout approve $r -n demo -m shanghai
check 'a verb is about a Rollout' tells 1 'deployment/qwen-inference: a Rollout is wanted: NAME or rollouts/NAME' amc rollout pause deployment/qwen-inference -n demo -M
check 'approve of clusters without a name' tells 1 '^error: say where: -m CLUSTER' amc rollout approve $r -n demo -m ''
check 'a reason is text' tells 1 '^error: --reason: the text is not UTF-8' amc rollout approve $r -n demo -M --reason $'\xff'
check 'resume' tells 0 '^shanghai +1/3 +resumed' amc rollout resume $r -n demo -m shanghai
wait $watcher
check 'rollout get -w prints a line a change' [ "$(grep -cE '^20.*(beijing|shanghai)  Progressing' "$work/watch")" -ge 2 ]
kubectl --context shanghai annotate nodes --all simulator.aviary.dev/behaviour=never-ready >/dev/null
check 'approve --wait=false does not wait' tells 0 '^shanghai +1/3 +sent' amc rollout approve $r -n demo -m shanghai --wait=false
check 'shanghai moves' soon 20 state shanghai Progressing/2/StepUpgrade
check 'approve -M where one is not paused is partial' tells 2 '^shanghai +2/3 +not-yet +not paused: StepUpgrade' amc rollout approve $r -n demo -M
check 'beijing completes' soon 30 state beijing Healthy/3/Completed
check 'status -w --timeout' tells 5 'not done within 1s' amc rollout status $r -n demo -w --timeout 1s
kubectl --context shanghai annotate nodes --all simulator.aviary.dev/behaviour- >/dev/null
check 'abort says what is finished already' prints 1 '^beijing +3/3 +done +finished on v2: undo takes it back' amc rollout abort $r -n demo -M --dry-run=server
check 'abort' tells 0 '^shanghai +2/3 +aborted' amc rollout abort $r -n demo -M
check 'shanghai is back on v1' soon 30 only shanghai v1
check 'status -w ends there, and it is not done' tells 1 'shanghai step .*: TakenBack pinned to v1, v2 rejected' amc rollout status $r -n demo -w
check 'status says so too' tells 1 '^shanghai step .*: TakenBack' amc rollout status $r -n demo
check 'undo, also after a release' tells 0 '^beijing .* undone' amc rollout undo $r -n demo -m beijing
check 'which is a release of its own' soon 30 state beijing Progressing/1/StepPaused
check 'it waits for approvals' tells 0 '^beijing +1/3 +StepPaused +AwaitingApproval ' amc rollout explain $r -n demo
check 'explain says which way it goes' tells 0 'undo v2 -> v1   on v2: 9/20' amc rollout explain $r -n demo
check 'and the tree' prints 1 'beijing  Progressing  step 1/3  StepPaused  on v2: 9/10  ready: 10/10  pinned to v1, v2 rejected' amc rollout get $r -n demo
check 'undo once more' tells 4 '^beijing +1/3 +done +goes back to v1 already' amc rollout undo $r -n demo -m beijing
check 'nor is it aborted' tells 4 'nothing to abort' amc rollout abort $r -n demo -M
check 'and approved like one' tells 0 '^beijing +1/3 +approved' amc rollout approve $r -n demo -m beijing
check 'beijing is at step 2 of it' soon 30 state beijing Progressing/2/StepPaused
check 'to its end' tells 0 '^beijing +2/3 +approved' amc rollout approve $r -n demo -m beijing
check 'beijing is back on v1' soon 30 only beijing v1
check 'the list does, too' soon 20 tells 0 "^demo +$r .* healthy in all 2 clusters; taken back in all of them" amc rollout list -n demo
check 'explain says where all are' soon 20 bash -c "kubectl amc rollout explain $r -n demo | grep -qE 'pinned to v1, v2 rejected   on v2: 0/20'"

# --- a Rollout that reaches no cluster
sed -e '/^---/,$d' -e "s/name: $r/name: lost/" -e 's/name: qwen-inference$/name: nothing/' "$seed/rollout.yaml" | kubectl apply -n demo -f - >/dev/null
check 'explain says what is missing' tells 0 '^NOT RELEASED: spec.workloadRef names deployment/nothing' amc rollout explain lost -n demo
check 'status is not done' tells 1 '^error: spec.workloadRef names deployment/nothing' amc rollout status lost -n demo
kubectl -n demo delete rollout lost >/dev/null

# --- a cluster that does not answer: registered, and nothing is behind it
printf 'apiVersion: cluster.open-cluster-management.io/v1\nkind: ManagedCluster\nmetadata: {name: frankfurt}\nspec: {hubAcceptsClient: true}\n' | kubectl apply -f - >/dev/null
check 'it is known to be away' soon 20 bash -c "kubectl amc clusters | grep -qE '^frankfurt +False'"
check 'get of unreachable clusters only' tells 6 '^cluster\(frankfurt\): unreachable for ' amc get deploy -n demo -m frankfurt
check 'get where some are unreachable' tells 2 '^cluster\(frankfurt\): unreachable for ' amc get deploy -n demo -M
check '--allow-unreachable' tells 0 '^qwen-inference +beijing' amc get deploy -n demo -M --allow-unreachable

# --- completion asks the hub
check 'amc rollout approve <TAB>: Rollouts' prints 1 "^$r" kubectl-amc __complete rollout approve -n demo ''
check 'amc rollout approve rollouts/<TAB>' prints 1 "^rollouts/$r" kubectl-amc __complete rollout approve -n demo rollouts/q
check 'amc -m <TAB>: clusters' prints 3 '^(beijing|frankfurt|shanghai)' kubectl-amc __complete rollout approve x -m ''
check 'amc -m beijing,<TAB>' prints 1 '^beijing,shanghai' kubectl-amc __complete get pods -m beijing,s
check 'amc get d<TAB>: resources' prints 1 '^deployments' kubectl-amc __complete get dep
check 'amc get deploy <TAB>: names' prints 1 '^qwen-inference' kubectl-amc __complete get deploy -n demo ''
check 'amc -n <TAB>: namespaces' prints 1 '^demo' kubectl-amc __complete get pods -n d
check 'amc --context <TAB>' prints 3 '^(fleet|beijing|shanghai)' kubectl-amc __complete get pods --context ''
check 'amc -o <TAB>' prints 1 '^yaml' kubectl-amc __complete get pods -o y
if kubectl __complete amc '' 2>/dev/null | grep -q '^rollout'; then
  check 'kubectl amc rollout a<TAB>, by kubectl itself' prints 2 '^(approve|abort)' kubectl __complete amc rollout a
elif kubectl version --client -o json | grep -qE '"gitVersion": *"v1\.(2[0-5])\.'; then
  echo 'left out: completion by kubectl itself, which kubectl before 1.26 does not know of plugins'
else
  check 'kubectl completes amc by kubectl_complete-amc' prints 1 '^rollout' kubectl __complete amc ''
fi

# --- the demo, from the program alone
check 'aviary demo plays to its end' env DEMO_PAUSE=0 aviary demo --data-dir "$work/demo"
check "aviary demo leaves a fleet alone that is not the demo's" tells 1 "error: .*/data has a fleet that is not the demo's" aviary demo --data-dir "$work/data"
check 'which runs on' tells 0 ' beijing ' amc get deploy -n demo -m beijing
mkdir "$work/mine"; echo x >"$work/mine/thesis.txt"
check 'aviary demo leaves a folder with other things alone' tells 1 'error: .*/mine is no fleet' aviary demo --data-dir "$work/mine"
check 'the things are there' test -e "$work/mine/thesis.txt"
aviary up --clusters lima --data-dir "$work/front" --port $((port + 1)) >"$work/front.out" 2>&1 </dev/null & front=$!
check 'aviary up in the foreground says when it is ready' soon 30 grep -q 'fleet of 1 clusters ready' "$work/front.out"
check 'its folder is in use' tells 1 "is in use by aviary with pid $front: end it with .aviary down" aviary up --clusters lima --data-dir "$work/front" --port $((port + 1))
check 'aviary down ends it too' tells 0 '^ended' aviary down --data-dir "$work/front"
check 'it has ended well' wait $front
check 'aviary up with fewer clusters says which is left out' tells 0 'warning: .* has data of lima too, which is not started: .--clusters oslo,lima. starts it' aviary up --clusters oslo --data-dir "$work/front" --port $((port + 1)) --detach
check 'settings in its kubeconfig' kubectl --kubeconfig "$work/front/kubeconfig" config set-context --current --namespace demo
check 'and it is not drawn as fine' soon 20 bash -c "kubectl --kubeconfig $work/front/kubeconfig get managedcluster lima -o 'jsonpath={.status.conditions[?(@.type==\"ManagedClusterConditionAvailable\")].status} {.status.conditions[?(@.type==\"ManagedClusterConditionAvailable\")].message}' | grep -q '^False not run by this process'"
check 'aviary down' aviary down --data-dir "$work/front"
check 'aviary up --port 0 says which it is' tells 0 'ready on https://127.0.0.1:[1-9]' aviary up --clusters oslo --data-dir "$work/front" --port 0 --detach
check 'its kubeconfig keeps the settings' prints 1 'namespace: demo' kubectl --kubeconfig "$work/front/kubeconfig" config view --minify
check 'aviary down' aviary down --data-dir "$work/front"
check 'aviary up --without-rollouts of an unknown cluster' tells 1 'error: --without-rollouts: "zzz" is none of --clusters a,b' aviary up --clusters a,b --without-rollouts zzz --data-dir "$work/nothing"
# Two at the same moment on a new folder: one has it, and nothing of the other is in its way.
twice() {
  local each; local -a pids=() codes=()
  for each in 1 2; do aviary up --clusters oslo --data-dir "$work/twice" --port 0 --detach >"$work/twice.$each" 2>&1 & pids+=($!); done
  for each in "${pids[@]}"; do wait "$each"; codes+=($?); done
  cat "$work"/twice.[12]
  [ "$(printf '%s\n' "${codes[@]}" | sort | xargs)" = '0 1' ] && grep -q '^error: .* is in use by aviary with pid' "$work"/twice.[12]
}
check 'aviary up twice at once: one of them' twice
check 'it answers' kubectl --kubeconfig "$work/twice/kubeconfig" get managedclusters
check 'and is ended' tells 0 '^ended' aviary down --data-dir "$work/twice"
check 'aviary down of nothing' tells 0 'nothing runs on' aviary down --data-dir "$work/nothing"
finished=1
