#!/usr/bin/env bash
# What comes after a release that was taken back: the next bad version can be taken back too; and a cluster without a rollout
# controller, which keeps the old version and does not hold the others up. Needs on PATH: aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"

guarded() { kubectl amc rollout explain rollouts/$r -n demo | grep -q '^edge .*ControllerAbsent'; }
amc() { local verb=$1; shift; kubectl amc rollout "$verb" rollouts/$r -n demo "$@"; }

check 'two clusters, one without a rollout controller' aviary up --clusters beijing,edge --without-rollouts edge --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
[ $fail = 0 ] || exit
export KUBECONFIG=$work/data/kubeconfig
check 'apply namespace and workload' kubectl apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
check 'beijing is ready' soon 30 ready beijing
check 'edge is ready' soon 30 ready edge
check 'apply the Rollout' kubectl apply -n demo -f "$seed/rollout.yaml"
check 'it is healthy in beijing' soon 30 healthy beijing

for version in v2 v3; do
  for back in abort undo; do
    check "release $version" release $version
    check "beijing pauses $version at step 1" soon 30 state beijing Progressing/1/StepPaused
    check "explain says why edge is held" soon 10 guarded
    check "edge runs v1" only edge v1
    check "$back $version in beijing" amc $back -m beijing
    check "beijing is back on v1" soon 30 only beijing v1
    check "beijing is healthy" soon 30 healthy beijing
    check "put v1 back on the hub" release v1
  done
done

check 'release v4' release v4
check 'beijing pauses v4 at step 1' soon 30 state beijing Progressing/1/StepPaused
check 'pause everywhere is partial: edge has no Rollout' ends 2 amc pause -M
check 'what is paused is not approved' ends 4 amc approve -M
check 'resume beijing' amc resume -m beijing
check 'approve step 1' amc approve -M --step 1
check 'beijing is at step 2' soon 30 state beijing Progressing/2/StepPaused
check 'approve step 2' amc approve -M --step 2
check 'beijing runs v4 alone' soon 30 only beijing v4
check 'edge runs v1' only edge v1
check 'let the version through in edge' kubectl -n demo annotate deployment/qwen-inference fleet.aviary.dev/unguarded=allow
check 'edge runs v4 alone' soon 30 only edge v4
finished=1
