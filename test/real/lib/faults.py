"""Faults while a release goes on in real clusters; see faults.sh. The processes are those that the script has started; they are killed
and started again as they were."""
import argparse
import collections
import http.client
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "acceptance", "lib"))
from fleet import Checks, GivenFleet, seed, seeded_random, soon
from gate import DEPLOYMENT, IMAGE, PODS, ROLLOUT, ROLLOUTS, Gate, version_of

# Seconds for a step to end, whatever has happened. The informers of Kubernetes' own controllers wait up to a minute before they try again
# where an API server has been away several times within two.
PATIENCE = 150
SHORT = 3.0          # seconds that a fault lasts at the most …
LONG = float(os.environ.get("FAULT_SECONDS", "40"))    # … and one that outlasts leases, timeouts and back-offs
LONG_SHARE = float(os.environ.get("LONG", "0.1"))      # of all faults
RESUMED = 1.0        # seconds beyond an undisturbed step, or the native controllers' after the same fault, from when the part is back
# The same where a Lease ran out, because the store that keeps it was away: the hub's, or a member's that was away for longer than SHORT.
LEADER_CHANGE = 5.0
WATCHED = 2.0        # seconds beyond these that nothing moves at a pause which nobody approves
NATIVE = "/apis/apps/v1/namespaces/default/deployments/native"
DECISIONS = "/apis/fleet.aviary.dev/v1alpha1/namespaces/demo/decisions"


class Process:
    """One of ours; ready when its /readyz says so."""

    def __init__(self, name, pid, log):
        self.name, self.pid, self.log, self.child = name, pid, log, None
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            self.command = [part.decode() for part in file.read().split(b"\0")[:-1]]
        self.health = self.command[self.command.index("--health-port") + 1]

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        if self.child:
            self.child.wait()

    def start(self):
        with open(self.log, "a") as log:
            self.child = subprocess.Popen(self.command, stdout=log, stderr=log)
        self.pid = self.child.pid

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/readyz", timeout=2) as answer:
                return answer.status == 200
        except (OSError, urllib.error.HTTPError):
            return False

    def end(self):
        if self.child:
            self.child.terminate()
            self.child.wait(20)


# What a release needs and the native controllers do not. An API server has a connection to its store for each resource, and each of them
# finds it again by itself: after a long time away up to half a minute after /readyz has said that all is well.
LEASES = "/apis/coordination.k8s.io/v1/namespaces/aviary-system/leases"
NEEDED_IN_MEMBERS = (f"{LEASES}/aviary-member", ROLLOUTS, ROLLOUTS.rsplit("/", 2)[0] + "/batchreleases")
FLEET = DECISIONS.split("/namespaces/")[0]
POLICIES = [f"/apis/{group}/v1alpha1/{each}" for group in ("policy.one.alibabacloud.com", "policy.karmada.io")
            for each in ("propagationpolicies", "clusterpropagationpolicies")]
NEEDED_ON_THE_HUB = (f"{LEASES}/aviary-hub", "/api/v1/namespaces/aviary-system/configmaps", "/apis/cluster.open-cluster-management.io/v1/managedclusters",
                     DECISIONS, f"{FLEET}/fleetbindings", f"{FLEET}/clusterfleetbindings", *POLICIES, ROLLOUTS,
                     f"/apis/apps/v1/namespaces/demo/deployments/{DEPLOYMENT}", "/apis/apps/v1/controllerrevisions")


