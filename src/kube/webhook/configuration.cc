#include "kube/webhook/configuration.h"

#include <fmt/format.h>

#include "core/base/strings.h"
#include "kube/webhook/handler.h"

namespace aviary::webhook {

namespace {

using json::Array;
using json::Object;
using json::Value;

constexpr int kTimeoutSeconds = 5;

Array array(std::vector<std::string> const& texts) { return Array(texts.begin(), texts.end()); }

Value client_config(Address const& address, std::string_view path, std::string const& authority_pem) {
    Value config{Object{{"caBundle", base64_encode(authority_pem)}}};
    if (!address.url.empty()) {
        config["url"] = address.url + std::string(path);
    } else {
        config["service"] = Object{{"namespace", address.service_namespace},
                                   {"name", address.service},
                                   {"path", std::string(path)},
                                   {"port", 443}};
    }
    return config;
}

Value webhook(Rule const& rule, Address const& address, std::string const& authority_pem) {
    Value result{Object{{"name", rule.name},
                        {"admissionReviewVersions", Array{"v1"}},
                        {"clientConfig", client_config(address, rule.path, authority_pem)},
                        {"failurePolicy", rule.required ? "Fail" : "Ignore"},
                        {"matchPolicy", "Equivalent"},
                        {"namespaceSelector", Object()},
                        {"objectSelector", rule.object_selector},
                        {"rules", Array{Object{{"apiGroups", array(rule.groups)},
                                               {"apiVersions", Array{rule.version}},
                                               {"operations", array(rule.operations)},
                                               {"resources", array(rule.resources)},
                                               {"scope", rule.cluster_scoped ? "Cluster" : "Namespaced"}}}},
                        {"sideEffects", "None"},
                        {"timeoutSeconds", kTimeoutSeconds}}};
    if (rule.path == kMutatePath) result["reinvocationPolicy"] = "Never";
    if (!rule.condition.empty())
        result["matchConditions"] = Array{Object{{"name", "of-interest"}, {"expression", rule.condition}}};
    return result;
}

}   // namespace

std::vector<std::string> hosts(Address const& address) {
    if (address.url.empty()) {
        std::string const service = fmt::format("{}.{}.svc", address.service, address.service_namespace);
        return {service, service + ".cluster.local"};
    }
    std::string_view host = address.url;
    if (std::size_t const scheme = host.find("://"); scheme != std::string_view::npos) host.remove_prefix(scheme + 3);
    host = host.substr(0, host.find('/'));
    if (host.starts_with('[')) return {std::string(host.substr(1, host.find(']') - 1))};
    return {std::string(host.substr(0, host.rfind(':')))};
}

std::vector<Value> configurations(std::string const& name, std::vector<Rule> const& rules, Address const& address,
                                  std::string const& authority_pem) {
    std::vector<Value> result;
    for (std::string_view path : {kMutatePath, kValidatePath}) {
        Array webhooks;
        for (Rule const& rule : rules) {
            if (rule.path == path) webhooks.push_back(webhook(rule, address, authority_pem));
        }
        if (webhooks.empty()) continue;
        result.push_back(
            Object{{"apiVersion", "admissionregistration.k8s.io/v1"},
                   {"kind", path == kMutatePath ? "MutatingWebhookConfiguration" : "ValidatingWebhookConfiguration"},
                   {"metadata", Object{{"name", name}}},
                   {"webhooks", std::move(webhooks)}});
    }
    return result;
}

}   // namespace aviary::webhook
