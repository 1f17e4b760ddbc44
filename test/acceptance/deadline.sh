#!/usr/bin/env bash
# A step whose pods cannot start, with a deadline: paused, taken back in a cluster of a hub, and let go on; pods that have to stay
# ready. Needs on PATH: aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"

amc() { local verb=$1; shift; kubectl amc rollout "$verb" rollouts/$r -n demo "$@"; }
# limit KEY=VALUE…: on the hub, whose clusters get it
limit() { kubectl -n demo annotate --overwrite rollout $r "${@/#/rollouts.aviary.dev/}"; }
has_limit() { [ "$(in_ "$1" get rollout $r -o "jsonpath={.metadata.annotations.rollouts\.aviary\.dev/$2}")" = "$3" ]; }
# condition CLUSTER TYPE: "True/Reason"
condition() { in_ "$1" get rollout $r -o "jsonpath={.status.conditions[?(@.type==\"$2\")].status}/{.status.conditions[?(@.type==\"$2\")].reason}"; }
stalled() { [ "$(condition "$1" Stalled)" = True/ProgressDeadlineExceeded ]; }
events() { [ "$(in_ "$1" get events --field-selector reason=ProgressDeadlineExceeded,type=Warning -o name | wc -l)" = "$2" ]; }
hold() { in_ "$1" get deployment qwen-inference -o 'jsonpath={.metadata.annotations.fleet\.aviary\.dev/hold}'; }
both() { local what=$1 c; shift; for c in beijing shanghai; do check "$c $what" soon 30 "${@//CLUSTER/$c}"; done; }

need 'a fleet of two clusters' aviary up --clusters beijing,shanghai --data-dir "$work/data" --port "$port" --pod-start 50ms --detach
export KUBECONFIG=$work/data/kubeconfig
check 'apply namespace and workload' kubectl apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
both 'is ready' ready CLUSTER
check 'apply the Rollout' kubectl apply -n demo -f "$seed/rollout.yaml"
both 'is healthy' healthy CLUSTER
check 'a deadline that is no number is refused' tells 1 'metadata.annotations\[rollouts.aviary.dev/progress-deadline-seconds\]: Invalid value: "30m": must be a number of seconds' limit progress-deadline-seconds=30m
check 'an action that is none is refused' tells 1 'must be Pause, Rollback or Report' limit on-deadline=Abort
check 'three seconds' limit progress-deadline-seconds=3
both 'has it' has_limit CLUSTER progress-deadline-seconds 3

for c in beijing shanghai; do check "$c has no image v9" in_ $c annotate nodes --all simulator.aviary.dev/behaviour=image-pull-error simulator.aviary.dev/images=vllm-qwen:v9; done
check 'release v9' release v9
both 'is stalled' stalled CLUSTER
both 'stays at step 1' state CLUSTER Progressing/1/StepUpgrade
both 'has one Event of it' events CLUSTER 1
check 'the status says why' tells 0 'step 1/3 has made no progress for 3 seconds, since .*ImagePullFailed.*; it does not go on by itself' in_ beijing get rollout $r -o 'jsonpath={.status.message}'
check 'explain says so' soon 10 tells 0 '^beijing +1/3 +StepUpgrade +ProgressDeadlineExceeded ' amc explain
hub_says() { kubectl -n demo get rollout $r -o 'jsonpath={.status.conditions[?(@.type=="Stalled")].message}' | grep -qE "$1"; }
failed_on_hub() { [ "$(kubectl -n demo get rollout $r -o 'jsonpath={.status.conditions[?(@.type=="Succeeded")].status}/{.status.conditions[?(@.type=="Succeeded")].reason}')" = False/ProgressDeadlineExceeded ]; }
check 'and so does the Rollout of the hub' soon 10 hub_says '^(beijing|shanghai) \(and 1 more clusters?\): step 1/3 has'
sleep 4
both 'says it no second time' events CLUSTER 1

check 'pause and resume beijing' eval 'amc pause -m beijing && amc resume -m beijing'
check 'its time began anew, and is over again' soon 30 stalled beijing
check 'abort in beijing' amc abort -m beijing
check 'beijing runs v1 alone' soon 30 only beijing v1
check 'beijing is healthy' soon 30 healthy beijing
check 'nothing is stalled there' tells 0 '^/$' condition beijing Stalled
check 'the hub has nothing held' [ -z "$(hold beijing)" ]

check 'from now on it goes back' limit on-deadline=Rollback
check 'shanghai runs v1 alone' soon 30 only shanghai v1
check 'shanghai is healthy' soon 30 healthy shanghai
check '… and says that it has failed' tells 0 '^False/ProgressDeadlineExceeded$' condition shanghai Succeeded
check 'the hub says so, too' soon 10 failed_on_hub
check 'the hub leaves it alone there' tells 0 ';aviary-member;ProgressDeadlineExceeded' hold shanghai
sleep 3
check 'and it stays' only shanghai v1
check 'release v2' release v2
check 'beijing pauses at step 1' soon 30 state beijing Progressing/1/StepPaused
check 'shanghai is held' only shanghai v1
check 'take the hold off' in_ shanghai annotate deployment qwen-inference fleet.aviary.dev/hold-
check 'shanghai pauses at step 1' soon 30 state shanghai Progressing/1/StepPaused
check 'that is another release' tells 0 '^/$' condition shanghai Succeeded
check 'of which the hub says nothing' soon 10 eval '! failed_on_hub'

check 'pods have to stay ready' limit healthy-seconds=6
both 'has it' has_limit CLUSTER healthy-seconds 6
check 'approve' amc approve -M --wait=false
check 'beijing holds' soon 10 tells 0 'its pods have to stay ready until' in_ beijing get rollout $r -o 'jsonpath={.status.message}'
check 'explain says so' soon 3 tells 0 '^beijing +2/3 +StepUpgrade +HoldingHealthy ' amc explain
both 'pauses at step 2' state CLUSTER Progressing/2/StepPaused
finished=1
