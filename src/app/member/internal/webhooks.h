// The webhook configurations of the member: which writes its admission functions are asked about.
#pragma once

#include <string>
#include <vector>

#include "core/json/value.h"

namespace aviary::member {

// How the cluster's API server reaches the webhooks: a Service, or an address when `url` is given.
struct WebhookAddress {
    std::string url;   // "https://127.0.0.1:9443"
    std::string service_namespace, service;
};

// One MutatingWebhookConfiguration and one ValidatingWebhookConfiguration, with every field that the server defaults.
std::vector<json::Value> webhook_configurations(WebhookAddress const& address, std::string const& authority_pem);

// The names and addresses that the webhooks' certificate must be for.
std::vector<std::string> webhook_hosts(WebhookAddress const& address);

}   // namespace aviary::member
