"""Tells a story of StatefulSets, DaemonSets or Kruise's workloads to one cluster and prints what its pods did, a line for each chapter: stories.py KUBECONFIG NAME

Two clusters that are told the same story behave alike when the lines are equal. Names that controllers draw at random, and hashes, are left out.
"""
import collections
import json
import subprocess
import sys
import threading
import time

QUIET = 3   # seconds without a change of a pod end a chapter
LIMIT = 90

kubeconfig, story_name = sys.argv[1:]
NAMESPACE = "stories"


def kubectl(*arguments, stdin=None):
    command = ["kubectl", "--kubeconfig", kubeconfig, "-n", NAMESPACE, *arguments]
    return subprocess.run(command, input=stdin, text=True, capture_output=True, check=True).stdout


# Of Kruise's kinds: the resource, and the version.
KRUISE = {
    "CloneSet": ("clonesets.apps.kruise.io", "apps.kruise.io/v1alpha1"),
    "Kruise StatefulSet": ("statefulsets.apps.kruise.io", "apps.kruise.io/v1beta1"),
    "Kruise DaemonSet": ("daemonsets.apps.kruise.io", "apps.kruise.io/v1alpha1"),
}


def workload(kind, **spec):
    template = {
        "metadata": {"labels": {"app": "web"}, "annotations": {"simulator.aviary.dev/start": "1s"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": "example.com/web:v1"}]},
    }
    whole = {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    if kind.endswith("StatefulSet"):
        whole["serviceName"] = "web"
    if kind in KRUISE:
        whole.setdefault("revisionHistoryLimit", 10)
        template["spec"]["readinessGates"] = [{"conditionType": "InPlaceUpdateReady"}]
    _, version = KRUISE.get(kind, ("", "apps/v1"))
    return {"apiVersion": version, "kind": kind.split()[-1], "metadata": {"name": "web"}, "spec": whole}


def image(version, **annotations):
    containers = [{"name": "main", "image": f"example.com/web:{version}"}]
    return {"template": {"metadata": {"annotations": annotations}, "spec": {"containers": containers}}}


BEHAVIOUR = "simulator.aviary.dev/behaviour"
BROKEN = image("v2", **{BEHAVIOUR: "never-ready"})
WELL = {"template": {"metadata": {"annotations": {BEHAVIOUR: None}}}}


def partition(number):
    return {"updateStrategy": {"rollingUpdate": {"partition": number}}}


# What Kruise's webhooks would set is said: the real controllers run without them.
def clones(replicas, **strategy):
    return {"replicas": replicas, "updateStrategy": {"type": "ReCreate", "partition": 0, "maxUnavailable": 1, "maxSurge": 0, **strategy}}


def kruise_rolling(**fields):
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 1, **fields}}}


def strategy(**fields):
    return {"updateStrategy": fields}


def rolling(**fields):
    return {"updateStrategy": {"rollingUpdate": fields}}