class Part:
    """One of a cluster's; ready when its API server is, and has what a release needs from its store."""

    def __init__(self, fixture, folder, name, cluster):
        self.fixture, self.folder, self.name, self.cluster = fixture, folder, name, cluster
        self.member = cluster.name if cluster.name != "fleet" else None
        self.needed = NEEDED_IN_MEMBERS if self.member else NEEDED_ON_THE_HUB
        self.up, self.last = None, None   # when /readyz said so, and what was served last after it

    def call(self, verb):
        subprocess.run([self.fixture, verb, "--dir", self.folder, "--part", self.name], check=True)

    def kill(self):
        self.call("kill")

    def start(self):
        self.up, self.last = None, None
        self.call("start")

    def ready(self):
        if not self.serves("/readyz"):
            return False
        self.up = self.up or time.monotonic()
        missing = next((path for path in self.needed if not self.serves(path)), None)
        self.last = missing or self.last
        if not missing and self.last and time.monotonic() - self.up > 1:
            print(f"note: {self.last} was served {time.monotonic() - self.up:.1f} s after /readyz of {self.cluster.name} was good", flush=True)
        return not missing

    def serves(self, path):
        # A request that came while the store was away may never be answered, and the next one at once.
        connection = self.cluster.connect(timeout=0.5)
        try:
            connection.request("GET", self.cluster.prefix + path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Network:
    """The way between the hub and a member."""

    def __init__(self, path, mode):
        self.path, self.mode = path, mode

    def say(self, mode):
        with open(self.path + ".new", "w") as file:
            file.write(mode)
        os.replace(self.path + ".new", self.path)

    def kill(self):
        self.say(self.mode)

    def start(self):
        self.say("pass")

    def ready(self):
        return True


class Play(Gate):
    """Steps of releases, each with a fault in the middle."""

    def __init__(self, fleet, checks, random):
        super().__init__(fleet, True, checks, random)
        self.usual = collections.defaultdict(list)   # seconds of an undisturbed step, by its number
        self.step = 3                                # the one at which all are; 3 is the end
        self.scaling = False
        self.closing = False
        self.down = 0.0                              # seconds that the last fault was to last

    def state(self, member):
        try:
            return super().state(member)
        except Exception:   # its API server is down
            return None

    def there(self, member, step):
        wanted = ("Healthy", 3, "Completed") if step == 3 else ("Progressing", step, "StepPaused")
        if self.state(member) != wanted:
            return False
        try:
            return self.pods(member) == self.expected(step)
        except Exception:
            return False

    def act(self, step):
        """What a person does for the next step, again until it is taken."""
        if step == 1:
            command = ["kubectl", "-n", "demo", "set", "image", f"deployment/{DEPLOYMENT}", f"vllm={IMAGE}:v{self.version}"]
        else:
            command = ["kubectl", "amc", "rollout", "approve", f"rollouts/{ROLLOUT}", "-n", "demo", "-M", "--step", str(step - 1), "--wait=false"]
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            code, said = self.fleet.run(*command)
            if code == 0:
                return time.monotonic(), said
            if step > 1 and all(self.there(member, step) for member in self.members):
                return time.monotonic(), said
            time.sleep(0.1)
        raise RuntimeError(f"{' '.join(command)} is not taken: exit {code}\n{said}")

    def native(self, member):
        """Seconds for the native controllers alone to replace the pods of a Deployment; they too have to find their API server again."""
        cluster = self.fleet.cluster(member)
        begun = time.monotonic()
        image = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": f"v{begun}"}]}}}}
        generation = cluster.write("PATCH", NATIVE, image, "application/strategic-merge-patch+json")["metadata"]["generation"]

        def done():
            status = cluster.get(NATIVE).get("status", {})
            return status.get("observedGeneration") == generation and all(
                status.get(field) == 4 for field in ("replicas", "updatedReplicas", "availableReplicas"))
        if not soon(PATIENCE, done, 0.01):
            raise RuntimeError(f"{member}: a Deployment without a Rollout is not rolled out")
        return time.monotonic() - begun

    def length(self):
        """For how many seconds a fault lasts."""
        if self.random.random() < LONG_SHARE:
            return self.random.uniform(SHORT, LONG)
        return self.random.uniform(0.1, SHORT)

    def strike(self, fault, down):
        """Takes the parts away for so many seconds; when they were back."""
        for part in fault:
            part.kill()
        time.sleep(down)
        for part in fault:
            part.start()
        if not soon(PATIENCE, lambda: all(part.ready() for part in fault), 0.01):
            raise RuntimeError("a part that was started again is not ready")
        return time.monotonic()

    def stands(self, member):
        """What a pause holds in a member, pod by pod; None while its API server does not answer."""
        try:
            status = self.fleet.cluster(member).get(ROLLOUTS)["status"]
            pods = self.fleet.cluster(member).get(PODS)["items"]
        except Exception:
            return None
        canary = status["canaryStatus"]
        return ((status["phase"], canary["currentStepIndex"], canary["currentStepState"], canary["lastUpdateTime"]),
                sorted((pod["metadata"]["name"], version_of(pod["spec"])) for pod in pods if not self.gone(pod)))

    def hold(self, fault, seconds):
        """The fault at a pause that nobody approves. What has moved until so long after the parts are back."""
        if not soon(PATIENCE, lambda: all(self.there(member, self.step) for member in self.members)):
            raise RuntimeError(f"v{self.version} does not stay at step {self.step}")
        before = {member: self.stands(member) for member in self.members}
        back = self.strike(fault, self.length())
        moved = []
        while time.monotonic() < back + seconds:
            for member in self.members:
                now = self.stands(member)
                if now and now != before[member]:
                    moved.append(f"v{self.version} {member}: {before[member]}, then {now}")
            time.sleep(0.1)
        for member in self.members:
            if not soon(10, lambda: self.stands(member) == before[member]):
                moved.append(f"v{self.version} {member} at the end: {self.stands(member)}")
        return moved

    def advance(self, fault=None):
        """One step in all members, with a fault that begins somewhere around the act. Seconds beyond what it takes undisturbed."""
        step = self.step % 3 + 1
        back, natives = [], []
        before, after, self.down = self.random.uniform(-0.4, 1.0), 0, self.length()
        if before < 0:
            before, after = 0, -before

        def break_it():
            time.sleep(before)
            back.append(self.strike(fault, self.down))
            natives.extend(self.native(part.member) for part in fault if getattr(part, "member", None))

        breaking = threading.Thread(target=break_it) if fault else None
        if breaking:
            breaking.start()
            time.sleep(after)
        if step == 1:
            self.version += 1
        for member in self.members:
            self.allow(member, step)   # not before somebody says so
        acted, said = self.act(step)
        ended = {}

        def all_there():
            for member in self.members:
                if member not in ended and self.there(member, step):
                    ended[member] = time.monotonic()
            return len(ended) == len(self.members)
        reached = soon(PATIENCE, all_there, 0.01)
        if breaking:
            breaking.join()
        self.step = step
        if not reached:
            raise RuntimeError(f"v{self.version} does not reach step {step}: " +
                               ", ".join(f"{member} {self.state(member)} {self.pods(member)}" for member in self.members) + f"\n{said}")
        begun = max([acted, *back])
        took = max(ended.values()) - begun
        if not fault:
            self.usual[step].append(took)
            return 0.0
        # What is stopped in the middle has the rest of its step before it.
        return max(0.0, took - max(statistics.median(self.usual[step]), *natives, 0.0))

    def begin(self):
        self.fleet.must("kubectl", "apply", "-f", "-", text=seed("namespace.yaml"))
        self.apply()
        self.fleet.must("kubectl", "apply", "-n", "demo", "-f", "-", text=seed("rollout.yaml"))
        for member in self.members:
            self.checks.check(f"{member} is ready", soon(PATIENCE, lambda: self.quiet(member)))
        self.steps = {member: 3 for member in self.members}
        for member in self.members:
            self.fleet.cluster(member).write("POST", os.path.dirname(NATIVE), {
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "native"},
                "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "native"}},
                         "template": {"metadata": {"labels": {"app": "native"}}, "spec": {"containers": [{"name": "main", "image": "v0"}]}}}})
            for watch in (self.watch, self.watch_wanted):
                threading.Thread(target=watch, args=(member,), daemon=True).start()
        for _ in range(9):
            self.advance()
        print("undisturbed: " + ", ".join(f"step {step} {statistics.median(times):.2f} s" for step, times in sorted(self.usual.items())), flush=True)


