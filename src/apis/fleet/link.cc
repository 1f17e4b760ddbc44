#include "apis/fleet/link.h"

#include "core/json/fields.h"
#include "kube/meta/object.h"

namespace aviary::json {

using namespace apis;

template <>
constexpr auto fields<LinkHello> = object(
    "Who an agent is.", field("cluster", &LinkHello::cluster, "", {.required = true}),
    field("clusterUID", &LinkHello::cluster_uid, "", {.required = true}), field("version", &LinkHello::version, ""),
    field("token", &LinkHello::token, ""), field("request", &LinkHello::request, ""));
template <>
constexpr auto fields<LinkAnswer> =
    object("What comes of it.",
           field("outcome", &LinkAnswer::outcome, "",
                 {.required = true, .one_of = {"Linked", "Certificate", "Waiting", "Refused"}}),
           field("certificate", &LinkAnswer::certificate, ""), field("authority", &LinkAnswer::authority, ""),
           field("message", &LinkAnswer::message, ""));

}   // namespace aviary::json

namespace aviary::apis {

namespace {

constexpr std::string_view kAgentPrefix = "aviary:agent:";

}   // namespace

bool reached_by_link(json::Doc const& managed_cluster) {
    return meta::annotation(managed_cluster, kLinkAnnotation) == kLinkAgent;
}

std::string agent_name(std::string_view cluster) { return std::string(kAgentPrefix).append(cluster); }

std::string cluster_of_agent(std::string_view common_name) {
    if (!common_name.starts_with(kAgentPrefix)) return {};
    return std::string(common_name.substr(kAgentPrefix.size()));
}

Result<LinkHello> read_link_hello(json::Doc const& object) { return json::read<LinkHello>(object, "hello"); }
Result<LinkAnswer> read_link_answer(json::Doc const& object) { return json::read<LinkAnswer>(object, "answer"); }
json::Value write_link_hello(LinkHello const& hello) { return json::to_value(hello); }
json::Value write_link_answer(LinkAnswer const& answer) { return json::to_value(answer); }

}   // namespace aviary::apis
