#include "hub/propagation/adopt.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/json/write.h"
#include "hub/propagation/names.h"
#include "hub/propagation/render.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using json::Doc;
using json::Value;

constexpr std::size_t kShown = 80;   // letters of a value in a difference

// Whatever Karmada notes on an object, but for whose the replicas are: that is a user's word.
bool is_of_karmada(std::string_view key) {
    std::string_view const domain = key.substr(0, key.find('/'));
    return (domain == "karmada.io" || domain.ends_with(".karmada.io")) && key != kKarmadaRetainReplicas;
}

bool is_manager_of(Origin origin, std::string_view name) {
    // What kubectl has applied before somebody else did is claimed under its names to this day.
    if (name == "kubectl" || name.starts_with("kubectl-") || name == "before-first-apply") return true;
    return origin == Origin::kKarmada && (name.starts_with("karmada-") || name == "execution-controller");
}

std::string shown(Value const* value) {
    if (value == nullptr) return {};
    std::string text = json::write(*value);
    if (text.size() > kShown) text = text.substr(0, kShown) + "…";
    return text;
}

struct Comparing {
    std::size_t limit;
    std::vector<Difference> found;

    static Value const* said(Value const* value) { return value == nullptr || value->is_null() ? nullptr : value; }

    void note(std::string const& path, Value const* hub, Value const* live) {
        if (found.size() < limit) found.push_back({path, shown(hub), shown(live)});
    }

    // `both_ways`: what only the live one says is a difference too.
    void compare(std::string const& path, Value const* hub, Value const* live, bool both_ways) {
        hub = said(hub);
        live = said(live);
        if (hub == nullptr && (live == nullptr || !both_ways)) return;
        if (hub == nullptr || live == nullptr) return note(path, hub, live);
        if (hub->is_object() && live->is_object()) return members(path, *hub, *live, both_ways);
        if (hub->is_array() && live->is_array() && hub->size() == live->size()) return elements(path, *hub, *live);
        if (!(*hub == *live)) note(path, hub, live);
    }

    void members(std::string const& path, Value const& hub, Value const& live, bool both_ways) {
        std::string const before = path.empty() ? "" : path + ".";
        for (auto const& [key, value] : hub.object()) compare(before + key, &value, live.find(key), both_ways);
        for (auto const& [key, value] : live.object()) {
            if (!hub.contains(key)) compare(before + key, nullptr, &value, both_ways);
        }
    }

    void elements(std::string const& path, Value const& hub, Value const& live) {
        for (std::size_t index = 0; index < hub.size(); ++index) {
            Value const& one = hub.element(index);
            std::string_view const name = one["name"].as_string();
            bool const named = !name.empty() && name == live.element(index)["name"].as_string();
            compare(named ? fmt::format("{}[{}]", path, name) : fmt::format("{}[{}]", path, index), &one,
                    &live.element(index), true);
        }
    }
};

}   // namespace

std::optional<Origin> parse_origin(std::string_view word) {
    if (word == "kubectl") return Origin::kKubectl;
    if (word == "karmada") return Origin::kKarmada;
    return std::nullopt;
}

Value template_of(Doc const& live) {
    Value object = travelling(live);
    for (char const* part : {"labels", "annotations"}) {
        Value* const all = object["metadata"].find(part);
        if (all == nullptr) continue;
        all->make_object().erase_if([](std::string const& key, Value const&) { return is_of_karmada(key); });
        if (all->size() == 0) object["metadata"].erase(part);
    }
    return object;
}

std::vector<Difference> differences(Value const& rendered, Doc const& live, std::size_t limit) {
    Value const there = travelling(live);
    Comparing comparing{limit, {}};
    for (char const* part : {"labels", "annotations"}) {
        Value wanted = rendered.at({"metadata", part});
        if (wanted.is_object())
            wanted.make_object().erase_if([](std::string const& key, Value const&) { return is_own_label(key); });
        if (wanted.size() == 0) continue;
        Value const none{json::Object()};
        Value const* const has = there["metadata"].find(part);
        comparing.members(fmt::format("metadata.{}", part), wanted, has == nullptr ? none : *has, false);
    }
    Value hub = rendered;
    Value member = there;
    for (Value* object : {&hub, &member}) {
        for (char const* key : {"apiVersion", "kind", "metadata"}) object->erase(key);
    }
    // The member's own count.
    if (!hub["spec"].contains("replicas") && member["spec"].contains("replicas")) member["spec"].erase("replicas");
    comparing.members("", hub, member, true);
    return std::move(comparing.found);
}

std::string to_string(Difference const& difference) {
    auto const text = [](std::string const& value) { return value.empty() ? "not set" : value; };
    return fmt::format("{} is {} here and {} on the hub", difference.path, text(difference.live), text(difference.hub));
}

std::optional<Value> end_of_origin(Doc const& live, Origin origin) {
    std::optional<Value> managed =
        without_claims_of(live, kManager, [origin](std::string_view name) { return is_manager_of(origin, name); });
    Value labels{json::Object()};
    if (origin == Origin::kKarmada) {
        for (auto const& [key, value] : live.at({"metadata", "labels"}).members()) {
            if (is_of_karmada(key)) labels[key] = nullptr;
        }
    }
    if (!managed && labels.size() == 0) return std::nullopt;
    Value patch{json::Object()};
    patch.set({"metadata", "resourceVersion"}, meta::resource_version(live));
    if (managed) patch.set({"metadata", "managedFields"}, std::move(*managed));
    if (labels.size() > 0) patch.set({"metadata", "labels"}, std::move(labels));
    return patch;
}

}   // namespace aviary::propagation
