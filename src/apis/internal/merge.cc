#include "apis/internal/merge.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace aviary::apis {

namespace {

using json::Array;
using json::Object;
using json::Value;

constexpr std::size_t kMostCompared = 200;   // elements of one list

// Of each element of `edited` the one of `base` that it equals, or none: a longest common subsequence.
std::vector<std::optional<std::size_t>> unchanged(Array const& base, Array const& edited) {
    std::vector<std::optional<std::size_t>> partners(edited.size());
    if (base.size() > kMostCompared || edited.size() > kMostCompared) return partners;
    // length[i][j]: of the best from base[i] and edited[j] on.
    std::vector<std::vector<std::size_t>> length(base.size() + 1, std::vector<std::size_t>(edited.size() + 1, 0));
    std::vector<std::vector<bool>> equal(base.size(), std::vector<bool>(edited.size()));
    for (std::size_t i = base.size(); i-- > 0;) {
        for (std::size_t j = edited.size(); j-- > 0;) {
            equal[i][j] = base[i] == edited[j];
            length[i][j] = equal[i][j] ? length[i + 1][j + 1] + 1 : std::max(length[i + 1][j], length[i][j + 1]);
        }
    }
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < base.size() && j < edited.size()) {
        if (equal[i][j]) {
            partners[j++] = i++;
        } else if (length[i + 1][j] >= length[i][j + 1]) {
            ++i;
        } else {
            ++j;
        }
    }
    return partners;
}

Array merge_lists(Array const& base, Array const& edited, Array const& original) {
    if (base.size() != original.size()) return edited;
    std::vector<std::optional<std::size_t>> const partners = unchanged(base, edited);
    Array merged;
    std::size_t next = 0;   // of `base`
    for (std::size_t place = 0; place < edited.size(); ++place) {
        if (partners[place]) {
            merged.push_back(original[*partners[place]]);
            next = *partners[place] + 1;
            continue;
        }
        std::size_t following = place;
        while (following < edited.size() && !partners[following]) ++following;
        std::size_t const end = following < edited.size() ? *partners[following] : base.size();
        // As many as there were: each has been edited. Otherwise nobody knows which.
        bool const pairs = end - next == following - place;
        for (; place < following; ++place, ++next)
            merged.push_back(pairs ? merge_edit(base[next], edited[place], original[next]) : edited[place]);
        --place;
    }
    return merged;
}

Object merge_objects(Object const& base, Object const& edited, Object const& original) {
    Object merged;
    for (auto const& [key, was] : original) {
        Value const* const before = base.find(key);
        Value const* const after = edited.find(key);
        if (before != nullptr && after != nullptr) {
            merged[key] = merge_edit(*before, *after, was);
        } else if (after != nullptr) {
            merged[key] = *after;
        } else if (before == nullptr) {
            merged[key] = was;
        }
    }
    for (auto const& [key, after] : edited) {
        if (original.contains(key)) continue;
        Value const* const before = base.find(key);
        if (before == nullptr || !(*before == after)) merged[key] = after;
    }
    return merged;
}

}   // namespace

Value merge_edit(Value const& base, Value const& edited, Value const& original) {
    if (base == edited) return original;
    if (base.is_object() && edited.is_object() && original.is_object())
        return merge_objects(base.object(), edited.object(), original.object());
    if (base.is_array() && edited.is_array() && original.is_array())
        return merge_lists(base.array(), edited.array(), original.array());
    return edited;
}

}   // namespace aviary::apis