# A chapter is a patch of the spec, or the names of pods to delete: of a DaemonSet how many.
STORIES = {
    "ordered": ("StatefulSet", {"replicas": 4, "revisionHistoryLimit": 1}, [
        {**image("v2"), **partition(3)}, partition(2), ["web-0"], image("v3"), partition(0), image("v1"), {"replicas": 2}, image("v4"), {"replicas": 5}]),
    "broken": ("StatefulSet", {"replicas": 3}, [BROKEN, {**image("v1"), "template": {**image("v1")["template"], **WELL["template"]}}, ["web-2"]]),
    "parallel": ("StatefulSet", {"replicas": 5, "podManagementPolicy": "Parallel", "ordinals": {"start": 3}}, [
        image("v2"), {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 3, "partition": 1}}, **image("v3")}, partition(0), {"replicas": 2}]),
    "parallel-broken": ("StatefulSet", {"replicas": 3, "podManagementPolicy": "Parallel"}, [
        BROKEN, {"template": {**image("v1")["template"], **WELL["template"]}}]),
    "on-delete": ("StatefulSet", {"replicas": 3, "updateStrategy": {"type": "OnDelete"}}, [image("v2"), ["web-1"], image("v3"), ["web-0", "web-1"], image("v2")]),
    "min-ready": ("StatefulSet", {"replicas": 2, "minReadySeconds": 2}, [image("v2")]),
    "daemon": ("DaemonSet", {}, [image("v2"), image("v1"), {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "50%"}}, **image("v3")}]),
    "daemon-surge": ("DaemonSet", {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}, [image("v2")]),
    "daemon-on-delete": ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}, "revisionHistoryLimit": 1}, [image("v2"), 2, image("v1"), image("v3"), image("v4"), 4]),
    "clone": ("CloneSet", {**clones(6, partition="100%"), "revisionHistoryLimit": 1}, [
        image("v2"), strategy(partition="99%"), strategy(partition=3), {"replicas": 8}, strategy(partition="10%"), strategy(partition=0), image("v1"), {"replicas": 3}]),
    "clone-surge": ("CloneSet", clones(4, maxSurge=2, maxUnavailable=0), [image("v2"), {**image("v3"), **strategy(partition=2)}, strategy(partition=None)]),
    "clone-paused": ("CloneSet", clones(3, paused=True, maxSurge=1), [image("v2"), {"replicas": 4}, strategy(paused=False)]),
    "clone-broken": ("CloneSet", clones(4, maxUnavailable="50%"), [BROKEN, {"template": {**image("v3")["template"], **WELL["template"]}}]),
    "clone-blue-green": ("CloneSet", clones(3, partition="100%"), [
        image("v2"), {"minReadySeconds": 2147483646, **strategy(partition=None, maxSurge="100%", maxUnavailable=0)}, {"minReadySeconds": 0, **strategy(maxSurge=0, maxUnavailable=1)}]),
    "clone-in-place": ("CloneSet", clones(4, type="InPlaceIfPossible", partition=2), [image("v2"), strategy(partition=0), image("v3", note="third")]),
    "kruise-ordered": ("Kruise StatefulSet", {"replicas": 4, **kruise_rolling(podUpdatePolicy="ReCreate")}, [
        {**image("v2"), **rolling(partition=3)}, rolling(partition=2), ["web-0"], rolling(paused=True, partition=0), rolling(paused=False), {"reserveOrdinals": [1]}]),
    "kruise-parallel": ("Kruise StatefulSet", {"replicas": 5, "podManagementPolicy": "Parallel", **kruise_rolling(maxUnavailable=3, partition=1)}, [
        image("v2"), rolling(partition=0), {**image("v3"), **rolling(partition=2, unorderedUpdate={})}, {"replicas": 2}]),
    "kruise-in-place": ("Kruise StatefulSet", {"replicas": 3, **kruise_rolling(podUpdatePolicy="InPlaceIfPossible", partition=1)}, [image("v2"), rolling(partition=0)]),
    "kruise-daemon": ("Kruise DaemonSet", kruise_rolling(rollingUpdateType="Standard", partition=4), [
        image("v2"), rolling(partition=3), rolling(partition=1, paused=True), rolling(paused=False), rolling(partition=0)]),
    "kruise-daemon-surge": ("Kruise DaemonSet", kruise_rolling(rollingUpdateType="Standard", maxSurge=2, maxUnavailable=0, partition=2), [image("v2"), rolling(partition=0)]),
    "daemon-broken": ("DaemonSet", {}, [BROKEN, {"template": {**image("v3")["template"], **WELL["template"]}}]),
}


def version_of(pod):
    return pod["spec"]["containers"][0]["image"].split(":")[1]


