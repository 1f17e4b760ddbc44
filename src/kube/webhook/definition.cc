#include "kube/webhook/definition.h"

#include <utility>

namespace aviary::webhook {

using json::Doc;
using json::Object;
using json::Value;

bool is_definition(Value const& object) { return object["kind"].as_string() == "CustomResourceDefinition"; }

bool is_ours(Doc const& live, Value const& wanted) {
    Doc const conversion = live.at({"spec", "conversion"});
    if (conversion["strategy"].as_string() != "Webhook") return true;
    Doc const config = conversion.at({"webhook", "clientConfig"});
    if (config["caBundle"].as_string().empty()) return true;
    Value const& own = wanted.at({"spec", "conversion", "webhook", "clientConfig"});
    if (config["url"].as_string() != own["url"].as_string()) return false;
    for (char const* field : {"namespace", "name"}) {
        if (config.at({"service", field}).as_string() != own.at({"service", field}).as_string()) return false;
    }
    return true;
}

std::optional<Value> completed(Doc const& live, Value const& wanted) {
    if (!is_ours(live, wanted)) return std::nullopt;
    Value patch{Object()};
    patch.set({"spec", "conversion"}, wanted.at({"spec", "conversion"}));
    Value versions = live.at({"spec", "versions"}).thaw();
    std::size_t const before = versions.size();
    for (Value const& version : wanted.at({"spec", "versions"}).array()) {
        bool there = false;
        for (Value const& each : std::as_const(versions).array()) there = there || each["name"] == version["name"];
        if (there) continue;
        versions.push_back(version);
        versions.make_array().back()["storage"] = false;
    }
    if (versions.size() != before) patch.set({"spec", "versions"}, std::move(versions));
    return patch;
}

}   // namespace aviary::webhook
