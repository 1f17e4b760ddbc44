# What the scripts share whose members keep Kruise's controller, by the stand-in (kubernetes/kruise-stand-in); to be sourced after fleet.bash.
STALE=${STALE:-0.7} SEED=${SEED:-$RANDOM}
PATIENCE=${PATIENCE:-120}

# kruise CLUSTER: the controller there, of that name; start_kruise CLUSTER ARGUMENT…: with the cluster and the kinds before it
kruise() { run "$1" "$real/kruise-stand-in" --kubeconfig "$work/$1/kubeconfig" --webhook-port "${asked[$1]}" --stale "$STALE" --seed "$(cksum <<<"$SEED $1" | cut -d' ' -f1)"; }
installed() { in_ "$1" get mutatingwebhookconfiguration kruise-rollout-mutating-webhook-configuration -o name; }
start_kruise() {
  asked[$1]=$(port)
  need "the cluster $1" cluster "$@"
  need 'it has the kinds' kubectl --kubeconfig "$work/$1/kubeconfig" apply -f "$root/config/crds/rollouts.rollouts.kruise.io.yaml" -f "$root/config/crds/batchreleases.rollouts.kruise.io.yaml"
  kruise "$1"
  need 'its controller is ready' soon 40 installed "$1"
}
# stays SECONDS COMMAND…: it goes on succeeding.
stays() { local end=$((SECONDS + $1)); shift; while [ $SECONDS -lt $end ]; do "$@" || return 1; sleep 0.5; done; }
# What both have at a pause; where nobody approves that is so for longer than any wait of the stand-in.
paused() { both state "Progressing/$1/StepPaused" && both runs "$2"; }
# Pods too: where a release was taken back, the next one shows the state of that pause for a moment.
pauses() {
  check "both pause at step $1 with $2" soon "$PATIENCE" paused "$1" "$2"
  check 'and go nowhere unapproved' stays 4 paused "$1" "$2"
}
# told CLUSTER PATTERN: how many lines of the stand-in's output there
told() { grep -cE "$2" "$work/$1.log"; }
# lost_none APPROVALS CLUSTER: that many were taken up there, each once
lost_none() {
  check "each approval is passed once in $2" test "$(told "$2" 'step [12] passed')" = "$1"
  echo "      $(told "$2" overwritten) overwritten of $(($(told "$2" overwritten) + $1)) that were sent for $1 approvals; $(told "$2" conflict) conflicts"
}
