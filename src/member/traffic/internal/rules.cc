#include "member/traffic/internal/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "member/traffic/gateway.h"
#include "member/traffic/services.h"

namespace aviary::traffic {

namespace {

using json::Array;
using json::Doc;
using json::Value;

// Of the Gateway API.
constexpr std::int64_t kMostWeight = 1'000'000;
constexpr std::size_t kMostRules = 16;
constexpr std::size_t kMostMatches = 64;

std::int64_t weight_of(Value const& backend) { return backend["weight"].as_int(1); }

// One entry for each header: what is added counts.
void merge_named(Value& list, Value const& added) {
    for (Value const& each : added.array()) {
        std::string_view const name = each["name"].as_string();
        Array& present = list.make_array();
        auto const same =
            std::ranges::find_if(present, [&](Value const& old) { return iequals(old["name"].as_string(), name); });
        if (same == present.end()) {
            present.push_back(each);
        } else {
            *same = each;
        }
    }
}

// A list of filters has one that changes request headers at most.
void add_modifier(Value& owner, Doc const& modifier) {
    if (modifier.size() == 0) return;
    Value const added = modifier.thaw();
    Array& filters = owner["filters"].make_array();
    auto filter = std::ranges::find_if(
        filters, [](Value const& each) { return each["type"].as_string() == "RequestHeaderModifier"; });
    if (filter == filters.end()) {
        filters.push_back(json::Object{{"type", "RequestHeaderModifier"}});
        filter = std::prev(filters.end());
    }
    Value& content = (*filter)["requestHeaderModifier"];
    for (char const* const list : {"set", "add"}) {
        if (added[list].size() > 0) merge_named(content[list], added[list]);
    }
    for (Value const& name : added["remove"].array()) {
        Array& names = content["remove"].make_array();
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
}

// Both entries must hold: none where they name the same header with other values.
std::optional<Value> both(Value const& present, Value const& added, bool ignore_case) {
    Value result = present;
    for (Value const& each : added.array()) {
        Array& list = result.make_array();
        std::string_view const name = each["name"].as_string();
        auto const same = std::ranges::find_if(list, [&](Value const& old) {
            return ignore_case ? iequals(old["name"].as_string(), name) : old["name"].as_string() == name;
        });
        if (same == list.end()) {
            list.push_back(each);
        } else if ((*same)["value"] != each["value"] || (*same)["type"].as_string() != each["type"].as_string()) {
            return std::nullopt;
        }
    }
    return result;
}

// With what an API server would add.
Value complete(Value match) {
    for (char const* const list : {"headers", "queryParams"}) {
        Value* const entries = match.find(list);
        if (entries == nullptr) continue;
        for (Value& each : entries->make_array()) {
            if (each["type"].as_string().empty()) each["type"] = "Exact";
        }
    }
    if (Value* const path = match.find("path")) {
        if ((*path)["type"].as_string().empty()) (*path)["type"] = "PathPrefix";
        if ((*path)["value"].as_string().empty()) (*path)["value"] = "/";
    }
    return match;
}

// What a rule matches that says nothing of it.
Array matches_of(Value const& rule, bool grpc) {
    if (rule["matches"].size() > 0) return rule["matches"].array();
    if (grpc) return {json::Object()};
    return {json::Object{{"path", json::Object{{"type", "PathPrefix"}, {"value", "/"}}}}};
}

Array canary_matches(Value const& rule, Array const& wanted, bool first, bool grpc) {
    Array result;
    for (Value const& match : wanted) {
        if (match.contains("path")) {   // as it stands, and once
            if (first) result.push_back(match);
            continue;
        }
        for (Value const& present : matches_of(rule, grpc)) {
            auto headers = both(present["headers"], match["headers"], true);
            auto params = both(present["queryParams"], match["queryParams"], false);
            if (!headers || !params) continue;
            Value each = complete(present);
            if (headers->size() > 0) each["headers"] = complete(json::Object{{"headers", *headers}})["headers"];
            if (params->size() > 0) each["queryParams"] = *params;
            result.push_back(std::move(each));
        }
    }
    return result;
}

Status check_expressible(Array const& wanted, bool grpc) {
    if (!grpc) return {};
    for (Value const& match : wanted) {
        if (match.contains("path") || match.contains("queryParams"))
            return fail(ErrorCode::kInvalid, "a GRPCRoute cannot match a path or query parameters: match headers");
    }
    return {};
}

}   // namespace

Backends::Backends(Doc const& route, std::string_view stable, std::string_view canary, Value modifier)
    : ns_(meta::ns(route)), stable_(stable), canary_(canary), modifier_(std::move(modifier)) {}

Backends::Kind Backends::kind_of(Value const& backend) const {
    std::string_view const ns = backend["namespace"].as_string();
    if (!ns.empty() && ns != ns_) return Kind::kOther;
    std::string_view const group = backend["group"].as_string();
    std::string_view const kind = backend["kind"].as_string();
    if (group.empty() && (kind.empty() || kind == "Service")) return Kind::kService;
    return pool_kind(group, kind) != nullptr ? Kind::kPool : Kind::kOther;
}

// A pool has its canary also where no Service is generated.
std::string Backends::canary_name_for(Kind kind) const {
    return kind == Kind::kPool && canary_ == stable_ ? canary_name(stable_) : canary_;
}

bool Backends::changes_headers(Value const& owner) const {
    return modifier_.size() > 0 && std::ranges::any_of(owner["filters"].array(), [this](Value const& filter) {
               Value with{json::Object{{"filters", json::Array{filter}}}};
               add_modifier(with, Doc::freeze(modifier_));
               return with["filters"] == Value(json::Array{filter});
           });
}

bool Backends::is_stable(Value const& backend) const {
    Kind const kind = kind_of(backend);
    bool const one = canary_name_for(kind) == stable_;
    return kind != Kind::kOther && backend["name"].as_string() == stable_ &&
           (!one || (modifier_.size() > 0 && !changes_headers(backend)));
}

bool Backends::is_canary(Value const& backend) const {
    Kind const kind = kind_of(backend);
    std::string const name = canary_name_for(kind);
    return kind != Kind::kOther && backend["name"].as_string() == name && (name != stable_ || changes_headers(backend));
}

bool Backends::is_canary_service(Value const& backend) const {
    return is_canary(backend) && kind_of(backend) == Kind::kService;
}

bool Backends::is_marked(Value const& rule) const {
    return canary_ == stable_ && changes_headers(rule) &&
           std::ranges::any_of(rule["backendRefs"].array(), [this](Value const& each) {
               return kind_of(each) == Kind::kService && each["name"].as_string() == stable_;
           });
}

bool Backends::any_canary_service(Value const& rule) const {
    return is_marked(rule) || std::ranges::any_of(rule["backendRefs"].array(),
                                                  [this](Value const& each) { return is_canary_service(each); });
}

Value Backends::canary_beside(Value const& stable) const {
    Value result = stable;
    result["name"] = canary_name_for(kind_of(stable));
    return result;
}

bool Backends::any_stable(Value const& rule) const {
    return !is_marked(rule) &&
           std::ranges::any_of(rule["backendRefs"].array(), [this](Value const& each) { return is_stable(each); });
}

bool Backends::any_canary(Value const& rule) const {
    return is_marked(rule) ||
           std::ranges::any_of(rule["backendRefs"].array(), [this](Value const& each) { return is_canary(each); });
}

Array split_weights(Array rules, Backends const& backends, std::int64_t weight, Doc const& header_modifier) {
    for (Value& rule : rules) {
        if (!backends.any_stable(rule)) continue;
        Array const before = rule["backendRefs"].array();
        bool const alone = before.size() == 1;
        // Whole numbers: every weight a hundredfold, or as far as the API lets them.
        std::int64_t most = 1;
        for (Value const& each : before) most = std::max(most, weight_of(each));
        std::int64_t const factor = alone ? 100 : std::clamp<std::int64_t>(kMostWeight / most, 1, 100);
        Array after;
        for (Value const& each : before) {
            std::int64_t const whole = (alone && weight_of(each) > 0 ? 1 : weight_of(each)) * factor;
            std::int64_t const share = (whole * weight + 50) / 100;
            bool const split = backends.is_stable(each);
            after.push_back(each);
            after.back()["weight"] = split ? whole - share : whole;
            if (!split) continue;
            Value canary = backends.canary_beside(each);
            canary["weight"] = share;
            add_modifier(canary, header_modifier);
            after.push_back(std::move(canary));
        }
        if (!alone) {
            std::int64_t divisor = 0;
            for (Value const& each : after) divisor = std::gcd(divisor, weight_of(each));
            if (divisor > 1) {
                for (Value& each : after) each["weight"] = weight_of(each) / divisor;
            }
        }
        rule["backendRefs"] = std::move(after);
    }
    return rules;
}

Result<Array> add_matches(Array const& rules, Backends const& backends, Route const& route, bool grpc) {
    Array wanted = route.matches.thaw().make_array();
    for (Value& match : wanted) match = complete(std::move(match));
    TRY(check_expressible(wanted, grpc));
    Array result;
    bool first = true;
    for (Value const& rule : rules) {
        if (!backends.any_stable(rule)) {
            result.push_back(rule);
            continue;
        }
        Array matches = canary_matches(rule, wanted, std::exchange(first, false), grpc);
        if (matches.size() > kMostMatches) {
            return fail(ErrorCode::kInvalid,
                        fmt::format("the step's matches, with those of a rule, are {}: a rule has at most {}",
                                    matches.size(), kMostMatches));
        }
        if (!matches.empty()) {
            Value canary = rule;
            canary.erase("name");   // unique among the rules
            canary["matches"] = std::move(matches);
            for (Value& each : canary["backendRefs"].make_array()) {
                if (backends.is_stable(each)) each = backends.canary_beside(each);
            }
            add_modifier(canary, route.request_header_modifier);
            result.push_back(std::move(canary));
        }
        result.push_back(rule);
    }
    if (result.size() > kMostRules) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("with the rules for the new version the route has {}: at most {} are allowed",
                                result.size(), kMostRules));
    }
    return result;
}

}   // namespace aviary::traffic
