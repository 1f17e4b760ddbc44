#!/usr/bin/env bash
# `aviary uninstall` at step 2 of 3, then a new template: never fewer pods available than the workload's own strategy allows; and what a plain
# `kubectl delete -k` leaves behind: test/real/uninstall.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
#   WAYS="hold rollback" …       only these of: hold rollback release plain
#   STYLES="canary blueGreen" …  only these of: partition canary blueGreen
#   SETS=statefulset …          … and these of: statefulset daemonset, whose own controllers go on with what is left
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.bash"
c=cluster resource=deployment

# Of the style: what the Rollout says, the part of its status that is approved, what runs at step 2, and by what the workload is seen to be held.
declare -A strategies=([partition]='"canary":{' [canary]='"canary":{"enableExtraWorkloadForCanary":true,' [blueGreen]='"blueGreen":{')
declare -A parts=([partition]=canaryStatus [canary]=canaryStatus [blueGreen]=blueGreenStatus)
declare -A counts=([partition]='v1=5 v2=5' [canary]='v1=10 v2=5' [blueGreen]='v1=10 v2=5')
declare -A holds=([partition]='.spec.strategy.type Recreate' [canary]='.spec.paused true' [blueGreen]='.spec.minReadySeconds 2147483646')
restyle() { in_ $c patch rollout $r --type=json -p "[{\"op\":\"replace\",\"path\":\"/spec/strategy\",\"value\":{${strategies[$style]}\"steps\":[{\"replicas\":\"10%\"},{\"replicas\":\"50%\"},{\"replicas\":\"100%\"}]}}}]"; }
approve() { in_ $c patch rollout $r --subresource=status --type=merge -p "{\"status\":{\"${parts[$style]}\":{\"currentStepState\":\"StepReady\"}}}"; }
autoscaler() { in_ $c create -f - <<<'{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"qwen"},"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"qwen-inference"},"minReplicas":10,"maxReplicas":10}}'; }
scaled() { [ "$(in_ $c get hpa qwen -o 'jsonpath={.spec.scaleTargetRef.name}')" = "$1" ]; }
alone() { [ "$(in_ $c get deployments -o name)" = deployment.apps/qwen-inference ] || { in_ $c get deployments; return 1; }; }
uninstall() { aviary uninstall --kubeconfig "$work/$c/kubeconfig" "$@"; }
field() { local got; got=$(in_ $c get $resource qwen-inference -o "jsonpath={$1}"); [ "$got" = "$2" ] || { echo "$1: $got, not $2"; return 1; }; }
release() { in_ "$1" set image $resource/qwen-inference "vllm=$image:$2"; }
none() { local got; got=$(in_ $c get "$@" --ignore-not-found -o name) && [ -z "$got" ] || { echo "$got"; return 1; }; }
# What the process has made, and config/deploy/member/access.
nothing_left() {
  none mutatingwebhookconfiguration,validatingwebhookconfiguration,clusterrole,clusterrolebinding aviary-member &&
  none -n aviary-system secret/aviary-member-webhooks lease/aviary-member role/aviary-member serviceaccount/aviary-member
}
unmarked() { local left; left=$(in_ $c get deployment,replicaset,statefulset,daemonset,controllerrevision -o json | grep -E 'rollouts.kruise.io/'); [ -z "$left" ] || { echo "$left"; return 1; }; }
ours() { ! in_ $c get rollout,batchrelease -o json | grep -E '"rollouts.kruise.io/(rollout|batch-release-finalizer)"'; }
expect_taken_away() {
  check 'nothing of it is left' nothing_left
  check 'no mark on workloads' unmarked
  check 'no finalizer' ours
}
start() {
  webhook=$(port) health=$(port)
  need 'an identity of its own' identity $c aviary-member
  run member aviary member --kubeconfig "$work/$c-aviary-member.kubeconfig" --bind-address 127.0.0.1 --webhook-url "https://127.0.0.1:$webhook" --webhook-port "$webhook" --health-port "$health"
  need 'the member controller is ready' soon 40 answers "$health"
}
# at_step_two: a release of v2 beside, or of, ten pods of v1
at_step_two() {
  start
  check 'the workload' in_ $c apply -f <(sed '/^apiVersion: policy/,$d' "$seed/workload.yaml")
  check 'ten pods are ready' soon 40 ready $c
  check 'the Rollout' in_ $c apply -f <(sed '/^---/,$d' "$seed/rollout.yaml")
  [ $style = partition ] || check "in $style style" restyle
  check 'an autoscaler' autoscaler
  check 'it is healthy' soon 20 healthy $c
  check 'release v2' release $c v2
  check 'it pauses at step 1' soon 20 at Progressing/1/StepPaused
  check 'approve' approve
  check 'it pauses at step 2' soon 20 at Progressing/2/StepPaused
  check 'with five of v2' runs $c "${counts[$style]}"
}
# Samples of what is available and what runs, "10 v1=5 v2=5 at=1234", until stop_sampling; least is the smallest number.
sample() {
  rm -f "$work/enough"; : >"$work/samples"
  python3 "$root/test/real/lib/available.py" "$work/$c/kubeconfig" "$work/enough" >"$work/samples" 2>"$work/sampler.log" & sampling=$!
}
# stop_sampling [VERSION]: least is of what happened until the pods' list was of this resourceVersion
stop_sampling() {
  touch "$work/enough"; wait $sampling
  read -r least most < <(awk '{ for (i = 2; i <= NF; ++i) if ($i ~ /^v2=/ && substr($i, 4) + 0 > most) most = substr($i, 4) + 0; if ((NR == 1 || $1 < least) && substr($NF, 4) + 0 <= until) least = $1 } END { print least + 0, most + 0 }' "until=${1:-1e300}" "$work/samples")
  counted="$(wc -l <"$work/samples") samples, at least $least available, at most $most of v2"
  echo "$counted"
  [ "$least" -ge "$floor" ]
}
# The strategy of the seed: what Kubernetes makes of it for ten pods.
allowed() {
  in_ $c get deployment qwen-inference -o json | python3 -c '
import json, sys
update = json.load(sys.stdin)["spec"]["strategy"].get("rollingUpdate", {}).get("maxUnavailable", "25%")
print(10 - (int(update[:-1]) * 10 // 100 if isinstance(update, str) else update))'
}
away() { in_ $c delete rollout,$resource,hpa --all --wait=true --timeout 30s && soon 40 none pods; }
edited() { [[ $(in_ $c get deployment qwen-inference -o 'jsonpath={.status.updatedReplicas}/{.status.replicas}/{.status.availableReplicas}') = 10/10/10 ]] && runs $c "$1=10"; }

need 'a real cluster' cluster $c --nodes 10 --audit
check 'a namespace' in_ $c create namespace demo
for style in ${STYLES-partition canary blueGreen}; do
for way in ${WAYS:-hold rollback release plain}; do
  # A process that is only deleted leaves the same behind in every style.
  [ $style/$way != canary/plain ] && [ $style/$way != blueGreen/plain ] || continue
  echo "-- $style: $way"
  start_at=$(date +%s)
  check 'the workload' in_ $c apply -f <(sed '/^apiVersion: policy/,$d' "$seed/workload.yaml")
  floor=$(allowed)
  echo "         its own strategy leaves $floor of 10"
  at_step_two
  [ "$way" != hold ] || check 'uninstall refuses while a release is in progress' tells 1 'in the middle of a release' uninstall
  [ $style/$way = blueGreen/hold ] || [ "$way" != hold ] || check 'and while the controller runs' tells 1 'runs here as' uninstall --release-in-progress hold
  sample
  if [ "$way" = plain ]; then
    # As the pods of config/deploy would be: with their service account goes what they may.
    stop member
    check 'delete -k' kubectl --kubeconfig "$work/$c/kubeconfig" delete -k "$root/config/deploy/member" --ignore-not-found --timeout 60s
    check 'a new template is refused' tells 1 'freeze.rollouts.aviary.dev' release $c v3
    check 'un-pausing too' tells 1 'freeze.rollouts.aviary.dev' in_ $c patch deployment qwen-inference -p '{"spec":{"paused":false}}'
    check 'the webhook is taken away by hand' in_ $c delete mutatingwebhookconfiguration aviary-member
    check 'a new template is taken then' soon 20 release $c v3
    sleep 3
    check 'and replaces no pod' runs $c 'v1=5 v2=5'
    check 'put back' release $c v2
    check 'uninstall mends it' uninstall --release-in-progress hold
    way=hold
  else
    die member
    if [ $style/$way = blueGreen/hold ]; then
      check 'two versions side by side cannot be held' tells 1 'cannot be held as it stands' uninstall --release-in-progress hold
      check 'and are as they were' runs $c "${counts[$style]}"
      way=rollback
    fi
    check 'a dry run changes nothing' uninstall --release-in-progress $way --dry-run
    # shellcheck disable=SC2086
    check 'it is still held' field ${holds[$style]}
    check "uninstall --release-in-progress $way" uninstall --release-in-progress $way
  fi
  expect_taken_away
  check 'the own strategy is back' field .spec.strategy.type RollingUpdate
  check 'no Deployment beside it' soon 10 alone
  check 'the autoscaler is on' scaled qwen-inference
  check 'run again it has nothing to do' uninstall
  case $way in
    hold)
      check 'it is paused' field .spec.paused true
      sleep 3
      check 'no more than was approved runs the new version' bash -c "! grep -E 'v2=([6-9]|1[0-9])' '$work/samples'"
      check 'a new template' release $c v3
      sleep 2
      check 'waits for whoever resumes' bash -c "! grep v3= '$work/samples'"
      check 'resume' in_ $c rollout resume deployment/qwen-inference ;;
    rollback) check 'the old version is back' soon 60 edited v1; check 'a new template' release $c v3 ;;
    release) check 'the new version is everywhere' soon 60 edited v2; check 'a new template' release $c v3 ;;
  esac
  check 'replaces all pods' soon 90 edited v3
  check "never fewer than $floor were available" stop_sampling
  check 'Rollouts can be deleted' away
  echo "         $counted; $(($(date +%s) - start_at)) s"
