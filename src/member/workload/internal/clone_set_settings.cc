#include "member/workload/internal/clone_set_settings.h"

namespace aviary::workload {

using json::Doc;
using json::Value;

namespace {

constexpr std::string_view kDefaultSurge = "0%";
constexpr std::string_view kDefaultUnavailable = "20%";

}   // namespace

Original clone_set_settings(Doc const& clone_set) {
    Original result;
    Doc const update = clone_set.at({"spec", "updateStrategy"});
    result.max_surge = update["maxSurge"].exists() ? update["maxSurge"].thaw() : Value(kDefaultSurge);
    result.max_unavailable =
        update["maxUnavailable"].exists() ? update["maxUnavailable"].thaw() : Value(kDefaultUnavailable);
    result.min_ready_seconds = clone_set.at({"spec", "minReadySeconds"}).as_int();
    return result;
}

void give_back(Original const& original, JsonPatch& patch) {
    patch.set({"spec", "updateStrategy", "maxSurge"}, original.max_surge);
    patch.set({"spec", "updateStrategy", "maxUnavailable"}, original.max_unavailable);
    if (original.min_ready_seconds == 0) {
        patch.remove({"spec", "minReadySeconds"});
    } else {
        patch.set({"spec", "minReadySeconds"}, original.min_ready_seconds);
    }
}

void give_back(Original const& original, Value& clone_set) {
    clone_set.set({"spec", "updateStrategy", "maxSurge"}, original.max_surge);
    clone_set.set({"spec", "updateStrategy", "maxUnavailable"}, original.max_unavailable);
    clone_set.set({"spec", "minReadySeconds"}, original.min_ready_seconds);
}

void keep(Original& original, Value& clone_set, Doc const& held) {
    Doc const update = Doc::freeze(clone_set).at({"spec", "updateStrategy"});
    Doc const had = held.at({"spec", "updateStrategy"});
    for (auto const& [field, noted] :
         {std::pair("maxSurge", &original.max_surge), std::pair("maxUnavailable", &original.max_unavailable)}) {
        if (update[field] == had[field]) continue;
        if (update[field].exists()) *noted = update[field].thaw();
        clone_set.set({"spec", "updateStrategy", field}, had[field].thaw());
    }
    clone_set.set({"spec", "updateStrategy", "type"}, had["type"].as_string(kReCreate));
    std::int64_t const ready = clone_set.at({"spec", "minReadySeconds"}).as_int();
    std::int64_t const kept = held.at({"spec", "minReadySeconds"}).as_int();
    if (ready != kept) original.min_ready_seconds = ready;
    clone_set.set({"spec", "minReadySeconds"}, kept);
}

}   // namespace aviary::workload
