// The cells of everything else: nodes, events, storage, access, configuration.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/internal/cells.h"
#include "kube/apiserver/builtin/internal/rows.h"

namespace aviary::builtin::internal {

namespace {

std::string node_status(json::Doc const& node) {
    std::string text = "Unknown";
    for (auto [_, condition] : node.at({"status", "conditions"}).elements()) {
        if (condition["type"].as_string() == "Ready")
            text = condition["status"].as_string() == "True" ? "Ready" : "NotReady";
    }
    if (node.at({"spec", "unschedulable"}).as_bool()) text += ",SchedulingDisabled";
    return text;
}

std::string node_roles(json::Doc const& node) {
    constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
    std::vector<std::string> roles;
    for (auto [key, value] : node.at({"metadata", "labels"}).members()) {
        if (key.starts_with(kPrefix) && key.size() > kPrefix.size()) roles.emplace_back(key.substr(kPrefix.size()));
        if (key == "kubernetes.io/role" && !value.as_string().empty()) roles.push_back(value.string());
    }
    std::ranges::sort(roles);
    auto repeated = std::ranges::unique(roles);
    roles.erase(repeated.begin(), repeated.end());
    return roles.empty() ? "<none>" : join(roles, ",");
}

std::string node_address(json::Doc const& node, std::string_view type) {
    for (auto [_, address] : node.at({"status", "addresses"}).elements()) {
        if (address["type"].as_string() == type) return address["address"].string();
    }
    return "<none>";
}

std::string access_modes(json::Doc const& modes) {
    constexpr std::pair<std::string_view, std::string_view> kShort[] = {
        {"ReadWriteOnce", "RWO"}, {"ReadOnlyMany", "ROX"}, {"ReadWriteMany", "RWX"}, {"ReadWriteOncePod", "RWOP"}};
    std::vector<std::string> out;
    for (auto [mode, text] : kShort) {
        bool has =
            std::ranges::any_of(modes.elements(), [&](auto const& entry) { return entry.second.as_string() == mode; });
        if (has) out.emplace_back(text);
    }
    return join(out, ",");
}

std::string storage_class_of(json::Doc const& object) {
    json::Doc annotated = object.at({"metadata", "annotations", "volume.beta.kubernetes.io/storage-class"});
    return annotated.is_string() ? annotated.string() : object.at({"spec", "storageClassName"}).string();
}

std::string phase_of(json::Doc const& object) {
    return object.at({"metadata", "deletionTimestamp"}).is_string() ? "Terminating"
                                                                    : object.at({"status", "phase"}).string();
}

std::string trimmed(std::string text, std::string_view tail) {
    if (text.ends_with(tail)) text.resize(text.size() - tail.size());
    return text;
}

}   // namespace

json::Array node_row(json::Doc const& object, Time now) {
    json::Doc info = object.at({"status", "nodeInfo"});
    std::string kernel = text_or(info["kernelVersion"], "<unknown>");
    if (!info["architecture"].as_string().empty()) kernel += fmt::format(" ({})", info["architecture"].as_string());
    return {name_of(object),
            node_status(object),
            node_roles(object),
            age_of(object, now),
            info["kubeletVersion"].as_string(),
            node_address(object, "InternalIP"),
            node_address(object, "ExternalIP"),
            text_or(info["osImage"], "<unknown>"),
            kernel,
            text_or(info["containerRuntimeVersion"], "<unknown>")};
}

// core/v1 and events.k8s.io/v1 name the same things differently.
json::Array event_row(json::Doc const& object, Time now) {
    auto either = [&](std::string_view core, std::string_view events) {
        json::Doc value = object[core];
        return value.exists() && !value.is_null() ? value : object[events];
    };
    json::Doc about = either("involvedObject", "regarding");
    json::Doc source = either("source", "deprecatedSource");
    json::Doc first_time = either("firstTimestamp", "deprecatedFirstTimestamp");
    json::Doc last_time = either("lastTimestamp", "deprecatedLastTimestamp");
    std::string first =
        age_since(first_time.is_string() ? first_time.as_string() : object["eventTime"].as_string(), now);
    std::string last = last_time.is_string() ? age_since(last_time.as_string(), now) : first;
    std::int64_t count = either("count", "deprecatedCount").as_int();
    json::Doc series = object["series"];
    if (series.is_object()) {
        last = age_since(series["lastObservedTime"].as_string(), now);
        count = series["count"].as_int();
    } else if (count == 0) {
        count = 1;
    }
    std::string target = to_lower(about["kind"].as_string());
    if (!about["name"].as_string().empty()) target += fmt::format("/{}", about["name"].as_string());
    std::string component =
        text_or(source["component"], either("reportingComponent", "reportingController").as_string());
    std::string instance = text_or(source["host"], object["reportingInstance"].as_string());
    if (!instance.empty()) component += ", " + instance;
    return {last,
            object["type"].as_string(),
            object["reason"].as_string(),
            target,
            about["fieldPath"].as_string(),
            component,
            trim(either("message", "note").as_string()),
            first,
            count,
            name_of(object)};
}

json::Array namespace_row(json::Doc const& object, Time now) {
    return {name_of(object), object.at({"status", "phase"}).as_string(), age_of(object, now)};
}

json::Array secret_row(json::Doc const& object, Time now) {
    return {name_of(object), object["type"].as_string(), object["data"].size(), age_of(object, now)};
}

json::Array service_account_row(json::Doc const& object, Time now) { return {name_of(object), age_of(object, now)}; }

json::Array config_map_row(json::Doc const& object, Time now) {
    return {name_of(object), object["data"].size() + object["binaryData"].size(), age_of(object, now)};
}

json::Array volume_row(json::Doc const& object, Time now) {
    json::Doc claim = object.at({"spec", "claimRef"});
    return {name_of(object),
            text_or(object.at({"spec", "capacity", "storage"}), "0"),
            access_modes(object.at({"spec", "accessModes"})),
            object.at({"spec", "persistentVolumeReclaimPolicy"}).as_string(),
            phase_of(object),
            claim.is_object() ? fmt::format("{}/{}", claim["namespace"].as_string(), claim["name"].as_string()) : "",
            storage_class_of(object),
            text_or(object.at({"spec", "volumeAttributesClassName"}), "<unset>"),
            object.at({"status", "reason"}).as_string(),
            age_of(object, now),
            text_or(object.at({"spec", "volumeMode"}), "<unset>")};
}

json::Array volume_claim_row(json::Doc const& object, Time now) {
    bool bound = !object.at({"spec", "volumeName"}).as_string().empty();
    return {name_of(object),
            phase_of(object),
            object.at({"spec", "volumeName"}).as_string(),
            bound ? text_or(object.at({"status", "capacity", "storage"}), "0") : "",
            bound ? access_modes(object.at({"status", "accessModes"})) : "",
            storage_class_of(object),
            text_or(object.at({"spec", "volumeAttributesClassName"}), "<unset>"),
            age_of(object, now),
            text_or(object.at({"spec", "volumeMode"}), "<unset>")};
}

json::Array quota_row(json::Doc const& object, Time now) {
    std::vector<std::pair<std::string, std::string>> hard;
    for (auto [name, value] : object.at({"status", "hard"}).members())
        hard.emplace_back(std::string(name), scalar_text(value));
    std::ranges::sort(hard);
    std::string requests, limits;
    for (auto const& [name, value] : hard) {
        std::string& column = name.starts_with("limits.") ? limits : requests;
        column += fmt::format("{}: {}/{}, ", name, text_or(object.at({"status", "used", name}), "0"), value);
    }
    return {name_of(object), trimmed(requests, ", "), trimmed(limits, ", "), age_of(object, now)};
}

json::Array role_binding_row(json::Doc const& object, Time now) {
    std::vector<std::string> users, groups, accounts;
    for (auto [_, subject] : object["subjects"].elements()) {
        std::string_view kind = subject["kind"].as_string();
        if (kind == "User") users.push_back(subject["name"].string());
        if (kind == "Group") groups.push_back(subject["name"].string());
        if (kind == "ServiceAccount") {
            accounts.push_back(fmt::format("{}/{}", subject["namespace"].as_string(), subject["name"].as_string()));
        }
    }
    json::Doc role = object["roleRef"];
    return {name_of(object),     fmt::format("{}/{}", role["kind"].as_string(), role["name"].as_string()),
            age_of(object, now), join(users, ", "),
            join(groups, ", "),  join(accounts, ", ")};
}

json::Array lease_row(json::Doc const& object, Time now) {
    return {name_of(object), object.at({"spec", "holderIdentity"}).as_string(), age_of(object, now)};
}

json::Array priority_class_row(json::Doc const& object, Time now) {
    return {name_of(object), object["value"].as_int(), object["globalDefault"].as_bool(), age_of(object, now),
            object["preemptionPolicy"].as_string()};
}

json::Array storage_class_row(json::Doc const& object, Time now) {
    std::string name(name_of(object));
    if (object.at({"metadata", "annotations", "storageclass.kubernetes.io/is-default-class"}).as_string() == "true") {
        name += " (default)";
    }
    return {name,
            object["provisioner"].as_string(),
            text_or(object["reclaimPolicy"], "Delete"),
            text_or(object["volumeBindingMode"], "Immediate"),
            object["allowVolumeExpansion"].as_bool(),
            age_of(object, now)};
}

json::Array webhook_row(json::Doc const& object, Time now) {
    return {name_of(object), object["webhooks"].size(), age_of(object, now)};
}

json::Array api_service_row(json::Doc const& object, Time now) {
    json::Doc service = object.at({"spec", "service"});
    std::string available = "Unknown";
    for (auto [_, condition] : object.at({"status", "conditions"}).elements()) {
        if (condition["type"].as_string() != "Available") continue;
        available = condition["status"].string();
        if (available != "True") available += fmt::format(" ({})", condition["reason"].as_string());
    }
    return {name_of(object),
            service.is_object() ? fmt::format("{}/{}", service["namespace"].as_string(), service["name"].as_string())
                                : "Local",
            available, age_of(object, now)};
}

}   // namespace aviary::builtin::internal
