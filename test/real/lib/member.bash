# What the scripts share that run `aviary member` in one real cluster, by the service account of config/deploy; to be sourced.
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"
webhook=$(port) health=$(port) c=cluster

# member FLAG…: it starts
member() { run member aviary member --kubeconfig "$work/$c-aviary-member.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$webhook" --webhook-port "$webhook" --health-port "$health" "$@"; }
part=canaryStatus   # of a Rollout's status; blueGreenStatus in that style
approve() { in_ $c patch rollout $r --subresource=status --type=merge -p "{\"status\":{\"$part\":{\"currentStepState\":\"StepReady\"}}}"; }
