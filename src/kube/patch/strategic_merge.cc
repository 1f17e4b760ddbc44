#include "kube/patch/strategic_merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/json/write.h"

namespace aviary::patch {

namespace {

using json::Array;
using json::Value;

constexpr std::string_view kDirective = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kOrder = "$setElementOrder/";
constexpr std::string_view kDelete = "$deleteFromPrimitiveList/";

Status merge_object(Value& document, Value const& patch, TypeNode const& type);

TypeNode const& element_of(TypeNode const& list) { return list.element != nullptr ? *list.element : untyped(); }

// Equal for equal values.
std::string text_of(Value const& value) {
    bool const whole = value.is_number() && static_cast<double>(value.as_int()) == value.as_double();
    return whole ? std::to_string(value.as_int()) : json::write_canonical(value);
}

std::set<std::string> texts_of(Value const& list) {
    std::set<std::string> texts;
    for (Value const& each : list.array()) texts.insert(text_of(each));
    return texts;
}

// Brings `list` into the order that the patch asks for; elements that it does not name keep their place behind their
// neighbours.
void reorder(Array& list, Value const& order, std::string const& key) {
    auto const name = [&](Value const& element) { return text_of(key.empty() ? element : element[key]); };
    std::map<std::string, std::ptrdiff_t> positions;
    for (std::size_t index = 0; index < order.size(); ++index)
        positions.emplace(name(order[index]), static_cast<std::ptrdiff_t>(index));
    // Unnamed elements travel with the named one before them.
    std::vector<std::pair<std::ptrdiff_t, std::size_t>> ranked;   // and where they were
    std::ptrdiff_t last = -1;
    for (Value const& element : list) {
        auto const own = positions.find(name(element));
        if (own != positions.end()) last = own->second;
        ranked.emplace_back(own != positions.end() ? last * 2 : last * 2 + 1, ranked.size());
    }
    std::ranges::sort(ranked);
    Array ordered;
    for (auto const& [rank, place] : ranked) ordered.push_back(std::move(list[place]));
    list = std::move(ordered);
}

Status merge_elements(Array& list, Value const& patch, TypeNode const& type) {
    std::string const& key = type.merge_key;
    std::map<std::string, std::vector<std::size_t>> places;
    for (std::size_t index = 0; index < list.size(); ++index)
        places[text_of(std::as_const(list[index])[key])].push_back(index);
    std::vector<bool> goes(list.size(), false);
    for (Value const& each : patch.array()) {
        std::string_view const directive = each[kDirective].as_string();
        if (directive == "replace") continue;
        Value const* wanted = each.find(key);
        if (wanted == nullptr)
            return fail(ErrorCode::kBadRequest,
                        fmt::format("map: {} does not contain declared merge key: {}", "an element", key));
        std::vector<std::size_t>& found = places[text_of(*wanted)];
        if (directive == "delete") {
            for (std::size_t index : found) goes[index] = true;
            found.clear();
            continue;
        }
        if (found.empty()) {
            found.push_back(list.size());
            list.push_back(json::Object());
            goes.push_back(false);
        }
        TRY(merge_object(list[found.front()], each, element_of(type)));
    }
    std::size_t index = 0;
    std::erase_if(list, [&](Value const&) { return goes[index++]; });
    return {};
}

Status merge_list(Value& document, Value const& patch, TypeNode const& type) {
    std::string const& key = type.merge_key;
    bool const primitives = type.merges_primitives &&
                            std::ranges::all_of(patch.array(), [](Value const& each) { return !each.is_object(); });
    if (type.replace || (key.empty() && !primitives)) {
        Array plain;
        for (Value const& each : patch.array()) {
            if (!each.contains(kDirective)) plain.push_back(each);
        }
        document = std::move(plain);
        return {};
    }
    Array& list = document.make_array();
    if (primitives) {
        std::set<std::string> there = texts_of(document);
        for (Value const& each : patch.array()) {
            if (there.insert(text_of(each)).second) list.push_back(each);
        }
        return {};
    }
    if (std::ranges::any_of(patch.array(), [](Value const& each) { return each[kDirective].as_string() == "replace"; }))
        list.clear();
    return merge_elements(list, patch, type);
}

Status merge_object(Value& document, Value const& patch, TypeNode const& type) {
    std::string_view const directive = patch[kDirective].as_string();
    if (directive == "delete") {
        document = json::Object();
        return {};
    }
    if (directive == "replace") document = json::Object();
    document.make_object();
    if (Value const& keep = patch[kRetainKeys]; keep.is_array()) {
        std::set<std::string_view> kept;
        for (Value const& each : keep.array()) kept.insert(each.as_string());
        document.make_object().erase_if([&](std::string const& key, Value const&) { return !kept.contains(key); });
    }
    std::set<std::string_view> gone;
    for (auto const& [key, value] : patch.object()) {
        if (key == kDirective || key == kRetainKeys || key.starts_with(kOrder)) continue;
        if (key.starts_with(kDelete)) {
            Value* list = document.find(std::string_view(key).substr(kDelete.size()));
            if (list == nullptr) continue;
            std::set<std::string> const unwanted = texts_of(value);
            std::erase_if(list->make_array(), [&](Value const& own) { return unwanted.contains(text_of(own)); });
            continue;
        }
        TypeNode const& field = type.field(key);
        if (value.is_null()) {
            gone.insert(key);
        } else if (value.is_array()) {
            TRY(merge_list(document[key], value, field));
        } else if (value.is_object() && !field.replace) {
            TRY(merge_object(document[key], value, field));
        } else {
            document[key] = value;
        }
    }
    if (!gone.empty())
        document.make_object().erase_if([&](std::string const& key, Value const&) { return gone.contains(key); });
    for (auto const& [key, order] : patch.object()) {
        if (!key.starts_with(kOrder)) continue;
        std::string_view const name = std::string_view(key).substr(kOrder.size());
        Value* list = document.find(name);
        if (list != nullptr && list->is_array()) reorder(list->make_array(), order, type.field(name).merge_key);
    }
    return {};
}

}   // namespace

Status apply_strategic_merge(Value& document, Value const& patch, TypeNode const& type) {
    if (!patch.is_object()) return fail(ErrorCode::kBadRequest, "a strategic merge patch is an object");
    return merge_object(document, patch, type);
}

}   // namespace aviary::patch
