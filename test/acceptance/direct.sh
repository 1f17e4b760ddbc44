#!/usr/bin/env bash
# What a person can do in a member without the hub: approve a step there; and the hub has it on record. The audit log. Needs on
# PATH: aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"

direct() { local verb=$1; shift; kubectl amc rollout "$verb" rollouts/$r -n demo --direct "$@"; }
history() { kubectl amc rollout history rollouts/$r -n demo | grep -qE -- "$1"; }
word() { in_ "$1" get rollout $r -o 'jsonpath={.metadata.annotations.fleet\.aviary\.dev/approved-directly}'; }
members() { [ "$(kubectl -n demo get decisions.fleet.aviary.dev -o 'jsonpath={range .items[*]}{.status.origin}{"\n"}{end}' | grep -c Member)" = "$1" ]; }
audited() { grep -qE -- "$1" "$work/data/audit.log"; }
private() { [ "$(stat -c %a "$work/data/audit.log")" = 600 ]; }

check 'two clusters' aviary up --clusters beijing,shanghai --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
[ $fail = 0 ] || exit
export KUBECONFIG=$work/data/kubeconfig
check 'apply namespace and workload' kubectl apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
for c in beijing shanghai; do check "$c is ready" soon 30 ready $c; done
check 'apply the Rollout' kubectl apply -n demo -f "$seed/rollout.yaml"
for c in beijing shanghai; do check "it is healthy in $c" soon 30 healthy $c; done
check 'nothing is paused there' tells 4 'beijing +3/3 +refused +not paused: the phase is Healthy' direct approve --context beijing

check 'release v2' kubectl -n demo set image deployment/qwen-inference "vllm=$image:v2"
for c in beijing shanghai; do check "$c pauses at step 1" soon 30 state $c Progressing/1/StepPaused; done

check 'it needs a context' tells 1 'which member by --context' direct approve
check '-m is the hub'"'"'s' tells 1 'not -m, -M or --cluster-selector' direct approve --context beijing -m beijing
check 'the hub is no member' tells 1 'context fleet is a hub' direct approve --context fleet
check 'pause names its cluster, too' tells 1 'which member by --context' direct pause
check 'another step is refused' tells 4 'beijing +1/3 +refused +at step 1, not step 2' direct approve --context beijing --step 2
check 'client dry run prints the patch' tells 0 'value: StepReady' direct approve --context beijing --dry-run=client
check 'server dry run' tells 0 'approved \(server dry run\)' direct approve --context beijing --dry-run=server
check 'beijing is at step 1 still' state beijing Progressing/1/StepPaused

# Who may do a part only: statuser approves and is told what that lacks; mainuser's word is taken back with the refusal.
in_ beijing create role reader --verb=get --resource=rollouts.rollouts.kruise.io,deployments.apps >/dev/null
in_ beijing create role statuser --verb=patch --resource=rollouts.rollouts.kruise.io/status >/dev/null
in_ beijing create role mainuser --verb=patch --resource=rollouts.rollouts.kruise.io >/dev/null
for u in statuser mainuser; do
  for role in reader $u; do in_ beijing create rolebinding "$u-$role" --role=$role --user=$u >/dev/null; done
done
check 'without the right to annotate it is approved, with a warning' tells 0 'warning: beijing: who approves and why is not kept in the cluster .*forbidden' direct approve --context beijing --as statuser --dry-run=server --reason 'p95 ok'
check '… approved' tells 0 'approved \(server dry run\)' direct approve --context beijing --as statuser --dry-run=server --reason 'p95 ok'
check 'without the right to approve it is refused' tells 1 'forbidden' direct approve --context beijing --as mainuser --reason 'p95 ok'
check '… and no word of it stays' [ -z "$(word beijing)" ]
check 'beijing is at step 1 still' state beijing Progressing/1/StepPaused

check 'approve step 1 in beijing' tells 0 'beijing +1/3 +approved +moving to 50% \(5 of 10 pods\)' direct approve --context beijing --step 1 --timeout 30s --reason 'p95 ok'
check 'the member keeps who and why' tells 0 '"step":1,.*"by":"admin","reason":"p95 ok"' word beijing
check 'beijing pauses at step 2' soon 30 state beijing Progressing/2/StepPaused
check 'the hub has it on record' soon 10 history '^[0-9a-z]+ +Approve +\(in member\) +beijing +1 +Applied +- +approved in the member itself: written there by kubectl-amc at [0-9TZ:-]+; the member says by admin at [0-9TZ:-]+: p95 ok'
check 'once' members 1
sleep 1
check 'and carries nothing out' state beijing Progressing/2/StepPaused
check 'shanghai is where it was' state shanghai Progressing/1/StepPaused
check 'the hub approves step 2' kubectl amc rollout approve rollouts/$r -n demo -m beijing --step 2 --reason 'p95 ok'
check 'beijing runs v2 alone' soon 30 only beijing v2
check 'that is no record of a member' members 1

check 'the audit log has the request' soon 10 audited '"stage":"Requested".*"action":"Approve".*"username":"admin".*"reason":"p95 ok".*"cluster":"beijing"'
check '… and the outcome' soon 10 audited '"stage":"Settled".*"reason":"p95 ok".*"outcome":"Applied"'
check '… and what was done in the member' audited '"stage":"Settled".*"selection":"InMember".*"origin":"Member"'
check '… with who and why, as the member says' audited '"stage":"Settled".*the member says by admin at .*: p95 ok'
check '… for its owner alone' private

# Everything else, and the hub leaves alone what was changed.
held() { in_ shanghai get "$@" -o 'jsonpath={.metadata.annotations.fleet\.aviary\.dev/hold}'; }
check 'pause: client dry run' tells 0 'paused: true' direct pause --context shanghai --dry-run=client
check 'pause: server dry run' tells 0 'shanghai +1/3 +paused \(server dry run\)' direct pause --context shanghai --dry-run=server
check 'nothing is paused by that' state shanghai Progressing/1/StepPaused
check 'pause shanghai' tells 0 'shanghai +1/3 +paused +paused' direct pause --context shanghai --reason 'a look first'
check 'it is held from the hub' tells 0 ';admin;a look first' held rollout $r
check 'what is paused is not approved' tells 4 'shanghai +1/3 +not-yet +somebody paused the release' direct approve --context shanghai
check 'nor does it jump' tells 4 'shanghai +1/3 +not-yet +somebody paused the release' direct jump --to 3 --context shanghai
sleep 1
check 'it stays paused' tells 0 true in_ shanghai get rollout $r -o 'jsonpath={.spec.strategy.paused}'
check 'resume shanghai' tells 0 'shanghai +1/3 +resumed' direct resume --context shanghai
check 'nothing of the hold stays' [ -z "$(held rollout $r)" ]
check 'a step that is not there' tells 4 'refused +there is no step 4: the last one is 3' direct jump --to 4 --context shanghai
check 'abort shanghai' tells 0 'shanghai +1/3 +aborted +going back to v1' direct abort --context shanghai --reason 'p95 up; much'
check 'shanghai runs v1 alone' soon 30 only shanghai v1
check 'it is healthy in shanghai' soon 30 healthy shanghai
check 'the workload is held from the hub' tells 0 ';admin;p95 up, much' held deployment qwen-inference
sleep 1
check 'and stays' only shanghai v1
check 'abort twice is nothing' tells 4 'nothing to abort|finished on' direct abort --context shanghai
check 'taking back is no approval' members 1
finished=1
