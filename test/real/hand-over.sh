#!/usr/bin/env bash
# Releases that the controller of Kruise Rollouts has begun, by a stand-in for it (kubernetes/kruise-stand-in), and `aviary member` finishes:
# the one is killed, the other started, in one real cluster.
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.bash"
kruise=$(port) webhook=$(port) health=$(port)
c=cluster
PATIENCE=${PATIENCE:-120}

kruise() { run kruise "$real/kruise-stand-in" --kubeconfig "$work/$c/kubeconfig" --webhook-port "$kruise" --stale 0 --conflicts 0; }
member() { run member aviary member --kubeconfig "$work/$c-aviary-member.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$webhook" --webhook-port "$webhook" --health-port "$health"; }
installed() { in_ $c get mutatingwebhookconfiguration kruise-rollout-mutating-webhook-configuration -o name; }
webhooks_away() { in_ $c delete mutatingwebhookconfiguration,validatingwebhookconfiguration --all; }
approve() { in_ $c patch rollout $r --subresource=status --type=merge -p '{"status":{"canaryStatus":{"currentStepState":"StepReady"}}}'; }
names() { in_ $c get pods -o name | sort; }
same_pods() { diff "$work/names" <(names); }
# stays SECONDS COMMAND…: it goes on succeeding.
stays() { local end=$((SECONDS + $1)); shift; while [ $SECONDS -lt $end ]; do "$@" || return 1; sleep 0.5; done; }
kruise_leads() {
  kruise
  check 'the controller of Kruise is ready' soon 40 installed
  check 'the Rollout is healthy' soon "$PATIENCE" healthy $c
}
member_takes_over() {
  die kruise
  check 'its webhooks are taken away' webhooks_away
  names >"$work/names"
  member
  check 'the member controller is ready' soon 40 answers "$health"
}
member_leaves() { die member; check 'the webhooks of the member are taken away' webhooks_away; }
finished() {
  check 'it is healthy' soon 60 state $c Healthy/3/Completed
  check "with ten of $1" soon 20 runs $c "$1=10"
  check 'nothing of the release is left' soon 10 clean $c
}

need 'a real cluster' cluster $c
need 'an identity of its own' identity $c aviary-member
need 'the kinds' kubectl --kubeconfig "$work/$c/kubeconfig" apply -f "$root/config/crds/rollouts.rollouts.kruise.io.yaml" -f "$root/config/crds/batchreleases.rollouts.kruise.io.yaml"
check 'namespace and workload' kubectl --kubeconfig "$work/$c/kubeconfig" apply -f "$seed/namespace.yaml" -f <(sed '/^---/,$d' "$seed/workload.yaml")
check 'ten pods are ready' soon 60 ready $c
kruise
check 'the controller of Kruise is ready' soon 40 installed
check 'the Rollout' in_ $c apply -f <(sed '/^---/,$d' "$seed/rollout.yaml")
check 'it is healthy' soon "$PATIENCE" healthy $c

check 'release v2' release $c v2
check 'its first step is being upgraded' soon "$PATIENCE" state $c Progressing/1/StepUpgrade
member_takes_over
check 'it pauses at step 1' soon 40 state $c Progressing/1/StepPaused
check 'with one pod of v2' soon 10 runs $c 'v1=9 v2=1'
check 'and goes nowhere unapproved' stays 4 state $c Progressing/1/StepPaused
check 'approve step 1' approve
check 'it pauses at step 2' soon 40 state $c Progressing/2/StepPaused
check 'with five' runs $c 'v1=5 v2=5'
check 'approve step 2' approve
finished v2
member_leaves

kruise_leads
check 'release v3' release $c v3
check 'it pauses at step 1' soon "$PATIENCE" state $c Progressing/1/StepPaused
check 'approve step 1' approve
check 'it pauses at step 2' soon "$PATIENCE" state $c Progressing/2/StepPaused
member_takes_over
check 'it pauses at step 2' soon 40 state $c Progressing/2/StepPaused
check 'and stays there' stays 5 state $c Progressing/2/StepPaused
check 'no pod is touched' same_pods
check 'approve step 2' approve
finished v3
member_leaves

kruise_leads
check 'release v4' release $c v4
check 'it pauses at step 1' soon "$PATIENCE" state $c Progressing/1/StepPaused
member_takes_over
check 'v3 is put back' release $c v3
check 'it is healthy' soon 60 state $c Healthy/1/StepPaused
check 'with ten of v3' soon 20 runs $c 'v3=10'
check 'nothing of the release is left' soon 10 clean $c
finished=1
