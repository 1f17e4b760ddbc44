#include "member/traffic/gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "apis/rollouts/original.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/traffic/internal/rules.h"
#include "member/traffic/internal/three_way.h"

namespace aviary::traffic {

namespace {

using apis::kOriginalRulesAnnotation;
using json::Array;
using json::Doc;
using json::Value;

// Annotations of one object have 256 KiB together.
constexpr std::size_t kMostKept = 200'000;

struct Kept {
    Array rules;      // as they were
    Array applied;    // as they were made
    Value modifier;   // by which the canary's are told, where it has no Service of its own
};

Result<std::optional<Kept>> kept_of(Doc const& route) {
    std::string const text = meta::annotation(route, kOriginalRulesAnnotation);
    if (text.empty()) return std::nullopt;
    auto const kept = json::parse_value(text);
    if (!kept || !(*kept)["rules"].is_array()) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("annotation {} of the route was changed: put its rules back, and remove it",
                                kOriginalRulesAnnotation));
    }
    return Kept{(*kept)["rules"].array(), (*kept)["applied"].array(), (*kept)["modifier"]};
}

bool same_backend(Value const& left, Value const& right) {
    return left["group"].as_string() == right["group"].as_string() &&
           left["kind"].as_string("Service") == right["kind"].as_string("Service") &&
           left["namespace"].as_string() == right["namespace"].as_string() &&
           left["name"].as_string() == right["name"].as_string() && left["port"] == right["port"];
}

Value const* backend_like(Value const* rule, Value const& backend) {
    if (rule == nullptr) return nullptr;
    for (Value const& each : (*rule)["backendRefs"].array()) {
        if (same_backend(each, backend)) return &each;
    }
    return nullptr;
}

void set_weight(Value& backend, Value const& weight) {
    if (weight.is_null()) {
        backend.erase("weight");
    } else {
        backend["weight"] = weight;
    }
}

// A rule that has the canary in it, as its author has it: weights that are not what we made of them are the author's.
Value without_canary(Value rule, Backends const& backends, Value const* original, Value const* applied) {
    Array refs;
    for (Value each : rule["backendRefs"].array()) {
        if (backends.is_canary(each)) continue;
        Value const* const before = backend_like(original, each);
        Value const* const made = backend_like(applied, each);
        if (before != nullptr && made != nullptr) {
            if ((*made)["weight"] == each["weight"]) set_weight(each, (*before)["weight"]);
        } else if (backends.is_stable(each)) {
            each["weight"] = 1;   // nobody noted what it was
        }
        refs.push_back(std::move(each));
    }
    rule["backendRefs"] = std::move(refs);
    return rule;
}

// The rules of the route as its author has them now: what was kept, and what was changed since.
class Original {
public:
    Original(Doc const& live, Backends const& backends, std::optional<Kept> const& kept)
        : live_(live.at({"spec", "rules"}).thaw()), backends_(backends), kept_(kept) {}

    Array rules() {
        if (!kept_) return without_leftovers();
        if (live_ == Value(kept_->applied)) return kept_->rules;
        note_origins();
        taken_.assign(origins_.size(), false);
        pairs_.assign(live_.size(), std::nullopt);
        pair([](Value const& made, Value const& rule) { return made == rule; });
        pair([this](Value const& made, Value const& rule) {
            return made["matches"] == rule["matches"] && backends_.for_canary(made) == backends_.for_canary(rule);
        });
        pair([this](Value const& made, Value const& rule) {
            return backends_.any_stable(made) && backends_.any_canary(made) && backends_.any_stable(rule) &&
                   backends_.any_canary(rule);
        });
        Array result;
        for (std::size_t index = 0; index < pairs_.size(); ++index) {
            if (auto rule = original_of(index)) result.push_back(std::move(*rule));
        }
        return result;
    }

private:
    static constexpr std::size_t kMade = static_cast<std::size_t>(-1);

    // What a controller has left that keeps nothing.
    Array without_leftovers() const {
        Array result;
        for (Value const& rule : live_.array()) {
            bool const left = backends_.any_canary_service(rule);
            if (!left) result.push_back(rule);
            if (left && backends_.any_stable(rule)) result.push_back(without_canary(rule, backends_, nullptr, nullptr));
        }
        return result;
    }

    // Of each applied rule, which original it is made from; kMade: it was put in.
    void note_origins() {
        std::size_t next = 0;
        for (Value const& made : kept_->applied) {
            bool const inserted =
                next >= kept_->rules.size() || (backends_.for_canary(made) && !(made == kept_->rules[next]));
            origins_.push_back(inserted ? kMade : next++);
        }
    }

    // Each live rule that is not paired yet, with the first applied one that fits.
    void pair(auto const& fits) {
        for (std::size_t index = 0; index < pairs_.size(); ++index) {
            for (std::size_t made = 0; made < taken_.size() && !pairs_[index]; ++made) {
                if (taken_[made] || !fits(kept_->applied[made], live_[index])) continue;
                taken_[made] = true;
                pairs_[index] = made;
            }
        }
    }

    // Absent for a rule that was put in.
    std::optional<Value> original_of(std::size_t index) const {
        Value const& rule = live_[index];
        auto const made = pairs_[index];
        if (made && origins_[*made] == kMade) return std::nullopt;
        if (!made) {
            if (!backends_.any_canary_service(rule)) return rule;
            if (!backends_.any_stable(rule)) return std::nullopt;
            return without_canary(rule, backends_, nullptr, nullptr);
        }
        Value const& original = kept_->rules[origins_[*made]];
        Value const& applied = kept_->applied[*made];
        if (rule == applied) return original;
        bool const split = backends_.any_canary(rule) && backends_.any_stable(applied);
        return split ? without_canary(rule, backends_, &original, &applied) : rule;
    }

