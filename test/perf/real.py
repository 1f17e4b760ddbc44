"""Times on a fleet of real clusters that runs already; see real.sh. Prints a line of `name=value` pairs for each load."""
import argparse
import concurrent.futures
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "acceptance", "lib"))
from fleet import ApiError, GivenFleet, soon

LIMIT = 120   # seconds for anything that is waited for
PATCH = "application/strategic-merge-patch+json"
DUPLICATED = {"replicaScheduling": {"replicaSchedulingType": "Duplicated"}}
# As many pods as an approval of `aviary-perf reaction` replaces (10 % to 50 % of ten), at the pace of the same Deployment:
# a quarter of ten more, a quarter of ten fewer.
PODS = 4
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}


def deployment(namespace, name, replicas, strategy=None, annotations=None):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, **({"strategy": strategy} if strategy else {}),
                     "template": {"metadata": {"labels": {"app": name}, "annotations": annotations or {}},
                                  "spec": {"containers": [{"name": "main", "image": "v1"}]}}}}


def create(cluster, path, body):
    """What is there from an earlier load is as good."""
    try:
        cluster.write("POST", path, body)
    except ApiError as error:
        if error.status != 409:
            raise


def quantile(times, part):
    return sorted(times)[min(len(times) - 1, int(part * len(times)))]


def report(what, times):
    print(f"{what} times={len(times)} p50_ms={quantile(times, 0.5):.1f} p99_ms={quantile(times, 0.99):.1f} max_ms={max(times):.1f}",
          flush=True)


class Seen:
    """The objects of one path as a watch tells them, and when each came to be as it is wanted."""

    def __init__(self, cluster, path):
        self.cluster, self.path = cluster, path
        self.changed = threading.Condition()
        self.objects = {}
        self.wanted = None
        self.at = {}   # by name: when it was first as wanted
        self.deleted_at = time.monotonic()
        listed = cluster.get(path)
        for item in listed["items"]:
            self.objects[item["metadata"]["name"]] = item
        self.revision = listed["metadata"]["resourceVersion"]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        for event in self.cluster.watch(f"{self.path}?resourceVersion={self.revision}&allowWatchBookmarks=false"):
            now = time.monotonic()
            item = event["object"]
            with self.changed:
                self.objects[item["metadata"]["name"]] = item if event["type"] != "DELETED" else None
                if event["type"] == "DELETED":
                    self.deleted_at = now
                self.look(item["metadata"]["name"], now)
                self.changed.notify_all()

    def look(self, name, now):
        item = self.objects[name]
        if item and self.wanted and name not in self.at and self.wanted(item):
            self.at[name] = now

    def expect(self, wanted):
        """Said before the write that brings it about."""
        with self.changed:
            self.wanted, self.at = wanted, {}
            for name in list(self.objects):
                self.look(name, time.monotonic())

    def wait(self, names):
        with self.changed:
            if not self.changed.wait_for(lambda: all(name in self.at for name in names), LIMIT):
                raise RuntimeError(f"{self.cluster.name}: {self.path} is not as wanted after {LIMIT} s")
            return max(self.at[name] for name in names)


    def wait_left(self, count):
        """When the last went of those that are more than so many."""
        with self.changed:
            if not self.changed.wait_for(lambda: sum(item is not None for item in self.objects.values()) <= count, LIMIT):
                raise RuntimeError(f"{self.cluster.name}: {self.path} has more than {count} after {LIMIT} s")
            return self.deleted_at


