#!/usr/bin/env bash
# Releases in canary and in blue-green style in one real cluster, beside the native Deployment controller and garbage collector, by a
# service account that may what config/deploy says: test/real/styles.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/member.bash"
halves='"steps":[{"replicas":"50%"},{"replicas":"100%"}]'

# style JSON PART: of the Rollout, and the part of its status that an approval is written to
style() { part=$2; in_ $c patch rollout $r --type=json -p "[{\"op\":\"replace\",\"path\":\"/spec/strategy\",\"value\":$1}]"; }
seconds() { local got; got=$(in_ $c get deployments -l rollouts.kruise.io/canary-deployment=qwen-inference -o name | wc -l); [ "$got" = "$1" ] || { echo "$got beside the workload, not $1"; return 1; }; }
scaled() { [ "$(in_ $c get hpa qwen -o 'jsonpath={.spec.scaleTargetRef.name}')" = "$1" ]; }
setting() { [ "$(in_ $c get deployment qwen-inference -o "jsonpath={.spec.$1}")" = "$2" ]; }
pods_of() { in_ $c get pods -l app=qwen-inference -o json | python3 -c 'import json, sys
for pod in json.load(sys.stdin)["items"]:
    if pod["spec"]["containers"][0]["image"].endswith(":" + sys.argv[1]): print(pod["metadata"]["uid"])' "$1" | sort; }
still_there() { [ -s "$work/tested" ] && ! comm -23 "$work/tested" <(pods_of v3) | grep .; }
sample() {
  rm -f "$work/enough"
  python3 "$root/test/real/lib/available.py" "$work/$c/kubeconfig" "$work/enough" >"$work/samples" 2>"$work/sampler.log" &
  sampling=$!
}
enough() { touch "$work/enough"; wait $sampling; }
# kept VERSION PODS: no fewer of it were there at any moment
kept() {
  enough
  awk -v wanted="$1=" -v floor="$2" '{ count = 0; for (i = 2; i <= NF; ++i) if (index($i, wanted) == 1) count = substr($i, length(wanted) + 1) }
    NR == 1 || count + 0 < least { least = count + 0 } END { print NR " samples, at least " least " pods"; exit NR == 0 || least < floor }' "$work/samples"
}
# No fewer pods than that were ready at any moment.
never_under() {
  enough
  awk -v floor="$1" 'NR == 1 || $1 < least { least = $1 } END { print NR " samples, at least " least " ready"; exit NR == 0 || least < floor }' "$work/samples"
}

need 'a real cluster' cluster $c
need 'an identity of its own' identity $c aviary-member
member
need 'the member controller is ready' soon 20 answers "$health"
check 'a namespace' in_ $c create namespace demo
check 'the workload' in_ $c apply -f <(sed '/^apiVersion: policy/,$d' "$seed/workload.yaml")
check 'ten pods are ready' soon 30 ready $c
check 'an autoscaler' in_ $c create -f - <<<'{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"qwen"},"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"qwen-inference"},"minReplicas":10,"maxReplicas":10}}'
check 'the Rollout' in_ $c apply -f <(sed '/^---/,$d' "$seed/rollout.yaml")
check 'it is healthy' soon 20 healthy $c
sample

check 'canary style' style "{\"canary\":{\"enableExtraWorkloadForCanary\":true,$halves}}" canaryStatus
check 'release v2' release $c v2
check 'it pauses at step 1' soon 20 at Progressing/1/StepPaused
check 'with five beside ten' runs $c 'v1=10 v2=5'
check 'in a second Deployment' seconds 1
die member
member
check 'killed and started, the controller is ready' soon 30 answers "$health"
check 'a newer version' release $c v3
check 'begins again' soon 20 runs $c 'v1=10 v3=5'
check 'at step 1' soon 20 at Progressing/1/StepPaused
check 'in one second Deployment' seconds 1
pods_of v3 >"$work/tested"
check 'approve step 1' approve
check 'it is healthy' soon 40 at Healthy/2/Completed
check 'with ten of v3 alone' soon 10 runs $c 'v3=10'
check 'among them those that were tested' still_there
check 'the second Deployment is gone' seconds 0
check 'nothing of the release is left on the Deployment' soon 5 clean $c
check 'release v4' release $c v4
check 'it pauses at step 1' soon 20 at Progressing/1/StepPaused
check 'v3 is put back' release $c v3
check 'ten of v3' soon 20 runs $c 'v3=10'
check 'and it is healthy' soon 20 healthy $c
check 'the second Deployment is gone' seconds 0

check 'blue-green style' style "{\"blueGreen\":{$halves}}" blueGreenStatus
check 'release v5' release $c v5
check 'it pauses at step 1' soon 20 at Progressing/1/StepPaused
check 'with five beside ten' runs $c 'v3=10 v5=5'
check 'the autoscaler is off' scaled qwen-inference-DisableByRollout
check 'settings written meanwhile are no error' in_ $c patch deployment qwen-inference -p '{"spec":{"minReadySeconds":1,"paused":true}}'
sleep 1
check 'and still five beside ten' runs $c 'v3=10 v5=5'
check 'approve step 1' approve
check 'it pauses at step 2' soon 20 at Progressing/2/StepPaused
check 'with ten beside ten' runs $c 'v3=10 v5=10'
check 'a third version' release $c v6
sleep 2
check 'makes no pod' runs $c 'v3=10 v5=10'
check 'what was being released is put back' release $c v5
check 'the release waits for its approval again' soon 10 at Progressing/2/StepPaused
check 'approve step 2' soon 10 approve
check 'it is healthy' soon 40 at Healthy/2/Completed
check 'with ten of v5 alone' soon 10 runs $c 'v5=10'
check 'nothing of the release is left on the Deployment' soon 5 clean $c
check 'the settings written meanwhile are there' setting minReadySeconds 1
check 'the autoscaler is on' soon 10 scaled qwen-inference
check 'release v7' release $c v7
check 'it pauses at step 1' soon 20 at Progressing/1/StepPaused
check 'v5 is put back' release $c v5
check 'ten of v5' soon 20 runs $c 'v5=10'
check 'and it is healthy' soon 20 healthy $c
check 'the autoscaler is on' soon 10 scaled qwen-inference
# The workload goes on by its own strategy at each end: 25 % of ten.
check 'never fewer pods than its own strategy allows' never_under 8

# What the native controller leaves to each version when it is scaled is what the release wants.
check 'no autoscaler' in_ $c delete hpa qwen
check 'blue-green style with a small step' style '{"blueGreen":{"steps":[{"replicas":"10%"},{"replicas":"100%"}]}}' blueGreenStatus
check 'release v8' release $c v8
check 'it pauses at step 1' soon 20 at Progressing/1/StepPaused
check 'with one beside ten' runs $c 'v5=10 v8=1'
die member
sample
check 'without a controller it is scaled down' in_ $c scale deployment qwen-inference --replicas=4
sleep 3
check 'the old version has as many as are wanted' soon 10 runs $c 'v5=4 v8=1'
check 'and never had fewer' kept v5 4
member
check 'with a controller, too' soon 30 answers "$health"
check 'they are scaled up' in_ $c scale deployment qwen-inference --replicas=13
check 'both follow' soon 20 runs $c 'v5=13 v8=2'
check 'and down' in_ $c scale deployment qwen-inference --replicas=10
check 'the old version has all of its own' soon 20 runs $c 'v5=10 v8=1'
check 'approve step 1' approve
check 'it pauses at step 2' soon 20 at Progressing/2/StepPaused
check 'with ten beside ten' runs $c 'v5=10 v8=10'
check 'approve step 2' soon 10 approve
check 'it is healthy' soon 40 at Healthy/2/Completed
check 'with ten of v8 alone' soon 10 runs $c 'v8=10'
finished=1
