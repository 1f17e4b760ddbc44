// The schemas of v1alpha1, as they differ from those of v1beta1.
#include <utility>

#include "apis/internal/definition.h"

namespace aviary::apis {

namespace {

using json::Array;
using json::Object;
using json::Value;

// What v1beta1 has in `workloadRef` is in an object of its own.
void wrap_workload(Value& spec, std::string_view name) {
    Value const reference = std::as_const(spec)["properties"]["workloadRef"];
    spec["properties"].erase("workloadRef");
    Value holder{Object{{"type", "object"}}};
    holder["description"] = "What is released.";
    holder.set({"properties", "workloadRef"}, reference);
    spec["properties"][name] = std::move(holder);
}

void require(Value& schema, Array names) { schema["required"] = std::move(names); }

}   // namespace

Definition older_rollout(Definition const& stored) {
    Definition older = stored;
    older.version = "v1alpha1";
    wrap_workload(older.spec, "objectRef");
    require(older.spec, {"objectRef", "strategy"});
    older.spec["properties"]["rolloutID"] =
        Object{{"type", "string"}, {"description", "Kept, and read by nobody: workloads carry their release's id."}};
    Value& strategy = older.spec["properties"]["strategy"]["properties"];
    strategy.erase("blueGreen");
    Value& canary = strategy["canary"]["properties"];
    canary.erase("enableExtraWorkloadForCanary");
    canary.erase("trafficRoutingRef");
    canary["steps"].erase("maxItems");
    Value& step = canary["steps"]["items"]["properties"];
    step.erase("traffic");
    step["weight"] = Object{{"type", "integer"},
                            {"format", "int32"},
                            {"description", "Percent of the requests; of the pods too where replicas says nothing."}};
    if (Value* const matches = step.find("matches")) {
        matches->erase("maxItems");
        if (Value* const fields = matches->make_object()["items"].find("properties")) {
            fields->erase("path");
            fields->erase("queryParams");
        }
    }
    Value& status = older.status["properties"];
    for (char const* field : {"currentStepIndex", "currentStepState", "blueGreenStatus"}) status.erase(field);
    older.status.erase("required");
    for (PrinterColumn& column : older.columns) {
        for (std::string_view field : {".currentStepIndex", ".currentStepState"}) {
            if (column.json_path.ends_with(field)) column.json_path = ".status.canaryStatus" + std::string(field);
        }
    }
    return older;
}

Definition older_batch_release(Definition const& stored) {
    Definition older = stored;
    older.version = "v1alpha1";
    wrap_workload(older.spec, "targetReference");
    require(older.spec, {"releasePlan", "targetReference"});
    Value& plan = older.spec["properties"]["releasePlan"]["properties"];
    plan.erase("rollingStyle");
    plan.erase("enableExtraWorkloadForCanary");
    older.status["properties"].erase("message");
    for (PrinterColumn& column : older.columns) {
        if (column.name == "KIND") column.json_path = ".spec.targetReference.workloadRef.kind";
    }
    return older;
}

}   // namespace aviary::apis