    Value live_;
    Backends const& backends_;
    std::optional<Kept> const& kept_;
    std::vector<std::size_t> origins_;
    std::vector<bool> taken_;
    std::vector<std::optional<std::size_t>> pairs_;   // of each live rule, which applied one it was
};

std::string name_of(Doc const& route) {
    return fmt::format("{} {}", route["kind"].as_string("route"), meta::key_of(route).to_string());
}

}   // namespace

std::vector<meta::GroupVersionKind> const& pool_kinds() {
    static std::vector<meta::GroupVersionKind> const kinds{
        {"inference.networking.k8s.io", "v1", "InferencePool"},
        {"inference.networking.x-k8s.io", "v1alpha2", "InferencePool"}};
    return kinds;
}

meta::GroupVersionKind const* pool_kind(std::string_view group, std::string_view kind) {
    auto const found = std::ranges::find_if(
        pool_kinds(), [&](meta::GroupVersionKind const& each) { return each.group == group && each.kind == kind; });
    return found == pool_kinds().end() ? nullptr : &*found;
}

std::vector<Pool> pools_of(Doc const& route) {
    std::vector<Pool> pools;
    for (auto const& [place, rule] : route.at({"spec", "rules"}).elements()) {
        for (auto const& [index, backend] : rule["backendRefs"].elements()) {
            std::string_view const ns = backend["namespace"].as_string();
            if (!ns.empty() && ns != meta::ns(route)) continue;
            meta::GroupVersionKind const* kind = pool_kind(backend["group"].as_string(), backend["kind"].as_string());
            if (kind == nullptr) continue;
            Pool pool{*kind, backend["name"].string()};
            if (std::ranges::find(pools, pool) == pools.end()) pools.push_back(std::move(pool));
        }
    }
    return pools;
}

Result<Doc> routed_gateway(Doc const& live, Route const& route) {
    std::optional<Kept> const kept = TRY(kept_of(live));
    Backends const before(live, route.stable_service, route.canary_service, kept ? kept->modifier : Value());
    Array const original = Original(live, before, kept).rules();
    bool const one_service = route.stable_service == route.canary_service;
    Value const modifier = route.request_header_modifier.thaw();
    Backends const backends(live, route.stable_service, route.canary_service, modifier);
    bool const leads = std::ranges::any_of(original, [&](Value const& rule) { return backends.any_stable(rule); });
    if (!leads && one_service && modifier.size() == 0) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("{} cannot tell versions apart that are both behind {}: give a requestHeaderModifier",
                                name_of(live), route.stable_service));
    }
    if (!leads) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("{} has no rule with backend {}", name_of(live), route.stable_service));
    }
    bool const mixed = std::ranges::any_of(
        original, [&](Value const& rule) { return backends.any_stable(rule) && backends.any_canary(rule); });
    if (mixed) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("{} has a rule of its own with {} and its canary: remove one of both", name_of(live),
                                route.stable_service));
    }
    Array wanted = original;
    if (route.matches.size() > 0) {
        auto with = add_matches(original, backends, route, live["kind"].as_string() == "GRPCRoute");
        if (!with) return fail(with.error().context(name_of(live)));
        wanted = std::move(*with);
    } else if (route.weight) {
        wanted = split_weights(original, backends, *route.weight, route.request_header_modifier);
    }
    Value const present = live.at({"spec", "rules"}).thaw();
    bool const known = kept && kept->rules == original;
    if (known && says_all(present, wanted)) return live;
    Value next = live.thaw();
    Value keep{json::Object{{"rules", original}, {"applied", wanted}}};
    if (one_service && modifier.size() > 0) keep["modifier"] = modifier;
    std::string kept_text = json::write(keep);
    if (kept_text.size() > kMostKept) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("{} is too large for its rules to be kept beside it: split it", name_of(live)));
    }
    next.set({"spec", "rules"}, std::move(wanted));
    next.set({"metadata", "annotations", kOriginalRulesAnnotation}, std::move(kept_text));
    return Doc::freeze(next);
}

Result<Doc> restored_gateway(Doc const& live, std::string_view stable_service, std::string_view canary_service) {
    // One that somebody has spoilt must not keep a release from ending.
    std::optional<Kept> const kept = kept_of(live).value_or(std::nullopt);
    Backends const backends(live, stable_service, canary_service, kept ? kept->modifier : Value());
    Value const present = live.at({"spec", "rules"}).thaw();
    bool const touched =
        !meta::annotation(live, kOriginalRulesAnnotation).empty() ||
        std::ranges::any_of(present.array(), [&](Value const& rule) { return backends.any_canary_service(rule); });
    if (!touched) return live;
    Value next = live.thaw();
    next.set({"spec", "rules"}, Original(live, backends, kept).rules());
    Value* const annotations = next["metadata"].find("annotations");
    if (annotations != nullptr) annotations->erase(kOriginalRulesAnnotation);
    if (annotations != nullptr && annotations->size() == 0) next["metadata"].erase("annotations");
    return Doc::freeze(next);
}

}   // namespace aviary::traffic
