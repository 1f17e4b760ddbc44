#!/usr/bin/env bash
# A release in two real clusters that the hub cannot reach: their agents dial in. test/real/link.sh
# Needs on PATH: kubectl; and test/real/build has been run. Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
members=(beijing shanghai) LINK=1

waits_for() { python3 -c "
import urllib.request, urllib.error
try: urllib.request.urlopen('http://127.0.0.1:${linked[$1]}/readyz')
except urllib.error.HTTPError as error: print(error.read().decode())" | tee /dev/stderr | grep -q "$2"; }
request() { in_ hub get csr -o 'jsonpath={.items[?(@.spec.signerName=="fleet.aviary.dev/agent")].metadata.name}' | tr ' ' '\n' | grep "$1"; }
start_hub
for each in "${members[@]}"; do start_member "$each"; done
check 'a manifest that cannot be written is no success' tells 1 'error: writing the output: No space left on device' bash -c 'aviary join beijing --agent --hub-kubeconfig "$1" 2>&1 >/dev/full' _ "$work/hub/kubeconfig"
need 'beijing joins by an agent' join_by_agent beijing
need 'its manifest is applied' in_ beijing -n aviary-system apply -f "$work/beijing-agent.yaml"
check 'its roles say which hub they are of' test "$(in_ beijing get clusterrolebinding aviary:hub -o 'jsonpath={.metadata.annotations.fleet\.aviary\.dev/hub-uid}')" = "$(in_ hub get namespace kube-system -o 'jsonpath={.metadata.uid}')"
need 'its agent starts' agent beijing
need 'it is linked' soon 20 dialled beijing
check 'its signing request is approved with the token' test "$(in_ hub get csr "$(request beijing)" -o 'jsonpath={.status.conditions[0].reason}')" = TokenOfItsCluster
check 'the token is spent' soon 5 bash -c "! kubectl --kubeconfig '$work/hub/kubeconfig' -n aviary-system get secret agent-token-beijing"
check 'the hub has no credentials of it' bash -c "! kubectl --kubeconfig '$work/hub/kubeconfig' -n aviary-system get secret cluster-beijing"
need 'shanghai joins, to be approved by hand' join_by_agent shanghai --approve-by-hand
need 'its manifest is applied' in_ shanghai -n aviary-system apply -f "$work/shanghai-agent.yaml"
need 'its agent starts' agent shanghai
check 'it says what it waits for' soon 10 waits_for shanghai 'kubectl certificate approve'
check 'nobody has let it in' test "$(in_ hub get csr "$(request shanghai)" -o 'jsonpath={.status.certificate}')" = ''
need 'approve it' in_ hub certificate approve "$(request shanghai)"
need 'it is linked' soon 5 dialled shanghai
need 'both are available' soon 10 both available
check 'apply namespace and workload' in_ hub apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
check 'both are ready' soon 30 both ready
check 'apply the Rollout' in_ hub apply -f "$seed/rollout.yaml"
check 'both are healthy' soon 20 both healthy

check 'release v2' release hub v2
need 'both pause at step 1' soon 20 both state Progressing/1/StepPaused
check 'with one pod of the new version' both runs 'v1=9 v2=1'
check 'the hub counts it so' counts "$health" "^aviary_rollout_step\{cluster=\"shanghai\",namespace=\"demo\",rollout=\"$r\"\} 1$" \
  '^aviary_rollout_wait_seconds\{cluster="beijing",namespace="demo",reason="AwaitingApproval",' '^aviary_member_last_seen_seconds\{cluster="beijing"\} 0$' \
  '^rest_client_requests_total\{code="200",host="beijing",method="GET"\} ' '^rest_client_requests_total\{code="200",host="127\.0\.0\.1:[0-9]+",method="PATCH"\} '
check 'a member, too' counts "${controllers[beijing]}" "^aviary_rollout_step\{namespace=\"demo\",rollout=\"$r\"\} 1$" \
  '^aviary_rollout_wait_seconds\{namespace="demo",reason="AwaitingApproval",' '^rest_client_requests_total\{code="200",host="127\.0\.0\.1:[0-9]+",method="GET"\} '
need 'approve both' rollout approve -M
check 'both pause at step 2' soon 20 both state Progressing/2/StepPaused
die beijing-agent
check 'the agent killed, beijing is away' soon 20 available beijing False
check 'approve both: it counts as soon as beijing is back' rollout approve -M --wait=false
need 'its agent starts again' agent beijing
check 'it is linked, by the certificate' soon 5 dialled beijing
check 'beijing goes on' soon 20 state beijing Healthy/3/Completed
check 'shanghai too' soon 20 state shanghai Healthy/3/Completed
check 'with ten' both runs v2=10
check 'release v3' release hub v3
check 'both pause at step 1' soon 20 both state Progressing/1/StepPaused
printed() { rollout approve -m shanghai --dry-run=client -o yaml >"$work/decision.yaml"; }
from_git() { in_ hub apply -f "$work/decision.yaml" && in_ hub apply --server-side --force-conflicts --field-manager=kustomize-controller -f "$work/decision.yaml"; }
check 'a Decision is printed, to be committed' printed
check 'Git applies it' from_git
check 'shanghai pauses at step 2' soon 20 state shanghai Progressing/2/StepPaused
check 'Git applies it again' from_git
check '… in vain' state shanghai Progressing/2/StepPaused
die hub
hub
check 'the hub killed and started, it is ready' soon 40 answers "$health"
check 'both are linked' soon 10 both dialled
check 'both are available' soon 10 both available
check 'abort everywhere' rollout abort -M
check 'v2 is back' soon 20 both runs v2=10

check 'what the agent keeps is not the hub'"'"'s to read' bash -c "kubectl-amc get secrets -n aviary-system -m beijing --kubeconfig '$work/hub/kubeconfig' 2>&1 | grep -qi 'not the hub\|forbidden'"
check 'shanghai leaves' aviary unjoin shanghai --agent --hub-kubeconfig "$work/hub/kubeconfig"
check 'its agent is refused' soon 20 waits_for shanghai 'no cluster shanghai joins'
check 'what was brought there stays' runs shanghai v2=10
# An agent of a hub that only approves has so few rights that it could not say which cluster it is of.
check 'shanghai joins again, to approve alone' join_by_agent shanghai --read-and-approve
check 'its agent may read which cluster it is of' bash -c "kubectl --kubeconfig '$work/shanghai/kubeconfig' delete clusterrole aviary:hub-default && kubectl --kubeconfig '$work/shanghai/kubeconfig' -n aviary-system apply -f '$work/shanghai-agent.yaml' >&2 && kubectl --kubeconfig '$work/shanghai/kubeconfig' auth can-i get namespaces/kube-system --as system:serviceaccount:aviary-system:aviary-agent"
check 'by the token it is linked again, whatever its certificate' soon 10 dialled shanghai
check 'beijing joins without its agent' aviary join beijing --kubeconfig "$work/beijing/kubeconfig" --hub-kubeconfig "$work/hub/kubeconfig"
die beijing-agent
check 'the hub reaches it by itself' soon 10 bash -c "kubectl-amc get pods -n demo -m beijing --kubeconfig '$work/hub/kubeconfig' | grep -q beijing"
check 'it cannot leave as if by an agent' bash -c "aviary unjoin beijing --agent --hub-kubeconfig '$work/hub/kubeconfig' 2>&1 | grep -q 'by itself'"

# What the manifest made, but the namespace.
of_agent() {
  kubectl --kubeconfig "$work/shanghai/kubeconfig" get --ignore-not-found --no-headers -o name -f "$work/shanghai-agent.yaml" | grep -v '^namespace/'
  in_ shanghai -n aviary-system get secrets -o name | grep agent
}
leave_shanghai() { aviary unjoin shanghai --agent --hub-kubeconfig "$work/hub/kubeconfig" >"$work/leave.sh" && cat "$work/leave.sh" && KUBECONFIG=$work/shanghai/kubeconfig bash -e "$work/leave.sh"; }
check 'of what shanghai applied something is there' prints 1 'serviceaccount/aviary-agent' of_agent
check 'leaving says what takes that away' leave_shanghai
check 'nothing is left of it' test -z "$(of_agent)"
finished=1
