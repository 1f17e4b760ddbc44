"""Bad input and faults; see faults.sh."""
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from fleet import Checks, Fleet, free_port, seed, soon

MAPS = "/api/v1/namespaces/default/configmaps"
checks = Checks()


def text_of(body):
    return body.get("message", json.dumps(body)) if isinstance(body, dict) else str(body)


def refused(what, answer, status, pattern):
    """An answer with that status (or one of those), and a message that says why."""
    got, body = answer
    wanted = status if isinstance(status, tuple) else (status,)
    text = text_of(body)
    checks.check(what, got in wanted and re.search(pattern, text, re.I), f"{got}: {text[:600]}")


def fails(what, command, pattern, env=None, text=None, code=1, timeout=20):
    """A program that ends with that code and says why, in a line or a few that a person can act on."""
    try:
        done = subprocess.run(command, env=env, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        checks.check(what, False, f"still running after {timeout} s: {(late.stdout or b'').decode()[:800]}")
        return
    clear = re.search(pattern, done.stdout, re.I) and len(done.stdout.splitlines()) <= 12
    checks.check(what, (done.returncode == code or code is None and done.returncode > 0) and clear, f"exit {done.returncode}: {done.stdout[:800]}")


def config_map(name, data=None):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {"k": "v"}}


def alive(fleet):
    return fleet.process.poll() is None and fleet.hub.send("GET", "/readyz")[0] == 200


