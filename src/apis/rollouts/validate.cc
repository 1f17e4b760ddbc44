#include "apis/rollouts/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "apis/internal/validate_older.h"
#include "apis/rollouts/conversion.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "apis/rollouts/step_limits.h"
#include "core/base/strings.h"
#include "kube/meta/groups.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"

namespace aviary::apis {

namespace {

using json::Doc;
using json::Value;

// Upstream's --partition-percent-limit: pods that are not there any more cannot have their share of the requests.
constexpr std::int64_t kPartitionPercentLimit = 50;
constexpr std::string_view kKruiseApps = "apps.kruise.io";
// With -canary behind it: a Service's name has at most 63, others 253.
constexpr std::size_t kLongestService = 56;
constexpr std::size_t kLongestIngress = 246;
constexpr std::size_t kMostCustomObjects = 16;

// What a path may have beside letters, digits and what is written as %20.
constexpr std::string_view kPathMarks = "-._~!$&'()*+,;=:@/";

bool has_path_characters(std::string_view path) {
    auto const is_one_of = [](char each, std::string_view more) {
        return (each >= '0' && each <= '9') || more.find(each) != std::string_view::npos;
    };
    constexpr std::string_view kHex = "abcdefABCDEF";
    for (std::size_t at = 0; at < path.size(); ++at) {
        char const each = path[at];
        if (each == '%') {
            if (at + 2 >= path.size() || !is_one_of(path[at + 1], kHex) || !is_one_of(path[at + 2], kHex)) return false;
            at += 2;
        } else if (!(each >= 'a' && each <= 'z') && !(each >= 'A' && each <= 'Z') && !is_one_of(each, kPathMarks)) {
            return false;
        }
    }
    return true;
}

class Checker {
public:
    std::vector<FieldCause> causes;

    void invalid(std::string field, std::string message) {
        causes.push_back({"FieldValueInvalid", std::move(field), std::move(message)});
    }
    void required(std::string field, std::string message) {
        causes.push_back({"FieldValueRequired", std::move(field), std::move(message)});
    }

    void workload(Value const& reference, WorkloadKinds kinds) {
        if (reference["name"].as_string().empty()) required("spec.workloadRef.name", "cannot be empty");
        if (kinds == WorkloadKinds::kLabelled && is_custom_kind(reference["apiVersion"].as_string())) return;
        auto const [group, version] = meta::parse_api_version(reference["apiVersion"].as_string());
        std::string_view const kind = reference["kind"].as_string();
        bool const sets = kind == "StatefulSet" || kind == "DaemonSet";
        if (group == "apps" && (kind == "Deployment" || sets)) return;
        if (group == kKruiseApps && (kind == "CloneSet" || sets)) return;
        if (group == meta::kLeaderWorkerSets.group && kind == meta::kLeaderWorkerSet) return;
        if (group == "apps" && kind == "ReplicaSet") {
            invalid("spec.workloadRef", "releasing a ReplicaSet is not supported: its controller replaces no pods");
        } else {
            invalid("spec.workloadRef", "WorkloadRef kind is not supported");
        }
    }

    // What a kind other than Deployments cannot be released in.
    void style(Value const& rollout) {
        std::string_view const kind = rollout.at({"spec", "workloadRef", "kind"}).as_string();
        Value const& strategy = rollout.at({"spec", "strategy"});
        if (kind == "Deployment") return;
        if (strategy["blueGreen"].is_object() && kind != "CloneSet")
            invalid("spec.workloadRef", "WorkloadRef kind is not supported for bluegreen style");
    }

    // Whether requests are led to pods that are all the workload's own: enableExtraWorkloadForCanary makes a second
    // workload of a Deployment alone (upstream, IsRealPartition). Without trafficRoutings a share of requests is words
    // alone, as in Rollouts whose v1alpha1 says weights for shares of pods.
    static bool routes_in_partition(Value const& rollout, std::string_view field) {
        Value const& strategy = rollout.at({"spec", "strategy", field});
        bool const extra = strategy["enableExtraWorkloadForCanary"].as_bool() &&
                           rollout.at({"spec", "workloadRef", "kind"}).as_string() == "Deployment";
        return field == "canary" && !extra && strategy["trafficRoutings"].size() > 0;
    }

