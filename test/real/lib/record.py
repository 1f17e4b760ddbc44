"""The objects of one release, as kubectl lists them, with what a controller could read and no more; see skew.sh. One line each."""
import json
import sys


def pod(each):
    spec, status = each["spec"], each.get("status", {})
    each["spec"] = {"containers": [{"name": one["name"], "image": one["image"]} for one in spec["containers"]], "nodeName": spec.get("nodeName")}
    each["status"] = {"phase": status.get("phase"), "startTime": status.get("startTime") or each["metadata"]["creationTimestamp"],
                      "conditions": [one for one in status.get("conditions", []) if one["type"] == "Ready"]}
    return each


items = json.load(sys.stdin)["items"]
print("[")
for index, each in enumerate(items):
    for field in ("managedFields", "resourceVersion"):
        each["metadata"].pop(field, None)
    if each["kind"] == "Pod":
        each = pod(each)
    print(json.dumps(each, sort_keys=True, separators=(",", ":")) + ("," if index + 1 < len(items) else ""))
print("]")
