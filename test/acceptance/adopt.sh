#!/usr/bin/env bash
# What kubectl has delivered, cluster by cluster, becomes the hub's with nothing changed in it. Needs on PATH: aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"

all() { local each; for each in a b c; do "$1" "$each" "${@:2}" || return 1; done; }
deliver() { in_ "$1" apply -f "$work/delivered.yaml"; }
untouched() { in_ "$1" get deployments,services,rollouts -o 'jsonpath={range .items[*]}{.metadata.name} {.metadata.generation} {.metadata.annotations} {.spec}{"\n"}{end}' && in_ "$1" get pods -o 'jsonpath={range .items[*]}{.metadata.uid} {.status.startTime}{"\n"}{end}'; }
adopt() { aviary adopt --from kubectl -n demo "$@"; }
ours() { [ -n "$(in_ "$1" get "$2" "$3" -o 'jsonpath={.metadata.labels.fleet\.aviary\.dev/hub}')" ]; }
reason() { kubectl -n demo get fb "$1" -o 'jsonpath={.status.abnormal[*].reason} {.status.abnormal[*].message}'; }
limits() { in_ "$1" create configmap limits --from-literal=tokens="$2"; }

need 'three clusters' aviary up --clusters a,b,c --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
export KUBECONFIG=$work/data/kubeconfig
python3 - "$seed" >"$work/delivered.yaml" <<'END'
import re, sys
for name in ("namespace", "workload", "rollout"):
    for document in re.split(r"(?m)^---$", open(f"{sys.argv[1]}/{name}.yaml").read()):
        if "PropagationPolicy" not in document: print("---\n" + document)
END
for each in a b c; do check "deliver to $each by kubectl" deliver $each; done
check 'they are ready' soon 30 all ready
check 'they are healthy' soon 30 all healthy
before=$(all untouched)

check 'whom it comes from has to be said' tells 1 'error: --from is required' aviary adopt deploy/x --clusters a
check 'from whom else' tells 1 'argocd' aviary adopt --from argocd deploy/x --clusters a
check 'a kind without a name' tells 1 'name it as KIND/NAME' adopt deploy --clusters a
check 'a kind that there is not' tells 1 'have a resource type "deplo"' adopt deplo/x --clusters a
check 'an empty name of a cluster' tells 1 'error: --clusters: say which' adopt deploy/qwen-inference --clusters ''
check 'a cluster that there is not' tells 1 'managedclusters "mars" not found' adopt deploy/qwen-inference --clusters a,mars
check 'one that has no namespace' tells 1 'without a namespace are not taken over' adopt ns/demo --clusters a
check 'a dry run' prints 2 '^[ab] +deployment/qwen-inference +labels only *$' adopt deploy/qwen-inference --clusters a,b --dry-run
check 'writes nothing' ends 1 kubectl -n demo get deployment qwen-inference
check 'adopt' prints 6 '^[ab] .* adopted *$' adopt deploy/qwen-inference rollout/$r svc/qwen-inference --clusters a,b
check 'nothing is changed by it' [ "$(all untouched)" = "$before" ]
check 'it is on the hub' tells 0 'Duplicated' kubectl -n demo get propagationpolicies.policy.one.alibabacloud.com qwen-inference-deployment -o yaml
check 'c is nobody'\''s' ends 1 ours c deployment qwen-inference
check 'by the command c is refused' tells 4 '^c +deployment/qwen-inference +refused +propagationpolicy qwen-inference-deployment does not place it here' adopt deploy/qwen-inference --clusters a,b,c
for what in qwen-inference-deployment $r-rollout; do
  check "c in policy $what" kubectl -n demo patch propagationpolicies.policy.one.alibabacloud.com $what --type merge -p '{"spec":{"placement":{"clusterAffinity":{"clusterNames":["a","b","c"]}}}}'
done
check 'it is taken over there' soon 10 ours c deployment qwen-inference
check 'so is the Rollout' soon 10 ours c rollout $r
check 'and nothing is changed by it' [ "$(all untouched)" = "$before" ]
check 'a new version' release v2
check 'pauses in all' soon 20 all state Progressing/1/StepPaused
check 'one command approves all' prints 3 '^[abc] +1/3 +approved' kubectl amc rollout approve $r -n demo -M

# What is changed where the hub cannot see it yet is not put right before it was taken over.
check 'the same twice' all limits 100
check 'adopt' prints 2 ' adopted *$' adopt cm/limits --clusters a,b
check 'another in c' in_ c patch configmap limits --type merge -p '{"data":{"tokens":"200"}}'
check 'c in the policy' kubectl -n demo patch propagationpolicies.policy.one.alibabacloud.com limits-configmap --type merge -p '{"spec":{"placement":{"clusterAffinity":{"clusterNames":["a","b","c"]}}}}'
differs() { grep -q 'Differs data.tokens is "200" here and "100" on the hub' <<<"$(reason configmap-limits)"; }
check 'the binding says what differs' soon 10 differs
check 'it stays what it is' [ "$(in_ c get configmap limits -o 'jsonpath={.data.tokens}')" = 200 ]
finished=1
