// Kinds that run pods, and what scales and protects them.
#include <string>

#include "kube/apiserver/builtin/internal/validate.h"
#include "kube/meta/selector.h"

namespace aviary::builtin::internal {

namespace {

void validate_template(json::Value const& template_, Causes& causes) {
    validate_labels("spec.template.labels", template_.at({"metadata", "labels"}), causes);
    validate_pod_spec("spec.template.spec", template_["spec"], causes);
}

void validate_selector_and_template(json::Value const& spec, std::string_view what, Causes& causes) {
    json::Value const& selector = spec["selector"];
    if (selector.is_null()) {
        causes.required("spec.selector");
    } else {
        validate_selector("spec.selector", selector, causes);
        bool empty = selector["matchLabels"].size() + selector["matchExpressions"].size() == 0;
        if (empty)
            causes.invalid("spec.selector", selector,
                           std::string("empty selector is invalid for ") + std::string(what));
    }
    json::Value const& labels = spec.at({"template", "metadata", "labels"});
    auto parsed = meta::LabelSelector::from_object(json::Doc::freeze(selector));
    if (!parsed) {
        causes.invalid("spec.selector", selector, "invalid label selector");
    } else if (!parsed->empty() && !parsed->matches_labels(json::Doc::freeze(labels))) {
        json::Value shown = labels.is_null() ? json::Value(json::Object()) : labels;
        causes.invalid("spec.template.metadata.labels", shown, "`selector` does not match template `labels`");
    }
    validate_template(spec["template"], causes);
}

void expect_always(json::Value const& spec, Causes& causes) {
    causes.expect_one_of("spec.template.spec.restartPolicy", spec.at({"template", "spec", "restartPolicy"}),
                         {"Always"});
}

void expect_same_selector(json::Value const& object, json::Doc const& old, Causes& causes) {
    if (old.exists())
        causes.expect_unchanged("spec.selector", object.at({"spec", "selector"}), old.at({"spec", "selector"}).thaw());
}

// An int that is not negative, or a percentage.
void validate_int_or_percent(std::string path, json::Value const& value, Causes& causes) {
    if (value.is_null()) return;
    if (value.is_int()) {
        causes.expect_not_negative(std::move(path), value);
        return;
    }
    std::string_view text = value.as_string();
    bool digits = text.size() > 1 && text.ends_with('%') && text.find_first_not_of("0123456789") == text.size() - 1;
    if (!digits) {
        causes.invalid(std::move(path), value,
                       "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
                       "'93%', regex used for "
                       "validation is '[0-9]+%')");
    }
}

int number_of(json::Value const& value) {
    if (value.is_int()) return static_cast<int>(value.as_int());
    return std::atoi(value.string().c_str());
}

void validate_strategy(json::Value const& strategy, Causes& causes) {
    std::string_view type = strategy["type"].as_string();
    if (type == "Recreate") {
        if (strategy["rollingUpdate"].is_object()) {
            causes.forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'");
        }
        return;
    }
    if (type != "RollingUpdate") {
        causes.not_supported("spec.strategy", strategy, {"Recreate", "RollingUpdate"});
        return;
    }
    json::Value const& unavailable = strategy.at({"rollingUpdate", "maxUnavailable"});
    json::Value const& surge = strategy.at({"rollingUpdate", "maxSurge"});
    validate_int_or_percent("spec.strategy.rollingUpdate.maxUnavailable", unavailable, causes);
    validate_int_or_percent("spec.strategy.rollingUpdate.maxSurge", surge, causes);
    if (number_of(unavailable) == 0 && number_of(surge) == 0) {
        causes.invalid("spec.strategy.rollingUpdate.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0");
    }
    if (unavailable.is_string() && number_of(unavailable) > 100) {
        causes.invalid("spec.strategy.rollingUpdate.maxUnavailable", unavailable, "must not be greater than 100%");
    }
}

}   // namespace

void validate_deployment(json::Value const& object, json::Doc const& old, Causes& causes) {
    json::Value const& spec = object["spec"];
    causes.expect_not_negative("spec.replicas", spec["replicas"]);
    validate_selector_and_template(spec, "deployment", causes);
    expect_always(spec, causes);
    validate_strategy(spec["strategy"], causes);
    causes.expect_not_negative("spec.minReadySeconds", spec["minReadySeconds"]);
    causes.expect_not_negative("spec.revisionHistoryLimit", spec["revisionHistoryLimit"]);
    json::Value const& deadline = spec["progressDeadlineSeconds"];
    if (deadline.is_int()) {
        causes.expect_not_negative("spec.progressDeadlineSeconds", deadline);
        if (deadline.as_int() <= spec["minReadySeconds"].as_int()) {
            causes.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds");
        }
    }
    expect_same_selector(object, old, causes);
}

void validate_replica_set(json::Value const& object, json::Doc const& old, Causes& causes) {
    json::Value const& spec = object["spec"];
    causes.expect_not_negative("spec.replicas", spec["replicas"]);
    causes.expect_not_negative("spec.minReadySeconds", spec["minReadySeconds"]);
    validate_selector_and_template(spec, "deployment", causes);
    expect_always(spec, causes);
    expect_same_selector(object, old, causes);
}

void validate_stateful_set(json::Value const& object, json::Doc const& old, Causes& causes) {
    json::Value const& spec = object["spec"];
    causes.expect_one_of("spec.podManagementPolicy", spec["podManagementPolicy"], {"OrderedReady", "Parallel"});
    causes.expect_one_of("spec.updateStrategy", spec.at({"updateStrategy", "type"}), {"RollingUpdate", "OnDelete"});
    causes.expect_not_negative("spec.replicas", spec["replicas"]);
    causes.expect_not_negative("spec.minReadySeconds", spec["minReadySeconds"]);
    validate_selector_and_template(spec, "statefulset", causes);
    expect_always(spec, causes);
    if (!old.exists()) return;
    json::Value before = old["spec"].thaw();
    json::Value after = spec;
    for (std::string_view member : {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
                                    "persistentVolumeClaimRetentionPolicy", "minReadySeconds"}) {
        before.erase(member);
        after.erase(member);
    }
    if (!(before == after)) {
        causes.forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
            "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
    }
}

void validate_daemon_set(json::Value const& object, json::Doc const& old, Causes& causes) {
    json::Value const& spec = object["spec"];
    validate_selector_and_template(spec, "daemonset", causes);
    expect_always(spec, causes);
    causes.expect_not_negative("spec.minReadySeconds", spec["minReadySeconds"]);
    causes.expect_one_of("spec.updateStrategy.type", spec.at({"updateStrategy", "type"}),
                         {"RollingUpdate", "OnDelete"});
    expect_same_selector(object, old, causes);
}

void validate_replication_controller(json::Value const& object, json::Doc const&, Causes& causes) {
    json::Value const& spec = object["spec"];
    causes.expect_not_negative("spec.replicas", spec["replicas"]);
    if (spec["selector"].size() == 0) causes.required("spec.selector");
    if (spec["template"].is_object()) {
        validate_template(spec["template"], causes);
        expect_always(spec, causes);
    } else {
        causes.required("spec.template");
    }
}

void validate_job(json::Value const& object, json::Doc const& old, Causes& causes) {
    json::Value const& spec = object["spec"];
    for (std::string_view member :
         {"parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"}) {
        causes.expect_not_negative(child("spec", member), spec[member]);
    }
    if (spec["selector"].is_null()) causes.required("spec.selector");
    validate_template(spec["template"], causes);
    std::string_view restart = spec.at({"template", "spec", "restartPolicy"}).as_string();
    if (restart != "OnFailure" && restart != "Never") {
        causes.not_supported("spec.template.spec.restartPolicy", restart, {"OnFailure", "Never"});
    }
    expect_same_selector(object, old, causes);
}

void validate_cron_job(json::Value const& object, json::Doc const&, Causes& causes) {
    json::Value const& spec = object["spec"];
    if (spec["schedule"].as_string().empty()) causes.required("spec.schedule");
    causes.expect_one_of("spec.concurrencyPolicy", spec["concurrencyPolicy"], {"Allow", "Forbid", "Replace"});
    validate_pod_spec("spec.jobTemplate.spec.template.spec", spec.at({"jobTemplate", "spec", "template", "spec"}),
                      causes);
}

void validate_autoscaler(json::Value const& object, json::Doc const&, Causes& causes) {
    json::Value const& spec = object["spec"];
    json::Value const& least = spec["minReplicas"];
    json::Value const& most = spec["maxReplicas"];
    if (least.is_int() && least.as_int() < 1)
        causes.invalid("spec.minReplicas", least, "must be greater than or equal to 1");
    if (most.as_int() < 1)
        causes.invalid("spec.maxReplicas", most.is_null() ? json::Value(0) : most, "must be greater than 0");
    if (least.is_int() && most.as_int() < least.as_int()) {
        causes.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`");
    }
    if (spec.at({"scaleTargetRef", "kind"}).as_string().empty()) causes.required("spec.scaleTargetRef.kind");
    if (spec.at({"scaleTargetRef", "name"}).as_string().empty()) causes.required("spec.scaleTargetRef.name");
}

void validate_disruption_budget(json::Value const& object, json::Doc const&, Causes& causes) {
    json::Value const& spec = object["spec"];
    bool both = !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null();
    if (both) causes.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set");
    validate_int_or_percent("spec.minAvailable", spec["minAvailable"], causes);
    validate_int_or_percent("spec.maxUnavailable", spec["maxUnavailable"], causes);
    validate_selector("spec.selector", spec["selector"], causes);
}

}   // namespace aviary::builtin::internal
