#include "hub/placement/division.h"

#include <algorithm>

#include "core/base/strings.h"

namespace aviary::placement {

namespace {

// Whether `left` has the better claim to the next seat. Compared as fractions: no rounding decides.
struct Party {
    Share share;
    std::int64_t seats = 0;
};

bool claims_more(Party const& left, Party const& right, bool descending) {
    auto const left_claim = static_cast<__int128>(left.share.value) * (2 * static_cast<__int128>(right.seats) + 1);
    auto const right_claim = static_cast<__int128>(right.share.value) * (2 * static_cast<__int128>(left.seats) + 1);
    if (left_claim != right_claim) return left_claim > right_claim;
    if (left.seats != right.seats) return left.seats < right.seats;
    return descending ? left.share.cluster > right.share.cluster : left.share.cluster < right.share.cluster;
}

// Seats that a party has in any case. With divisor d it gets w/d rounded, at least w/d - 1/2, and as all n parties
// together get `replicas`, 1/d is at least (replicas - n/2) / (sum of weights).
std::int64_t certain_seats(std::int64_t weight, __int128 sum, std::int64_t replicas, std::size_t parties) {
    __int128 const wide = weight;
    __int128 const twice = 2 * wide * replicas - wide * static_cast<__int128>(parties) - sum;
    return twice <= 0 ? 0 : static_cast<std::int64_t>(twice / (2 * sum));
}

}   // namespace

std::vector<Share> divide(std::int64_t replicas, std::vector<Share> weights, std::string_view uid) {
    bool const descending = !uid.empty() && fnv1a_32(uid) % 2 == 1;
    std::vector<Party> heap;
    std::vector<Share> result;
    for (Share& share : weights) {
        if (share.value > 0) {
            heap.push_back({std::move(share), 0});
        } else {
            result.push_back({std::move(share.cluster), 0});
        }
    }
    // One by one, but for those that are certain: the claims are ordered, so the rest is the same.
    __int128 sum = 0;
    for (Party const& party : heap) sum += party.share.value;
    std::int64_t given = 0;
    for (Party& party : heap) {
        party.seats = certain_seats(party.share.value, sum, replicas, heap.size());
        given += party.seats;
    }
    auto const less = [descending](Party const& left, Party const& right) {
        return claims_more(right, left, descending);
    };
    std::ranges::make_heap(heap, less);
    for (std::int64_t seat = given; seat < replicas && !heap.empty(); ++seat) {
        std::ranges::pop_heap(heap, less);
        ++heap.back().seats;
        std::ranges::push_heap(heap, less);
    }
    for (Party& party : heap) result.push_back({std::move(party.share.cluster), party.seats});
    std::ranges::sort(result, {}, &Share::cluster);
    return result;
}

}   // namespace aviary::placement
