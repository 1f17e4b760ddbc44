# What scripts against `aviary up` share; to be sourced. The fleet of $work/data listens on $port; $seed has the article's manifests.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$here/../lib/checks.bash"
seed=$here/seed
port=${PORT:-$(port)}

clean_up() { aviary down --data-dir "$work/data" >/dev/null 2>&1; }
# in_ CLUSTER ARGUMENT…: kubectl there
in_() { local c=$1; shift; kubectl --context "$c" -n demo "$@"; }
# only CLUSTER VERSION: all ten pods are of it.
only() { local all; all=$(in_ "$1" get pods -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}') && [ "$(sort <<<"$all" | uniq -c | tr -s ' ')" = " 10 $image:$2" ]; }
ready() { [ "$(in_ "$1" get deployment qwen-inference -o 'jsonpath={.status.readyReplicas}' 2>/dev/null)" = 10 ]; }
# state CLUSTER PHASE/STEP/STATE
state() { [ "$(in_ "$1" get rollout $r -o 'jsonpath={.status.phase}/{.status.canaryStatus.currentStepIndex}/{.status.canaryStatus.currentStepState}' 2>/dev/null)" = "$2" ]; }
healthy() { [ "$(in_ "$1" get rollout $r -o 'jsonpath={.status.phase}' 2>/dev/null)" = Healthy ]; }
release() { kubectl -n demo set image deployment/qwen-inference "vllm=$image:$1"; }
