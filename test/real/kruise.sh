#!/usr/bin/env bash
# A fleet of two real clusters of which one keeps the controller of Kruise Rollouts: beijing has a stand-in for it, with its defects
# (kubernetes/kruise-stand-in), and shanghai `aviary member`. Ends in "N passed, N failed".
# Needs on PATH: kubectl; and test/real/build has been run.
#   test/real/kruise.sh                  APPROVALS=4 of both clusters in releases without trouble; the bar is APPROVALS=20
#   STALE=0.7 SEED=N …                   how many of them the stand-in overwrites, and the same choices again
#   PATIENCE=120 …                       seconds for a pause to come, on a machine that is busy with other things
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
. "$(dirname "${BASH_SOURCE[0]}")/lib/kruise.bash"
members=(beijing shanghai)
APPROVALS=${APPROVALS:-4}

explains() { local text; text=$(rollout explain) && grep -qE "$1" <<<"$text" || { echo "$text"; return 1; }; }
next_version() { old=v$version version=$((version + 1)) new=v$version; }
approve() { rollout approve "$@" --timeout "${PATIENCE}s"; }
has_one() { local got; got=$(pods "$1"); grep -qE "(^| )$2=1( |$)" <<<"$got" || { echo "$got"; return 1; }; }
outcome_of_each() {
  local text; text=$(rollout history) || return 1
  grep -vE '(^| )Applied( |$)|^[A-Z ]+$' <<<"$text" | grep -E 'Stale|Refused|Expired|Unreachable|in member' && { echo "$text"; return 1; }
  return 0
}

start_hub
start_kruise beijing
start_member shanghai
manager() { in_ beijing -n kruise-rollout set image deployment/kruise-rollout-controller-manager "*=openkruise/kruise-rollout:$1"; }
check 'its manager is an old one' manager v0.5.0
check 'with that a cluster does not join' tells 1 'Kruise Rollouts 0.5.0 is older than 0.6.2' join beijing
check 'it is the one again that this is' manager v0.6.2
for each in "${members[@]}"; do need "$each joins" join "$each"; done
need 'the clusters are available' soon 40 both available
check 'the hub knows whose controller runs in beijing' soon 20 known beijing controller kruise-rollouts
check 'and in which version' known beijing controller-version 0.6.2
check 'apply namespace and workload' in_ hub apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
check 'both are ready' soon "$PATIENCE" both ready
check 'apply the Rollout' in_ hub apply -f "$seed/rollout.yaml"
need 'both are healthy' soon "$PATIENCE" both healthy

need 'a kubeconfig of all' contexts "$work/fleet.kubeconfig"
python3 "$root/test/real/lib/kruise.py" --kubeconfig "$work/fleet.kubeconfig" --members "$(IFS=,; echo "${members[*]}")" --approvals "$APPROVALS" | tee "$work/releases"
counted "$work/releases"
version=$((1 + (APPROVALS + 1) / 2)) sent=$(((APPROVALS + 1) / 2 * 2))
check 'nothing of the releases is left on the Deployments' soon 20 both clean
lost_none "$sent" beijing
check 'none is lost, stale or on record as of somebody else' outcome_of_each

next_version
check "release $new" release hub $new
check 'beijing is at step 1' soon "$PATIENCE" state beijing Progressing/1/StepUpgrade
die beijing
kruise beijing
pauses 1 "$old=9 $new=1"
check 'approve both' approve -M
check 'beijing is at step 2' soon "$PATIENCE" state beijing Progressing/2/StepUpgrade
die beijing
kruise beijing
pauses 2 "$old=5 $new=5"
die beijing
check 'approve while it is down: that waits' ends 5 rollout approve -M --timeout 3s
check 'shanghai is healthy' soon 20 state shanghai Healthy/3/Completed
check 'beijing waits' stays 3 state beijing Progressing/2/StepReady
check 'and explain says for what' explains '^beijing .*StepReady'
check 'it has five' runs beijing "$old=5 $new=5"
kruise beijing
check 'it goes on' soon "$PATIENCE" state beijing Healthy/3/Completed
check 'with ten' soon 20 runs beijing "$new=10"
check 'nothing of the release is left on the Deployments' soon 10 both clean

# Its webhooks refuse every write while it is down.
die beijing
next_version
check "release $new while it is down" release hub $new
check 'shanghai pauses at step 1' soon "$PATIENCE" state shanghai Progressing/1/StepPaused
check 'beijing keeps what it has' stays 5 runs beijing "$old=10"
check 'explain says why' explains 'failed calling webhook'
kruise beijing
pauses 1 "$old=9 $new=1"
check 'approve both' approve -M
pauses 2 "$old=5 $new=5"
version=$((version + 1)) newer=v$version
check "$newer in the middle" release hub $newer
check 'both begin again at step 1' soon "$PATIENCE" both state Progressing/1/StepPaused
check "with one pod of $newer" soon "$PATIENCE" both has_one $newer
check 'abort everywhere' rollout abort -M
check "$old is back" soon "$PATIENCE" both runs "$old=10"
check 'both are healthy' soon "$PATIENCE" both healthy
check 'nothing of the release is left on the Deployments' soon 10 both clean

# Somebody takes them away, so that writes go through.
version=$((version + 1)) new=v$version
die beijing
check 'the webhooks are taken away' in_ beijing delete mutatingwebhookconfiguration,validatingwebhookconfiguration --all
check "release $new" release hub $new
check 'shanghai pauses at step 1' soon "$PATIENCE" state shanghai Progressing/1/StepPaused
check 'the hub finds that nothing holds it' soon 20 explains '^beijing .*WebhookNotInForce'
check 'beijing keeps what it has' stays 5 runs beijing "$old=10"
kruise beijing
pauses 1 "$old=9 $new=1"
check 'explain says that it waits for an approval' explains '^beijing .*StepPaused'
check 'undo everywhere' rollout undo -M
check "$old is back" soon "$PATIENCE" both runs "$old=10"
check 'both are healthy' soon "$PATIENCE" both healthy
check 'nothing of the release is left on the Deployments' soon 10 both clean

# What a jump says is in the status that the stand-in overwrites, as an approval is.
for round in 1 2 3; do
  next_version
  old=$(pods shanghai | cut -d= -f1)   # not the one before, where that was taken back
  check "release $new" release hub $new
  pauses 1 "$old=9 $new=1"
  check 'jump to the last step everywhere' rollout jump -M --to 3 --timeout "${PATIENCE}s"
  check 'both are healthy' soon "$PATIENCE" both state Healthy/3/Completed
  check "with $new alone" soon "$PATIENCE" both runs "$new=10"
done
overwritten=$(told beijing 'jump to step 3 overwritten')
echo "      $overwritten of $((3 + overwritten)) jumps that were sent were overwritten"
check 'none of these is lost either' outcome_of_each
check 'nothing of the releases is left on the Deployments' soon 10 both clean
finished=1