class Watcher:
    """What pods do, in the order in which it is told: made, ready, gone."""

    def __init__(self):
        self.tokens, self.seen, self.changed = [], {}, time.monotonic()
        self.least, self.most = None, 0
        self.process = subprocess.Popen(
            ["kubectl", "--kubeconfig", kubeconfig, "-n", NAMESPACE, "get", "pods", "-l", "app=web", "--watch", "--output-watch-events", "-o", "json"],
            stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        text, decoder = "", json.JSONDecoder()
        for line in self.process.stdout:
            text += line
            try:
                event, end = decoder.raw_decode(text)
            except ValueError:
                continue
            text = text[end:].lstrip()
            self.take(event["type"], event["object"])

    def take(self, kind, pod):
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        short = name if named else "pod"
        before = self.seen.get(uid, "")
        conditions = pod.get("status", {}).get("conditions", [])
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) and "deletionTimestamp" not in pod["metadata"]
        if uid not in self.seen:
            self.tokens.append(f"+{short}:{version_of(pod)}")
        if ready and before != "ready":
            self.tokens.append(f"{short}:{version_of(pod)} ready")
        self.seen[uid] = "ready" if ready else "there"
        if kind == "DELETED":
            self.tokens.append(f"-{short}:{version_of(pod)}")
            del self.seen[uid]
        serving = sum(state == "ready" for state in self.seen.values())
        self.least = serving if self.least is None else min(self.least, serving)
        self.most = max(self.most, len(self.seen))
        self.changed = time.monotonic()

    def chapter(self):
        began = self.changed = time.monotonic()
        while time.monotonic() - self.changed < QUIET and time.monotonic() - began < LIMIT:
            time.sleep(0.1)
        tokens, least, most = self.tokens, self.least, self.most
        serving = sum(state == "ready" for state in self.seen.values())
        self.tokens, self.least, self.most = [], serving, len(self.seen)
        return tokens, least, most


kind, spec, chapters = STORIES[story_name]
resource, _ = KRUISE.get(kind, (kind, ""))
named = kind.endswith("StatefulSet")
in_order = named and spec.get("podManagementPolicy") != "Parallel"


def facts():
    revisions = [r for r in json.loads(kubectl("get", "controllerrevisions", "-o", "json"))["items"]]
    numbers = {r["metadata"]["name"]: r["revision"] for r in revisions}
    by_label = dict(numbers)
    by_label.update({r["metadata"]["labels"].get("controller-revision-hash", ""): r["revision"] for r in revisions})
    status = json.loads(kubectl("get", resource, "web", "-o", "json"))["status"]
    for field in ("currentRevision", "updateRevision"):
        if field in status:
            status[field] = numbers.get(status[field])
    if "daemonSetHash" in status:
        status["daemonSetHash"] = by_label.get(status["daemonSetHash"])
    pods = sorted(
        (pod["metadata"]["name"] if named else "", version_of(pod), by_label.get(pod["metadata"]["labels"].get("controller-revision-hash")),
         pod["metadata"]["labels"].get("pod-template-generation", ""), pod["metadata"]["labels"].get("apps.kubernetes.io/pod-index", ""))
        for pod in json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"])
    kept = sorted((r["revision"], r["data"]["spec"]["template"]["spec"]["containers"][0]["image"].split(":")[1]) for r in revisions)
    return f"status={json.dumps(status, sort_keys=True)} pods={pods} revisions={kept}"


def tell(title, tokens, least, most):
    # A controller that has not seen yet that a pod was made anew deletes it once more, now and then.
    index = 0
    while index + 2 < len(tokens):
        if tokens[index] == tokens[index + 2] and tokens[index + 1] == "-" + tokens[index][1:]:
            del tokens[index:index + 2]
        else:
            index += 1
    if not in_order:
        tokens = sorted(f"{count}x {token}" for token, count in collections.Counter(tokens).items())
    print(f"{title}: {' '.join(tokens) or 'nothing'} | least ready {least}, most {most} | {facts()}", flush=True)


subprocess.run(["kubectl", "--kubeconfig", kubeconfig, "create", "namespace", NAMESPACE], capture_output=True)
watcher = Watcher()
time.sleep(1)
kubectl("apply", "-f", "-", stdin=json.dumps(workload(kind, **spec)))
tell("made", *watcher.chapter())
for number, chapter in enumerate(chapters, 1):
    if isinstance(chapter, dict):
        kubectl("patch", resource, "web", *(["--type", "merge"] if kind in KRUISE else []), "-p", json.dumps({"spec": chapter}))
    else:
        old = json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
        names = chapter if isinstance(chapter, list) else [pod["metadata"]["name"] for pod in sorted(old, key=version_of)][:chapter]
        kubectl("delete", "pod", "--wait=false", *names)
    tell(f"chapter {number}", *watcher.chapter())
kubectl("delete", resource, "web")
tokens, _, _ = watcher.chapter()
left = json.loads(kubectl("get", "pods,controllerrevisions", "-o", "json"))["items"]
print(f"deleted: {sum(token.startswith('-') for token in tokens)} pods gone, left {[o['metadata']['name'] for o in left if 'kube-root' not in o['metadata']['name']]}")
watcher.process.kill()
