// What laws see of messages: who was told what, and what they send.
#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "kinds.h"
#include "kube/meta/object.h"
#include "laws.h"
#include "reading.h"

namespace aviary::sim {

namespace {

using namespace std::chrono_literals;
using json::Doc;

constexpr Duration kHeeded = 1s;   // what a process was shown so long ago, it has decided with

std::string text_of(client::Request const& request) {
    return request.method + request.path + json::write(request.body) + request.raw_body;
}

bool controls(Process const& process) { return process.name.starts_with("hub") || process.name.starts_with("member"); }

}   // namespace

// "/apis/apps/v1/namespaces/demo/deployments/web/status"
std::optional<Laws::Object> Laws::object_of(std::string const& cluster, client::Request const& request) {
    auto parts = split(std::string_view(request.path).substr(1), '/');
    std::size_t at = 0;
    std::string group;
    if (parts.size() > 2 && parts[0] == "api") {
        at = 2;
    } else if (parts.size() > 3 && parts[0] == "apis") {
        group = parts[1];
        at = 3;
    } else {
        return std::nullopt;
    }
    Object object{cluster, "", "", ""};
    if (parts[at] == "namespaces" && parts.size() > at + 2) {
        object.ns = parts[at + 1];
        at += 2;
    }
    object.resource = meta::GroupVersionResource{group, "", std::string(parts[at])}.group_resource();
    object.name = parts.size() > at + 1 ? std::string(parts[at + 1]) : meta::name(request.body);
    return object;
}

void Laws::shown(std::string const& process, Object const& object, Doc const& content) {
    if (is_workload(object.resource)) {
        Shown& known = shown_[process][object];
        known.image = image_of(content);
        known.empty =
            content.at({"spec", "replicas"}).as_int(1) == 0 && content.at({"status", "replicas"}).as_int() == 0;
    } else if (object.resource == apis::kRollouts.group_resource()) {
        Shown& known = shown_[process][object];
        known.selects = content.at({"spec", "workloadRef", "name"}).string();
        bool const now = closing(content);
        if (now != known.closing) known.since = ctx_.monotonic();
        known.closing = now;
    }
}

// The hub keeps a new template back while a release that it knows of is being ended. What that comes from, or is, may
// come: somebody takes it back; and to what has no pods, as there is nobody to hold.
void Laws::check_template(Process const& process, Object const& object, client::Request const& request) {
    std::string const image = image_of(request.body);
    auto const& known = shown_[process.name];
    auto const live = known.find(object);
    bool const taken_back = members_[object.cluster].trusted.contains(image);
    if (image.empty() || taken_back || live == known.end() || live->second.image == image || live->second.empty) return;
    for (auto const& [rollout, what] : known) {
        bool const selects = rollout.cluster == object.cluster && rollout.ns == object.ns &&
                             rollout.resource == apis::kRollouts.group_resource() && what.selects == object.name;
        Object on_hub = rollout;
        on_hub.cluster = kHubCluster;
        if (!selects || !what.closing || ctx_.monotonic() - what.since < kHeeded || !known.contains(on_hub)) continue;
        violate(fmt::format("{} sends {} to {} while it ends the release before", process.name, image, object.cluster));
    }
}

void Laws::sent(Process const& process, std::string const& cluster, client::Request const& request) {
    if (!controls(process) || request.method == "GET" || request.method == "DELETE") return;
    auto const object = object_of(cluster, request);
    if (!object || object->resource == "events") return;
    if (process.name.starts_with("hub") && cluster != kHubCluster && is_workload(object->resource) &&
        request.query_value("dryRun").empty())
        check_template(process, *object, request);
    // Two decisions may say the same in the same words: what they write is bound to what they saw.
    bool const bound = request.body.at({"metadata", "resourceVersion"}).exists() ||
                       object->resource == apis::kRollouts.group_resource();
    if (process.name.starts_with("hub") && bound) return;
    // A process that was told of its write waits until it sees it, before it decides about the object again.
    auto const& mine = sent_[process.name];
    auto const before = mine.find(cluster + text_of(request));
    if (before == mine.end() || ctx_.monotonic() - before->second.at > kShortly) return;
    auto const& seen = seen_[process.name];
    auto const shown = seen.find(*object);
    if (shown != seen.end() && shown->second < before->second.version)
        violate(fmt::format("{} repeats a write of {} {} before it has seen the first: {} {}", process.name,
                            object->resource, object->name, request.method, json::write(request.body)));
}

void Laws::arrived(Process const& process, std::string const& cluster, client::Request const& request, bool) {
    if (request.method == "PATCH" && request.path.ends_with("/scale")) meets(cluster, event::kAutoscale);
    bool const scales = request.method == "PATCH" && request.body.at({"spec", "replicas"}).exists();
    if (scales && process.name.starts_with("person")) meets(cluster, event::kScale);
    if (!controls(process) || request.method == "GET") return;
    if (request.path.find("/leases") != std::string::npos) return;
    if (process.name.starts_with("hub"))
        led_.emplace_back(ctx_.monotonic(), process.name,
                          fmt::format("{} {}{}", request.method, cluster, request.path));
    if (!counting_) return;
    ++writes_[fmt::format("{}: {} {}{} {}", process.name, request.method, cluster, request.path,
                          json::write(request.body))];
}

void Laws::answered(Process const& process, std::string const& cluster, client::Request const& request,
                    client::Response const& response) {
    if (!response.ok()) return;
    if (request.method == "GET") {
        if (!controls(process)) return;
        for (auto const& [index, item] : response.body["items"].elements()) {
            client::Request const one{.path = request.path + "/" + meta::name(item)};
            auto object = object_of(cluster, one);
            if (!object) continue;
            object->ns = meta::ns(item);
            seen_[process.name][*object] = version_of(item);
            shown(process.name, *object, item);
        }
        return;
    }
    auto const object = object_of(cluster, request);
    std::uint64_t const version = version_of(response.body);
    if (!object || version == 0 || request.method == "DELETE" || !request.query_value("dryRun").empty()) return;
    std::uint64_t& told = acknowledged_[*object];
    told = std::max(told, version);
    if (controls(process)) sent_[process.name][cluster + text_of(request)] = {version, ctx_.monotonic()};
}

void Laws::delivered(Process const& process, std::string const& cluster, std::string const& path, Doc const& event) {
    if (!controls(process) || event["type"].as_string() == "BOOKMARK" || event["type"].as_string() == "ERROR") return;
    client::Request const one{.path = path + "/" + meta::name(event["object"])};
    auto object = object_of(cluster, one);
    if (!object) return;
    object->ns = meta::ns(event["object"]);
    seen_[process.name][*object] = version_of(event["object"]);
    if (event["type"].as_string() == "DELETED") {
        shown_[process.name].erase(*object);
    } else {
        shown(process.name, *object, event["object"]);
    }
}

}   // namespace aviary::sim
