#include "extras.h"

#include <algorithm>

#include "core/base/strings.h"

namespace aviary::sim {

namespace {

constexpr std::uint64_t kOneOf = 16;

struct Named {
    Extra extra;
    std::string_view name;
};
constexpr Named kAll[] = {{Extra::kToZero, "to-zero"},    {Extra::kOlder, "older"},     {Extra::kOrdered, "ordered"},
                          {Extra::kInPlace, "in-place"},  {Extra::kBatches, "batches"}, {Extra::kIngress, "ingress"},
                          {Extra::kPasses, "passes"},     {Extra::kDeaf, "deaf"},       {Extra::kJumps, "jumps"},
                          {Extra::kDisables, "disables"}, {Extra::kPauses, "pauses"},   {Extra::kPutsBack, "puts-back"},
                          {Extra::kScales, "scales"},     {Extra::kLetsGo, "lets-go"}};

// Apart for each name, so that a further one leaves the others where they are.
Random stream(std::uint64_t seed, std::string_view name) { return Random(seed * 0x9e3779b97f4a7c15U ^ fnv1a_64(name)); }

}   // namespace

Extras::Extras(std::uint64_t seed) : random_(stream(seed, "extras")) {
    for (Named const& each : kAll) {
        if (stream(seed, each.name).below(kOneOf) == 0) drawn_.insert(each.extra);
    }
}

WorkloadKind const* Extras::kind() {
    std::vector<WorkloadKind const*> choice;
    for (auto const& [extra, kinds] :
         {std::pair(Extra::kOlder, &older_kinds()), std::pair(Extra::kOrdered, &ordered_kinds()),
          std::pair(Extra::kInPlace, &in_place_kinds())}) {
        for (WorkloadKind const& each : *kinds) {
            if (has(extra)) choice.push_back(&each);
        }
    }
    return choice.empty() ? nullptr : choice[random_.below(choice.size())];
}

std::string Extras::text() const {
    std::vector<std::string> names;
    for (Named const& each : kAll) {
        if (has(each.extra)) names.emplace_back(each.name);
    }
    return join(names, " ");
}

bool Extras::named(std::string_view name) { return std::ranges::find(kAll, name, &Named::name) != std::end(kAll); }

bool Extras::has(std::string_view name) const {
    return std::ranges::any_of(kAll, [&](Named const& each) { return each.name == name && has(each.extra); });
}

}   // namespace aviary::sim