    // Its name is to stand in a finalizer.
    void shared_routing(Value const& rollout) {
        if (shared_routing_name(Doc::freeze(rollout)).empty() ||
            rollout.at({"metadata", "name"}).as_string().size() <= kLongestHolder)
            return;
        invalid("metadata.name",
                fmt::format("must have at most {} characters, as the Rollout names a TrafficRouting", kLongestHolder));
    }

    void annotations(Value const& rollout) {
        StepLimits limits = read_step_limits(Doc::freeze(rollout));
        std::ranges::move(limits.problems, std::back_inserter(causes));
    }

    // spec.strategy.canary or .blueGreen; `name` is upstream's word for it.
    void strategy(Value const& rollout, std::string_view field, std::string_view name) {
        Value const& strategy = rollout.at({"spec", "strategy", field});
        std::string const path = fmt::format("spec.strategy.{}", field);
        routings(strategy, path + ".trafficRoutings");
        pod_labels(strategy.at({"patchPodTemplateMetadata", "labels"}), path + ".patchPodTemplateMetadata.labels");
        json::Array const& steps = strategy["steps"].array();
        if (steps.empty())
            return required(path + ".steps", fmt::format("The number of {}.Steps cannot be empty", name));
        for (std::size_t index = 0; index < steps.size(); ++index) {
            step(steps[index], fmt::format("{}.steps[{}]", path, index));
            traffic(steps[index], fmt::format("{}.steps[{}]", path, index), field == "blueGreen",
                    routes_in_partition(rollout, field));
        }
        order(steps, path);
        Value const& threshold = strategy["failureThreshold"];
        if (threshold.is_null()) return;
        auto const share = meta::IntOrPercent::from(Doc::freeze(threshold));
        if (!share || share->value < 0 || (share->percent && share->value > 100)) {
            invalid(path + ".failureThreshold",
                    "must be a number that is not negative, or a percentage of at most 100%");
        }
    }

    void routings(Value const& strategy, std::string const& path) {
        json::Array const& list = strategy["trafficRoutings"].array();
        if (list.size() > 1) return invalid(path, "Rollout currently only support single TrafficRouting.");
        if (list.empty()) return;
        routing(list.front(), path + "[0]");
        bool const too_long = list.front()["service"].as_string().size() > kLongestService;
        if (too_long && !strategy["disableGenerateCanaryService"].as_bool())
            invalid(path + "[0].service",
                    fmt::format("must have at most {} characters: NAME-canary is made beside it", kLongestService));
    }

    void pod_labels(Value const& labels, std::string const& path) {
        for (auto const& [key, value] : labels.object()) {
            if (auto problem = meta::label_key_problem(key))
                invalid(path, fmt::format("Invalid value: \"{}\": {}", key, *problem));
            if (auto problem = meta::label_value_problem(value.as_string()))
                invalid(fmt::format("{}[{}]", path, key),
                        fmt::format("Invalid value: \"{}\": {}", value.as_string(), *problem));
        }
    }

    void routing(Value const& routing, std::string const& field) {
        if (routing["service"].as_string().empty())
            required(field + ".service", "TrafficRouting.Service cannot be empty");
        std::int64_t const grace = routing["gracePeriodSeconds"].as_int();
        if (grace < 0 || grace > kLongestGracePeriod) {
            invalid(field + ".gracePeriodSeconds",
                    fmt::format("Invalid value: {}: must be from 0 to {}", grace, kLongestGracePeriod));
        }
        bool const ingress = routing["ingress"].is_object();
        bool const custom = routing["customNetworkRefs"].size() > 0;
        Value const& gateway = routing["gateway"];
        if (ingress) this->ingress(routing["ingress"], field + ".ingress");
        custom_objects(routing["customNetworkRefs"].array(), field + ".customNetworkRefs");
        if (!ingress && !custom && !gateway.is_object()) return required(field, "TrafficRoutings are not set");
        bool const named =
            !gateway["httpRouteName"].as_string().empty() || !gateway["grpcRouteName"].as_string().empty();
        if (gateway.is_object() && !named)
            required(field + ".gateway", "one of httpRouteName and grpcRouteName must be given");
    }

