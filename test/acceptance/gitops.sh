#!/usr/bin/env bash
# What Git brings: a Decision that was printed, committed and applied again and again; what Argo CD's health scripts say of objects as they
# really are. Needs on PATH: aviary, kubectl-amc, kubectl, python3, lua5.4.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
kit=$(cd "$here/../../config/gitops" && pwd)

argocd_cm() { kubectl kustomize "$kit/argocd" -o "$work/argocd-cm.yaml" && kubectl create --dry-run=client -f "$work/argocd-cm.yaml" -o json >"$work/argocd-cm.json"; }
# script KIND: as kustomize puts it into argocd-cm
script() { python3 -c '
import json, sys
data = json.load(open(sys.argv[1]))["data"]
[text] = [v for k, v in data.items() if k.startswith("resource.customizations.health.") and k.endswith("_" + sys.argv[2])]
print(text)' "$work/argocd-cm.json" "$1"; }
# An object of JSON as Lua has it.
as_lua() { python3 -c '
import json, sys
def lua(v):
    if v is None: return "nil"
    if v is True or v is False: return str(v).lower()
    if isinstance(v, (int, float)): return repr(v)
    if isinstance(v, str): return "\"" + "".join("\\%03d" % b for b in v.encode()) + "\""
    if isinstance(v, list): return "{" + ",".join(map(lua, v)) + "}"
    return "{" + ",".join("[%s]=%s" % (lua(k), lua(x)) for k, x in v.items()) + "}"
print("obj = " + lua(json.load(sys.stdin)))'; }
# verdict KIND: "Status message" of the object on stdin
verdict() { { as_lua; echo 'local function health()'; script "$1"; echo 'end; local h = health(); print(h.status .. " " .. h.message)'; } >"$work/health.lua"; lua5.4 "$work/health.lua"; }
# health PATTERN KIND ARGUMENT…: what is said of the object that kubectl gets
health() { local pattern=$1 kind=$2; shift 2; local said; said=$(kubectl "$@" -o json | verdict "$kind"); echo "$said"; grep -qE -- "$pattern" <<<"$said"; }
# of PATTERN KIND JSON: of an object that is made up
of() { local said; said=$(verdict "$2" <<<"$3"); echo "$said"; grep -qE -- "$1" <<<"$said"; }
amc() { local verb=$1; shift; kubectl amc rollout "$verb" rollouts/$r -n demo "$@"; }
git_applies() { kubectl apply -f "$work/decision.yaml" && kubectl apply --server-side --field-manager=kustomize-controller --force-conflicts -f "$work/decision.yaml"; }
outcome() { [ "$(kubectl get -f "$work/decision.yaml" -o 'jsonpath={.status.outcome}')" = "$1" ]; }
# Flux's expressions for a Rollout, in the guide word for word.
flux_in_guide() {
  local line
  while read -r line; do grep -qF -- "$line" "$here/../../docs/guide/gitops.md" || { echo "not there: $line"; return 1; }; done \
    < <(sed -n '/kind: Rollout$/,/^- /p' "$kit/flux/health.yaml" | grep -E '^ +(current|failed): ')
}

check 'the guide has what Flux is to know of a Rollout' flux_in_guide
need 'two clusters, one without a rollout controller' aviary up --clusters beijing,edge --without-rollouts edge --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
export KUBECONFIG=$work/data/kubeconfig
need 'the keys for argocd-cm' argocd_cm
check 'apply namespace and workload' kubectl apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
check 'beijing is ready' soon 30 ready beijing
check 'edge is ready' soon 30 ready edge
check 'the binding of the workload is healthy' soon 20 health '^Healthy every cluster' FleetBinding -n demo get fleetbinding deployment-qwen-inference
check 'apply the Rollout' kubectl apply -n demo -f "$seed/rollout.yaml"
check 'it is healthy in beijing' soon 30 healthy beijing
check '… and for Argo CD there' soon 20 health '^Healthy ' Rollout --context beijing -n demo get rollout $r

check 'release v2' release v2
check 'beijing pauses at step 1' soon 30 state beijing Progressing/1/StepPaused
check 'suspended there' health '^Suspended .*step\(1/3\)' Rollout --context beijing -n demo get rollout $r
check 'what is kept back is degraded' soon 20 health '^Degraded ControllerAbsent: edge: ' FleetBinding -n demo get fleetbinding deployment-qwen-inference
check 'the BatchRelease is progressing' health '^Progressing ' BatchRelease --context beijing -n demo get batchrelease $r

print_decision() { amc approve -m beijing --dry-run=client -o yaml --reason 'pull request 17' >"$work/decision.yaml"; cat "$work/decision.yaml"; }
check 'approve prints what is to be committed' print_decision
check 'nothing has been decided' state beijing Progressing/1/StepPaused
for word in 'name: qwen-inference-rollout-[0-9a-f]{16}' 'namespace: demo' 'reason: pull request 17' 'Prune=false' 'prune: disabled' 'pausedSince: '; do check "it has $word" tells 0 "$word" cat "$work/decision.yaml"; done
check 'nobody is named who asks' prints 0 'requester' cat "$work/decision.yaml"
expires_in_a_day() { python3 - "$(sed -nE 's/^ *expiresAt: "?([^"]*)"?$/\1/p' "$work/decision.yaml")" <<'PY'
import datetime, sys
left = datetime.datetime.fromisoformat(sys.argv[1].replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
print(left); sys.exit(not datetime.timedelta(hours=22) < left < datetime.timedelta(hours=24))
PY
}
check 'there is most of a day to apply it' expires_in_a_day
check 'Git applies it' git_applies
check 'it is carried out' soon 30 state beijing Progressing/2/StepPaused
check 'it is on record' soon 20 outcome Applied
check 'healthy' health '^Healthy beijing Applied' Decision get -f "$work/decision.yaml"
check 'the server says who applied it' tells 0 '.' kubectl get -f "$work/decision.yaml" -o 'jsonpath={.spec.requester.username}'
check 'applied again nothing comes of it' git_applies
check 'still step 2' state beijing Progressing/2/StepPaused
check 'its words cannot be changed' tells 1 'written once' kubectl patch -f "$work/decision.yaml" --type merge -p '{"spec":{"reason":"another"}}'
check 'nor can it be deleted' tells 1 'kept for the record' kubectl delete -f "$work/decision.yaml"

check 'undo' amc undo -m beijing
check 'beijing is back on v1' soon 30 only beijing v1
again() { kubectl -n demo get deployment qwen-inference -o json | python3 -c '
import json, sys
object = json.load(sys.stdin)
del object["status"]; object["metadata"] = {k: object["metadata"][k] for k in ("name", "namespace")}
object["spec"]["template"]["spec"]["containers"][0]["image"] = sys.argv[1]
json.dump(object, sys.stdout)' "$image:$1" | kubectl apply --server-side --force-conflicts --field-manager=argocd-controller -f -; }
for version in v2 v1; do
  check "Git brings $version" again $version
  sleep 2
  check 'beijing stays on v1' only beijing v1
  check '… and rests' healthy beijing
done

generation='"metadata":{"generation":2},"spec":{"strategy":{"canary":{"steps":[{"pause":{"duration":60}},{"pause":{}}]}}}'
check 'not looked at yet' of '^Progressing not looked' Rollout '{"metadata":{"generation":1}}'
check 'an older generation' of '^Progressing ' Rollout "{$generation,\"status\":{\"phase\":\"Healthy\",\"observedGeneration\":1}}"
check 'a pause that ends by itself' of '^Progressing ' Rollout "{$generation,\"status\":{\"phase\":\"Progressing\",\"observedGeneration\":2,\"canaryStatus\":{\"currentStepIndex\":1,\"currentStepState\":\"StepPaused\"}}}"
check 'one that a person ends' of '^Suspended ' Rollout "{$generation,\"status\":{\"phase\":\"Progressing\",\"observedGeneration\":2,\"canaryStatus\":{\"currentStepIndex\":2,\"currentStepState\":\"StepPaused\"}}}"
check 'a disabled one' of '^Suspended spec.disabled' Rollout "{$generation,\"status\":{\"phase\":\"Disabled\",\"observedGeneration\":2}}"
check 'a step that has passed its deadline' of '^Degraded step 1/3 has' Rollout "{$generation,\"status\":{\"phase\":\"Progressing\",\"observedGeneration\":2,\"conditions\":[{\"type\":\"Progressing\",\"status\":\"True\"},{\"type\":\"Stalled\",\"status\":\"True\",\"message\":\"step 1/3 has made no progress\"}]}}"
check 'a release that was taken back for that' of '^Degraded step 1/3 has' Rollout "{$generation,\"status\":{\"phase\":\"Healthy\",\"observedGeneration\":2,\"conditions\":[{\"type\":\"Succeeded\",\"status\":\"False\",\"reason\":\"ProgressDeadlineExceeded\",\"message\":\"step 1/3 has made no progress\"}]}}"
check 'one that a person has taken back' of '^Healthy ' Rollout "{$generation,\"status\":{\"phase\":\"Healthy\",\"observedGeneration\":2,\"message\":\"\",\"conditions\":[{\"type\":\"Succeeded\",\"status\":\"False\"}]}}"
check 'a Decision that nobody has looked at' of '^Progressing' Decision '{}'
check 'a Decision that expired' of '^Degraded Expired: oslo Expired' Decision '{"status":{"outcome":"Expired","clusters":[{"cluster":"oslo","outcome":"Expired"}]}}'
check 'a BatchRelease with pods that crash' of '^Degraded CrashLooping' BatchRelease '{"status":{"phase":"Progressing","message":"CrashLooping: pod web-1"}}'
check 'a BatchRelease that is done' of '^Healthy' BatchRelease '{"status":{"phase":"Completed"}}'
check 'a binding that is placed nowhere' of '^Degraded placed in no' FleetBinding '{"status":{"conditions":[{"type":"Guarded","status":"True"},{"type":"Applied","status":"False","reason":"NotPlaced","message":"placed in no cluster"}]}}'
check 'the cluster-scoped one, too' of '^Healthy' ClusterFleetBinding '{"status":{"conditions":[{"type":"Applied","status":"True"}]}}'
finished=1
