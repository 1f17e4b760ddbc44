#include "member/workload/internal/marks.h"

#include "apis/rollouts/keys.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"

namespace aviary::workload {

using json::Doc;
using json::Value;

std::string_view annotation_of(Value const& object, std::string_view key) {
    return object.at({"metadata", "annotations"})[key].as_string();
}

std::string field_of(std::string const& text, std::string_view field) {
    if (text.empty()) return {};
    auto const parsed = json::parse(text);
    return parsed ? (*parsed)[field].string() : std::string();
}

std::string holder_of(std::string const& in_progressing) {
    std::string name = field_of(in_progressing, "rolloutName");
    return name.empty() ? in_progressing : name;
}

std::string rollout_id_of(Doc const& workload) {
    std::string label = meta::label(workload, apis::kRolloutIdLabel);
    if (!label.empty()) return label;
    std::string annotation = meta::annotation(workload, apis::kRolloutIdLabel);
    return meta::label_value_problem(annotation) ? std::string() : annotation;
}

std::string control_info(Doc const& batch_release) {
    return json::write(Value(json::Object{{"apiVersion", "rollouts.kruise.io/v1beta1"},
                                          {"kind", "BatchRelease"},
                                          {"name", meta::name(batch_release)},
                                          {"uid", meta::uid(batch_release)},
                                          {"controller", true},
                                          {"blockOwnerDeletion", true}}));
}

Value own_partition(std::string const& in_progressing) {
    auto const parsed = json::parse(in_progressing.empty() ? "{}" : in_progressing);
    auto const own = parsed ? meta::IntOrPercent::from((*parsed)["partition"]) : std::nullopt;
    return own && own->value > 0 ? own->to_value() : Value(0);
}

std::string in_progressing(std::string const& rollout, Value own_partition) {
    Value note{json::Object{{"rolloutName", rollout}}};
    auto const own = meta::IntOrPercent::from(Doc::freeze(std::move(own_partition)));
    if (own && own->value > 0) note["partition"] = own->to_value();
    return json::write(note);
}

void keep_label(Value& object, Doc const& old) {
    std::string const type = meta::label(old, apis::kWorkloadTypeLabel);
    if (!type.empty() && object.at({"metadata", "labels"})[apis::kWorkloadTypeLabel].as_string().empty())
        object.set({"metadata", "labels", apis::kWorkloadTypeLabel}, type);
}

void keep_marks(Value& object, Doc const& old, std::span<std::string_view const> annotations,
                std::span<std::string_view const> labels) {
    for (std::string_view key : annotations) {
        std::string const mark = meta::annotation(old, key);
        if (!mark.empty() && annotation_of(object, key).empty()) object.set({"metadata", "annotations", key}, mark);
    }
    for (std::string_view key : labels) {
        std::string const mark = meta::label(old, key);
        if (!mark.empty() && object.at({"metadata", "labels"})[key].as_string().empty())
            object.set({"metadata", "labels", key}, mark);
    }
}

void drop_marks(Value& object, std::span<std::string_view const> annotations,
                std::span<std::string_view const> labels) {
    if (Value* all = object["metadata"].find("annotations")) {
        for (std::string_view key : annotations) all->erase(key);
    }
    if (Value* all = object["metadata"].find("labels")) {
        for (std::string_view key : labels) all->erase(key);
    }
}

}   // namespace aviary::workload
