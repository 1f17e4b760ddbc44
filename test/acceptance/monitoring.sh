#!/usr/bin/env bash
# The alert rules of config/monitoring: checked by promtool, and evaluated by a Prometheus that scrapes a fleet. Needs on PATH: aviary,
# kubectl-amc, kubectl, curl, python3; prometheus and promtool there or where tools/setup puts them.
. "$(dirname "${BASH_SOURCE[0]}")/lib/fleet.bash"
root=$(cd "$here/../.." && pwd)
rules=$root/config/monitoring
PATH=$PATH:$root/build/prometheus/usr/bin
web=$((32000 + RANDOM % 700))

clean_up() { [ -z "${prometheus:-}" ] || kill "$prometheus"; aviary down --data-dir "$work/data" >/dev/null 2>&1; }
credential() { kubectl config view --raw -o "jsonpath={$1}" | base64 -d >"$work/$2"; }
start_prometheus() { prometheus --config.file="$work/prometheus.yaml" --storage.tsdb.path="$work/tsdb" --web.listen-address=127.0.0.1:$web --log.level=error >"$work/prometheus.log" 2>&1 & prometheus=$!; soon 20 curl -fsS "http://127.0.0.1:$web/-/ready"; }
# fires NAME TEXT…: an alert of that name fires, and has all these in what it says.
fires() { curl -fsS "http://127.0.0.1:$web/api/v1/alerts" | python3 -c '
import json, sys
alerts = [a for a in json.load(sys.stdin)["data"]["alerts"] if a["labels"]["alertname"] == sys.argv[1] and a["state"] == "firing"]
found = [a for a in alerts if all(text in json.dumps(a) for text in sys.argv[2:])]
print(json.dumps(alerts, indent=1)); sys.exit(0 if len(found) == 1 else 1)' "$@"; }
quiet() { ! fires "$@"; }
# The command that the alert names.
approve_as_told() { local command; command=$(fires AviaryReleaseAwaitsApproval | grep -oE 'kubectl amc rollout approve [a-z0-9/ -]+[a-z0-9]' | head -n 1); echo "$command"; eval "$command"; }
# A word on a step that the cluster is not in.
stale_decision() {
  kubectl create -f - <<YAML
apiVersion: fleet.aviary.dev/v1alpha1
kind: Decision
metadata: {name: stale, namespace: demo}
spec:
  rolloutRef: {apiVersion: rollouts.kruise.io/v1beta1, kind: Rollout, name: $r}
  action: Approve
  selection: Named
  targets: [{cluster: beijing, rolloutUID: $(in_ beijing get rollout $r -o 'jsonpath={.metadata.uid}'), step: 3, revision: none, pausedSince: "2026-01-01T00:00:00Z"}]
YAML
}

need 'promtool is there (tools/setup)' promtool --version
check 'the rules are rules' promtool check rules "$rules/rules.yaml"
check 'each alert comes when it should' tells 0 'SUCCESS' promtool test rules "$rules/rules_test.yaml"
check 'no reason to wait is left out' tells 0 'need none' "$root/tools/alerts"
check 'the configuration to take over' promtool check config "$rules/prometheus.yaml"
check 'as kustomize gives it' prints 1 'AviaryClusterNotSeen$' kubectl kustomize "$rules"
headings() { grep -oE 'runbook: docs/guide/alerts.md#.*' "$rules/rules.yaml" | while IFS='#' read -r _ name; do grep -qi "^## $name\$" "$root/docs/guide/alerts.md" || { echo "no section $name"; return 1; }; done; }
check 'each has its page' headings

need 'two clusters, one without a rollout controller' aviary up --clusters beijing,edge --without-rollouts edge --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
export KUBECONFIG=$work/data/kubeconfig
credential '.users[0].user.client-certificate-data' client.crt
credential '.users[0].user.client-key-data' client.key
credential '.clusters[0].cluster.certificate-authority-data' ca.crt
# What takes hours there takes a second here.
sed -E 's/> (300|600|1800|3600)/> 1/' "$rules/rules.yaml" >"$work/rules.yaml"
check 'no threshold is left' prints 0 '> [0-9]{2,}' cat "$work/rules.yaml"
cat >"$work/prometheus.yaml" <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: aviary-hub
    honor_labels: true
    scheme: https
    tls_config: {ca_file: ca.crt, cert_file: client.crt, key_file: client.key}
    static_configs: [{targets: ["127.0.0.1:$port"]}]
YAML
need 'Prometheus runs' start_prometheus
check 'apply namespace and workload' kubectl apply -f "$seed/namespace.yaml" -f "$seed/workload.yaml"
check 'beijing is ready' soon 30 ready beijing
check 'apply the Rollout' kubectl apply -n demo -f "$seed/rollout.yaml"
check 'it is healthy in beijing' soon 30 healthy beijing
check 'nobody waits for an approval' quiet AviaryReleaseAwaitsApproval

check 'release v2' release v2
check 'a release that waits is an alert' soon 20 fires AviaryReleaseAwaitsApproval '"cluster": "beijing"' "\"rollout\": \"$r\"" "Look: kubectl amc rollout explain $r -n demo"
check 'what the guard keeps back is one' soon 20 fires AviaryGuardRefuses '"cluster": "edge"' '"reason": "ControllerAbsent"'
check 'a word that comes too late' stale_decision
check '… is one' soon 20 fires AviaryDecisionNotCarriedOut '"action": "Approve"' '"outcome": "Failed"'
check 'the command that the alert names approves' approve_as_told
check 'beijing is in step 2' soon 30 state beijing Progressing/2/StepPaused
check 'abort' kubectl amc rollout abort rollouts/$r -n demo -m beijing
check 'the alert ends with the wait' soon 20 quiet AviaryReleaseAwaitsApproval

check 'release what crashes' kubectl -n demo patch deployment qwen-inference -p "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"simulator.aviary.dev/behaviour\":\"crash-loop\"}},\"spec\":{\"containers\":[{\"name\":\"vllm\",\"image\":\"$image:v3\"}]}}}}"
check 'a release that makes no progress is an alert' soon 30 fires AviaryReleaseMakesNoProgress '"cluster": "beijing"' '"reason": "CrashLooping"'
check 'explain has the same word' tells 0 '^beijing .* CrashLooping ' kubectl amc rollout explain $r -n demo

check 'end the fleet' aviary down --data-dir "$work/data"
check 'start it without edge' aviary up --clusters beijing --data-dir "$work/data" --port "$port" --pod-start 200ms --detach
check 'a cluster that is not seen is an alert' soon 30 fires AviaryClusterNotSeen '"cluster": "edge"'
check 'the other is none' quiet AviaryClusterNotSeen '"cluster": "beijing"'
check 'a member asks by its name' tells 0 '^aviary_apiserver_requests_total\{agent="aviary-member",' kubectl get --raw /metrics
check 'no series is left out' tells 0 '^aviary_rollout_series_left_out 0$' kubectl get --raw /metrics
finished=1
