// The link of a member that the hub cannot reach, behind NAT say: its agent dials the hub, and over that one connection
// the member serves its API and the hub is the client. What the two say to each other there beside that API.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::apis {

// What ALPN calls it: HTTP/2 in which whoever was dialled is the client.
inline constexpr std::string_view kLinkProtocol = "aviary-link";
// Of an agent, and none of the API's: the hub asks who it is (GET), and tells it what comes of that (POST).
inline constexpr std::string_view kLinkHello = "/aviary/hello";
inline constexpr std::string_view kLinkAnswer = "/aviary/answer";

// On a ManagedCluster: its agent dials, so it has no address.
inline constexpr std::string_view kLinkAnnotation = "fleet.aviary.dev/link";
inline constexpr std::string_view kLinkAgent = "Agent";
bool reached_by_link(json::Doc const& managed_cluster);
// On a ManagedCluster: which cluster it stands for, the uid of kube-system there.
inline constexpr std::string_view kClusterUid = "fleet.aviary.dev/cluster-uid";

// The common name in an agent's certificate, and back; empty: of no agent.
std::string agent_name(std::string_view cluster);
std::string cluster_of_agent(std::string_view common_name);

struct LinkHello {
    std::string cluster;
    std::string cluster_uid;
    std::string version;   // of the agent
    std::string token;     // what it was given to join; nothing once it has a certificate
    std::string request;   // PEM, a signing request: it wants a certificate
};

namespace link_outcome {
inline constexpr std::string_view kLinked = "Linked";
inline constexpr std::string_view kCertificate = "Certificate";
inline constexpr std::string_view kWaiting = "Waiting";   // for a person; more comes
inline constexpr std::string_view kRefused = "Refused";
}   // namespace link_outcome

struct LinkAnswer {
    std::string outcome;
    std::string certificate;   // PEM
    std::string authority;     // PEM, when it is linked or gets a certificate: what the hub's own may be under
    std::string message;
};

Result<LinkHello> read_link_hello(json::Doc const& object);
Result<LinkAnswer> read_link_answer(json::Doc const& object);
json::Value write_link_hello(LinkHello const& hello);
json::Value write_link_answer(LinkAnswer const& answer);

}   // namespace aviary::apis
