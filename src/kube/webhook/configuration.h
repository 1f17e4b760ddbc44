// Webhook configurations: which writes an API server asks about, and where.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/value.h"

namespace aviary::webhook {

// How an API server reaches the webhooks: a Service, or an address when `url` is given.
struct Address {
    std::string url;   // "https://127.0.0.1:9443"
    std::string service_namespace, service;
};

struct Endpoint {
    std::string host;   // without brackets
    std::uint16_t port = 443;
};
// Where a `url` leads; an Error says what of it is wrong: https alone, and nothing behind the port.
Result<Endpoint> endpoint(std::string const& url);

// The names and addresses that the webhooks' certificate must be for. A url has to be one that endpoint() takes.
std::vector<std::string> hosts(Address const& address);

struct Rule {
    std::string name;   // "freeze.rollouts.aviary.dev"
    std::string_view path;
    std::vector<std::string> groups;
    std::string version;
    std::vector<std::string> operations, resources;
    bool cluster_scoped = false;
    // Without an answer the write is refused; else it goes through.
    bool required = true;
    json::Object object_selector = {};
    std::vector<std::string> other_versions = {};   // asked about as they are written
    std::string condition = {};                     // CEL: what is asked about at all; empty: everything
};

// A condition: not about what this user writes.
std::string by_others(std::string const& user);

// A MutatingWebhookConfiguration of the rules at kMutatePath and a ValidatingWebhookConfiguration of those at
// kValidatePath, with every field that the server would default. Certificates are under one of the authorities.
std::vector<json::Value> configurations(std::string const& name, std::vector<Rule> const& rules, Address const& address,
                                        std::string const& authorities_pem);

// spec.conversion of a definition that is converted at kConvertPath. It is merged over another: what that has and this
// leaves out is null.
json::Value conversion(Address const& address, std::string const& authorities_pem);

}   // namespace aviary::webhook
