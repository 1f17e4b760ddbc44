#!/usr/bin/env bash
# Two real clusters whose release kubectl has delivered: approved without a hub, and by a hub that joins them later: test/real/attach.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.bash"
members=(prod-a prod-b)
commands=0

both() { local each; for each in "${members[@]}"; do "$1" "$each" "${@:2}" || return 1; done; }
# typed COMMAND…: one of the commands that a user needs
typed() { commands=$((commands + 1)); "$@"; }
deliver() { in_ "$1" apply -f "$work/delivered.yaml"; }
# What attaching must leave as it is: the workload's generation and its pods, with their restarts.
untouched() {
  in_ "$1" get deployment qwen-inference -o 'jsonpath={.metadata.generation} {.metadata.labels} {.spec.template}{"\n"}' &&
  in_ "$1" get rollout $r -o 'jsonpath={.metadata.generation} {.metadata.labels} {.metadata.finalizers}{"\n"}' &&
  in_ "$1" get pods --sort-by .metadata.name -o 'jsonpath={range .items[*]}{.metadata.uid} {.status.startTime} {.status.containerStatuses[*].restartCount}{"\n"}{end}'
}
all_untouched() { untouched prod-a; untouched prod-b; }
contexts() { kubectl-amc "$@" --contexts 'prod-*'; }
amc() { kubectl-amc --kubeconfig "$work/hub/kubeconfig" "$@"; }
hub() { run hub aviary hub --mode attach --kubeconfig "$work/hub/kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$webhook" --webhook-port "$webhook" --health-port "$health" --audit-log "$work/audit.log"; }
webhook=$(port) health=$(port)

python3 - "$seed" >"$work/delivered.yaml" <<'END'
import re, sys
for name in ("namespace", "workload", "rollout"):
    for document in re.split(r"(?m)^---$", open(f"{sys.argv[1]}/{name}.yaml").read()):
        if "PropagationPolicy" not in document: print("---\n" + document)
END
for each in "${members[@]}"; do
  need "the cluster $each" cluster "$each"
  need "an identity of its controller" identity "$each" aviary-member
  at=$(port) ok=$(port)
  run "$each" aviary member --kubeconfig "$work/$each-aviary-member.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$at" --webhook-port "$at" --health-port "$ok"
  need "its controller is ready" soon 20 answers "$ok"
  check "deliver to $each" deliver "$each"
done
# A context of its name in each.
export KUBECONFIG=$work/prod-a/kubeconfig:$work/prod-b/kubeconfig
check 'both are ready' soon 30 both ready
check 'both are healthy' soon 30 both healthy
for each in "${members[@]}"; do check "v2 for $each" release "$each" v2; done
need 'both pause at step 1' soon 20 both state Progressing/1/StepPaused

# Without a hub.
before=$(all_untouched)
check 'the contexts show both' prints 2 '^demo +qwen-inference-rollout +prod-[ab] +Progressing .* N$' contexts get rollouts -A -M
check 'explain' tells 0 '^prod-b +1/3 +StepPaused +AwaitingApproval' contexts rollout explain $r -n demo
check 'looking touches nothing' [ "$(all_untouched)" = "$before" ]
check 'one command approves both' typed prints 2 '^prod-[ab] +1/3 +approved +moving to 50% \(5 of 10 pods\)' contexts rollout approve $r -n demo -M
echo "commands to the first fleet-wide approval without a hub: $commands"
check 'both pause at step 2' soon 20 both state Progressing/2/StepPaused
check 'with five' both runs v1=5\ v2=5

# A hub that is attached.
need 'a light hub' cluster hub --light
before=$(all_untouched)
commands=0
typed hub
need 'the hub is ready' soon 30 answers "$health"
check 'prod-a joins' typed aviary join prod-a --read-and-approve --kubeconfig "$work/prod-a/kubeconfig" --hub-kubeconfig "$work/hub/kubeconfig"
check 'prod-b joins' typed aviary join prod-b --read-and-approve --kubeconfig "$work/prod-b/kubeconfig" --hub-kubeconfig "$work/hub/kubeconfig"
check 'the hub shows both' soon 20 prints 2 '^demo +qwen-inference-rollout +prod-[ab] +Progressing .* N$' amc get rollouts -A -M
check 'explain' soon 20 tells 0 '^prod-b +2/3 +StepPaused +AwaitingApproval' amc rollout explain $r -n demo
check 'it has the release of both' tells 0 'v1 -> v2 +on v2: 10/20 +ready: 20/20' amc rollout explain $r -n demo
check 'attaching touches nothing' [ "$(all_untouched)" = "$before" ]
check 'policies are none of its kinds' tells 1 '' in_ hub get propagationpolicies
check 'abort is for who brought it' tells 4 'something else than this hub' amc rollout abort $r -n demo -M
check 'one command approves both' soon 20 typed prints 2 '^prod-[ab] +2/3 +approved' amc rollout approve $r -n demo -M --reason 'p95 ok'
echo "commands to the first fleet-wide approval by an attached hub: $commands"
check 'that were five at most' [ "$commands" -le 5 ]
check 'both are healthy' soon 20 both state Healthy/3/Completed
check 'with ten' both runs v2=10
check 'it is on record' tells 0 'Approve .*prod-b +2 +Applied' amc rollout history $r -n demo

# The hub's identity there may look and approve, and nothing else.
can() { in_ "$1" auth can-i --as system:serviceaccount:aviary-system:aviary-hub "${@:2}"; }
check 'it may approve' can prod-a patch rollouts.rollouts.kruise.io --subresource status
for what in 'patch deployments' 'update rollouts.rollouts.kruise.io' 'delete rollouts.rollouts.kruise.io' 'create namespaces' 'get secrets'; do check "it may not $what" ends 1 can prod-a $what; done

for each in "${members[@]}"; do check "v3 for $each" release "$each" v3; done
check 'both pause at step 1' soon 20 both state Progressing/1/StepPaused
check 'approved without the hub' contexts rollout approve $r -n demo -m prod-a --reason 'hub is slow'
check 'the hub has it on record' soon 20 tells 0 'Approve +\(in member\) +prod-a +1 +Applied .*hub is slow' amc rollout history $r -n demo
finished=1
