#include "kube/patch/strategic_merge.h"

#include <fmt/format.h>

#include <algorithm>

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

Value* find_by_key(Array& list, std::string const& key, Value const& wanted) {
    for (Value& each : list) {
        if (each[key] == wanted) return &each;
    }
    return nullptr;
}

// Brings `list` into the order that the patch asks for; elements that it does not name keep their place behind their
// neighbours.
void reorder(Array& list, Value const& order, std::string const& key) {
    auto const position = [&](Value const& element) {
        Value const& own = key.empty() ? element : element[key];
        for (std::size_t index = 0; index < order.size(); ++index) {
            Value const& wanted = key.empty() ? order[index] : order[index][key];
            if (own == wanted) return static_cast<std::ptrdiff_t>(index);
        }
        return std::ptrdiff_t{-1};
    };
    // Unnamed elements travel with the named one before them.
    std::vector<std::pair<std::ptrdiff_t, Value>> ranked;
    std::ptrdiff_t last = -1;
    for (Value& element : list) {
        std::ptrdiff_t const own = position(element);
        if (own >= 0) last = own;
        ranked.emplace_back(own >= 0 ? own * 2 : last * 2 + 1, std::move(element));
    }
    for (std::size_t index = 1; index < ranked.size(); ++index) {   // stable and small
        for (std::size_t at = index; at > 0 && ranked[at].first < ranked[at - 1].first; --at)
            std::swap(ranked[at], ranked[at - 1]);
    }
    list.clear();
    for (auto& [rank, element] : ranked) list.push_back(std::move(element));
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
        for (Value const& each : patch.array()) {
            if (std::ranges::find(list, each) == list.end()) list.push_back(each);
        }
        return {};
    }
    for (Value const& each : patch.array()) {
        if (each[kDirective].as_string() == "replace") {
            list.clear();
            continue;
        }
    }
    for (Value const& each : patch.array()) {
        std::string_view const directive = each[kDirective].as_string();
        if (directive == "replace") continue;
        Value const* wanted = each.find(key);
        if (wanted == nullptr)
            return fail(ErrorCode::kBadRequest,
                        fmt::format("map: {} does not contain declared merge key: {}", "an element", key));
        if (directive == "delete") {
            std::erase_if(list, [&](Value const& own) { return own[key] == *wanted; });
            continue;
        }
        Value* found = find_by_key(list, key, *wanted);
        if (found == nullptr) {
            list.push_back(json::Object());
            found = &list.back();
        }
        TRY(merge_object(*found, each, element_of(type)));
    }
    return {};
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
        std::vector<std::string> gone;
        for (auto const& [key, value] : document.object()) {
            if (std::ranges::none_of(keep.array(), [&](Value const& each) { return each.as_string() == key; }))
                gone.push_back(key);
        }
        for (std::string const& key : gone) document.erase(key);
    }
    for (auto const& [key, value] : patch.object()) {
        if (key == kDirective || key == kRetainKeys || key.starts_with(kOrder)) continue;
        if (key.starts_with(kDelete)) {
            Value* list = document.find(std::string_view(key).substr(kDelete.size()));
            if (list == nullptr) continue;
            std::erase_if(list->make_array(), [&](Value const& own) {
                return std::ranges::find(value.array(), own) != value.array().end();
            });
            continue;
        }
        TypeNode const& field = type.field(key);
        if (value.is_null()) {
            document.erase(key);
        } else if (value.is_array()) {
            TRY(merge_list(document[key], value, field));
        } else if (value.is_object() && !field.replace) {
            TRY(merge_object(document[key], value, field));
        } else {
            document[key] = value;
        }
    }
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
