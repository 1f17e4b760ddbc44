"""Real requests through a real proxy while releases route them; see traffic.sh. A small translator makes HAProxy's configuration from the
HTTPRoute, and from the EndpointSlices of the Services that it names, whenever one of them changes."""
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
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
ROLLOUTS = f"/apis/rollouts.kruise.io/v1beta1/namespaces/{NAMESPACE}/rollouts"
TOKENS = 4       # of each answer
BODY = json.dumps({"prompt": "what is an aviary?", "max_tokens": TOKENS, "stream": True})
POINTS = 2.0     # that a measured share may be away from what was asked
TESTER = "x-tester"

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

    def text(self):
        route = self.routes.objects.get("web", {"spec": {"rules": []}})
        front, back = [], []
        for index, rule in enumerate(route["spec"].get("rules", [])):
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
        known = all(versions(self.cluster.get(each.path)["items"]) == versions(each.objects.values()) for each in (self.routes, self.slices))
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
    def __init__(self, cluster, proxy, checks, requests):
        self.cluster, self.proxy, self.checks, self.requests = cluster, proxy, checks, requests
        self.version = 1

    def put(self, path, item):
        self.cluster.write("POST", path, item)

    def begin(self):
        self.put("/apis/apps/v1/namespaces/default/deployments", {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": 10, "selector": {"matchLabels": {"app": "web"}},
                     "template": {"metadata": {"labels": {"app": "web"}, "annotations": {"simulator.aviary.dev/engine": "vllm"}},
                                  "spec": {"containers": [{"name": "vllm", "image": "vllm:v1", "ports": [{"containerPort": 8000}],
                                                           "lifecycle": {"preStop": {"sleep": {"seconds": 2}}}}]}}}})
        self.put(f"{CORE}/services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                                      "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]}})
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
        next(iter(strategy.values()))["trafficRoutings"] = [
            {"service": "web", "gracePeriodSeconds": 2, "gateway": {"httpRouteName": "web"}}]
        self.put(ROLLOUTS, {"apiVersion": "rollouts.kruise.io/v1beta1", "kind": "Rollout", "metadata": {"name": "web"},
                            "spec": {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "strategy": strategy}})
        self.checks.check(f"{style}: the Rollout is healthy", soon(20, lambda: self.state() == ("Healthy", None, None)) or self.state()[0] == "Healthy", f"{self.state()}", quiet=True)

    def state(self):
        status = self.cluster.get(f"{ROLLOUTS}/web").get("status", {})
        release = status.get("blueGreenStatus") or status.get("canaryStatus") or {}
        return status.get("phase"), release.get("currentStepIndex"), release.get("currentStepState")

    def approve(self, style):
        part = "blueGreenStatus" if style == "blueGreen" else "canaryStatus"
        self.cluster.write("PATCH", f"{ROLLOUTS}/web/status", {"status": {part: {"currentStepState": "StepReady"}}}, "application/merge-patch+json")

    def measure(self, what, step):
        """Asked and seen, by requests."""
        old, new = f"v{self.version - 1}", f"v{self.version}"
        self.checks.check(f"{what}: the proxy has it", soon(20, self.proxy.current), quiet=True)
        seen = asyncio.run(many(self.proxy.port, self.requests))
        asked = int(step["traffic"].rstrip("%")) if "traffic" in step else 0
        share = 100 * seen[new] / self.requests
        self.checks.check(f"{what}: asked {asked} %, seen {share:.2f} % of {self.requests} requests",
                          abs(share - asked) <= POINTS and seen[old] + seen[new] == self.requests, f"{dict(seen)}")
        if "matches" in step:
            matched = asyncio.run(many(self.proxy.port, self.requests // 10, f"{TESTER}: yes\r\n"))
            self.checks.check(f"{what}: who is matched gets {new} alone", matched[new] == self.requests // 10, f"{dict(matched)}")

    def release(self, style, number):
        before = [self.object(SERVICE), self.object(f"{ROUTES}/web")]
        self.version += 1
        load = Load(self.proxy.port)
        try:
            self.cluster.write("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"template": {"spec": {"containers": [
                {"name": "vllm", "image": f"vllm:v{self.version}"}]}}}}, "application/strategic-merge-patch+json")
            steps = next(iter(STYLES[style].values()))["steps"]
            for index, step in enumerate(steps, 1):
                if "pause" not in step:
                    break
                what = f"{style} {number}, step {index}"
                if not self.checks.check(f"{what} is reached", soon(60, lambda index=index: self.state() == ("Progressing", index, "StepPaused")), f"{self.state()}", quiet=True):
                    return
                self.measure(what, step)
                self.approve(style)
            self.checks.check(f"{style} {number} is complete", soon(90, lambda: self.state()[0] == "Healthy"), f"{self.state()}", quiet=True)
            self.measure(f"{style} {number}, at the end", {"traffic": "100%"})
        finally:
            load.end()
        self.checks.check(f"{style} {number}: no request of {sum(load.seen.values())} beside failed", not load.failures(), f"{load.failures()}")
        after = [self.object(SERVICE), self.object(f"{ROUTES}/web")]
        self.checks.check(f"{style} {number}: Service and route are what they were", soon(10, lambda: [self.object(SERVICE), self.object(f"{ROUTES}/web")] == before), f"{before}\n{after}")
        gone = self.cluster.send("GET", f"{CORE}/services/web-canary")[0] == 404
        self.checks.check(f"{style} {number}: the canary Service is gone", gone, quiet=True)

    def run(self, releases):
        self.begin()
        for style in os.environ.get("STYLES", " ".join(STYLES)).split():
            self.rollout(style)
            for number in range(1, releases + 1):
                if self.checks.failed:
                    return
                self.release(style, number)
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
            soon(10, lambda: cluster.send("GET", ROUTES)[0] == 200)
            proxy = Proxy(given.haproxy, folder, cluster)
            try:
                Play(cluster, proxy, checks, int(os.environ.get("REQUESTS", "2000"))).run(int(os.environ.get("RELEASES", "1")))
            finally:
                proxy.end()
    except Exception as error:
        checks.check("runs to the end", False, repr(error))
    shutil.rmtree(folder, ignore_errors=True)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
