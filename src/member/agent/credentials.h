// What an agent was given to join with, and what it has become since: two Secrets of its namespace. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "apis/fleet/link.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::agent {

// Brought by whoever joins the cluster: `hub` (host:port), `ca.crt`, `cluster`, and for the first time `token`.
inline constexpr char kGivenSecret[] = "aviary-agent-hub";
// The agent's own: `tls.crt` and `tls.key`, the hub's latest `ca.crt`, and while it asks for another certificate
// `next.csr` and `next.key`.
inline constexpr char kOwnSecret[] = "aviary-agent";

struct Given {
    std::string host;
    std::uint16_t port = 0;
    std::string authority;   // PEM
    std::string cluster;
    std::string token;
    bool operator==(Given const&) const = default;
};
// Errors say which key of the Secret is missing or wrong.
Result<Given> read_given(json::Doc const& secret);

json::Value write_given(std::string const& hub, std::string const& authority, std::string const& cluster,
                        std::string const& token, std::string const& ns);

struct Own {
    std::string certificate, key;
    std::string authority;   // PEM; empty: what was given
    std::string next_request, next_key;
};
Own read_own(json::Doc const& secret);
json::Value write_own(Own const& own, std::string const& ns);
// With the certificate that its request was answered with.
Own renewed(Own own, apis::LinkAnswer const& answer);

// Whether the hub says that other authorities than those that are known may be its own, in a text that can be read.
bool brings_authority(Given const& given, Own const& own, apis::LinkAnswer const& answer);

// What an agent dials for.
enum class Errand {
    kJoin,    // it has no certificate that counts
    kRenew,   // it has, and two thirds of its time have passed
    kLink,
};
struct Plan {
    Errand errand = Errand::kJoin;
    Time until{};   // of kRenew and kLink: when a connection that stands is given up for another
};
Plan plan_of(Given const& given, Own const& own, Time now);

}   // namespace aviary::agent