done
done

# By what a set is seen to be held at step 2, what lets the rest through, and how many of ten pods its own strategy leaves.
declare -A set_holds=([statefulset]='.spec.updateStrategy.rollingUpdate.partition 5' [daemonset]='.spec.updateStrategy.type OnDelete')
declare -A frees=([statefulset]='{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}' [daemonset]='{"spec":{"updateStrategy":{"type":"RollingUpdate"}}}')
declare -A floors=([statefulset]=9 [daemonset]=8)
declare -A kinds=([statefulset]=StatefulSet [daemonset]=DaemonSet)
set_manifest() { sed "/^---/,\$d; s/^kind: Deployment/kind: ${kinds[$resource]}/$([ $resource = statefulset ] || echo '; s/^  replicas: 10/  updateStrategy: {rollingUpdate: {maxUnavailable: 2}}/')" "$seed/workload.yaml"; }
set_ready() { [ "$(in_ $c get $resource qwen-inference -o 'jsonpath={.status.readyReplicas}{.status.numberReady}')" = 10 ]; }
set_has() { set_ready && runs $c "$1=10"; }
style=partition
# Once nothing of Aviary runs a DaemonSet's own controller may take more pods than maxUnavailable says: it makes what nodes lack and counts what is not
# available in two readings, and a pod that goes between them is neither made nor counted (Kubernetes 1.37, pkg/controller/daemon, updateDaemonSet).
pods_version() { in_ $c get --raw '/api/v1/namespaces/demo/pods?limit=1' | python3 -c 'import json, sys; print(json.load(sys.stdin)["metadata"]["resourceVersion"])'; }
# taken_by USER...: who but these, and kwok in the place of a kubelet, has deleted pods since line `audited` of the audit log
taken_by() {
  tail -n +$((audited + 1)) "$work/$c/audit.log" | python3 -c '
import json, sys
others = {}
for each in map(json.loads, sys.stdin):
    what, user = each.get("objectRef", {}), each["user"].get("username")
    if each["verb"].startswith("delete") and what.get("resource") == "pods" and user not in ("kwok", *sys.argv[1:]): others[what.get("name")] = user
print(others or "")
sys.exit(bool(others))' "$@"
}
for resource in ${SETS-statefulset daemonset}; do
for way in ${WAYS:-hold rollback release}; do
  # A process that is only deleted leaves the same behind for every kind.
  [ $way != plain ] || continue
  echo "-- $resource: $way"
  start_at=$(date +%s) floor=${floors[$resource]}
  start
  check 'the workload' in_ $c apply -f <(set_manifest)
  check 'ten pods are ready' soon 60 set_ready
  check 'the Rollout' in_ $c apply -f <(sed "/^---/,\$d; s/kind: Deployment/kind: ${kinds[$resource]}/" "$seed/rollout.yaml")
  check 'it is healthy' soon 20 healthy $c
  check 'release v2' release $c v2
  check 'it pauses at step 1' soon 40 at Progressing/1/StepPaused
  check 'approve' approve
  check 'it pauses at step 2' soon 60 at Progressing/2/StepPaused
  check 'with five of v2' runs $c 'v1=5 v2=5'
  sample
  die member
  check 'uninstall refuses while a release is in progress' tells 1 'in the middle of a release' uninstall
  # shellcheck disable=SC2086
  check 'it is held' field ${set_holds[$resource]}
  check "uninstall --release-in-progress $way" uninstall --release-in-progress $way
  until='' audited=$(wc -l <"$work/$c/audit.log")
  [ $resource != daemonset ] || until=$(pods_version)
  expect_taken_away
  case $way in
    hold)
      # shellcheck disable=SC2086
      check 'it is held still, as its own field says' field ${set_holds[$resource]}
      sleep 3
      check 'no more than was approved runs the new version' bash -c "! grep -E 'v2=([6-9]|1[0-9])' '$work/samples'"
      check 'a new template' release $c v3
      sleep 5
      check 'comes to no pod that v2 had not come to' bash -c "! grep -E 'v1=[0-4]( |\$)' '$work/samples'"
      check 'freed' in_ $c patch $resource qwen-inference --type merge -p "${frees[$resource]}" ;;
    rollback) check 'the old version is back' soon 60 set_has v1; check 'a new template' release $c v3 ;;
    release) check 'the new version is everywhere' soon 60 set_has v2; check 'a new template' release $c v3 ;;
  esac
  check 'replaces all pods' soon 90 set_has v3
  check "never fewer than $floor were available" stop_sampling ${until:+"$until"}
  if [ $resource = daemonset ]; then
    echo "         that is until uninstall ended; at least $(cut -d' ' -f1 "$work/samples" | sort -n | head -n 1) in all"
    check 'its own bound is as it was' field .spec.updateStrategy.rollingUpdate.maxUnavailable 2
    check 'no one but its own controller took pods then' taken_by system:serviceaccount:kube-system:daemon-set-controller
  fi
  check 'Rollouts can be deleted' away
  echo "         $counted; $(($(date +%s) - start_at)) s"
done
done
check 'the kinds are deleted' uninstall --rollouts --crds
check 'and gone' soon 20 none crd rollouts.rollouts.kruise.io batchreleases.rollouts.kruise.io
finished=1
