#!/usr/bin/env bash
# CloneSets of Kruise, and its StatefulSets and DaemonSets, released in a member that does not have these kinds at first. Needs on PATH:
# aviary, kubectl-amc, kubectl.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"

definitions=$here/../../src/kube/simulator/definitions
web() { in_ beijing "$@"; }
# workload KIND VERSION SPEC: one named web, and a Rollout of it.
workload() {
  web apply -f - <<END
apiVersion: apps.kruise.io/$2
kind: $1
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'web:v1'}]}
$3
END
}
rollout() {
  web apply -f - <<END
apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata: {name: web}
spec:
  workloadRef: {apiVersion: apps.kruise.io/$2, kind: $1, name: web}
  strategy: {$3: {steps: [{replicas: 10%}, {replicas: 50%}, {replicas: 100%}]}}
END
}
# at PHASE/STEP/STATE
at() { local got; got=$(web get rollout web -o 'jsonpath={.status.phase}/{.status.currentStepIndex}/{.status.currentStepState}' 2>&1); [ "$got" = "$1" ] || { echo "rollout: $got, not $1"; return 1; }; }
phase() { [ "$(web get rollout web -o 'jsonpath={.status.phase}' 2>&1)" = "$1" ]; }
# runs 'COUNT VERSION COUNT VERSION'
runs() { local all; all=$(web get pods -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | sort | uniq -c | sed 's, *\([0-9]*\) web:,\1 ,' | paste -sd' '); [ "$all" = "$1" ] || { echo "pods: $all, not $1"; return 1; }; }
plain() {
  local left; left=$(web get "$1" web -o 'jsonpath={.metadata.annotations}{.metadata.labels}{.spec.updateStrategy}{.spec.minReadySeconds}')
  ! grep -qE 'rollouts.kruise.io/(original|in-progress|stable)|batchrelease|32767|100%|2147483646' <<<"$left" || { echo "$left"; return 1; }
}
to() { web patch "$1" web --type merge -p "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"main\",\"image\":\"web:$2\"}]}}}}"; }
approve() { kubectl amc rollout approve rollouts/web -n demo --direct --context beijing; }
says() { grep -qF -- "$1" <<<"$(web get rollout web -o 'jsonpath={.status.message}')"; }
gone() { [ -z "$(web get pods -o name)" ]; }

need 'a member' aviary up --clusters beijing --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
export KUBECONFIG=$work/data/kubeconfig
check 'a namespace' kubectl --context beijing create namespace demo
check 'a Rollout of a CloneSet, which the cluster does not have' rollout CloneSet v1alpha1 canary
check 'it says so' soon 10 says 'this cluster does not serve CloneSet of apps.kruise.io/v1alpha1'
check 'the kinds come' kubectl --context beijing apply -f "$definitions"
sleep 1

for each in 'CloneSet v1alpha1' 'StatefulSet v1beta1'; do
  set -- $each
  more='  replicas: 10'
  [ $1 = CloneSet ] || more+=$'\n  serviceName: web\n  podManagementPolicy: Parallel\n  updateStrategy: {rollingUpdate: {maxUnavailable: 5}}'
  check "a $1" workload $1 $2 "$more"
  check '… is ready' soon 30 runs '10 v1'
  check 'its Rollout' rollout $1 $2 canary
  check '… is healthy' soon 30 phase Healthy
  set=${1,,}.apps.kruise.io
  check 'v2' to $set v2
  check 'pauses at step 1' soon 30 at Progressing/1/StepPaused
  check 'with one pod' soon 10 runs '9 v1 1 v2'
  check 'is approved' approve
  check 'pauses at step 2' soon 30 at Progressing/2/StepPaused
  check 'with half of them' soon 10 runs '5 v1 5 v2'
  check 'v1 is put back' to $set v1
  check 'the release ends' soon 30 phase Healthy
  check 'with v1 alone' soon 30 runs '10 v1'
  check 'and nothing of it is left' soon 10 plain $set
  check 'v3' to $set v3
  check 'pauses at step 1' soon 30 at Progressing/1/StepPaused
  check 'is approved' approve
  check 'pauses at step 2' soon 30 at Progressing/2/StepPaused
  check 'is approved' approve
  check 'is completed' soon 60 at Healthy/3/Completed
  check 'with v3 alone' soon 30 runs '10 v3'
  check 'and nothing of it is left' soon 10 plain $set
  check 'both go' web delete rollout,$set web
  check 'with their pods' soon 30 gone
done
finished=1