    void ingress(Value const& ingress, std::string const& field) {
        std::size_t const length = ingress["name"].as_string().size();
        if (length == 0) required(field + ".name", "TrafficRouting.Ingress.Name cannot be empty");
        if (length > kLongestIngress)
            invalid(field + ".name",
                    fmt::format("must have at most {} characters: NAME-canary is made beside it", kLongestIngress));
    }

    void custom_objects(json::Array const& list, std::string const& field) {
        if (list.size() > kMostCustomObjects)
            return invalid(field, fmt::format("must have at most {} items", kMostCustomObjects));
        std::set<std::string> seen;
        for (std::size_t index = 0; index < list.size(); ++index) {
            Value const& each = list[index];
            std::string const at = fmt::format("{}[{}]", field, index);
            for (char const* part : {"apiVersion", "kind", "name"})
                if (each[part].as_string().empty()) required(fmt::format("{}.{}", at, part), "cannot be empty");
            std::string const group = meta::parse_api_version(each["apiVersion"].as_string()).first;
            if (!seen.insert(fmt::format("{}/{}/{}", group, each["kind"].as_string(), each["name"].as_string())).second)
                invalid(at, "is there twice: each object is routed once");
        }
    }

    void traffic(Value const& step, std::string const& path, bool blue_green, bool partition) {
        bool const matches = step["matches"].size() > 0;
        if (!step["traffic"].is_null()) {
            std::string_view const text = step["traffic"].as_string();
            auto const percent = parse_traffic(text);
            if (!percent || (*percent == 0 && !blue_green)) {
                invalid(
                    path + ".traffic",
                    fmt::format("Invalid value: \"{}\": traffic must be percentage with \"0%\" {} traffic <= \"100%\"",
                                text, blue_green ? "<=" : "<"));
            }
        }
        for (std::size_t index = 0; index < step["matches"].size(); ++index)
            match(step["matches"][index], fmt::format("{}.matches[{}]", path, index));
        if (!partition || (step["traffic"].is_null() && !matches)) return;
        auto const share = meta::IntOrPercent::from(Doc::freeze(step["replicas"]));
        if (!share || !share->percent || share->value <= kPartitionPercentLimit) return;
        invalid(path + ".replicas",
                fmt::format("For partition style rollout: {}.replicas must not greater than partition-percent-limit "
                            "({}%) if traffic specified",
                            path.substr(path.rfind('.') + 1), kPartitionPercentLimit));
    }

    // What the API server of the route would refuse.
    void match(Value const& match, std::string const& path) {
        Value const& by_path = match["path"];
        if (!by_path.is_object() && match["headers"].size() == 0 && match["queryParams"].size() == 0)
            return required(path, "one of path, headers and queryParams must be given: nothing is matched");
        if (!by_path.is_object() || by_path["type"].as_string() == "RegularExpression") return;
        std::string_view const value = by_path["value"].as_string("/");
        bool wrong = !value.starts_with('/') || value.ends_with("/..") || value.ends_with("/.");
        for (std::string_view part : {"//", "/./", "/../", "%2f", "%2F", "#"}) wrong |= value.contains(part);
        if (wrong) {
            invalid(
                path + ".path.value",
                fmt::format("Invalid value: \"{}\": must be an absolute path without //, /./, /../, %2f and #", value));
        } else if (!has_path_characters(value)) {
            invalid(path + ".path.value",
                    fmt::format("Invalid value: \"{}\": must consist of letters, digits, {} and % with two hexadecimal "
                                "digits",
                                value, kPathMarks));
        }
    }

