#include "kube/apiserver/builtin/internal/cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/base/strings.h"
#include "core/json/write.h"

namespace aviary::builtin::internal {

namespace {

std::string join_field(json::Doc const& list, std::string_view field) {
    std::string out;
    for (auto [_, element] : list.elements()) {
        if (!out.empty()) out += ',';
        out += element[field].as_string();
    }
    return out;
}

std::string requirement_text(json::Doc const& requirement) {
    std::string key = requirement["key"].string();
    std::string_view op = requirement["operator"].as_string();
    if (op == "Exists") return key;
    if (op == "DoesNotExist") return "!" + key;
    std::vector<std::string> values;
    for (auto [_, value] : requirement["values"].elements()) values.push_back(value.string());
    std::ranges::sort(values);
    return fmt::format("{} {} ({})", key, op == "NotIn" ? "notin" : "in", join(values, ","));
}

}   // namespace

std::string age_since(std::string_view time, Time now) {
    auto then = parse_rfc3339(time);
    return then ? format_age(now - *then) : "<unknown>";
}

std::string age_of(json::Doc const& object, Time now) {
    return age_since(object.at({"metadata", "creationTimestamp"}).as_string(), now);
}

std::string_view name_of(json::Doc const& object) { return object.at({"metadata", "name"}).as_string(); }

std::string format_labels(json::Doc const& labels) {
    std::vector<std::string> parts;
    for (auto [key, value] : labels.members()) parts.push_back(fmt::format("{}={}", key, value.as_string()));
    if (parts.empty()) return "<none>";
    std::ranges::sort(parts);
    return join(parts, ",");
}

std::string selector_text(json::Doc const& selector) {
    std::vector<std::pair<std::string, std::string>> parts;
    for (auto [key, value] : selector["matchLabels"].members()) {
        parts.emplace_back(std::string(key), fmt::format("{}={}", key, value.as_string()));
    }
    for (auto [_, requirement] : selector["matchExpressions"].elements()) {
        parts.emplace_back(requirement["key"].string(), requirement_text(requirement));
    }
    std::ranges::sort(parts);
    std::string out;
    for (auto const& [_, text] : parts) {
        if (!out.empty()) out += ',';
        out += text;
    }
    return out;
}

std::string format_selector(json::Doc const& selector) {
    std::string text = selector_text(selector);
    return text.empty() ? "<none>" : text;
}

std::string container_names(json::Doc const& containers) { return join_field(containers, "name"); }
std::string container_images(json::Doc const& containers) { return join_field(containers, "image"); }

std::string scalar_text(json::Doc const& value) {
    if (!value.exists() || value.is_null()) return {};
    return value.is_string() ? value.string() : json::write(value);
}

std::string text_or(json::Doc const& value, std::string_view fallback) {
    std::string text = scalar_text(value);
    return text.empty() ? std::string(fallback) : text;
}

std::string with_more(std::string list, bool more, int count, int shown) {
    return more ? fmt::format("{} + {} more...", list, count - shown) : list;
}

}   // namespace aviary::builtin::internal
