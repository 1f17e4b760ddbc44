// Sorting by what costs something to find out: once for each element, not at every comparison.
#pragma once

#include <algorithm>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

namespace aviary {

// Elements of equal keys are in no order, as with std::ranges::sort.
template <typename Element, typename KeyOf, typename Compare = std::ranges::less>
void sort_by(std::vector<Element>& elements, KeyOf key_of, Compare compare = {}) {
    using Key = std::remove_cvref_t<std::invoke_result_t<KeyOf&, Element const&>>;
    std::vector<std::pair<Key, Element>> keyed;
    keyed.reserve(elements.size());
    for (Element& each : elements) {
        Key key = std::invoke(key_of, std::as_const(each));
        keyed.emplace_back(std::move(key), std::move(each));
    }
    std::ranges::sort(keyed, compare, [](auto const& each) -> Key const& { return each.first; });
    for (std::size_t index = 0; index < keyed.size(); ++index) elements[index] = std::move(keyed[index].second);
}

}   // namespace aviary
