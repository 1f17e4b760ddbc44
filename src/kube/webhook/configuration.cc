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

Value client_config(Address const& address, std::string_view path, std::string const& authorities_pem) {
    Value config{Object{{"caBundle", base64_encode(authorities_pem)}}};
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

Value webhook(Rule const& rule, Address const& address, std::string const& authorities_pem) {
    std::vector<std::string> versions{rule.version};
    versions.insert(versions.end(), rule.other_versions.begin(), rule.other_versions.end());
    Value result{Object{{"name", rule.name},
                        {"admissionReviewVersions", Array{"v1"}},
                        {"clientConfig", client_config(address, rule.path, authorities_pem)},
                        {"failurePolicy", rule.required ? "Fail" : "Ignore"},
                        {"matchPolicy", "Equivalent"},
                        {"namespaceSelector", Object()},
                        {"objectSelector", rule.object_selector},
                        {"rules", Array{Object{{"apiGroups", array(rule.groups)},
                                               {"apiVersions", array(versions)},
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

Value conversion(Address const& address, std::string const& authorities_pem) {
    Value config = client_config(address, kConvertPath, authorities_pem);
    config[address.url.empty() ? "url" : "service"] = nullptr;
    return Object{{"strategy", "Webhook"},
                  {"webhook", Object{{"clientConfig", std::move(config)}, {"conversionReviewVersions", Array{"v1"}}}}};
}

Result<Endpoint> endpoint(std::string const& url) {
    auto const wrong = [&url](std::string_view why) {
        return fail(ErrorCode::kInvalid, fmt::format("\"{}\": {}: https://HOST or https://HOST:PORT", url, why));
    };
    std::string_view rest = url;
    if (!rest.starts_with("https://")) return wrong("API servers ask webhooks by https alone");
    rest.remove_prefix(8);
    if (rest.find_first_of("/?#") != std::string_view::npos) return wrong("nothing may stand behind the port");
    if (rest.find_first_of("@ ") != std::string_view::npos) return wrong("that is no host");
    auto const where = split_host_port(rest);
    if (!where || where->host.empty()) return wrong("that is no host");
    Endpoint result;
    result.host = where->host;
    if (!where->port) return result;
    auto const port = parse_port(*where->port);
    if (!port) return wrong("that is no port");
    result.port = *port;
    return result;
}

std::vector<std::string> hosts(Address const& address) {
    if (address.url.empty()) {
        std::string const service = fmt::format("{}.{}.svc", address.service, address.service_namespace);
        return {service, service + ".cluster.local"};
    }
    auto const where = endpoint(address.url);
    return where ? std::vector<std::string>{where->host} : std::vector<std::string>{};
}

std::string by_others(std::string const& user) {
    std::string quoted;
    for (char const each : user) {
        if (each == '\\' || each == '\'') quoted += '\\';
        quoted += each;
    }
    return fmt::format("request.userInfo.username != '{}'", quoted);
}

std::vector<Value> configurations(std::string const& name, std::vector<Rule> const& rules, Address const& address,
                                  std::string const& authorities_pem) {
    std::vector<Value> result;
    for (std::string_view path : {kMutatePath, kValidatePath}) {
        Array webhooks;
        for (Rule const& rule : rules) {
            if (rule.path == path) webhooks.push_back(webhook(rule, address, authorities_pem));
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
