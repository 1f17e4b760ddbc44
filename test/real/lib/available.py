"""Pods of demo/qwen-inference as they change: how many are available, how many run each version, and of which resourceVersion that is, a line for
each event of a watch, so that no moment is missed: available.py KUBECONFIG FILE, until the file is there."""
import collections
import json
import os
import subprocess
import sys
import threading


def line(pods, version):
    available = sum(any(each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", []))
                    for pod in pods.values() if "deletionTimestamp" not in pod["metadata"])
    versions = collections.Counter(pod["spec"]["containers"][0]["image"].split(":")[1] for pod in pods.values() if "deletionTimestamp" not in pod["metadata"])
    return " ".join([str(available), *(f"{image}={count}" for image, count in sorted(versions.items())), f"at={version}"])


def main():
    kubeconfig, enough = sys.argv[1:]
    listed = json.loads(subprocess.check_output(["kubectl", "--kubeconfig", kubeconfig, "get", "--raw", "/api/v1/namespaces/demo/pods"]))
    pods = {item["metadata"]["name"]: item for item in listed["items"]}
    since = listed["metadata"]["resourceVersion"]
    print(line(pods, since), flush=True)
    watch = subprocess.Popen(["kubectl", "--kubeconfig", kubeconfig, "get", "--raw",
                              f"/api/v1/namespaces/demo/pods?watch=1&resourceVersion={since}&timeoutSeconds=600"],
                             stdout=subprocess.PIPE, text=True)

    def end():
        while not os.path.exists(enough) and watch.poll() is None:
            threading.Event().wait(0.1)
        watch.terminate()
    threading.Thread(target=end, daemon=True).start()
    for text in watch.stdout:
        event = json.loads(text)
        name = event["object"]["metadata"]["name"]
        if event["type"] == "DELETED":
            pods.pop(name, None)
        else:
            pods[name] = event["object"]
        print(line(pods, event["object"]["metadata"]["resourceVersion"]), flush=True)


main()
