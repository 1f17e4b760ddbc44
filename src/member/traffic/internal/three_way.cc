#include "member/traffic/internal/three_way.h"

#include <algorithm>
#include <optional>
#include <tuple>

namespace aviary::traffic {

namespace {

using json::Array;
using json::Object;
using json::Value;

// More pairs of elements than this are not compared: what is not equal in such lists is not paired.
constexpr std::size_t kMostPairs = 10'000;

// 1 for equal values, 0 for those that have nothing in common.
double likeness(Value const& left, Value const& right) {
    if (left == right) return 1;
    if (left.is_array() && right.is_array()) {
        std::size_t const fewest = std::min(left.size(), right.size());
        double sum = 0;
        for (std::size_t each = 0; each < fewest; ++each) sum += likeness(left[each], right[each]);
        return fewest == 0 ? 0 : sum / static_cast<double>(fewest);
    }
    if (!left.is_object() || !right.is_object()) return 0;
    double sum = 0;
    std::size_t members = right.size();
    for (auto const& [key, value] : left.object()) {
        Value const* other = right.find(key);
        if (other == nullptr) {
            ++members;
        } else {
            sum += likeness(value, *other);
        }
    }
    return members == 0 ? 0 : sum / static_cast<double>(members);
}

// For each element of `from` its place in `to`, if it has one there: equal ones first, then the likest.
class Pairs {
public:
    Pairs(Array const& from, Array const& to) : to_(from.size()), from_(to.size()) {
        for (std::size_t left = 0; left < from.size(); ++left) {
            for (std::size_t right = 0; right < to.size() && !to_[left]; ++right)
                if (!from_[right] && from[left] == to[right]) join(left, right);
        }
        struct Candidate {
            double likeness;
            std::size_t distance, left, right;
        };
        std::vector<Candidate> candidates;
        if (from.size() * to.size() > kMostPairs) return;
        for (std::size_t left = 0; left < from.size(); ++left) {
            for (std::size_t right = 0; right < to.size() && !to_[left]; ++right) {
                double const like = from_[right] ? 0 : likeness(from[left], to[right]);
                if (like > 0) candidates.push_back({like, left > right ? left - right : right - left, left, right});
            }
        }
        std::ranges::sort(candidates, {}, [](Candidate const& each) {
            return std::tuple(-each.likeness, each.distance, each.left, each.right);
        });
        for (Candidate const& each : candidates)
            if (!to_[each.left] && !from_[each.right]) join(each.left, each.right);
    }

    std::optional<std::size_t> to(std::size_t from) const { return to_[from]; }
    std::optional<std::size_t> from(std::size_t to) const { return from_[to]; }

private:
    void join(std::size_t left, std::size_t right) {
        to_[left] = right;
        from_[right] = left;
    }
    std::vector<std::optional<std::size_t>> to_, from_;
};

Value carry_members(Value const& original, Value const& written, Value const& live) {
    Object result;
    for (auto const& [key, value] : original.object()) {
        Value const* before = written.find(key);
        Value const* now = live.find(key);
        if (before == nullptr) {
            result.append(key, value);   // the release had taken it away
        } else if (now != nullptr) {
            result.append(key, carried_over(value, *before, *now));
        }
    }
    for (auto const& [key, value] : live.object())
        if (!original.contains(key) && !written.contains(key)) result.append(key, value);
    return result;
}

// In the order of `live`.
Value carry_elements(Array const& original, Array const& written, Array const& live) {
    Pairs const made(original, written), kept(written, live);
    Array result;
    std::size_t next = 0;
    // Elements that the release had taken away stand where they stood.
    auto const taken_away_before = [&](std::size_t end) {
        for (; next < end; ++next)
            if (!made.to(next)) result.push_back(original[next]);
    };
    for (std::size_t place = 0; place < live.size(); ++place) {
        auto const before = kept.from(place);
        if (!before) {
            result.push_back(live[place]);
            continue;
        }
        auto const source = made.from(*before);
        if (!source) continue;   // the release's own
        taken_away_before(*source);
        result.push_back(carried_over(original[*source], written[*before], live[place]));
    }
    taken_away_before(original.size());
    return result;
}

}   // namespace

Value carried_over(Value const& original, Value const& written, Value const& live) {
    if (live == written) return original;
    if (original == written) return live;
    if (original.is_object() && written.is_object() && live.is_object()) return carry_members(original, written, live);
    if (original.is_array() && written.is_array() && live.is_array())
        return carry_elements(original.array(), written.array(), live.array());
    return original;
}

bool says_all(Value const& live, Value const& wanted) {
    if (live.is_object() && wanted.is_object()) {
        return std::ranges::all_of(wanted.object(), [&](Object::Member const& member) {
            Value const* said = live.find(member.key);
            return said != nullptr && says_all(*said, member.value);
        });
    }
    if (live.is_array() && wanted.is_array() && live.size() == wanted.size()) {
        for (std::size_t each = 0; each < live.size(); ++each)
            if (!says_all(live[each], wanted[each])) return false;
        return true;
    }
    return live == wanted;
}

}   // namespace aviary::traffic
