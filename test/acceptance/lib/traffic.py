"""Real requests through a real proxy while releases route them; see traffic.sh. A small translator makes HAProxy's configuration from the
HTTPRoute or the Ingresses, and from the EndpointSlices of the Services that they name, whenever one of them changes."""
import argparse
import asyncio
import collections
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from fleet import Checks, Fleet, free_port, soon

NAMESPACE = "default"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
SERVICE = f"{CORE}/services/web"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
ROUTES = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
INGRESSES = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses"
ROLLOUTS = f"/apis/rollouts.kruise.io/v1beta1/namespaces/{NAMESPACE}/rollouts"
TOKENS = 4       # of each answer
BODY = json.dumps({"prompt": "what is an aviary?", "max_tokens": TOKENS, "stream": True})
POINTS = 2.0     # that a measured share may be away from what was asked
TESTER = "x-tester"

DEFINITIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../src/kube/simulator/definitions")
# Group, version and resource of each kind of workload, and what its spec has of its own.
WORKLOADS = {
    "Deployment": ("apps/v1", "deployments", {}),
    "StatefulSet": ("apps/v1", "statefulsets", {"serviceName": "web", "podManagementPolicy": "Parallel"}),
    "CloneSet": ("apps.kruise.io/v1alpha1", "clonesets", {}),
}
# nginx's own words for what is led to the Service of an Ingress that is a canary.
NGINX = "nginx.ingress.kubernetes.io/"

CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
       "metadata": {"name": "httproutes.gateway.networking.k8s.io",
                    "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
       "spec": {"group": "gateway.networking.k8s.io", "scope": "Namespaced",
                "names": {"kind": "HTTPRoute", "listKind": "HTTPRouteList", "plural": "httproutes", "singular": "httproute"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}

STYLES = {
    "partition": {"canary": {"steps": [{"replicas": "20%", "traffic": "20%", "pause": {}}, {"replicas": "50%", "traffic": "50%", "pause": {}},
                                       {"replicas": "100%"}]}},
    "canary": {"canary": {"enableExtraWorkloadForCanary": True, "steps": [
        {"replicas": 1, "matches": [{"headers": [{"name": TESTER, "value": "yes"}]}], "pause": {}},
        {"replicas": "20%", "traffic": "5%", "pause": {}}, {"replicas": "50%", "traffic": "50%", "pause": {}}]}},
    "blueGreen": {"blueGreen": {"steps": [{"replicas": "100%", "traffic": "0%", "pause": {}}, {"replicas": "100%", "traffic": "50%", "pause": {}},
                                          {"replicas": "100%", "traffic": "100%", "pause": {}}]}},
}


class Followed:
    """What there is at a path, by name, as a watch tells it."""

    def __init__(self, cluster, path, on_change):
        self.objects, self.cluster, self.path, self.on_change = {}, cluster, path, on_change
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        while True:
            try:
                listed = self.cluster.get(self.path)
                now = {each["metadata"]["name"]: each for each in listed["items"]}
                for name in list(self.objects):
                    if name not in now:
                        self.change("DELETED", self.objects[name])
                for each in now.values():
                    self.change("ADDED", each)
                for event in self.cluster.watch(f"{self.path}?resourceVersion={listed['metadata']['resourceVersion']}"):
                    if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                        self.change(event["type"], event["object"])
            except (OSError, ValueError, RuntimeError):
                time.sleep(0.05)

    def change(self, kind, item):
        name = item["metadata"]["name"]
        if kind == "DELETED":
            self.objects.pop(name, None)
        else:
            self.objects[name] = item
        self.on_change(kind, item)


class Proxy:
    """HAProxy, and the translator. A new configuration is taken over without a listener being closed."""

    def __init__(self, program, folder, cluster):
        self.folder, self.port = folder, free_port()
        self.config = os.path.join(folder, "haproxy.cfg")
        self.changed = threading.Event()
        self.generation, self.written, self.taken, self.cluster = 0, None, None, cluster
        self.routes = Followed(cluster, ROUTES, lambda *_: self.changed.set())
        self.ingresses = Followed(cluster, INGRESSES, lambda *_: self.changed.set())
        self.slices = Followed(cluster, SLICES, lambda *_: self.changed.set())
        self.write()
        self.process = subprocess.Popen([*program, "-W", "-db", "-f", self.config], stdout=open(os.path.join(folder, "haproxy.log"), "w"),
                                        stderr=subprocess.STDOUT)
        self.await_generation()
        threading.Thread(target=self.run, daemon=True).start()

    def endpoints(self, service):
        """Addresses of what may get requests."""
        found = []
        for each in list(self.slices.objects.values()):
            if each["metadata"].get("labels", {}).get("kubernetes.io/service-name") != service:
                continue
            for endpoint in each.get("endpoints") or []:
                ready = endpoint.get("conditions", {}).get("ready", True) and not endpoint.get("conditions", {}).get("terminating")
                if ready and each.get("ports"):
                    found.append(f"{endpoint['addresses'][0]}:{each['ports'][0]['port']}")
        return sorted(found)

    def servers(self, rule):
        """Each Service's share, divided among its endpoints; in the smallest numbers that HAProxy can tell apart."""
        shares = []
        for backend in rule.get("backendRefs", []):
            addresses, weight = self.endpoints(backend["name"]), backend.get("weight", 1)
            shares += [(backend["name"], address, weight / len(addresses)) for address in addresses if weight]
        most = max((share for _, _, share in shares), default=1)
        return [f"  server {name}-{address} {address} weight {max(1, round(256 * share / most))}" for name, address, share in shares]

    def rules(self):
        """Of the HTTPRoute; of an Ingress, as if it were one."""
        if route := self.routes.objects.get("web"):
            return route["spec"].get("rules", [])
        if not (ingress := self.ingresses.objects.get("web")):
            return []
        service = lambda item: item["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]
        stable, rules = service(ingress), []
        canary = self.ingresses.objects.get("web-canary", {"metadata": {}})
        words = canary["metadata"].get("annotations", {})
        weight = int(words.get(NGINX + "canary-weight", 0)) if words.get(NGINX + "canary") == "true" else 0
        if words.get(NGINX + "canary") == "true" and NGINX + "canary-by-header" in words:
            header = {"name": words[NGINX + "canary-by-header"], "value": words[NGINX + "canary-by-header-value"]}
            rules.append({"matches": [{"headers": [header]}], "backendRefs": [{"name": service(canary)}]})
        shares = [{"name": stable, "weight": 100 - weight}] + ([{"name": service(canary), "weight": weight}] if weight else [])
        return [*rules, {"backendRefs": shares}]

    def text(self):
        front, back = [], []
        for index, rule in enumerate(self.rules()):
            headers = [header for match in rule.get("matches", []) for header in match.get("headers", [])]
            condition = " if " + " ".join(f"{{ req.hdr({each['name']}) -m str {each['value']} }}" for each in headers) if headers else ""
            # Rules that ask for more come first, as the Gateway API has it.
            front.insert(0 if headers else len(front), f"  use_backend rule{index}{condition}")
            back += [f"backend rule{index}", "  balance roundrobin", *self.servers(rule)]
        return "\n".join(front), "\n".join(back)

    def write(self):
        front, back = self.text()
        self.generation += 1
        with open(self.config + ".new", "w") as file:
            file.write(f"""global
  stats socket {self.folder}/haproxy.sock mode 600 level admin expose-fd listeners
  hard-stop-after 20s
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  retries 0
frontend in
  bind 127.0.0.1:{self.port}
  http-request return status 200 content-type text/plain string "{self.generation}" if {{ path /generation }}
{front}
{back}
""")
        os.rename(self.config + ".new", self.config)
        self.written = (front, back)

    def await_generation(self, reload=False):
        def there():
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    connection.sendall(b"GET /generation HTTP/1.0\r\n\r\n")
                    answer = b""
                    while part := connection.recv(4096):
                        answer += part
                return answer.rpartition(b"\r\n")[2].decode() == str(self.generation)
            except OSError:
                return False
        for _ in range(80):
            if reload:
                self.process.send_signal(signal.SIGUSR2)
            if soon(0.25, there, 0.005):   # its master may be starting itself anew, and then hears nothing
                self.taken = self.written
                return
        with open(os.path.join(self.folder, "haproxy.log")) as log:
            raise RuntimeError(f"HAProxy did not take its configuration:\n{log.read()[-2000:]}")

    def run(self):
        while True:
            self.changed.wait()
            self.changed.clear()
            if self.text() != self.written:
                self.write()
                self.await_generation(reload=True)

    def current(self):
        """It has taken over what there is now."""
        versions = lambda objects: {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in objects}
        known = all(versions(self.cluster.get(each.path)["items"]) == versions(each.objects.values()) for each in (self.routes, self.ingresses, self.slices))
        return known and self.taken == self.text()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


async def request(port, header=""):
    """The version that answered; an Error text where anything is missing of the whole answer."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 10)
        writer.write(f"POST /v1/completions HTTP/1.1\r\nHost: web\r\nConnection: close\r\nContent-Length: {len(BODY)}\r\n{header}\r\n{BODY}".encode())
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
    except (OSError, asyncio.TimeoutError) as error:
        return f"error: {error!r}"
    words = [line[6:] for line in answer.decode("latin-1").split("\n") if line.startswith("data: ")]
    whole = answer.startswith(b"HTTP/1.1 200") and len(words) == TOKENS + 1 and words[-1].strip() == "[DONE]"
    return json.loads(words[0])["model"].rpartition(":")[2] if whole else f"error: {answer[:80]!r}"


async def many(port, count, header="", at_once=16):
    seen, left = collections.Counter(), iter(range(count))

    async def one():
        for _ in left:
            seen[await request(port, header)] += 1
    await asyncio.gather(*(one() for _ in range(at_once)))
    return seen


class Load:
    """Requests all the time, one after another."""

    def __init__(self, port):
        self.seen, self.port, self.closing = collections.Counter(), port, False
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()))
        self.thread.start()

    async def run(self):
        while not self.closing:
            self.seen[await request(self.port)] += 1
            await asyncio.sleep(0.002)

    def failures(self):
        return {text: count for text, count in self.seen.items() if text.startswith("error")}

    def end(self):
        self.closing = True
        self.thread.join()


class Play:
    """Releases: `forward` alone, or with something that comes in step 2: `back` to the version before, `scaled` to more and to fewer,
    `superseded` by a newer version, `jumped` to step 1 and on again."""

    def __init__(self, cluster, proxy, checks, requests, kind, by_ingress):
        self.cluster, self.proxy, self.checks, self.requests, self.kind, self.by_ingress = cluster, proxy, checks, requests, kind, by_ingress
        self.api, resource, self.own = WORKLOADS[kind]
        self.workload = f"/apis/{self.api}/namespaces/{NAMESPACE}/{resource}"
        self.version = self.newest = 1
        # A blue-green release is taken back before the next one begins; and Kruise's controller of CloneSets makes no more pods beside
        # the old ones once half have the new version.
        self.unsupported = {("blueGreen", "superseded")} | ({("blueGreen", "scaled")} if kind == "CloneSet" else set())

    def put(self, path, item):
        self.cluster.write("POST", path, item)

    def change(self, path, value):
        self.cluster.write("PATCH", f"{self.workload}/web", [{"op": "replace", "path": path, "value": value}], "application/json-patch+json")

    def set_version(self, version):
        self.change("/spec/template/spec/containers/0/image", f"vllm:v{version}")

    def leading(self):
        return f"{INGRESSES if self.by_ingress else ROUTES}/web"

    def begin(self):
        self.put(self.workload, {
            "apiVersion": self.api, "kind": self.kind, "metadata": {"name": "web"},
            "spec": {"replicas": 10, "selector": {"matchLabels": {"app": "web"}}, **self.own,
                     "template": {"metadata": {"labels": {"app": "web"}, "annotations": {"simulator.aviary.dev/engine": "vllm"}},
                                  "spec": {"containers": [{"name": "vllm", "image": "vllm:v1", "ports": [{"containerPort": 8000}],
                                                           "lifecycle": {"preStop": {"sleep": {"seconds": 2}}}}]}}}})
        self.put(f"{CORE}/services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                                      "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]}})
        if self.by_ingress:
            self.put(INGRESSES, {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
                                 "spec": {"ingressClassName": "nginx", "rules": [{"http": {"paths": [
                                     {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}})
        else:
            self.put(ROUTES, {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web"},
                              "spec": {"parentRefs": [{"name": "gateway"}], "rules": [
                                  {"backendRefs": [{"group": "", "kind": "Service", "name": "web", "port": 80, "weight": 1}]}]}})
        self.checks.check("ten engines serve", soon(30, lambda: len(self.proxy.endpoints("web")) == 10))

    def object(self, path):
        """All of it but what every write changes."""
        item = self.cluster.get(path)
        for field in ("resourceVersion", "generation", "managedFields"):
            item["metadata"].pop(field, None)
        return json.dumps(item, sort_keys=True)

    def rollout(self, style):
        strategy = json.loads(json.dumps(STYLES[style]))
        way = {"ingress": {"classType": "nginx", "name": "web"}} if self.by_ingress else {"gateway": {"httpRouteName": "web"}}
        next(iter(strategy.values()))["trafficRoutings"] = [{"service": "web", "gracePeriodSeconds": 2, **way}]
        self.put(ROLLOUTS, {"apiVersion": "rollouts.kruise.io/v1beta1", "kind": "Rollout", "metadata": {"name": "web"},
                            "spec": {"workloadRef": {"apiVersion": self.api, "kind": self.kind, "name": "web"}, "strategy": strategy}})
        self.checks.check(f"{style}: the Rollout is healthy", soon(20, lambda: self.state() == ("Healthy", None, None)) or self.state()[0] == "Healthy", f"{self.state()}", quiet=True)

    def state(self):
        status = self.cluster.get(f"{ROLLOUTS}/web").get("status", {})
        release = status.get("blueGreenStatus") or status.get("canaryStatus") or {}
        return status.get("phase"), release.get("currentStepIndex"), release.get("currentStepState")

    def write_status(self, style, status):
        part = "blueGreenStatus" if style == "blueGreen" else "canaryStatus"
        self.cluster.write("PATCH", f"{ROLLOUTS}/web/status", {"status": {part: status}}, "application/merge-patch+json")

    def measure(self, what, step):
        """Asked and seen, by requests."""
        new = f"v{self.newest}"
        self.checks.check(f"{what}: the proxy has it", soon(20, self.proxy.current), quiet=True)
        seen = asyncio.run(many(self.proxy.port, self.requests))
        asked = int(step["traffic"].rstrip("%")) if "traffic" in step else 0
        share = 100 * seen[new] / self.requests
        self.checks.check(f"{what}: asked {asked} %, seen {share:.2f} % of {self.requests} requests",
                          abs(share - asked) <= POINTS and seen[f"v{self.version}"] + (new != f"v{self.version}" and seen[new]) == self.requests,
                          f"{dict(seen)}")
        if "matches" in step:
            matched = asyncio.run(many(self.proxy.port, self.requests // 10, f"{TESTER}: yes\r\n"))
            self.checks.check(f"{what}: who is matched gets {new} alone", matched[new] == self.requests // 10, f"{dict(matched)}")

    def reach(self, what, index):
        return self.checks.check(f"{what} is reached", soon(60, lambda: self.state() == ("Progressing", index, "StepPaused")), f"{self.state()}", quiet=True)

    def scale(self, what, style, step):
        """To more and to fewer, while the step holds."""
        most = 0
        for size in (14, 6, 10):
            self.change("/spec/replicas", size)
            # Beside these are those of the new version; of a canary's never fewer than there were.
            beside = 0 if style == "partition" else -(-size * int(step["replicas"].rstrip("%")) // 100)
            most = max(most, beside)
            pods = size + (most if style == "canary" else beside)
            everyone = lambda: len(self.proxy.endpoints("web")) + len(self.proxy.endpoints("web-canary"))
            self.checks.check(f"{what}, of {size}: all serve", soon(30, lambda: everyone() == pods), f"{everyone()} of {pods}", quiet=True)
            self.checks.check(f"{what}, of {size}: it holds", soon(20, lambda: self.state()[2] == "StepPaused"), f"{self.state()}", quiet=True)
            self.measure(f"{what}, of {size}", step)

    def begin_anew(self, style, event):
        if event == "jumped":
            return self.write_status(style, {"nextStepIndex": 1})
        self.newest += 1
        self.set_version(self.newest)

    def release(self, style, name, event):
        before = [self.object(SERVICE), self.object(self.leading())]
        self.newest += 1
        load = Load(self.proxy.port)
        steps = next(iter(STYLES[style].values()))["steps"]
        try:
            self.set_version(self.newest)
            for index, step in enumerate(steps, 1):
                if "pause" not in step:
                    break
                what = f"{name}, step {index}"
                if not self.reach(what, index):
                    return
                self.measure(what, step)
                if index == 2 and event == "scaled":
                    self.scale(what, style, step)
                if index == 2 and event == "back":
                    self.set_version(self.version)
                    break
                if index == 2 and event in ("superseded", "jumped"):
                    self.begin_anew(style, event)
                    again = f"{name}, step 1 again"
                    if not self.reach(again, 1):
                        return
                    self.measure(again, steps[0])
                    self.write_status(style, {"currentStepState": "StepReady"})
                    if not self.reach(what, index):
                        return
                    self.measure(f"{what} again", step)
                self.write_status(style, {"currentStepState": "StepReady"})
            self.checks.check(f"{name} is complete", soon(90, lambda: self.state()[0] == "Healthy"), f"{self.state()}", quiet=True)
            if event != "back":
                self.version = self.newest
            self.measure(f"{name}, at the end", {"traffic": "0%" if event == "back" else "100%"})
        finally:
            load.end()
        self.checks.check(f"{name}: no request of {sum(load.seen.values())} beside failed", not load.failures(), f"{load.failures()}")
        after = lambda: [self.object(SERVICE), self.object(self.leading())]
        self.checks.check(f"{name}: Service and route are what they were", soon(10, lambda: after() == before), f"{before}\n{after()}")
        gone = all(self.cluster.send("GET", f"{path}/web-canary")[0] == 404 for path in (f"{CORE}/services", INGRESSES))
        self.checks.check(f"{name}: the canary Service and Ingress are gone", gone, quiet=True)

    def run(self, releases, styles, events):
        self.begin()
        for style in styles:
            self.rollout(style)
            happen = [each for each in events if (style, each) not in self.unsupported]
            for number, event in enumerate(["forward"] * releases + happen, 1):
                if self.checks.failed:
                    return
                self.release(style, f"{style} {number} ({event})", event)
            self.cluster.write("DELETE", f"{ROLLOUTS}/web", None)
            self.checks.check(f"{style}: the Rollout is gone", soon(20, lambda: self.cluster.send("GET", f"{ROLLOUTS}/web")[0] == 404), quiet=True)


def main():
    arguments = argparse.ArgumentParser(description="Real requests while releases route them; see traffic.sh.")
    arguments.add_argument("--haproxy", nargs="+", required=True)
    given = arguments.parse_args()
    checks, folder = Checks(), tempfile.mkdtemp()
    try:
        with Fleet(["beijing"], pod_start="200ms").up() as fleet:
            cluster = fleet.cluster("beijing")
            cluster.write("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
            fleet.must("kubectl", "--context", "beijing", "apply", "-f", DEFINITIONS)
            soon(10, lambda: cluster.send("GET", ROUTES)[0] == 200)
            proxy = Proxy(given.haproxy, folder, cluster)
            try:
                words = lambda name, default: os.environ.get(name, default).split()
                play = Play(cluster, proxy, checks, int(os.environ.get("REQUESTS", "2000")), os.environ.get("KIND", "Deployment"),
                            os.environ.get("ROUTE", "HTTPRoute") == "Ingress")
                play.run(int(os.environ.get("RELEASES", "1")), words("STYLES", " ".join(STYLES)), words("EVENTS", "back scaled"))
            finally:
                proxy.end()
    except Exception as error:
        checks.check("runs to the end", False, repr(error))
    shutil.rmtree(folder, ignore_errors=True)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