    void step(Value const& step, std::string const& path) {
        Value const& duration = step["pause"]["duration"];
        if (duration.as_int() < 0)
            invalid(path + ".pause.duration",
                    fmt::format("Invalid value: {}: must not be negative", duration.as_int()));
        if (duration.as_int() > kLongestPause) {
            invalid(path + ".pause.duration",
                    fmt::format("Invalid value: {}: must be at most {}", duration.as_int(), kLongestPause));
        }
        Value const& replicas = step["replicas"];
        if (replicas.is_null()) return required(path + ".replicas", "replicas cannot be empty");
        auto const share = meta::IntOrPercent::from(Doc::freeze(replicas));
        if (share && share->value > 0 && !(share->percent && share->value > 100)) return;
        std::string const shown =
            replicas.is_string() ? fmt::format("\"{}\"", replicas.as_string()) : fmt::format("{}", replicas.as_int());
        invalid(path + ".replicas", fmt::format("Invalid value: {}: replicas must be positive number, or a percentage "
                                                "with \"0%\" < canaryReplicas <= \"100%\"",
                                                shown));
    }

    void order(json::Array const& steps, std::string const& path) {
        for (std::size_t index = 1; index < steps.size(); ++index) {
            auto const before = meta::IntOrPercent::from(Doc::freeze(steps[index - 1]["replicas"]));
            auto const after = meta::IntOrPercent::from(Doc::freeze(steps[index]["replicas"]));
            if (!before || !after || before->percent != after->percent || after->value >= before->value) continue;
            invalid(fmt::format("{}.steps[{}].replicas", path, index),
                    "Steps.CanaryReplicas must be a non decreasing sequence");
        }
    }

    void conflicts(Value const& rollout, std::vector<Doc> const& others) {
        Value const& mine = rollout.at({"spec", "workloadRef"});
        std::string_view const group =
            mine["apiVersion"].as_string().substr(0, mine["apiVersion"].as_string().find('/'));
        for (Doc const& other : others) {
            if (meta::name(other) == rollout.at({"metadata", "name"}).as_string()) continue;
            Doc const theirs = other.at({"spec", "workloadRef"});
            bool const same_group =
                theirs["apiVersion"].as_string().substr(0, theirs["apiVersion"].as_string().find('/')) == group;
            if (!same_group || theirs["kind"].as_string() != mine["kind"].as_string() ||
                theirs["name"].as_string() != mine["name"].as_string())
                continue;
            invalid("spec.workloadRef",
                    fmt::format("This rollout conflict with Rollout({}/{})", meta::ns(other), meta::name(other)));
        }
    }

