"""Release after release in three members: what each pause holds back is counted pod by pod, and nothing of a release is left.
See gate.sh."""
import argparse
import json
import math
import os
import threading
import time

from fleet import Checks, Fleet, GivenFleet, seed, seeded_random, soon

MEMBERS = ["beijing", "shanghai", "hangzhou"]
DEPLOYMENT, ROLLOUT = "qwen-inference", "qwen-inference-rollout"
IMAGE = "registry.example.com/inference/vllm-qwen"
SHARES = {1: 0.10, 2: 0.50, 3: 1.0}
DEPLOYMENTS = f"/apis/apps/v1/namespaces/demo/deployments/{DEPLOYMENT}"
ROLLOUTS = f"/apis/rollouts.kruise.io/v1beta1/namespaces/demo/rollouts/{ROLLOUT}"
PODS = "/api/v1/namespaces/demo/pods"
REPLICA_SETS = "/apis/apps/v1/namespaces/demo/replicasets"
# What lies in a namespace where something could be left behind.
LISTS = {"member": ["/apis/apps/v1/namespaces/demo/deployments", REPLICA_SETS, PODS,
                    "/api/v1/namespaces/demo/services", "/apis/rollouts.kruise.io/v1beta1/namespaces/demo/rollouts",
                    "/apis/rollouts.kruise.io/v1beta1/namespaces/demo/batchreleases",
                    "/apis/apps/v1/namespaces/demo/controllerrevisions"],
         "hub": ["/apis/apps/v1/namespaces/demo/deployments", "/api/v1/namespaces/demo/services",
                 "/apis/rollouts.kruise.io/v1beta1/namespaces/demo/rollouts",
                 "/apis/rollouts.kruise.io/v1beta1/namespaces/demo/batchreleases",
                 "/apis/policy.one.alibabacloud.com/v1alpha1/namespaces/demo/propagationpolicies",
                 "/apis/fleet.aviary.dev/v1alpha1/namespaces/demo/fleetbindings",
                 "/apis/apps/v1/namespaces/demo/controllerrevisions"]}
# Values that tell one release from another; that they are there is compared, not what they are.
NUMBERED = {"deployment.kubernetes.io/revision", "deployment.kubernetes.io/desired-replicas",
            "deployment.kubernetes.io/max-replicas", "deployment.kubernetes.io/revision-history", "fleet.aviary.dev/generation",
            "fleet.aviary.dev/render", "fleet.aviary.dev/template", "pod-template-hash", "team", "note",
            "kubectl.kubernetes.io/last-applied-configuration"}
# The Deployment controller's own, where it numbers a ReplicaSet anew.
HISTORY = "deployment.kubernetes.io/revision-history"
# A workload remembers the version before its present one, and a pod the release that brought it: wanted, and looked at apart.
REMEMBERED = {"fleet.aviary.dev/stable", "rollouts.kruise.io/rollout-id", "rollouts.kruise.io/rollout-batch-id"}


def version_of(pod_spec):
    return pod_spec["containers"][0]["image"].rpartition(":")[2]


def paths(fields, at=""):
    """The field paths of a managedFields entry; what is named by uid is cut there."""
    found = set()
    for key, inner in fields.items():
        key = 'k:{"uid"}' if key.startswith('k:{"uid"') else key
        if inner:
            found |= paths(inner, f"{at}/{key}")
        else:
            found.add(f"{at}/{key}")
    return found


def shape(item):
    """What of an object must be as it was before the first release."""
    meta = item["metadata"]
    known = {"annotations": {}, "labels": {}}
    for part, into in known.items():
        for key, value in (meta.get(part) or {}).items():
            if key not in REMEMBERED and key != HISTORY:
                into[key] = "*" if key in NUMBERED else value
    known["finalizers"] = meta.get("finalizers")
    known["managers"] = {}
    for entry in meta.get("managedFields", []):
        # What people wrote is theirs; ReplicaSets and pods belong to one release, and to whoever made them then.
        if entry["manager"].startswith("kubectl") or item["kind"] in ("ReplicaSet", "Pod"):
            continue
        fields = {path for path in paths(entry["fieldsV1"]) if not path.startswith("/f:status") and HISTORY not in path}
        if entry["manager"] == "aviary-hub":
            fields = {path for path in fields if path.rpartition("/f:")[2] not in REMEMBERED and "/f:fleet.aviary.dev/stable" not in path}
        if fields:
            known["managers"].setdefault(f"{entry['manager']}/{entry['operation']}/{entry.get('subresource', '')}", set()).update(fields)
    spec = json.loads(json.dumps(item.get("spec", {})))
    spec.pop("replicas", None)
    if "template" in spec:
        spec.pop("template")
    if "selector" in spec and isinstance(spec["selector"], dict):
        spec["selector"].get("matchLabels", {}).pop("pod-template-hash", None)
    if item.get("kind", "").startswith("FleetBinding"):
        for each in spec.get("clusters", []):
            each.pop("replicas", None)
    known["spec"] = spec
    return known


