#include "hub/clusters/controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/strings.h"
#include "core/http/message.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"

namespace aviary::clusters {

namespace {

using json::Doc;
using json::Value;

meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
meta::GroupVersionResource const kWebhooks{"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"};
meta::GroupVersionResource const kLeases{"coordination.k8s.io", "v1", "leases"};
constexpr char kKruiseWebhooks[] = "kruise-rollout-mutating-webhook-configuration";
constexpr char kKruiseManager[] = "kruise-rollout-controller-manager";
constexpr char kKruiseNamespace[] = "kruise-rollout";

std::string text(Version const& version) {
    return fmt::format("{}.{}.{}", version.major, version.minor, version.patch);
}

// What stands behind the colon of an image, without its digest.
std::string_view tag_of(std::string_view image) {
    image = image.substr(0, image.find('@'));
    std::size_t const colon = image.rfind(':');
    bool const of_port = colon != std::string_view::npos && image.find('/', colon) != std::string_view::npos;
    return colon == std::string_view::npos || of_port ? std::string_view() : image.substr(colon + 1);
}

// An object that may be missing, and that may not be ours to read: then `unread` says so.
Task<Result<Doc>> look(Context ctx, client::Client client, meta::GroupVersionResource resource, meta::ObjectKey key,
                       std::string& unread) {
    auto object = co_await client.find(ctx, resource, key);
    bool const refused = !object && object.error().is(ErrorCode::kForbidden);
    if (!refused) co_return object;
    unread = object.error().message();
    co_return Doc();
}

Verdict judge_aviary(std::string const& said, Version const& version, Version const& hub) {
    Version const oldest{hub.major, std::max<std::int64_t>(hub.minor - kMinorsBehind, 0), 0, true};
    if (std::pair(version.major, version.minor) > std::pair(hub.major, hub.minor)) {
        return {"False", "ControllerTooNew",
                fmt::format("aviary member {} is newer than this hub, {}: update the hub", said, text(hub))};
    }
    if (version < oldest) {
        return {"False", "ControllerTooOld",
                fmt::format("aviary member {} is older than what this hub, {}, works with: update it to {}.{} or newer",
                            said, text(hub), oldest.major, oldest.minor)};
    }
    return {"True", "Supported", fmt::format("aviary member {}", said)};
}

Verdict judge_kruise(std::string const& said, Version const& version) {
    if (version < kOldestKruise) {
        return {"False", "ControllerTooOld",
                fmt::format("Kruise Rollouts {} is older than {}, the oldest that is supported: update it", said,
                            text(kOldestKruise))};
    }
    return {"True", "Supported", fmt::format("Kruise Rollouts {}", said)};
}

}   // namespace

Task<Result<FoundController>> find_controller(Context ctx, client::Client member, std::string ns) {
    FoundController found;
    std::string unread;
    CO_TRY_ASSIGN(Doc const record, co_await look(ctx, member, kConfigMaps,
                                                  {std::move(ns), std::string(apis::kControllerRecord)}, unread));
    found.controller = apis::read_controller_record(record);
    if (!found.controller.name.empty()) co_return found;
    CO_TRY_ASSIGN(Doc const webhooks, co_await look(ctx, member, kWebhooks, {"", kKruiseWebhooks}, unread));
    // Helm may have put it elsewhere; without a Service it runs outside of the cluster.
    std::string where = webhooks["webhooks"][0].at({"clientConfig", "service", "namespace"}).string();
    if (where.empty() || meta::dns1123_label_problem(where)) where = kKruiseNamespace;
    CO_TRY_ASSIGN(Doc const manager, co_await look(ctx, member, kDeployments, {where, kKruiseManager}, unread));
    if (webhooks.exists() || manager.exists()) {
        found.controller = kruise_controller(manager);
    } else {
        found.unread = std::move(unread);
    }
    co_return found;
}

std::optional<Time> silent_since(Doc const& lease, Time now) {
    Doc const spec = lease["spec"];
    auto const renewed = parse_rfc3339(spec["renewTime"].as_string());
    auto const lasts = std::chrono::seconds(spec["leaseDurationSeconds"].as_int());
    if (!renewed || lasts.count() <= 0) return std::nullopt;
    bool const over = spec["holderIdentity"].as_string().empty() || now > *renewed + 2 * lasts;
    return over ? renewed : std::nullopt;
}

Task<std::optional<Time>> controller_silent_since(Context ctx, client::Client member, std::string ns) {
    client::Request request;
    request.path = client::resource_path(kLeases, ns, std::string(apis::kControllerRecord));
    auto const answer = co_await member.raw(ctx, std::move(request));
    if (!answer) co_return std::nullopt;
    auto const there = parse_http_date(http::find_header(answer->headers, "Date"));
    co_return silent_since(answer->body, there.value_or(ctx.now()));
}

apis::Controller kruise_controller(Doc const& deployment) {
    apis::Controller controller{std::string(apis::controller::kKruise), {}, {}};
    Doc const containers = deployment.at({"spec", "template", "spec", "containers"});
    std::string_view tag = tag_of(containers[0]["image"].as_string());
    for (auto const& [index, each] : containers.elements())
        if (each["name"].as_string() == "manager") tag = tag_of(each["image"].as_string());
    std::string const label = meta::label(deployment, "app.kubernetes.io/version");
    for (std::string_view const said : {tag, std::string_view(label)}) {
        if (said.size() > apis::kLongestControllerVersion || !parse_version(said)) continue;
        controller.version = said.substr(said.starts_with('v') ? 1 : 0);
        break;
    }
    return controller;
}

Verdict judge(FoundController const& found, Version const& hub) {
    apis::Controller const& controller = found.controller;
    if (controller.name.empty() && !found.unread.empty()) {
        return {"Unknown", "ControllerUnknown",
                "the hub may not look which rollout controller runs there: join again (" + found.unread + ")"};
    }
    if (controller.name.empty())
        return {"Unknown", "ControllerUnknown", "neither aviary member nor Kruise Rollouts says that it runs there"};
    auto const version = parse_version(controller.version);
    bool const kruise = controller.name == apis::controller::kKruise;
    if (!kruise && controller.name != apis::controller::kAviary) {
        return {"Unknown", "ControllerUnknown",
                fmt::format("{} is not known to this hub as a rollout controller", controller.name)};
    }
    if (!version) {
        return {"Unknown", "VersionUnknown",
                kruise ? fmt::format("the version of Kruise Rollouts there cannot be found out: {} or newer is needed",
                                     text(kOldestKruise))
                       : std::string("the version of aviary member there cannot be found out")};
    }
    return kruise ? judge_kruise(controller.version, *version) : judge_aviary(controller.version, *version, hub);
}

Value with_claims(Doc const& claims, apis::Controller const& controller, std::string_view kubernetes,
                  std::string_view cluster_id) {
    std::string const capabilities = apis::capabilities_text(controller);
    struct Ours {
        std::string_view name, value;
        bool goes;   // when there is no value
    };
    Ours const ours[] = {{apis::kControllerClaim, controller.name, true},
                         {apis::kControllerVersionClaim, controller.version, true},
                         {apis::kCapabilitiesClaim, capabilities, true},
                         {apis::kKubernetesClaim, kubernetes, false},
                         {apis::kClusterIdClaim, cluster_id, false}};
    Value result{json::Array()};
    auto const is = [](std::string_view name) {
        return [name](auto const& each) { return each["name"].as_string() == name; };
    };
    for (auto const& [index, each] : claims.elements()) {
        auto const own = std::ranges::find(ours, each["name"].as_string(), &Ours::name);
        if (own == std::end(ours) || (own->value.empty() && !own->goes)) {
            result.push_back(each.thaw());
        } else if (!own->value.empty()) {
            result.push_back(json::Object{{"name", own->name}, {"value", own->value}});
        }
    }
    for (Ours const& own : ours) {
        bool const there = std::ranges::any_of(result.array(), is(own.name));
        if (!there && !own.value.empty()) result.push_back(json::Object{{"name", own.name}, {"value", own.value}});
    }
    return result;
}

}   // namespace aviary::clusters
