#include "member/workload/internal/original.h"

#include <fmt/format.h>

#include "apis/rollouts/keys.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/object.h"

namespace aviary::workload {

namespace {

using json::Doc;
using json::Value;

Value own_strategy(Original const& original) {
    if (original.original_type == "Recreate") return json::Object{{"type", "Recreate"}};
    return json::Object{{"type", "RollingUpdate"}, {"rollingUpdate", original.rolling_update()}};
}

}   // namespace

std::string Original::to_text() const {
    Value value{json::Object{{"maxUnavailable", max_unavailable},
                             {"maxSurge", max_surge},
                             {"minReadySeconds", min_ready_seconds},
                             {"progressDeadlineSeconds", progress_deadline_seconds}}};
    if (!original_type.empty()) value["originalType"] = original_type;
    return json::write(value);
}

Value Original::rolling_update() const {
    return json::Object{{"maxSurge", max_surge}, {"maxUnavailable", max_unavailable}};
}

void Original::restore(JsonPatch& patch) const {
    patch.set({"spec", "strategy"}, own_strategy(*this));
    if (min_ready_seconds == 0) {
        patch.remove({"spec", "minReadySeconds"});
    } else {
        patch.set({"spec", "minReadySeconds"}, min_ready_seconds);
    }
    patch.set({"spec", "progressDeadlineSeconds"}, progress_deadline_seconds);
}

void Original::restore(Value& deployment) const {
    deployment.set({"spec", "strategy"}, own_strategy(*this));
    deployment.set({"spec", "progressDeadlineSeconds"}, progress_deadline_seconds);
    if (min_ready_seconds == 0) {
        deployment["spec"].make_object().erase("minReadySeconds");
    } else {
        deployment.set({"spec", "minReadySeconds"}, min_ready_seconds);
    }
}

void Original::keep(Value& deployment, Doc const& held) {
    Doc const wanted = Doc::freeze(deployment);
    Doc const strategy = wanted.at({"spec", "strategy"});
    if (!(strategy == held.at({"spec", "strategy"}))) {
        Doc const update = strategy["rollingUpdate"];
        original_type = strategy["type"].as_string() == "Recreate" ? "Recreate" : "";
        if (update["maxSurge"].exists()) max_surge = update["maxSurge"].thaw();
        if (update["maxUnavailable"].exists()) max_unavailable = update["maxUnavailable"].thaw();
        deployment.set({"spec", "strategy"}, held.at({"spec", "strategy"}).thaw());
    }
    std::int64_t const ready = wanted.at({"spec", "minReadySeconds"}).as_int();
    if (ready != held.at({"spec", "minReadySeconds"}).as_int()) {
        min_ready_seconds = ready;
        deployment.set({"spec", "minReadySeconds"}, held.at({"spec", "minReadySeconds"}).as_int());
    }
    Doc const deadline = held.at({"spec", "progressDeadlineSeconds"});
    if (deadline.exists() && !(wanted.at({"spec", "progressDeadlineSeconds"}) == deadline)) {
        progress_deadline_seconds = wanted.at({"spec", "progressDeadlineSeconds"}).as_int(600);
        deployment.set({"spec", "progressDeadlineSeconds"}, deadline.as_int());
    }
}

Original settings_of(Doc const& deployment) {
    Original result;
    Doc const spec = deployment["spec"];
    Doc const update = spec.at({"strategy", "rollingUpdate"});
    if (update["maxSurge"].exists()) result.max_surge = update["maxSurge"].thaw();
    if (update["maxUnavailable"].exists()) result.max_unavailable = update["maxUnavailable"].thaw();
    result.min_ready_seconds = spec["minReadySeconds"].as_int();
    result.progress_deadline_seconds = spec["progressDeadlineSeconds"].as_int(600);
    if (spec.at({"strategy", "type"}).as_string() == "Recreate") result.original_type = "Recreate";
    return result;
}

std::optional<Original> parse_original(std::string_view text) {
    if (text.empty()) return std::nullopt;
    auto const parsed = json::parse(text);
    if (!parsed || !parsed->is_object()) return std::nullopt;
    Original result;
    Doc const& doc = *parsed;
    if (doc["maxUnavailable"].exists()) result.max_unavailable = doc["maxUnavailable"].thaw();
    if (doc["maxSurge"].exists()) result.max_surge = doc["maxSurge"].thaw();
    result.min_ready_seconds = doc["minReadySeconds"].as_int();
    result.progress_deadline_seconds = doc["progressDeadlineSeconds"].as_int(600);
    result.original_type = doc["originalType"].string();
    return result;
}

std::optional<Original> original_of(Doc const& deployment) {
    return parse_original(meta::annotation(deployment, apis::kOriginalDeploymentStrategyAnnotation));
}

Error both_versions(meta::ObjectKey const& workload) {
    return Error(ErrorCode::kConflict,
                 fmt::format("{} is in a blue-green release, whose two versions have more pods than its own strategy "
                             "allows: it cannot be held as it stands; take it back or let it through",
                             workload.to_string()));
}

bool never_available(Doc const& deployment) {
    Doc const spec = deployment["spec"];
    return spec.at({"strategy", "type"}).as_string() == "RollingUpdate" &&
           spec["minReadySeconds"].as_int() == kNeverAvailable &&
           spec["progressDeadlineSeconds"].as_int() == kNoDeadline;
}

}   // namespace aviary::workload
