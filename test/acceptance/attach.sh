#!/usr/bin/env bash
# A fleet that kubectl has delivered, cluster by cluster, seen and approved with no hub by the contexts of a kubeconfig. Needs on PATH: aviary,
# kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
prods=(prod-a prod-b)

all() { local each; for each in "${prods[@]}"; do "$1" "$each" "${@:2}" || return 1; done; }
# The manifests without their policies, in one cluster.
deliver() { in_ "$1" apply -f "$work/delivered.yaml"; }
update() { in_ "$1" set image deployment/qwen-inference "vllm=$image:$2"; }
# amc ARGUMENT…: about all contexts prod-*
amc() { kubectl amc "$@" --contexts 'prod-*'; }
rollout() { local verb=$1; shift; kubectl amc rollout "$verb" rollouts/$r -n demo "$@"; }
untouched() { in_ "$1" get deployment qwen-inference -o 'jsonpath={.metadata.generation} {.spec}' && in_ "$1" get pods -o 'jsonpath={range .items[*]}{.metadata.name} {.status.startTime}{"\n"}{end}'; }
# A server that takes connections and says nothing: its port is in $work/silent.
silent() { python3 -c '
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(64); print(s.getsockname()[1], flush=True)
kept = []
while True: kept.append(s.accept())' >"$work/silent" & silent=$!; soon 5 [ -s "$work/silent" ]; }
clean_up() { [ -z "${silent:-}" ] || kill "$silent"; aviary down --data-dir "$work/data" >/dev/null 2>&1; }
within() { local limit=$1 begin=$SECONDS; shift; "$@"; local code=$?; [ $((SECONDS - begin)) -le "$limit" ] || { echo "took $((SECONDS - begin)) seconds"; return 1; }; return $code; }

need 'three clusters' aviary up --clusters prod-a,prod-b,dev --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
export KUBECONFIG=$work/data/kubeconfig
cat "$seed"/{namespace,workload,rollout}.yaml | python3 -c '
import sys
keep = [d for d in sys.stdin.read().replace("\n---\n", "\0").replace("\n# The", "\0# The").split("\0") if "PropagationPolicy" not in d]
print("\n---\n".join(keep))' >"$work/delivered.yaml"
for c in "${prods[@]}"; do check "deliver to $c by kubectl" deliver $c; done
check 'they are ready' soon 30 all ready
check 'they are healthy' soon 30 all healthy
check 'clusters' prints 2 '^prod-[ab] +True +v' amc clusters
check 'the hub is left out' tells 0 'note: context fleet is a hub: it is left out' kubectl amc clusters --contexts '*'
check 'and has no part in it' prints 3 '^(prod-[ab]|dev) +True' kubectl amc clusters --contexts '*'
check 'rollouts of all, which no hub has brought' prints 2 '^demo +qwen-inference-rollout +prod-[ab] +Healthy .* N$' amc get rollouts -A -M
check 'any resource' prints 2 '^qwen-inference +prod-[ab] +10/10 +10 +10 .* N$' amc get deploy -n demo -M
check 'one of them' prints 1 '^qwen-inference +prod-b ' amc get deployments.apps -n demo -m prod-b
check 'whole objects say where they are from' prints 2 'fleet.aviary.dev/cluster: prod-[ab]' amc get rollout $r -n demo -o yaml
check 'list' prints 2 "^$r +prod-[ab] +Healthy" amc rollout list -n demo
check 'nothing is paused' tells 4 'nothing to approve' rollout approve -M --contexts 'prod-*'

for c in "${prods[@]}"; do check "v2 for $c" update $c v2; done
check 'both pause' soon 30 all state Progressing/1/StepPaused
check 'explain' tells 0 '^prod-a +1/3 +StepPaused +AwaitingApproval' rollout explain --contexts 'prod-*'
check 'from where to where' tells 0 '^demo/qwen-inference-rollout +release [0-9a-f]+ +v1 -> v2 +on v2: 2/20' rollout explain --contexts 'prod-*'
check 'the next command' tells 0 "next: +kubectl amc rollout approve rollouts/$r -n demo --contexts 'prod-\*' -m prod-a,prod-b --step 1" rollout explain --contexts 'prod-*'
check 'describe rollout of each' prints 2 '^Cluster: +prod-[ab]$' amc describe rollout $r -n demo
check '… with its new pod' prints 1 '^  qwen-inference-[0-9a-z-]+ +1/1 +1 +[0-9a-z]+ +Running' amc describe rollout $r -n demo -m prod-b
check 'the tree' tells 0 'prod-b +Progressing +step 1/3 +StepPaused +on v2: 1/10' rollout get --contexts 'prod-*'
check 'status: an approval is awaited' tells 3 '^prod-a step 1/3 StepPaused: AwaitingApproval' rollout status --contexts 'prod-*'
check 'where is to be said' tells 1 'say where: -m CONTEXT' rollout approve --contexts 'prod-*'
check 'a context that is not meant' tells 1 'm dev: no such context' rollout approve -m dev --contexts 'prod-*'
check 'a pattern without a context' tells 1 'no context like "staging-\*"; it has .*prod-a' rollout approve -M --contexts 'staging-*'
check 'the hub itself' tells 1 'context fleet is a hub' rollout approve -M --contexts fleet
check 'no history is kept there, and it says how to' tells 0 'No history of .*--feature-gates RolloutHistory=true' rollout history --contexts 'prod-*'
check 'labels need one' tells 1 'cluster-selector is not supported without a hub' amc get pods -n demo --cluster-selector a=b
check 'another step' tells 4 '^prod-b +1/3 +refused +at step 1, not step 2' rollout approve -M --step 2 --contexts 'prod-*'
check 'server dry run' prints 2 '^prod-[ab] +1/3 +approved \(server dry run\)' rollout approve -M --dry-run=server --contexts 'prod-*'
check 'client dry run' prints 2 'value: StepReady' rollout approve -M --dry-run=client --contexts 'prod-*'
check 'both are where they were' all state Progressing/1/StepPaused
check 'approve one' tells 0 '^prod-a +1/3 +approved +moving to 50% \(5 of 10 pods\)' rollout approve -m prod-a --contexts 'prod-*' --reason 'p95 ok'
check 'it keeps who and why' tells 0 '"by":"admin","reason":"p95 ok"' in_ prod-a get rollout $r -o 'jsonpath={.metadata.annotations.fleet\.aviary\.dev/approved-directly}'
check 'it pauses at step 2' soon 30 state prod-a Progressing/2/StepPaused
check 'the other has not moved' state prod-b Progressing/1/StepPaused
check 'jump back' tells 0 '^prod-a +2/3 +jumped +back to step 1; pods stay' rollout jump --to 1 -m prod-a --contexts 'prod-*'
check 'it pauses at step 1' soon 30 state prod-a Progressing/1/StepPaused
check 'jump to the next' tells 0 '^prod-a +1/3 +jumped +moving to 50%' rollout jump --to 2 -m prod-a --contexts 'prod-*'
check 'it pauses at step 2 again' soon 30 state prod-a Progressing/2/StepPaused
check 'pause both' prints 2 '^prod-[ab] +[12]/3 +paused' rollout pause -M --contexts 'prod-*'
check 'nothing is approved then' tells 4 'is paused by somebody' rollout approve -M --contexts 'prod-*'
check 'resume both' prints 2 '^prod-[ab] +[12]/3 +resumed' rollout resume -M --contexts 'prod-*'
check 'approve each at its step' prints 2 '^prod-(a +2/3|b +1/3) +approved' rollout approve -M --contexts 'prod-*'
check 'prod-a runs v2 alone' soon 30 only prod-a v2
check 'prod-b pauses at step 2' soon 30 state prod-b Progressing/2/StepPaused

# Contexts of two files, some of clusters that are away.
need 'a server that says nothing' silent
cat >"$work/more" <<END
apiVersion: v1
kind: Config
clusters:
- {name: dead, cluster: {server: "https://127.0.0.1:1"}}
- {name: silent, cluster: {server: "https://127.0.0.1:$(cat "$work/silent")"}}
users:
- {name: me, user: {token: x}}
contexts:
- {name: prod-dead, context: {cluster: dead, user: me}}
- {name: prod-silent, context: {cluster: silent, user: me}}
END
export KUBECONFIG=$work/data/kubeconfig:$work/more
check 'who is away is named' tells 2 '^cluster\(prod-dead\): unreachable: .*refused' amc get rollouts -A -M
check 'who says nothing holds up for five seconds' within 9 tells 2 '^cluster\(prod-silent\): unreachable: no answer within 5s' amc get rollouts -A -M
check '… or as long as one will' within 4 tells 2 '^demo +qwen-inference-rollout +prod-b ' amc get rollouts -A -M --request-timeout 1s
check 'the others are shown' tells 3 '^prod-b step 2/3 StepPaused' rollout status --contexts 'prod-*' --request-timeout 1s
check '… with what is not known' tells 3 '^prod-dead step - Unknown: ClusterUnreachable does not answer: .*refused' rollout status --contexts 'prod-*' --request-timeout 1s
check 'one that is not asked holds up nobody' within 2 tells 4 'prod-a +3/3 +refused' rollout approve -m prod-a --contexts 'prod-*'
check 'approve what answers' tells 2 '^prod-b +2/3 +approved' rollout approve -M --contexts 'prod-*'
check 'only one that is away' tells 6 'no cluster answers: prod-dead' rollout approve -M --contexts prod-dead
check '… which may be' ends 0 rollout approve -M --contexts prod-dead --allow-unreachable
check 'prod-b runs v2 alone' soon 30 only prod-b v2
check 'status is done but for those' ends 2 rollout status --contexts 'prod-*' --request-timeout 1s
check 'and without them' tells 0 '^prod-b step 3/3 Healthy' rollout status --contexts 'prod-?'
check 'undo prod-b' tells 2 '^prod-b +3/3 +undone +going back to v1' rollout undo -M --contexts 'prod-b,prod-dead'
check 'it is a release of its own' soon 30 state prod-b Progressing/1/StepPaused
check 'abort it' tells 0 '^prod-b +1/3 +aborted +going back to v2' rollout abort -m prod-b --contexts 'prod-*'
check 'prod-b runs v2 again' soon 30 only prod-b v2
check 'it is done' soon 30 state prod-b Healthy/1/StepPaused
check 'set image in one' tells 0 '^prod-b +- +set +image of deployment/qwen-inference set' amc set image rollouts/$r vllm=$image:v3 -n demo -m prod-b
check 'which is a release there' soon 30 state prod-b Progressing/1/StepPaused
check 'and is taken back' tells 0 '^prod-b +1/3 +aborted +going back to v2' rollout abort -m prod-b --contexts 'prod-*'
check 'prod-b runs v2 as before' soon 30 only prod-b v2
check 'it is done there' soon 30 state prod-b Healthy/1/StepPaused

before=$(untouched prod-a; untouched prod-b)
check 'looking' amc get rollouts -A -M --allow-unreachable
check 'changes nothing' [ "$(untouched prod-a; untouched prod-b)" = "$before" ]
finished=1