def rolled_out(replicas, generation=0):
    def wanted(item):
        status = item.get("status", {})
        return (item["metadata"]["generation"] > generation and status.get("observedGeneration") == item["metadata"]["generation"] and
                all(status.get(field) == replicas for field in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")))
    return wanted


class Load:
    def __init__(self, fleet):
        self.fleet = fleet
        self.members = [fleet.cluster(name) for name in fleet.clusters]
        self.pool = concurrent.futures.ThreadPoolExecutor(16)

    def on_all(self, act):
        """In all members at once: when each began, and that each is done."""
        def one(member):
            begun = time.monotonic()
            act(member)
            return begun
        return list(self.pool.map(one, self.members))

    def namespace(self, name, selectors):
        """On the hub, brought to every member with what the selectors name."""
        group = "policy.one.alibabacloud.com/v1alpha1"
        policies = f"/apis/{group}"
        create(self.fleet.hub, "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        create(self.fleet.hub, f"{policies}/clusterpropagationpolicies",
               {"apiVersion": group, "kind": "ClusterPropagationPolicy", "metadata": {"name": name},
                "spec": {"resourceSelectors": [{"apiVersion": "v1", "kind": "Namespace", "name": name}], "placement": DUPLICATED}})
        create(self.fleet.hub, f"{policies}/namespaces/{name}/propagationpolicies",
               {"apiVersion": group, "kind": "PropagationPolicy", "metadata": {"name": "all", "namespace": name},
                "spec": {"resourceSelectors": selectors, "placement": DUPLICATED}})

        def there(member):
            return member.send("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default")[0] == 200
        if not soon(LIMIT, lambda: all(there(member) for member in self.members)):
            raise RuntimeError(f"the namespace {name} does not come to the members")

    # --- what the native controllers need
    def native(self, rounds):
        """A Deployment that no Rollout refers to, written in each member: so many pods replaced, and so many more, until those that
        had to go are gone, as a Rollout's step ends."""
        path = "/apis/apps/v1/namespaces/native/deployments"
        for member in self.members:
            create(member, "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "native"}})
            soon(LIMIT, lambda: member.send("GET", "/api/v1/namespaces/native/serviceaccounts/default")[0] == 200)
        seen = [Seen(member, path) for member in self.members]
        pods = [Seen(member, "/api/v1/namespaces/native/pods") for member in self.members]
        times = {"replaced": [], "added": []}

        def step(kind, replicas, body):
            generation = max((each.objects["web"]["metadata"]["generation"] for each in seen if "web" in each.objects), default=0)
            for each in seen:
                each.expect(rolled_out(replicas, generation))
            begun = self.on_all(lambda member: member.write("PATCH", f"{path}/web", body, PATCH))
            ended = [max(each.wait(["web"]), left.wait_left(replicas)) for each, left in zip(seen, pods)]
            if kind:
                times[kind] += [(end - begin) * 1000 for begin, end in zip(begun, ended)]

        for each in seen:
            each.expect(rolled_out(PODS))
        self.on_all(lambda member: create(member, path, deployment("native", "web", PODS, ROLLING)))
        for each in seen:
            each.wait(["web"])
        for index in range(rounds):
            image = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": f"v{os.getpid()}-{index}"}]}}}}
            step("replaced", PODS, image)
            step("added", 2 * PODS, {"spec": {"replicas": 2 * PODS}})
            step(None, PODS, {"spec": {"replicas": PODS}})
        for kind, found in times.items():
            report(f"native-{kind}", found)

    # --- many at once in one member
    def rollouts(self, many):
        """As many Deployments with a Rollout of one step each as without, released at once; the one half after the other."""
        member, space = self.members[0], "/apis/{}/namespaces/many/{}".format
        deployments, rollouts = space("apps/v1", "deployments"), space("rollouts.kruise.io/v1beta1", "rollouts")
        create(member, "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "many"}})
        soon(LIMIT, lambda: member.send("GET", "/api/v1/namespaces/many/serviceaccounts/default")[0] == 200)
        seen, ruled = Seen(member, deployments), Seen(member, rollouts)
        halves = {kind: [f"{kind}-{index}" for index in range(many)] for kind in ("plain", "ruled")}

        def on(names, act):
            list(self.pool.map(act, names))

        def rollout(name):
            return {"apiVersion": "rollouts.kruise.io/v1beta1", "kind": "Rollout", "metadata": {"name": name, "namespace": "many"},
                    "spec": {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                             "strategy": {"canary": {"steps": [{"replicas": "100%"}]}}}}

        seen.expect(rolled_out(2))
        for names in halves.values():
            on(names, lambda name: create(member, deployments, deployment("many", name, 2)))
            seen.wait(names)
        ruled.expect(lambda item: item.get("status", {}).get("phase") == "Healthy")
        on(halves["ruled"], lambda name: create(member, rollouts, rollout(name)))
        ruled.wait(halves["ruled"])
        before = {name: (item["status"].get("canaryStatus") or {}).get("canaryRevision") for name, item in ruled.objects.items()}

        def released(item):
            status = item.get("status", {})
            now = status.get("canaryStatus") or {}
            return (status.get("phase") == "Healthy" and now.get("currentStepState") == "Completed" and
                    now.get("canaryRevision") != before[item["metadata"]["name"]])

        seconds = {}
        for kind, names in halves.items():
            generations = {name: seen.objects[name]["metadata"]["generation"] for name in names}
            seen.expect(lambda item: item["metadata"]["name"] in generations and
                        rolled_out(2, generations[item["metadata"]["name"]])(item))
            ruled.expect(released)
            body = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": f"v{os.getpid()}"}]}}}}
            begun = time.monotonic()
            on(names, lambda name: member.write("PATCH", f"{deployments}/{name}", body, PATCH))
            ended = seen.wait(names)
            if kind == "ruled":
                ended = max(ended, ruled.wait(names))
            seconds[kind] = ended - begun
        print(f"rollouts count={many} plain_s={seconds['plain']:.2f} ruled_s={seconds['ruled']:.2f} "
              f"ratio={seconds['ruled'] / seconds['plain']:.2f}", flush=True)

    # --- hub to members
    def objects(self, rounds, many):
        self.namespace("objects", [{"apiVersion": "v1", "kind": "ConfigMap"}])
        path = "/api/v1/namespaces/objects/configmaps"
        hub = self.fleet.hub
        seen = [Seen(member, path) for member in self.members]
        run = os.getpid()

        def config_map(name, value):
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "objects"}, "data": {"value": value}}

        def timed(names, value, act):
            for each in seen:
                each.expect(lambda item: item["metadata"]["name"] in names and item.get("data", {}).get("value") == value)
            begun = time.monotonic()
            act()
            ends = [each.wait(names) for each in seen]
            return (max(ends) - begun) * 1000

        created, updated = [], []
        for index in range(rounds + 1):
            name = f"one-{run}-{index}"
            first = timed([name], "a", lambda: hub.write("POST", path, config_map(name, "a")))
            time.sleep(0.2)
            second = timed([name], "b", lambda: hub.write("PATCH", f"{path}/{name}", {"data": {"value": "b"}}, PATCH))
            time.sleep(0.2)
            # The first one opens watches and connections.
            if index > 0:
                created.append(first)
                updated.append(second)
        report("object-created", created)
        report("object-updated", updated)

        names = [f"many-{run}-{index}" for index in range(many)]
        seconds = timed(set(names), "a", lambda: list(
            self.pool.map(lambda name: hub.write("POST", path, config_map(name, "a")), names))) / 1000
        print(f"objects count={many} seconds={seconds:.2f}", flush=True)

    # --- members to hub
    def status(self, rounds):
        """A pod of one member is deleted, and the next one takes a second to be ready: both are seen in the member's Deployment,
        then in the hub's."""
        self.namespace("status", [{"apiVersion": "apps/v1", "kind": "Deployment"}])
        path = "/apis/apps/v1/namespaces/status/deployments"
        hub, members = Seen(self.fleet.hub, path), [Seen(member, path) for member in self.members]
        count = len(members)

        def ready(number):
            return lambda item: item.get("status", {}).get("readyReplicas", 0) == number and item["status"].get("replicas")

        hub.expect(ready(count))
        create(self.fleet.hub, path, deployment("status", "web", 1, annotations={"simulator.aviary.dev/start": "1500ms"}))
        hub.wait(["web"])
        times = []
        for index in range(rounds):
            member = members[index % count]
            time.sleep(1)
            hub.expect(ready(count - 1))
            member.expect(ready(0))
            for pod in member.cluster.get("/api/v1/namespaces/status/pods")["items"]:
                member.cluster.send("DELETE", f"/api/v1/namespaces/status/pods/{pod['metadata']['name']}")
            times.append((hub.wait(["web"]) - member.wait(["web"])) * 1000)
            hub.expect(ready(count))
            member.expect(ready(1))
            times.append((hub.wait(["web"]) - member.wait(["web"])) * 1000)
        report("status-back", times)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kubeconfig", required=True)
    arguments.add_argument("--members", required=True, help="names of contexts, separated by commas")
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--many", type=int, default=500, help="objects or Rollouts at once")
    arguments.add_argument("load", choices=["native", "objects", "rollouts", "status"])
    given = arguments.parse_args()
    load = Load(GivenFleet(given.kubeconfig, given.members.split(",")))
    if given.load == "native":
        load.native(given.rounds)
    elif given.load == "objects":
        load.objects(given.rounds, given.many)
    elif given.load == "rollouts":
        load.rollouts(given.many)
    else:
        load.status(given.rounds)


if __name__ == "__main__":
    main()
