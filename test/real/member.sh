#!/usr/bin/env bash
# Releases in one real cluster by `aviary member`, beside the native Deployment controller: test/real/member.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/member.bash"

paused() { [ "$(in_ $c get deployment qwen-inference -o 'jsonpath={.spec.paused}')" = true ]; }
labelled() { [ -n "$(in_ $c get deployment qwen-inference -o 'jsonpath={.metadata.labels.rollouts\.kruise\.io/workload-type}')" ]; }

exec 9>"$work/lock"; flock 9
need 'a real cluster' cluster $c
exec 9>&-
check 'what runs it holds no lock of who started it' flock --nonblock "$work/lock" true
need 'an identity of its own' identity $c aviary-member
member
need 'the member controller is ready' soon 20 answers "$health"
check 'a namespace' in_ $c create namespace demo
check 'the workload' in_ $c apply -f <(sed '/^apiVersion: policy/,$d' "$seed/workload.yaml")
check 'ten pods are ready' soon 30 ready $c
check 'the Rollout' in_ $c apply -f <(sed '/^---/,$d' "$seed/rollout.yaml")
check 'it is healthy' soon 20 healthy $c
for version in v2 v3; do
  old=v$((${version#v} - 1))
  check "release $version" release $c $version
  check 'it pauses at step 1' soon 20 state $c Progressing/1/StepPaused
  check 'with one pod of the new version' runs $c "$old=9 $version=1"
  check 'approve step 1' approve
  check 'it pauses at step 2' soon 20 state $c Progressing/2/StepPaused
  check 'with five' runs $c "$old=5 $version=5"
  check 'approve step 2' approve
  check 'it is healthy' soon 20 state $c Healthy/3/Completed
  check 'with ten' runs $c "$version=10"
  check 'nothing of the release is left on the Deployment' soon 5 clean $c
  check 'and ten pods are ready' soon 10 ready $c
done

check 'release v4' release $c v4
check 'it pauses at step 1' soon 20 state $c Progressing/1/StepPaused
check 'un-pausing the Deployment is no error' in_ $c patch deployment qwen-inference -p '{"spec":{"paused":false}}'
check 'and it stays paused' paused
check 'taking off the label by which the API server asks is no error' in_ $c label deployment qwen-inference rollouts.kruise.io/workload-type-
check 'and it stays' labelled
sleep 1
check 'still one pod of the new version' runs $c 'v3=9 v4=1'
die member
member
check 'killed and started, the controller is ready' soon 30 answers "$health"
check 'at the same step' state $c Progressing/1/StepPaused
check 'v3 is put back' release $c v3
check 'all pods run it' soon 20 runs $c 'v3=10'
check 'and it is healthy' soon 20 healthy $c
finished=1