def text_of(known):
    return json.dumps(known, sort_keys=True, default=sorted, indent=1)


def difference(before, now):
    import difflib
    return "\n".join(line for line in difflib.unified_diff(text_of(before).splitlines(), text_of(now).splitlines(), "before the first release",
                                                           "now", lineterm="", n=2))


class Gate:
    def __init__(self, fleet, real, checks, random):
        self.fleet, self.real, self.checks, self.random = fleet, real, checks, random
        self.members = fleet.clusters
        self.patience = int(os.environ.get("PATIENCE", "30"))   # seconds for a pause to come, or an end
        self.replicas = 10
        self.version = 1
        self.pauses = 0
        self.lock = threading.Lock()
        self.limit = {}      # per member: how many pods of the newest version are allowed there
        self.beyond, self.wanted_beyond = [], []
        self.manifest = seed("workload.yaml").replace("    app: qwen-inference\nspec:\n  replicas", "    app: qwen-inference\n    team: a\nspec:\n  replicas", 1)
        self.before = {}

    # --- what is seen
    def gone(self, pod):
        """A kubelet takes its time to end a pod, and nobody waits for that: the Deployment controller does not count it either."""
        return self.real and "deletionTimestamp" in pod["metadata"]

    def pods(self, member):
        counts = {}
        for pod in self.fleet.cluster(member).get(PODS)["items"]:
            if self.gone(pod):
                continue
            version = version_of(pod["spec"])
            counts[version] = counts.get(version, 0) + 1
        return counts

    def state(self, member):
        status = self.fleet.cluster(member).get(ROLLOUTS).get("status", {})
        canary = status.get("canaryStatus", {})
        return status.get("phase"), canary.get("currentStepIndex"), canary.get("currentStepState")

    def expected(self, step):
        new = math.ceil(SHARES[step] * self.replicas)
        want = {f"v{self.version}": new, f"v{self.version - 1}": self.replicas - new}
        return {version: count for version, count in want.items() if count}

    def watch(self, member):
        """Every change of a pod: the newest version never has more than its share, at no moment."""
        def count(pod):
            return version_of(pod["spec"]), 0 if self.gone(pod) else 1
        self.follow(member, PODS, count, self.beyond, "{member}: {count} pods on {version}, {limit} allowed")

    def watch_wanted(self, member):
        """The same of what ReplicaSets want. Where an answer is lost their own controller may make a pod twice; this it never adds to."""
        def count(replica_set):
            return version_of(replica_set["spec"]["template"]["spec"]), replica_set["spec"]["replicas"]
        self.follow(member, REPLICA_SETS, count, self.wanted_beyond, "{member}: ReplicaSets of {version} want {count}, {limit} are allowed")

    def follow(self, member, path, count_of, beyond, text):
        cluster = self.fleet.cluster(member)
        while not self.closing:
            try:
                listed = cluster.get(path)
                there = {each["metadata"]["uid"]: count_of(each) for each in listed["items"]}
                for event in cluster.watch(f"{path}?resourceVersion={listed['metadata']['resourceVersion']}"):
                    if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                        continue
                    there[event["object"]["metadata"]["uid"]] = count_of(event["object"])
                    if event["type"] == "DELETED":
                        del there[event["object"]["metadata"]["uid"]]
                    with self.lock:
                        version, limit = self.limit.get(member, ("", 0))
                        count = sum(count for each, count in there.values() if each == version)
                        if count > limit:
                            beyond.append(text.format(member=member, version=version, count=count, limit=limit))
            except (OSError, ValueError):
                if self.closing:
                    return

    # --- what is done
    def allow(self, member, step):
        with self.lock:
            self.limit[member] = (f"v{self.version}", math.ceil(SHARES[step] * self.replicas))

    def write(self):
        """Something that a person or a pipeline writes on the hub in the middle; answers what it was."""
        what = self.random.choice(["label", "scale", "apply", "annotate"])
        if what == "label":
            self.fleet.must("kubectl", "-n", "demo", "label", "--overwrite", "deployment", DEPLOYMENT, f"team={self.random.choice('abcdefgh')}")
        elif what == "scale":
            self.scale(self.random.choice([8, 10, 12, 15, 20]))
        elif what == "apply":
            self.apply()
        else:
            self.fleet.must("kubectl", "-n", "demo", "annotate", "--overwrite", "rollout", ROLLOUT, f"note={self.random.randrange(100)}")
        return what

    def scale(self, count):
        with self.lock:
            for member, (version, limit) in list(self.limit.items()):
                step = self.steps[member]
                # Scaled twice within moments a member has the number of before the first: what was allowed goes with the step.
                self.limit[member] = (version, max(limit, math.ceil(SHARES[step] * max(count, self.replicas))))
        self.fleet.must("kubectl", "-n", "demo", "scale", "deployment", DEPLOYMENT, f"--replicas={count}")
        self.replicas = count

    def apply(self):
        text = self.manifest.replace("vllm-qwen:v1", f"vllm-qwen:v{self.version}").replace("replicas: 10", f"replicas: {self.replicas}")
        self.fleet.must("kubectl", "apply", "-f", "-", text=text)

    def release(self):
        self.version += 1
        self.steps = {}
        for member in self.members:
            self.steps[member] = 1
            self.allow(member, 1)
        if self.random.random() < 0.5:
            self.apply()
        else:
            self.fleet.must("kubectl", "-n", "demo", "set", "image", f"deployment/{DEPLOYMENT}", f"vllm={IMAGE}:v{self.version}")

    def paused(self, member, step):
        """Waits for the pause and counts at the first sight of it."""
        where = f"v{self.version} {member} step {step}"
        if not soon(self.patience, lambda: self.state(member) == ("Progressing", step, "StepPaused"), 0.01):
            return self.checks.check(f"{where}: paused", False, f"{self.state(member)} {self.pods(member)}")
        counts = self.pods(member)
        if self.scaling and counts != self.expected(step):
            # The number of pods was changed on the hub a moment ago: exact as soon as that has arrived.
            soon(self.patience, lambda: self.state(member) == ("Progressing", step, "StepPaused") and self.pods(member) == self.expected(step))
            counts = self.pods(member)
        self.pauses += 1
        return self.checks.check(f"{where}: {counts}", counts == self.expected(step), f"not {self.expected(step)}", quiet=True)

    def settled(self, member, step):
        """After a change of the number of pods: exact again."""
        good = soon(self.patience, lambda: self.state(member) == ("Progressing", step, "StepPaused") and self.pods(member) == self.expected(step))
        if not good:
            self.checks.check(f"v{self.version} {member} step {step}: exact after writes on the hub", False,
                              f"{self.state(member)} {self.pods(member)}, not {self.expected(step)}")

    def approve(self, step, members):
        for member in members:
            self.steps[member] = step + 1
            self.allow(member, step + 1)
        where = ["-M"] if len(members) == len(self.members) and self.random.random() < 0.5 else ["-m", ",".join(members)]
        code, out = self.fleet.run("kubectl", "amc", "rollout", "approve", f"rollouts/{ROLLOUT}", "-n", "demo", *where)
        self.checks.check(f"v{self.version} step {step}: approve {' '.join(where)}", code == 0, f"exit {code}\n{out}", quiet=True)

    def disturb(self):
        """Now and then a write on the hub while members move."""
        if self.random.random() < 0.4:
            self.scaling = self.write() == "scale" or self.scaling

    def pause(self, step):
        late = self.random.random() < 0.5
        together = self.random.random() < 0.5
        if not late and not together:
            for member in self.random.sample(self.members, len(self.members)):
                self.paused(member, step)
                self.approve(step, [member])
            return
        for member in self.members:
            self.paused(member, step)
        if late:
            for _ in range(self.random.randrange(1, 3)):
                self.write()
                time.sleep(self.random.random() * 0.5)
            for member in self.members:
                self.settled(member, step)
        if together:
            self.approve(step, self.members)
        else:
            rest = self.random.sample(self.members, len(self.members))
            while rest:
                now = [rest.pop() for _ in range(min(len(rest), self.random.randrange(1, 3)))]
                self.approve(step, now)
                for member in rest:
                    self.settled(member, step)

    def complete(self, member):
        done = soon(self.patience, lambda: self.state(member) == ("Healthy", 3, "Completed") and self.pods(member) == {f"v{self.version}": self.replicas})
        self.checks.check(f"v{self.version} {member}: complete", done, f"{self.state(member)} {self.pods(member)}", quiet=True)

    # --- what is left
    def odd_pods(self):
        """Pods that say they came with another release than the present one."""
        odd = []
        for member in self.members:
            now = self.fleet.cluster(member).get(ROLLOUTS)["status"]["canaryStatus"]["observedRolloutID"]
            for pod in self.fleet.cluster(member).get(PODS)["items"]:
                release = pod["metadata"].get("labels", {}).get("rollouts.kruise.io/rollout-id", now)
                if release != now:
                    odd.append(f"{member} {pod['metadata']['name']}: {release}, not {now}")
        return odd

    def shapes(self):
        found = {}
        for cluster in ["fleet", *self.members]:
            for path in LISTS["hub" if cluster == "fleet" else "member"]:
                answer = self.fleet.cluster(cluster).get(path)
                for item in answer["items"]:
                    kind = item.get("kind") or answer["kind"].removesuffix("List")
                    # The hub keeps the templates that an undo goes back to; how many is looked at apart.
                    if kind == "ControllerRevision" and cluster == "fleet":
                        continue
                    item["kind"] = kind
                    # Pods and ReplicaSets go and come; each must look like those before the first release.
                    name = "*" if kind in ("Pod", "ReplicaSet") else item["metadata"]["name"]
                    known = shape(item)
                    if kind == "Pod":
                        known["spec"] = {}
                    found.setdefault(f"{cluster} {kind}/{name}", []).append(known)
        return found

    def clean(self):
        """Nothing of this release is on any object."""
        problems = {}

        def look():
            problems.clear()
            now = self.shapes()
            for key in sorted(set(now) | set(self.before)):
                if key not in self.before:
                    problems[key] = "was not there before"
                elif key not in now:
                    problems[key] = "is gone"
                else:
                    for each in now[key]:
                        if each != self.before[key][0]:
                            problems[key] = difference(self.before[key][0], each)
            return not problems
        soon(5, look, 0.1)
        for key, problem in problems.items():
            self.checks.check(f"v{self.version} is left on {key}", False, problem)
        odd = self.odd_pods()
        self.checks.check(f"v{self.version}: nothing is left", not problems and not odd, "\n".join(odd), quiet=True)

    def run(self, releases):
        self.closing = False
        self.steps = {member: 3 for member in self.members}
        self.fleet.must("kubectl", "apply", "-f", "-", text=seed("namespace.yaml"))
        self.apply()
        self.fleet.must("kubectl", "apply", "-n", "demo", "-f", "-", text=seed("rollout.yaml"))
        self.fleet.must("kubectl", "-n", "demo", "annotate", "rollout", ROLLOUT, "note=0")
        for member in self.members:
            ready = soon(self.patience, lambda: self.quiet(member))
            self.checks.check(f"{member} is ready", ready, quiet=True)
        time.sleep(0.5)
        self.before = self.shapes()
        watches = [threading.Thread(target=watch, args=(member,), daemon=True) for member in self.members
                   for watch in (self.watch, self.watch_wanted)]
        for each in watches:
            each.start()
        for number in range(releases):
            if self.random.random() < 0.3:
                self.write()
            self.scaling = False
            self.release()
            self.disturb()
            for step in (1, 2):
                self.pause(step)
                self.disturb()
            for member in self.members:
                self.complete(member)
            self.clean()
            if self.real:
                print(f"v{self.version}: {self.pauses} pauses counted, {self.checks.failed} failed", flush=True)
            if self.checks.failed > 20:
                break
        kept = len(self.fleet.hub.get("/apis/apps/v1/namespaces/demo/controllerrevisions")["items"])
        self.checks.check(f"the hub keeps at most 20 old templates and those in use: {kept}", kept <= 21)
        self.closing = True
        self.checks.check("at no moment was more than an approved share on the new version", not self.beyond + self.wanted_beyond,
                          "\n".join((self.wanted_beyond + self.beyond)[:10]))
        print(f"releases: {self.version - 1}   pauses counted: {self.pauses}", flush=True)

    def quiet(self, member):
        try:
            return self.state(member)[0] == "Healthy" and self.pods(member) == {"v1": self.replicas}
        except Exception:
            return False


def play(fleet, real, releases, checks):
    gate = Gate(fleet, real, checks, seeded_random())
    gate.run(releases)
    pauses = releases * 2 * len(fleet.clusters)
    checks.check(f"all {pauses} pauses were counted", gate.pauses == pauses, gate.pauses)


def main():
    arguments = argparse.ArgumentParser(description="Releases in a row; see gate.sh.")
    arguments.add_argument("--kubeconfig", help="of a fleet on real clusters that runs already; otherwise one is started")
    arguments.add_argument("--members", default=",".join(MEMBERS), help="names of its contexts, separated by commas")
    given = arguments.parse_args()
    checks = Checks()
    releases = int(os.environ.get("RELEASES", "5"))
    members = given.members.split(",")
    try:
        if given.kubeconfig:
            play(GivenFleet(given.kubeconfig, members), True, releases, checks)
        else:
            with Fleet(members) as fleet:
                fleet.up()
                play(fleet, False, releases, checks)
    except Exception as error:
        checks.check("runs to the end", False, repr(error))
    return checks.finish()


if __name__ == "__main__":
    raise SystemExit(main())