def faults_of(given, fleet, processes):
    def part(cluster, name):
        return Part(given.fixture, os.path.join(given.work, cluster), name, fleet.cluster("fleet" if cluster == "hub" else cluster))
    first = fleet.clusters[0]
    network = os.path.join(given.work, "network")
    # Name: what is killed, and how long it may take beyond an undisturbed step.
    faults = {
        "hub": ([processes["hub"]], RESUMED),
        "member": ([processes[first]], RESUMED),
        "members": ([processes[each] for each in fleet.clusters], RESUMED),
        "member-apiserver": ([part(first, "kube-apiserver")], RESUMED),
        "member-etcd": ([part(first, "etcd")], RESUMED),
        "hub-apiserver": ([part("hub", "kube-apiserver")], LEADER_CHANGE),
        "hub-etcd": ([part("hub", "etcd")], LEADER_CHANGE),
        "network-cut": ([Network(network, "cut")], RESUMED),
        "network-stall": ([Network(network, "stall")], RESUMED),
        "network-slow": ([Network(network, "slow")], RESUMED),
    }
    if given.link:
        faults["agent"] = ([processes[f"{first}-agent"]], RESUMED)
    return faults


def play(given, fleet, checks, processes):
    game = Play(fleet, checks, seeded_random())
    faults = faults_of(given, fleet, processes)
    runs = int(os.environ.get("RUNS", "1"))
    wanted = os.environ.get("FAULTS", " ".join(faults)).split()
    game.begin()
    for name in wanted:
        broken, bound = faults[name]
        late, downs, moved, held = [], [], [], 0
        for number in range(runs):
            # Every other time at a pause first, and once at least.
            if number == 0 and game.step == 3:
                game.advance()
            if number % 2 == 0 and game.step != 3:
                moved += game.hold(broken, bound + WATCHED)
                held += 1
            late.append(game.advance(broken))
            downs.append(game.down)
        print(f"{name:18} down for {' '.join(f'{each:.1f}' for each in downs)}", flush=True)
        print(f"{name:18} runs={runs} later than undisturbed by: median {statistics.median(late):.2f} s, most {max(late):.2f} s", flush=True)
        of_lease = any(getattr(part, "member", None) for part in broken)
        in_time = all(each <= (LEADER_CHANGE if of_lease and down > SHORT else bound) for each, down in zip(late, downs))
        checks.check(f"{name}: goes on within {bound:.0f} s of its being back", in_time,
                     " ".join(f"{each:.2f} after {down:.1f}" for each, down in zip(late, downs)))
        checks.check(f"{name}: nothing moves at a pause that nobody approves, {held} times", held and not moved,
                     "\n".join(moved[:10]))
    while game.step != 3:
        game.advance()
    game.closing = True
    checks.check("at no moment was more than an approved share of the new version wanted", not game.wanted_beyond,
                 "\n".join(game.wanted_beyond[:10]))
    # The ReplicaSet controller makes a pod again when the answer to its first try was lost with the API server or etcd, and ends one of
    # both when it sees them.
    if set(wanted) & {"member-apiserver", "member-etcd"}:
        print(f"note: {len(game.beyond)} moments with pods that the ReplicaSet controller has made twice", flush=True)
    else:
        checks.check("at no moment were there more pods than that", not game.beyond, "\n".join(game.beyond[:10]))
    open_ones = [f"{item['metadata']['name']}: {item.get('status')}" for item in fleet.hub.get(DECISIONS)["items"]
                 if item.get("status", {}).get("outcome") != "Applied"]
    checks.check("every Decision was carried out", not open_ones, "\n".join(open_ones))


def main():
    arguments = argparse.ArgumentParser(description="Faults during releases; see faults.sh.")
    for name in ("work", "fixture", "members"):
        arguments.add_argument(f"--{name}", required=True)
    arguments.add_argument("--link", action="store_true")
    given = arguments.parse_args()
    checks = Checks()
    fleet = GivenFleet(os.path.join(given.work, "fleet.kubeconfig"), given.members.split(","))
    processes = {}
    try:
        with open(os.path.join(given.work, "parts")) as file:
            for line in file:
                name, pid = line.split()
                processes[name] = Process(name, int(pid), os.path.join(given.work, f"{name}.log"))
        play(given, fleet, checks, processes)
    except Exception as error:
        checks.check("runs to the end", False, repr(error))
    for each in processes.values():
        each.end()
    return checks.finish()


if __name__ == "__main__":
    raise SystemExit(main())