    // What stays as it is while a release is on.
    void immutable(Value const& rollout, Doc const& old) {
        std::string_view const phase = old.at({"status", "phase"}).as_string();
        if (phase != phase::kProgressing && phase != phase::kTerminating && phase != phase::kDisabling) return;
        auto const changed = [&](std::initializer_list<std::string_view> path) {
            return !(Doc::freeze(rollout.at(path)) == Doc::freeze(old.at(path).thaw()));
        };
        if (changed({"spec", "workloadRef"})) invalid("spec.workloadRef", "Rollout 'ObjectRef' field is immutable");
        bool const blue_green = rollout.at({"spec", "strategy", "blueGreen"}).is_object();
        if (blue_green != old.at({"spec", "strategy", "blueGreen"}).is_object()) {
            invalid("spec.strategy", "Rollout style and enableExtraWorkloadForCanary are immutable");
            return;
        }
        char const* const field = blue_green ? "blueGreen" : "canary";
        if (changed({"spec", "strategy", field, "trafficRoutings"}))
            invalid(fmt::format("spec.strategy.{}.trafficRoutings", field),
                    fmt::format("Rollout 'Strategy.{}.TrafficRoutings' field is immutable",
                                blue_green ? "BlueGreen" : "Canary"));
        bool const generates = old.at({"spec", "strategy", field, "disableGenerateCanaryService"}).as_bool();
        if (rollout.at({"spec", "strategy", field, "disableGenerateCanaryService"}).as_bool() != generates)
            invalid(fmt::format("spec.strategy.{}.disableGenerateCanaryService", field),
                    "it is immutable while a release is on: its canary Service would stay");
        bool const before = old.at({"spec", "strategy", "canary", "enableExtraWorkloadForCanary"}).as_bool();
        if (rollout.at({"spec", "strategy", "canary", "enableExtraWorkloadForCanary"}).as_bool() != before) {
            invalid("spec.strategy.canary.enableExtraWorkloadForCanary",
                    "Rollout enableExtraWorkloadForCanary is immutable");
        }
        if (rollout.at({"spec", "strategy", field, "steps"}).size() !=
            old.at({"spec", "strategy", field, "steps"}).size()) {
            invalid(fmt::format("spec.strategy.{}.steps", field),
                    "Rollout steps number is immutable while it is progressing");
        }
    }
};

}   // namespace

bool is_custom_kind(std::string_view api_version) {
    std::string const group = meta::parse_api_version(api_version).first;
    // Those of Kubernetes itself have no dot, or are of no workloads.
    return group.contains('.') && group != kKruiseApps && group != meta::kLeaderWorkerSets.group;
}

bool is_like_stateful_set(Doc const& object) { return meta::label(object, kWorkloadTypeLabel) == kStatefulSetType; }

std::vector<FieldCause> validate_rollout(Value const& rollout, Doc const& old, std::vector<Doc> const& others,
                                         WorkloadKinds kinds) {
    if (rollout["apiVersion"].as_string() == kRolloutsOlder) return validate_older_rollout(rollout, old, others, kinds);
    Checker checker;
    Value const& strategy = rollout.at({"spec", "strategy"});
    checker.annotations(rollout);
    checker.shared_routing(rollout);
    checker.workload(rollout.at({"spec", "workloadRef"}), kinds);
    checker.style(rollout);
    bool const canary = strategy["canary"].is_object();
    bool const blue_green = strategy["blueGreen"].is_object();
    if (!canary && !blue_green) checker.required("spec.strategy", "Canary and BlueGreen cannot both be empty");
    if (canary && blue_green) checker.invalid("spec.strategy", "Canary and BlueGreen cannot both be set");
    if (canary) checker.strategy(rollout, "canary", "Canary");
    if (blue_green && !canary) checker.strategy(rollout, "blueGreen", "BlueGreen");
    checker.conflicts(rollout, others);
    if (old.exists()) checker.immutable(rollout, old);
    return std::move(checker.causes);
}

std::vector<FieldCause> validate_traffic_routing(Value const& object, Doc const& old) {
    Checker checker;
    json::Array const& list = object.at({"spec", "objectRef"}).array();
    Value const& strategy = object.at({"spec", "strategy"});
    std::int64_t const weight = strategy["weight"].as_int();
    if (list.empty()) checker.required("spec.objectRef", "one entry must be given: the first one counts");
    if (!list.empty()) checker.routing(list.front(), "spec.objectRef[0]");
    if (weight < 0 || weight > 100)
        checker.invalid("spec.strategy.weight", fmt::format("Invalid value: {}: must be from 0 to 100", weight));
    for (std::size_t index = 0; index < strategy["matches"].size(); ++index)
        checker.match(strategy["matches"][index], fmt::format("spec.strategy.matches[{}]", index));
    std::string_view const phase = old.at({"status", "phase"}).as_string();
    bool const routed = phase == phase::kProgressing || phase == phase::kFinalizing || phase == phase::kTerminating;
    if (routed && !(Doc::freeze(object.at({"spec", "objectRef"})) == Doc::freeze(old.at({"spec", "objectRef"}).thaw())))
        checker.invalid("spec.objectRef", "it is immutable while a release is on: what it names is to be put back");
    return std::move(checker.causes);
}

Status refuse(std::vector<FieldCause> causes, std::string const& group, std::string const& kind,
              std::string const& name) {
    if (causes.empty()) return {};
    std::vector<std::string> parts;
    for (FieldCause const& cause : causes) parts.push_back(fmt::format("{}: {}", cause.field, cause.message));
    std::string const list = parts.size() == 1 ? parts.front() : fmt::format("[{}]", join(parts, ", "));
    return fail(Error(ErrorCode::kInvalid, fmt::format("{}.{} \"{}\" is invalid: {}", kind, group, name, list))
                    .with_causes(std::move(causes))
                    .with_object(group, kind, name));
}

}   // namespace aviary::apis
