"""Stands in for the controller of a custom kind that is like a StatefulSet, until it is killed: gamesets.py KUBECONFIG CONTEXT. A GameSet of
example.org has its pods made by a StatefulSet of its name, gets that one's status, and keeps no revisions of its own."""
import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "acceptance", "lib"))
from fleet import ApiError, Cluster

GAME_SETS, SETS = "/apis/example.org/v1/namespaces/demo/gamesets", "/apis/apps/v1/namespaces/demo/statefulsets"
MADE_FROM = "example.org/spec"


def stateful_set(game_set):
    metadata = game_set["metadata"]
    return {"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": metadata["name"], "annotations": {MADE_FROM: json.dumps(game_set["spec"], sort_keys=True)},
                         "ownerReferences": [{"apiVersion": game_set["apiVersion"], "kind": game_set["kind"], "name": metadata["name"],
                                              "uid": metadata["uid"], "controller": True}]},
            "spec": game_set["spec"]}


def sync(cluster, game_set, there):
    wanted = stateful_set(game_set)
    if there is None:
        cluster.write("POST", SETS, wanted)
    elif there["metadata"]["annotations"][MADE_FROM] != wanted["metadata"]["annotations"][MADE_FROM]:
        patch = {"metadata": {"annotations": wanted["metadata"]["annotations"]}, "spec": wanted["spec"]}
        cluster.write("PATCH", f"{SETS}/{game_set['metadata']['name']}", patch, "application/merge-patch+json")
    elif there.get("status", {}).get("observedGeneration") == there["metadata"]["generation"]:
        status = {**there["status"], "observedGeneration": game_set["metadata"]["generation"]}
        if status != game_set.get("status"):
            cluster.write("PATCH", f"{GAME_SETS}/{game_set['metadata']['name']}/status", {"status": status}, "application/merge-patch+json")


def main():
    cluster = Cluster(*sys.argv[1:])
    while True:
        try:
            sets = {item["metadata"]["name"]: item for item in cluster.get(SETS)["items"]}
            for game_set in cluster.get(GAME_SETS)["items"]:
                sync(cluster, game_set, sets.get(game_set["metadata"]["name"]))
        except ApiError as error:
            print(error, flush=True)   # another wrote in between
        threading.Event().wait(0.1)


main()
