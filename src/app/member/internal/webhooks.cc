#include "app/member/internal/webhooks.h"

#include <fmt/format.h>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "kube/webhook/handler.h"

namespace aviary::member {

namespace {

using json::Array;
using json::Object;
using json::Value;

constexpr int kTimeoutSeconds = 5;

struct Rule {
    char const* name;
    std::string_view path;
    char const* group;
    char const* version;
    Array operations, resources;
    // Fail: without an answer the write is refused. Ignore: it goes through.
    char const* failure_policy;
    Object object_selector;
    std::string condition;   // CEL: what is asked about at all; empty: everything
};

Value client_config(WebhookAddress const& address, std::string_view path, std::string const& authority_pem) {
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

Value webhook(Rule rule, WebhookAddress const& address, std::string const& authority_pem) {
    Value result{Object{{"name", rule.name},
                        {"admissionReviewVersions", Array{"v1"}},
                        {"clientConfig", client_config(address, rule.path, authority_pem)},
                        {"failurePolicy", rule.failure_policy},
                        {"matchPolicy", "Equivalent"},
                        {"namespaceSelector", Object()},
                        {"objectSelector", std::move(rule.object_selector)},
                        {"rules", Array{Object{{"apiGroups", Array{rule.group}},
                                               {"apiVersions", Array{rule.version}},
                                               {"operations", std::move(rule.operations)},
                                               {"resources", std::move(rule.resources)},
                                               {"scope", "Namespaced"}}}},
                        {"sideEffects", "None"},
                        {"timeoutSeconds", kTimeoutSeconds}}};
    if (rule.path == webhook::kMutatePath) result["reinvocationPolicy"] = "Never";
    if (!rule.condition.empty())
        result["matchConditions"] = Array{Object{{"name", "of-a-release"}, {"expression", std::move(rule.condition)}}};
    return result;
}

Value configuration(char const* kind, Array webhooks) {
    return Object{{"apiVersion", "admissionregistration.k8s.io/v1"},
                  {"kind", kind},
                  {"metadata", Object{{"name", "aviary-member"}}},
                  {"webhooks", std::move(webhooks)}};
}

// A write that changes neither a template nor a workload in progress waits for nobody.
std::string freeze_condition() {
    auto const annotated = [](char const* object, std::string_view key) {
        return fmt::format("(has({0}.metadata.annotations) && '{1}' in {0}.metadata.annotations)", object, key);
    };
    return fmt::format("object.spec.template != oldObject.spec.template || {} || {} || {}",
                       annotated("object", apis::kInProgressingAnnotation),
                       annotated("oldObject", apis::kInProgressingAnnotation),
                       annotated("object", apis::kRolloutIdLabel));
}

}   // namespace

std::vector<Value> webhook_configurations(WebhookAddress const& address, std::string const& authority_pem) {
    // Those that a Rollout points at carry the label: no other workload waits for this webhook.
    Object const labelled{
        {"matchExpressions", Array{Object{{"key", std::string(apis::kWorkloadTypeLabel)}, {"operator", "Exists"}}}}};
    Rule const freeze{"freeze.rollouts.aviary.dev",
                      webhook::kMutatePath,
                      "apps",
                      "v1",
                      Array{"UPDATE"},
                      Array{"deployments"},
                      "Fail",
                      labelled,
                      freeze_condition()};
    Rule const validate{"validate.rollouts.aviary.dev",
                        webhook::kValidatePath,
                        "rollouts.kruise.io",
                        "v1beta1",
                        Array{"CREATE", "UPDATE"},
                        Array{"rollouts"},
                        "Fail",
                        Object(),
                        ""};
    // An approval in an emergency does not wait for a controller that is down.
    Rule const approve{"approve.rollouts.aviary.dev",
                       webhook::kValidatePath,
                       "rollouts.kruise.io",
                       "v1beta1",
                       Array{"UPDATE"},
                       Array{"rollouts/status"},
                       "Ignore",
                       Object(),
                       ""};
    return {configuration("MutatingWebhookConfiguration", Array{webhook(freeze, address, authority_pem)}),
            configuration("ValidatingWebhookConfiguration",
                          Array{webhook(validate, address, authority_pem), webhook(approve, address, authority_pem)})};
}

std::vector<std::string> webhook_hosts(WebhookAddress const& address) {
    if (address.url.empty()) {
        return {fmt::format("{}.{}.svc", address.service, address.service_namespace),
                fmt::format("{}.{}.svc.cluster.local", address.service, address.service_namespace)};
    }
    std::string_view host = address.url;
    if (std::size_t const scheme = host.find("://"); scheme != std::string_view::npos) host.remove_prefix(scheme + 3);
    host = host.substr(0, host.find('/'));
    bool const bracketed = host.starts_with('[');
    std::size_t const end = bracketed ? host.find(']') : host.rfind(':');
    return {std::string(bracketed ? host.substr(1, end - 1) : host.substr(0, end))};
}

}   // namespace aviary::member
