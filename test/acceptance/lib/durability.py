"""kill -9 at random moments under load; see durability.sh."""
import os
import random
import threading
import time

from fleet import ApiError, Checks, Fleet, seed, seeded_random, soon

MEMBERS = ["beijing", "shanghai"]
DEPLOYMENT, ROLLOUT = "qwen-inference", "qwen-inference-rollout"
IMAGE = "registry.example.com/inference/vllm-qwen"
NAMESPACE = "load"
MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
ROLLOUTS = f"/apis/rollouts.kruise.io/v1beta1/namespaces/demo/rollouts/{ROLLOUT}"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/demo/deployments/{DEPLOYMENT}"
DECISIONS = "/apis/fleet.aviary.dev/v1alpha1/namespaces/demo/decisions"
# Everything that the hub brings into a member, and what follows from it there.
MEMBER_LISTS = ["/api/v1/namespaces", "/apis/apps/v1/namespaces/demo/deployments", "/apis/apps/v1/namespaces/demo/replicasets",
                "/api/v1/namespaces/demo/pods", "/api/v1/namespaces/demo/services",
                "/apis/rollouts.kruise.io/v1beta1/namespaces/demo/rollouts",
                "/apis/rollouts.kruise.io/v1beta1/namespaces/demo/batchreleases",
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"]


class Record:
    """What was acknowledged, per object; and what was sent last, which may or may not have arrived."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged = {}   # (cluster, name) -> counter, or None: deleted
        self.sent = {}
        self.writes = 0
        self.decisions = {}      # name -> uid
        self.revision = {}       # cluster -> the highest resource version that was answered

    def sending(self, key, value):
        with self.lock:
            self.sent[key] = value

    def answered(self, key, value, answer):
        with self.lock:
            self.acknowledged[key] = value
            self.sent.pop(key, None)
            self.writes += 1
            version = answer.get("metadata", {}).get("resourceVersion", "")
            if version.isdigit():
                self.revision[key[0]] = max(self.revision.get(key[0], 0), int(version))


class Load:
    def __init__(self, fleet, checks, random_):
        self.fleet, self.checks, self.random = fleet, checks, random_
        self.record = Record()
        self.running = threading.Event()
        self.last = False      # the release that is under way is the last
        self.over = False
        self.version = 1
        self.approvals = 0
        self.said = ""
        self.seen = {}         # member -> furthest (version, step) read there
        self.lock = threading.Lock()

    def writer(self, number, cluster_name):
        """Creates, patches, updates and deletes objects of its own; a write whose answer never came is looked up again."""
        choose = random.Random(self.random.random())
        cluster = self.fleet.cluster(cluster_name)
        mine, count = [], 0
        while not self.over:
            if not self.running.wait(0.1):
                continue
            try:
                self.resolve(cluster, number)
                mine = [name for name in mine if self.record.acknowledged.get((cluster_name, name)) is not None]
                kind = choose.random()
                if not mine or kind < 0.25 and len(mine) < 200:
                    count += 1
                    name = f"w{number}-{count}"
                    self.write(cluster, name, 0, lambda: cluster.write("POST", MAPS, self.object(name, 0)))
                    mine.append(name)
                    continue
                name = choose.choice(mine)
                key = (cluster_name, name)
                value = self.record.acknowledged[key] + 1
                if kind < 0.65:
                    self.write(cluster, name, value, lambda: cluster.write(
                        "PATCH", f"{MAPS}/{name}", {"data": {"n": str(value)}}, "application/merge-patch+json"))
                elif kind < 0.93:
                    self.write(cluster, name, value, lambda: cluster.write("PUT", f"{MAPS}/{name}", self.object(name, value)))
                else:
                    self.write(cluster, name, None, lambda: cluster.write("DELETE", f"{MAPS}/{name}", None))
            except ApiError as error:
                if error.status < 500 and error.status != 429:
                    self.checks.check(f"writer {number}", False, error)
            except Exception:   # the connection is gone: the process was killed
                time.sleep(0.01)

    @staticmethod
    def object(name, value):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE},
                "data": {"n": str(value), "filler": "x" * 500}}

    def write(self, cluster, name, value, send):
        key = (cluster.name, name)
        self.record.sending(key, value)
        answer = send()
        self.record.answered(key, value, answer if isinstance(answer, dict) else {})

    def resolve(self, cluster, number):
        """What became of writes whose answers were lost; from now on that counts as acknowledged, for it was read."""
        for key, value in list(self.record.sent.items()):
            if key[0] != cluster.name or not key[1].startswith(f"w{number}-"):
                continue
            status, body = cluster.send("GET", f"{MAPS}/{key[1]}")
            if status not in (200, 404):
                raise OSError(status)
            with self.record.lock:
                there = int(body["data"]["n"]) if status == 200 else None
                before = self.record.acknowledged.get(key)
                if there not in (before, value):
                    self.checks.check(f"{key}", False, f"is {there}, neither {before} nor {value}")
                self.record.acknowledged[key] = there
                self.record.sent.pop(key, None)

    # --- releases
    def position(self, member):
        """(version that is released, step, state) in a member."""
        rollout = self.fleet.cluster(member).get(ROLLOUTS)
        image = self.fleet.cluster(member).get(DEPLOYMENTS)["spec"]["template"]["spec"]["containers"][0]["image"]
        status = rollout.get("status", {})
        canary = status.get("canaryStatus", {})
        return int(image.rpartition(":v")[2]), status.get("phase"), canary.get("currentStepIndex"), canary.get("currentStepState")

    def watch_positions(self, member):
        """What was read once holds after every crash: a member never falls behind it."""
        while not self.over:
            try:
                version, phase, step, state = self.position(member)
                if state == "Completed" and not self.complete(member, version):
                    continue   # the status is of the version before
                if phase in ("Progressing", "Healthy") and state in ("StepPaused", "Completed"):
                    with self.lock:
                        before = self.seen.get(member, (0, 0))
                        if (version, step) < before:
                            self.checks.check(f"{member} does not fall back", False, f"{(version, step)} after {before}")
                        self.seen[member] = max(before, (version, step))
            except Exception:
                pass
            finally:
                time.sleep(0.03)

    def complete(self, member, version):
        deployment = self.fleet.cluster(member).get(DEPLOYMENTS)
        status = deployment.get("status", {})
        return (deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f":v{version}")
                and status.get("observedGeneration") == deployment["metadata"]["generation"]
                and status.get("updatedReplicas") == deployment["spec"]["replicas"])

    def releaser(self):
        """Release after release, each approval by kubectl-amc; one that was acknowledged must move the members on."""
        while not self.last:
            if not self.running.wait(0.1):
                continue
            try:
                self.version += 1
                self.until_done(lambda: self.fleet.hub.write("PATCH", DEPLOYMENTS, {"spec": {"template": {"spec": {"containers": [
                    {"name": "vllm", "image": f"{IMAGE}:v{self.version}"}]}}}}, "application/strategic-merge-patch+json"))
                for step in (1, 2):
                    if not self.at(step):
                        return
                    self.approve(step)
                if not self.finished():
                    return
            except Exception as error:
                self.checks.check("releases go on", False, repr(error))
                return

    def until_done(self, act):
        while not self.over:
            try:
                return act()
            except ApiError as error:
                if error.status < 500:
                    raise
            except Exception:
                pass
            time.sleep(0.02)

    def at(self, step):
        def there():
            return all(self.position(member) == (self.version, "Progressing", step, "StepPaused") for member in MEMBERS)
        return self.reaches(there, f"v{self.version} pauses at step {step}")

    def finished(self):
        return self.reaches(lambda: all(self.position(member) == (self.version, "Healthy", 3, "Completed") for member in MEMBERS),
                            f"v{self.version} completes")

    def reaches(self, condition, what):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if condition():
                    return True
            except Exception:
                pass
            time.sleep(0.02)
        where = {member: self.until_done(lambda: self.position(member)) for member in MEMBERS}
        self.checks.check(what, False, f"not after 60 s: {where}")
        return False

    def approve(self, step):
        """Until both have been told; who has gone on already does not need it again."""
        while not self.over:
            code, out = self.fleet.run("kubectl", "amc", "rollout", "approve", f"rollouts/{ROLLOUT}", "-n", "demo", "-M", "--step", str(step),
                                       "--wait=false", "-o", "name", timeout=60)
            self.said = f"exit {code}: {out}"
            if code == 0:
                self.approvals += 1
                return
            # Interrupted, or part of it was carried out before the crash.
            if self.past(step):
                return
            time.sleep(0.05)

    def past(self, step):
        try:
            return all(self.position(member)[:3] > (self.version, "Progressing", step) or self.position(member)[1] == "Healthy"
                       for member in MEMBERS)
        except Exception:
            return False

    def note_decisions(self):
        """Decisions that exist are on record for good."""
        while not self.over:
            try:
                for item in self.fleet.hub.get(DECISIONS)["items"]:
                    self.record.decisions[item["metadata"]["name"]] = item["metadata"]["uid"]
            except Exception:
                pass
            time.sleep(0.1)

    # --- afterwards
    def verify(self, what):
        lost = []
        with self.record.lock:
            acknowledged, sent, revision = dict(self.record.acknowledged), dict(self.record.sent), dict(self.record.revision)
        for name in ["fleet", *MEMBERS]:
            answer = self.fleet.cluster(name).get(MAPS)
            there = {item["metadata"]["name"]: int(item["data"]["n"]) for item in answer["items"]}
            if int(answer["metadata"]["resourceVersion"]) < revision.get(name, 0):
                lost.append(f"{name}: resource version {answer['metadata']['resourceVersion']} after {revision[name]}")
            for (cluster, object_), value in acknowledged.items():
                if cluster != name:
                    continue
                allowed = {value, sent.get((cluster, object_), value)}
                if there.get(object_) not in allowed:
                    lost.append(f"{name} {object_}: {there.get(object_)}, acknowledged {value}")
            for object_ in there:
                if (name, object_) not in acknowledged and (name, object_) not in sent:
                    lost.append(f"{name} {object_}: there, and never written")
        known = dict(self.record.decisions)
        decisions = {item["metadata"]["name"]: item["metadata"]["uid"] for item in self.fleet.hub.get(DECISIONS)["items"]}
        lost += [f"decision {name}" for name, uid in known.items() if decisions.get(name) != uid]
        return self.checks.check(f"{what}: {len(acknowledged)} objects and {len(known)} decisions as acknowledged", not lost, "\n".join(lost))


def versions(fleet):
    found = {}
    for member in MEMBERS:
        for path in MEMBER_LISTS:
            for item in fleet.cluster(member).get(path)["items"]:
                found[(member, path.rpartition("/")[2], item["metadata"]["name"])] = item["metadata"]["resourceVersion"]
    return found


def hub_writes(fleet):
    """Requests of the hub to members that were no reads, as the server counted them."""
    status, text = fleet.hub.send("GET", "/metrics")
    if status != 200:
        raise RuntimeError(text)
    return [line for line in text.splitlines()
            if line.startswith("aviary_apiserver_requests_total{") and 'user="system:aviary:hub"' in line
            and not any(f'verb="{verb}"' in line for verb in ("get", "list", "watch"))
            and any(f'cluster="{member}"' in line for member in MEMBERS)]


def right_members_are_left_alone(fleet, checks, how):
    """A restarted hub finds members as it wants them, and writes nothing there."""
    settled = {}

    def at_rest():
        before = dict(settled)
        settled.clear()
        settled.update(versions(fleet))
        return before == settled
    checks.check("members come to rest", soon(30, at_rest, 0.7))
    fleet.kill() if how == "kill -9" else (fleet.process.terminate(), fleet.process.wait())
    fleet.up()
    time.sleep(1.5)
    after = versions(fleet)
    changed = [f"{key}: {settled.get(key)} -> {after.get(key)}" for key in sorted(set(settled) | set(after)) if settled.get(key) != after.get(key)]
    checks.check(f"after {how} no object of a member has changed ({len(after)} objects)", not changed, "\n".join(changed))
    writes = hub_writes(fleet)
    checks.check(f"after {how} the hub has written nothing to members", not writes, "\n".join(writes))


def main():
    checks = Checks()
    kills = int(os.environ.get("KILLS", "5"))
    try:
        with Fleet(MEMBERS, pod_start="50ms") as fleet:
            fleet.up()
            choose = seeded_random()
            for name in ["fleet", *MEMBERS]:
                fleet.must("kubectl", "--context", name, "create", "namespace", NAMESPACE)
            fleet.must("kubectl", "apply", "-f", "-", text=seed("namespace.yaml"))
            fleet.must("kubectl", "apply", "-f", "-", text=seed("workload.yaml"))
            fleet.must("kubectl", "apply", "-n", "demo", "-f", "-", text=seed("rollout.yaml"))
            load = Load(fleet, checks, choose)
            for member in MEMBERS:
                ready = soon(30, lambda: load.until_done(lambda: fleet.cluster(member).send("GET", ROLLOUTS))[0] == 200
                             and load.position(member)[1] == "Healthy")
                checks.check(f"{member} is ready", ready)
            threads = [threading.Thread(target=load.writer, args=(number, name), daemon=True)
                       for number, name in enumerate(["fleet", "fleet", "fleet", "beijing", "shanghai"])]
            threads += [threading.Thread(target=load.watch_positions, args=(member,), daemon=True) for member in MEMBERS]
            threads.append(threading.Thread(target=load.note_decisions, daemon=True))
            releases = threading.Thread(target=load.releaser, daemon=True)
            for thread in [*threads, releases]:
                thread.start()
            for number in range(1, kills + 1):
                load.running.set()
                time.sleep(0.1 + choose.random() * 0.9)
                fleet.kill()
                load.running.clear()
                # Now and then it does not even come up before the next one.
                for _ in range(choose.choice([0, 0, 0, 1, 2])):
                    fleet.read = len(fleet.log())
                    fleet.start()
                    time.sleep(choose.random() * 0.4)
                    fleet.kill()
                fleet.up()
                if not load.verify(f"kill {number}"):
                    break
            load.running.set()
            load.last = True
            releases.join(70)
            checks.check("the last release has ended", not releases.is_alive(), f"approve said: {load.said}")
            load.over = True
            for thread in threads:
                thread.join(70)
            load.verify("in the end")
            print(f"kills: {kills}   writes acknowledged: {load.record.writes}   approvals: {load.approvals}   releases: {load.version - 1}", flush=True)
            checks.check("there was load", load.record.writes > kills * 20 and load.approvals >= kills // 5, load.record.writes)
            for how in ("kill -9", "SIGTERM"):
                right_members_are_left_alone(fleet, checks, how)
    except Exception as error:
        checks.check("runs to the end", False, repr(error))
    return checks.finish()


if __name__ == "__main__":
    raise SystemExit(main())
