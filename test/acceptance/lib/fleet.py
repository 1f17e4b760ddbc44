"""A playground fleet for the acceptance programs: the real `aviary`, `kubectl` and `kubectl-amc` from PATH, and the API read
directly where a program would be too slow to look as often as is wanted."""
import base64
import http.client
import json
import os
import random
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time


class Checks:
    """Counts what holds and what does not; `finish` prints the line that tools/run-tests reads."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.lock = threading.Lock()

    def check(self, what, holds, detail="", quiet=False):
        with self.lock:
            if holds:
                self.passed += 1
                if not quiet:
                    print(f"ok    {what}", flush=True)
            else:
                self.failed += 1
                print(f"FAIL  {what}", flush=True)
                for line in str(detail).strip().splitlines()[-15:]:
                    print(f"      | {line}", flush=True)
        return bool(holds)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0


def free_port():
    """A port that was free just now. Not from the range the system hands out by itself, so that nobody gets it meanwhile."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def soon(seconds, condition, pause=0.02):
    """True as soon as the condition is; False when the time is up."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


PATIENT = 10   # times that a request is sent which is told to come back later


class ApiError(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body.get('message', body) if isinstance(body, dict) else body}")
        self.status = status
        self.body = body


class Cluster:
    """One cluster of a kubeconfig, spoken to over one kept connection per thread."""

    def __init__(self, kubeconfig, context):
        view = json.loads(subprocess.check_output(
            ["kubectl", "config", "view", "--raw", "-o", "json", "--kubeconfig", kubeconfig, "--context", context, "--minify"]))
        cluster, user = view["clusters"][0]["cluster"], view["users"][0]["user"]
        address = cluster["server"].removeprefix("https://")
        self.name = context
        self.address, _, prefix = address.partition("/")
        self.prefix = "/" + prefix if prefix else ""
        self.tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile("w") as pem:
            pem.write(base64.b64decode(user["client-certificate-data"]).decode())
            pem.write(base64.b64decode(user["client-key-data"]).decode())
            pem.flush()
            self.tls.load_cert_chain(pem.name)
        self.local = threading.local()

    def connect(self, timeout=30):
        return http.client.HTTPSConnection(self.address, context=self.tls, timeout=timeout)

    def send(self, method, path, body=None, content="application/json", headers=None):
        """Status and body. A server that asks for patience (a kind that was only just defined) is asked again, as clients do."""
        for _ in range(PATIENT):
            status, answer, after = self.send_once(method, path, body, content, headers)
            if status != 429 or after is None:
                break
            time.sleep(float(after))
        return status, answer

    def send_once(self, method, path, body, content, headers):
        """A connection that was closed while it was idle is opened once more for a read."""
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        for attempt in (0, 1):
            connection = getattr(self.local, "connection", None)
            fresh = connection is None
            if fresh:
                connection = self.local.connection = self.connect()
            try:
                connection.request(method, self.prefix + path, data, {"Content-Type": content, **(headers or {})})
                answer = connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                self.local.connection = None
                if fresh or attempt == 1 or method != "GET":
                    raise
        try:
            text = json.loads(text)
        except ValueError:
            text = text.decode(errors="replace")
        return answer.status, text, answer.headers.get("Retry-After")

    def get(self, path):
        status, body = self.send("GET", path)
        if status != 200:
            raise ApiError(status, body)
        return body

    def write(self, method, path, body, content="application/json"):
        status, answer = self.send(method, path, body, content)
        if status >= 300:
            raise ApiError(status, answer)
        return answer

    def watch(self, path, timeout=None):
        """Events, from a connection of its own, until the server ends it."""
        connection = self.connect(timeout)
        connection.request("GET", self.prefix + path + ("&" if "?" in path else "?") + "watch=true")
        answer = connection.getresponse()
        try:
            while line := answer.readline():
                yield json.loads(line)
        finally:
            connection.close()


def usual_limits():
    """As many open files as a login shell gives."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


class GivenFleet:
    """A fleet that others start and end: a kubeconfig whose context `fleet` is the hub, and one context for each member."""

    def __init__(self, kubeconfig, clusters):
        self.kubeconfig = kubeconfig
        self.clusters = list(clusters)
        self.env = {**os.environ, "KUBECONFIG": kubeconfig}
        self.known = {}

    def cluster(self, name):
        if name not in self.known:
            self.known[name] = Cluster(self.kubeconfig, name)
        return self.known[name]

    @property
    def hub(self):
        return self.cluster("fleet")

    def run(self, *command, text=None, timeout=60):
        """A program as a user calls it: exit code and all that it printed."""
        done = subprocess.run(command, env=self.env, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=timeout)
        return done.returncode, done.stdout

    def must(self, *command, text=None):
        code, out = self.run(*command, text=text)
        if code != 0:
            raise RuntimeError(f"exit {code}: {' '.join(command)}\n{out}")
        return out


class Fleet(GivenFleet):
    """`aviary up`, in a folder that goes at the end."""

    def __init__(self, clusters, pod_start="100ms", arguments=()):
        self.folder = tempfile.mkdtemp()
        self.data = os.path.join(self.folder, "data")
        super().__init__(os.path.join(self.data, "kubeconfig"), clusters)
        self.arguments = ["--clusters", ",".join(clusters), "--pod-start", pod_start, "--data-dir", self.data, "--port",
                          str(free_port()), *arguments]
        self.process = None
        self.read = 0

    def start(self):
        """Begins to start, in the foreground; `await_ready` is when it is up."""
        os.makedirs(self.data, exist_ok=True)
        with open(os.path.join(self.folder, "log"), "a") as log:
            self.process = subprocess.Popen(["aviary", "up", *self.arguments], stdout=log, stderr=log, preexec_fn=usual_limits)

    def await_ready(self, seconds=60):
        """Up as far as a person can tell: the process says so."""
        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"aviary ended with {self.process.returncode}:\n{self.log()[-2000:]}")
            return "ready on" in self.log()[self.read:]
        if not soon(seconds, ready, 0.005):
            raise RuntimeError(f"not ready after {seconds} s:\n{self.log()[-2000:]}")

    def up(self):
        self.read = len(self.log())
        self.start()
        self.await_ready()
        return self

    def kill(self):
        """kill -9, and gone."""
        self.process.kill()
        self.process.wait()

    def log(self):
        try:
            with open(os.path.join(self.folder, "log"), errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def close(self):
        if os.environ.get("KEEP"):
            print(f"KUBECONFIG={self.kubeconfig}   pid {self.process.pid}")
            return
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def seed(name):
    """The text of a file that first-flight.sh applies."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "seed", name)) as file:
        return file.read()


def seeded_random():
    """From SEED, else from a new one that is printed: a run can be repeated as far as its choices go."""
    number = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {number}", flush=True)
    return random.Random(number)