def memory(fleet):
    with open(f"/proc/{fleet.process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) // 1024


# --- what is sent
def bodies(fleet):
    hub = fleet.hub
    refused("malformed JSON: says where", hub.send("POST", MAPS, '{"apiVersion":"v1",,}'), 400, r"(line|offset|byte|position|column) ?\d+|at \d+")
    refused("malformed YAML: says where", hub.send("POST", MAPS, "a: [1,\nb: {", "application/yaml"), 400, r"line \d+")
    refused("a body that ends too early", hub.send("POST", MAPS, '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"na'), 400, r"JSON|end|incomplete")
    refused("an empty body", hub.send("POST", MAPS, ""), 400, r"body|empty|object")
    refused("a body that is no object", hub.send("POST", MAPS, "[1,2]"), 400, r"object")
    refused("not UTF-8", hub.send("POST", MAPS, b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"\xff\xfe"}}'), 400, r"utf-?8|invalid")
    refused("a key twice, strictly", hub.send("POST", MAPS + "?fieldValidation=Strict", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"1","k":"2"}}'), 400, r"\bk\b|duplicate")
    refused("another kind than the path's", hub.send("POST", MAPS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}), 400, r"Secret|kind")
    refused("a content type that nobody reads", hub.send("POST", MAPS, "x", "text/plain"), 415, r"application/json")
    refused("protobuf that is none", hub.send("POST", MAPS, b"k8s\0\xff\xff\xff", "application/vnd.kubernetes.protobuf"), 400, r"protobuf")
    refused("a patch that is none", hub.send("PATCH", MAPS + "/kube-root", "[1]", "application/json-patch+json"), (400, 404, 422), r".")

    deployments = "/apis/apps/v1/namespaces/default/deployments"
    shape = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}
    odd = json.loads(json.dumps(shape))
    odd["spec"]["replicaz"] = 3
    connection = hub.connect()
    connection.request("POST", deployments + "?fieldValidation=Warn&dryRun=All", json.dumps(odd), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    warnings = answer.headers.get_all("Warning") or []
    answer.read()
    checks.check("an unknown field is warned of", answer.status == 201 and any('unknown field "spec.replicaz"' in each.replace("\\", "") for each in warnings), f"{answer.status} {warnings}")
    refused("an unknown field, strictly", hub.send("POST", deployments + "?fieldValidation=Strict", odd), 400, r'unknown field .?"spec.replicaz')
    odd = json.loads(json.dumps(shape))
    odd["spec"]["replicas"] = "three"
    refused("a wrong type names its field", hub.send("POST", deployments, odd), (400, 422), r"replicas")
    odd["spec"]["replicas"] = -1
    refused("a wrong value names its field", hub.send("POST", deployments, odd), 422, r"spec\.replicas.*-1")
    rollouts = "/apis/rollouts.kruise.io/v1beta1/namespaces/default/rollouts"
    rollout = {"apiVersion": "rollouts.kruise.io/v1beta1", "kind": "Rollout", "metadata": {"name": "r"}, "spec": {
        "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "strategy": {"canary": {"steps": [{"replicas": True}]}}}}
    refused("a wrong type in a Rollout names its field", hub.send("POST", rollouts, rollout), (400, 422), r"spec\.strategy\.canary\.steps\[0\]\.replicas")
    refused("a name that is none", hub.send("POST", MAPS, config_map("No Name!")), 422, r"metadata\.name")
    refused("a namespace that is not there", hub.send("POST", "/api/v1/namespaces/nowhere/configmaps", config_map("a")), 404, r"nowhere")

    # Large and deep.
    before = memory(fleet)
    refused("10 MB of JSON", hub.send("POST", MAPS, config_map("a", {"k": "x" * (10 << 20)})), 413, r"limit|large")
    hub.local.connection = None
    refused("10 MB of YAML", hub.send("POST", MAPS, "a: " + "x" * (10 << 20), "application/yaml"), 413, r"limit|large")
    hub.local.connection = None
    refused("10 MB of a patch", hub.send("PATCH", MAPS + "/kube-root", '{"data":{"k":"' + "x" * (10 << 20) + '"}}', "application/merge-patch+json"), 413, r"limit|large")
    hub.local.connection = None
    refused("10 MB in chunks", chunks(hub, 10 << 20), 413, r"limit|large")
    deep = '{"a":' * 200 + "1" + "}" * 200
    refused("200 deep, JSON", hub.send("POST", MAPS, '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":' + deep + "}"), 400, r"deep|depth|nest")
    refused("100,000 deep, JSON", hub.send("POST", MAPS, "[" * 100000), 400, r"JSON at line 1|deep|depth|nest")
    refused("200 deep, YAML", hub.send("POST", MAPS, "a: " + "[" * 200 + "]" * 200, "application/yaml"), 400, r"deep|depth|nest")
    refused("200 deep by indentation", hub.send("POST", MAPS, "\n".join(" " * each + "a:" for each in range(200)), "application/yaml"), 400, r"deep|depth|nest")
    laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{each}: &a{each} [{','.join([f'*a{each - 1}'] * 9)}]\n" for each in range(1, 10))
    refused("a YAML that grows to a billion", hub.send("POST", MAPS, laughs, "application/yaml"), (400, 413), r"more than \d+ values|limit|large")
    refused("a URL of 100 KB", hub.send("GET", "/api/v1/" + "x" * 100_000), (400, 414, 431), r"limit|header|long")
    hub.local.connection = None
    refused("a label selector of 50 KB", hub.send("GET", MAPS + "?labelSelector=" + "a%20in%20(" + "b," * 10_000 + "b)"), (200, 400, 431), r".")
    hub.local.connection = None
    checks.check(f"memory is given back: {before} MB before, {memory(fleet)} MB after", memory(fleet) < before + 100)
    checks.check("it serves on", alive(fleet))
    checks.check("and nothing of that was stored", [item for item in hub.get(MAPS)["items"] if item["metadata"]["name"] == "a"] == [])


def chunks(cluster, size):
    """A body without a length."""
    connection = cluster.connect()
    connection.putrequest("POST", cluster.prefix + MAPS)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    try:
        for _ in range(size >> 16):
            connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        connection.send(b"0\r\n\r\n")
    except OSError:
        pass   # the server need not hear it out
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


def by_kubectl(fleet):
    """The same as a person meets it."""
    def apply(what, text, pattern):
        fails(what, ["kubectl", "apply", "-f", "-"], pattern, fleet.env, text)
    apply("kubectl apply of malformed YAML", "apiVersion: v1\nkind: ConfigMap\n metadata: {", r"error.*(line|yaml)")
    apply("kubectl apply of malformed JSON", '{"apiVersion": "v1",, }', r"error")
    apply("kubectl apply of an unknown kind", "apiVersion: example.com/v9\nkind: Thing\nmetadata: {name: a}", r"no matches for kind")
    apply("kubectl apply of a wrong type", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: http}]}", r"port")
    fails("kubectl get of a kind that is not served", ["kubectl", "get", "things"], r"doesn't have a resource type", fleet.env)
    fails("kubectl amc of a file that is no kubeconfig", ["kubectl-amc", "clusters", "--kubeconfig", "/dev/null"], r"error: .*(kubeconfig|context|/dev/null)", fleet.env)
    fails("kubectl amc of a kubeconfig that is not there", ["kubectl-amc", "clusters", "--kubeconfig", "/nowhere/config"], r"error: .*/nowhere/config", fleet.env)
    fails("kubectl amc of a context that is not there", ["kubectl-amc", "clusters", "--context", "nope"], r"error: .*nope", fleet.env)
    fails("kubectl amc on a member says that this is not the hub", ["kubectl-amc", "clusters", "--context", fleet.clusters[0]], r"error: .*(hub|fleet)", fleet.env)


# --- connections
def raw(cluster):
    host, port = cluster.address.split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def connections(fleet):
    hub = fleet.hub
    held = []
    before = memory(fleet)
    started = time.monotonic()
    for _ in range(300):
        held.append(raw(hub))                      # never says anything
    for _ in range(300):
        one = raw(hub)
        one.sendall(b"\x16\x03\x01\x02\x00\x01")    # begins a handshake, and no more
        held.append(one)
    for _ in range(100):
        one = hub.tls.wrap_socket(raw(hub), server_hostname="127.0.0.1")
        one.sendall(b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
        held.append(one)
    for _ in range(600):
        held.append(raw(hub))
    checks.check(f"{len(held)} half-open connections do not hold others up", soon(1, lambda: timed(lambda: hub.connect(5), hub) < 1))
    checks.check(f"nor take memory: {before} MB before, {memory(fleet)} MB after", memory(fleet) < before + 150)

    def closed(one):
        one.setblocking(False)
        try:
            return one.recv(1) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
    checks.check("those that never begin are closed (handshake_timeout)", soon(25, lambda: closed(held[0]) and closed(held[299]) and closed(held[599]), 0.2), f"after {time.monotonic() - started:.0f} s")
    for one in held:
        one.close()
    plain = raw(hub)
    plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    plain.settimeout(15)
    try:
        said = plain.recv(200)
    except OSError as error:
        said = str(error).encode()
    checks.check("HTTP without TLS is not answered as if it were", b" 200 " not in said, said)
    nobody = ssl.create_default_context()
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    one = nobody.wrap_socket(raw(hub))
    one.sendall(b"GET /api/v1/namespaces HTTP/1.1\r\nHost: x\r\n\r\n")
    checks.check("without a certificate: Unauthorized", b" 401 " in one.recv(4000))
    for what, bytes_ in [("garbage", b"\0\1\2\3\r\n\r\n"), ("a header without an end", b"GET / HTTP/1.1\r\nA: " + b"x" * 200_000), ("two lengths", b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
                         ("length and chunks", b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), ("a negative length", b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n")]:
        one = hub.tls.wrap_socket(raw(hub), server_hostname="127.0.0.1")
        try:
            one.sendall(bytes_)
            said = one.recv(4000)
        except OSError as error:
            said = str(error).encode()
        checks.check(f"{what}: refused", re.match(rb"HTTP/1.1 4\d\d |.*(reset|pipe|EOF)|$", said), said[:200])
    checks.check("it serves on", alive(fleet))


def timed(open_, hub):
    start = time.monotonic()
    connection = open_()
    connection.request("GET", hub.prefix + "/readyz")
    connection.getresponse().read()
    connection.close()
    return time.monotonic() - start


def watches(fleet):
    """A watcher that stops reading is dropped; those that read miss nothing, and nothing grows without end."""
    hub = fleet.hub
    stalled = []
    for _ in range(20):
        one = raw(hub)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one = hub.tls.wrap_socket(one, server_hostname="127.0.0.1")
        one.sendall(f"GET {MAPS}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        one.recv(1)
        stalled.append(one)
    seen, done = set(), threading.Event()
    version = hub.get(MAPS)["metadata"]["resourceVersion"]
    total = 600

    def read():
        for event in hub.watch(f"{MAPS}?resourceVersion={version}", timeout=60):
            name = event["object"]["metadata"]["name"]
            if name.startswith("filler-"):
                seen.add(name)
            if len(seen) == total:
                done.set()
                return
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    before = memory(fleet)
    for number in range(total):
        hub.write("POST", MAPS, config_map(f"filler-{number}", {"k": "x" * 50_000}))
    checks.check(f"a watcher that reads gets all of {total} events", done.wait(20), len(seen))
    # 30 MB are stored and cached; 20 copies of them would be 600.
    checks.check(f"watchers that do not read take no memory each: {before} MB before, {memory(fleet)} MB after", memory(fleet) < before + 250)
    checks.check("it serves on", alive(fleet) and timed(lambda: hub.connect(5), hub) < 1)
    for one in stalled:
        one.close()
    hub.write("DELETE", MAPS, None)


# --- the place it runs in
def places(fleet):
    up = ["aviary", "up", "--clusters", "a", "--pod-start", "1s"]
    for more in ([], ["--detach"]):
        how = " --detach" if more else ""
        fails(f"a second process on the same folder{how}", [*up, "--data-dir", fleet.data, "--port", str(free_port()), *more], rf"error: .*{re.escape(fleet.data)}.*in use")
    fails("an API server on the same folder", ["aviary", "apiserver", "--data-dir", fleet.data, "--port", str(free_port())], r"error: .*in use")
    port = fleet.hub.address.rpartition(":")[2]
    with tempfile.TemporaryDirectory() as folder:
        for more in ([], ["--detach"]):
            how = " --detach" if more else ""
            fails(f"a port in use{how}", [*up, "--data-dir", folder + "/data", "--port", port, *more], rf"error: .*{port}.*in use.*--port")
        with open(folder + "/file", "w") as file:
            file.write("x")
        fails("a folder that is a file", [*up, "--data-dir", folder + "/file", "--port", str(free_port())], rf"error: .*{re.escape(folder)}/file")
        os.makedirs(folder + "/other/store")
        with open(folder + "/other/store/thesis.txt", "w") as file:
            file.write("x")
        fails("a folder with somebody's files in it", [*up, "--data-dir", folder + "/other", "--port", str(free_port())], r"error: .*thesis\.txt.*another folder")
    fails("a folder that cannot be made", [*up, "--data-dir", "/proc/nowhere/data", "--port", str(free_port())], r"error: .*/proc/nowhere")
    fails("a port that is none", [*up, "--port", "70000"], r"70000|--port", code=None)
    fails("a cluster's name that is none", ["aviary", "up", "--clusters", "Bad_Name"], r"error: .*Bad_Name")
    fails("no clusters", ["aviary", "up", "--clusters", "0"], r"error: .*between 1 and")
    fails("a duration that is none", ["aviary", "up", "--pod-start", "soon"], r"error: --pod-start soon: a duration such as")
    fails("an unknown flag", ["aviary", "up", "--cluster", "a"], r"--cluster", code=None)
    checks.check("the first one has not noticed", alive(fleet))


def corrupt():
    """Each way of spoiling a store: said at the start, exit 1, and the files are left as they are."""
    with Fleet(["beijing"], pod_start="50ms") as fleet:
        fleet.up()
        # One and a half of what the store keeps in memory (4 MiB): there is a table, and a log whose middle is not its last block.
        for number in range(200):
            fleet.hub.write("POST", MAPS, config_map(f"a{number}", {"k": "x" * 30_000}))
        fleet.kill()
        store = fleet.data + "/store"
        kept = fleet.folder + "/kept"
        shutil.copytree(store, kept)

        def files(end):
            return sorted(os.path.join(store, name) for name in os.listdir(store) if name.endswith(end) or name.startswith(end))

        def spoil(path, place, count=64):
            with open(path, "r+b") as file:
                file.seek(0, 2)
                file.seek(int(file.tell() * place))
                file.write(b"\xa5" * count)

        def truncated(path, part):
            with open(path, "r+b") as file:
                file.seek(0, 2)
                file.truncate(int(file.tell() * part))

        def spoilt(what, act, pattern=r"error: .*store.*(corrupt|failed).*(restore|backup|move|another)"):
            shutil.rmtree(store)
            shutil.copytree(kept, store)
            act()
            fails(f"a corrupt store: {what}", ["aviary", "up", *fleet.arguments], pattern)
        if files(".sst"):
            spoilt("a table has wrong bytes", lambda: [spoil(path, place / 20, 4096) for path in files(".sst") for place in range(20)])
            spoilt("a table is gone", lambda: [os.remove(path) for path in files(".sst")])
            spoilt("a table is cut off", lambda: [truncated(path, 0.5) for path in files(".sst")])
        spoilt("its list of files has wrong bytes", lambda: spoil(files("MANIFEST-")[0], 0.2))
        spoilt("its list of files is gone", lambda: os.remove(files("MANIFEST-")[0]))
        spoilt("CURRENT is empty", lambda: truncated(store + "/CURRENT", 0))
        spoilt("the middle of a log has wrong bytes", lambda: spoil(max(files(".log"), key=os.path.getsize), 0.3, 4096))
        # One wrong block that the start does not read: what it holds is refused when it is asked for, and all else is right.
        for place in (0.1, 0.5, 0.9) if files(".sst") else ():
            shutil.rmtree(store)
            shutil.copytree(kept, store)
            spoil(files(".sst")[0], place)
            fleet.read = len(fleet.log())
            fleet.start()
            up = soon(20, lambda: fleet.process.poll() is not None or "ready on" in fleet.log()[fleet.read:])
            if fleet.process.poll() is not None:
                said = fleet.log()[fleet.read:]
                checks.check(f"one wrong block at {place}: said at the start", fleet.process.returncode == 1 and "corrupt" in said, said)
                continue
            there = sum(1 for item in fleet.hub.get(MAPS)["items"] if item["metadata"]["name"].startswith("a"))
            try:
                events = sum(1 for _, event in zip(range(200), fleet.hub.watch(f"{MAPS}?resourceVersion=1&timeoutSeconds=3", 10)) if event["type"] != "ERROR")
            except Exception as error:
                events = repr(error)
            written = fleet.hub.send("POST", MAPS, config_map("more"))[0]
            checks.check(f"one wrong block at {place}: {there} objects, {events} old events, and it goes on", up and there == 200 and written == 201 and alive(fleet), fleet.log()[fleet.read:][-500:])
            fleet.kill()
        # As it was, it opens: nothing of that has changed what is there.
        shutil.rmtree(store)
        shutil.copytree(kept, store)
        fleet.up()
        there = sum(1 for item in fleet.hub.get(MAPS)["items"] if item["metadata"]["name"].startswith("a"))
        checks.check("whole again, it has everything", there == 200, there)
        fleet.kill()
        # The record that was being written when the power went is no corruption: it was never acknowledged.
        with open(max(files(".log"), key=os.path.getmtime), "ab") as file:
            file.write(b"\0\1\2\3half a record")
        fleet.up()
        there = sum(1 for item in fleet.hub.get(MAPS)["items"] if item["metadata"]["name"].startswith("a"))
        checks.check("a torn last record loses nothing", there == 200, there)
        # Certificates that cannot be used are issued anew, under the same authority; without that there is none to issue them.
        for name in ("server.crt", "server.key", "admin.crt", "admin.key"):
            fleet.kill()
            with open(f"{fleet.data}/pki/{name}", "w") as file:
                file.write("-----BEGIN NOTHING-----\n")
            fleet.up()
            fleet.known.clear()
            checks.check(f"a spoilt {name} is made anew", fleet.hub.send("GET", MAPS)[0] == 200)
        fleet.kill()
        with open(f"{fleet.data}/pki/ca.key", "w") as file:
            file.write("-----BEGIN NOTHING-----\n")
        fails("a spoilt ca.key", ["aviary", "up", *fleet.arguments], r"error: .*pki/ca\.key.*(backup|remove)")


def fill(folder):
    """To the last byte."""
    block = 1 << 20
    with open(folder + "/filler", "ab", buffering=0) as file:
        while block:
            try:
                if file.write(b"x" * block) < block:
                    raise OSError
            except OSError:
                block >>= 1


def full_disk():
    """A small disk of its own is filled under load; afterwards there is room again, and all is there."""
    mount = tempfile.mkdtemp()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", mount], stderr=subprocess.DEVNULL).returncode != 0:
        os.rmdir(mount)
        print("left out: a full disk (mounting a small one takes root)")
        return
    fleet = None
    try:
        fleet = Fleet(["beijing"], pod_start="50ms")
        fleet.data = mount + "/data"
        fleet.kubeconfig = fleet.data + "/kubeconfig"
        fleet.arguments[fleet.arguments.index("--data-dir") + 1] = fleet.data
        fleet.env["KUBECONFIG"] = fleet.kubeconfig
        fleet.up()
        hub, acknowledged, answer = fleet.hub, [], (0, "")
        for number in range(2000):
            answer = hub.send("POST", MAPS, config_map(f"a{number}", {"k": os.urandom(20_000).hex()}))
            if answer[0] != 201:
                break
            acknowledged.append(f"a{number}")
        refused(f"a full disk, after {len(acknowledged)} objects", answer, (500, 503, 507), r"disk of .* is full: free some space")
        fill(mount)   # what a store that failed has given back, too
        fails("kubectl on a full disk", ["kubectl", "create", "-f", "-"], r"full: free some space", fleet.env,
              json.dumps(config_map("b", {"k": os.urandom(300_000).hex()})))

        def names():
            return {item["metadata"]["name"] for item in hub.get(MAPS)["items"]}
        checks.check("it still reads, and has what it acknowledged", set(acknowledged) <= names())
        checks.check("what was not acknowledged is not there", f"a{len(acknowledged)}" not in names())
        watch = hub.watch(f"{MAPS}?resourceVersion={hub.get(MAPS)['metadata']['resourceVersion']}", timeout=20)
        os.remove(mount + "/filler")
        subprocess.run(["mount", "-o", "remount,size=96m", mount], check=True)
        good = soon(10, lambda: hub.send("POST", MAPS, config_map("after"))[0] in (201, 409), 0.2)
        checks.check("with room again it writes, without a restart", good, hub.send("POST", MAPS, config_map("after2")))
        first = next(watch, {})
        checks.check("watches see it", first.get("object", {}).get("metadata", {}).get("name") in ("after", "after2"), first)
        fleet.kill()
        fleet.up()
        checks.check("after a restart all is there", set(acknowledged) <= names() and "after" in names())
        # It starts on a full disk only to say so.
        fleet.kill()
        fill(mount)
        done = subprocess.run(["timeout", "15", "aviary", "up", *fleet.arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started = "ready on" in done.stdout
        checks.check("started on a full disk it serves, or says that the disk is full", started or "is full" in done.stdout and done.returncode == 1, f"{done.returncode} {done.stdout}")
        os.remove(mount + "/filler")
        fleet.up()
        checks.check("and with room it starts, with all that was there", set(acknowledged) <= names() and "after" in names())
    finally:
        if fleet:
            fleet.close()
        subprocess.run(["umount", mount])
        os.rmdir(mount)


def main():
    parts = os.environ.get("PARTS", "bodies by_kubectl connections watches places corrupt full_disk").split()
    try:
        with Fleet(["beijing"], pod_start="50ms") as fleet:
            fleet.up()
            for part in (bodies, by_kubectl, connections, watches, places):
                if part.__name__ in parts:
                    part(fleet)
            checks.check("the process is the one that was started", alive(fleet))
        for part in (corrupt, full_disk):
            if part.__name__ in parts:
                part()
    except Exception as error:
        import traceback
        checks.check("runs to the end", False, traceback.format_exc() + repr(error))
    return checks.finish()


if __name__ == "__main__":
    raise SystemExit(main())
