#include "kube/simulator/internal/stateful_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/strings.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/pods.h"
#include "kube/simulator/internal/stateful_set_sync.h"

namespace aviary::simulator {

using control::Plan;
using json::Doc;

bool runs_ready(Doc const& pod) { return pod.at({"status", "phase"}).as_string() == "Running" && is_ready(pod); }

std::vector<std::int64_t> ordinals_from(std::int64_t start, std::int64_t count,
                                        std::vector<std::int64_t> const& reserved) {
    std::vector<std::int64_t> ordinals;
    for (std::int64_t ordinal = start; std::cmp_less(ordinals.size(), count); ++ordinal) {
        if (std::ranges::find(reserved, ordinal) == reserved.end()) ordinals.push_back(ordinal);
    }
    return ordinals;
}

std::optional<std::int64_t> ordinal_of(Doc const& set, Doc const& pod) {
    std::string const name = meta::name(pod);
    std::string const prefix = meta::name(set) + "-";
    if (!name.starts_with(prefix)) return std::nullopt;
    std::string_view const digits = std::string_view(name).substr(prefix.size());
    if (digits.empty() || !std::ranges::all_of(digits, [](char each) { return each >= '0' && each <= '9'; }))
        return std::nullopt;
    auto const ordinal = parse_int(digits);
    return ordinal && *ordinal <= INT32_MAX ? ordinal : std::nullopt;
}

bool is_member(Doc const& set, Doc const& pod) { return ordinal_of(set, pod).has_value(); }

StatefulSetSync::StatefulSetSync(StatefulSetView const& view, Time now)
    : StatefulSetSync(view, now,
                      {kStatefulSets, std::chrono::seconds(view.set.at({"spec", "minReadySeconds"}).as_int()),
                       ordinals_from(view.set.at({"spec", "ordinals", "start"}).as_int(),
                                     view.set.at({"spec", "replicas"}).as_int(1))}) {}

StatefulSetSync::StatefulSetSync(StatefulSetView const& view, Time now, Terms given)
    : view(view), now(now), terms(std::move(given)) {
    for (std::int64_t const ordinal : terms.ordinals) replicas.push_back({ordinal, {}});
    for (Doc const& pod : view.pods) {
        auto const ordinal = ordinal_of(set, pod);
        if (!ordinal) continue;
        auto const replica = std::ranges::lower_bound(replicas, *ordinal, {}, &Replica::ordinal);
        if (replica != replicas.end() && replica->ordinal == *ordinal) {
            replica->doc = pod;
        } else {
            condemned.push_back({*ordinal, pod, false});
        }
    }
    std::ranges::sort(condemned, std::ranges::greater(), &Replica::ordinal);
}

bool StatefulSetSync::available(Doc const& pod) const { return is_available(pod, terms.min_ready, now); }

bool StatefulSetSync::unavailable(Replica const& replica) const {
    return !replica.doc.exists() || meta::is_deleting(replica.doc) || !available(replica.doc);
}

StatefulSetSync::Replica const* StatefulSetSync::first_unavailable() const {
    for (Replica const& replica : replicas) {
        if (unavailable(replica)) return &replica;
    }
    for (auto replica = condemned.rbegin(); replica != condemned.rend(); ++replica) {
        if (unavailable(*replica)) return &*replica;
    }
    return nullptr;
}

void StatefulSetSync::event(std::string reason, std::string message) {
    plan.events.push_back({reference_to(set, view.kind), "Normal", std::move(reason), std::move(message)});
}

void StatefulSetSync::remove(Replica const& replica, std::string why) {
    plan.writes.push_back(control::deletion(kPods, replica.doc, std::move(why)));
    event("SuccessfulDelete",
          fmt::format("Delete Pod {} in StatefulSet {} successful", meta::name(replica.doc), meta::name(set)));
}

bool StatefulSetSync::process(Replica const& replica) {
    Doc const& pod = replica.doc;
    if (pod.exists() && is_finished(pod)) {
        if (!meta::is_deleting(pod)) remove(replica, "it has ended");
        return true;
    }
    if (!pod.exists()) {
        (void)create(replica);
        return true;
    }
    if (pod.at({"status", "phase"}).as_string() == "Pending" && !make_claims(replica.ordinal)) return true;
    if (!meta::is_deleting(pod)) refresh(pod);
    if (!parallel && unavailable(replica)) return true;
    settle_claim_owners(replica);
    keep_identity(replica);
    return false;
}

bool StatefulSetSync::process_condemned(Replica const& replica, Replica const* first) {
    if (meta::is_deleting(replica.doc)) return true;
    bool const serves = runs_ready(replica.doc) && available(replica.doc);
    if (!parallel && !serves && &replica != first) return true;
    remove(replica, "scaled down");
    return true;
}

// Every pod is there and, in OrderedReady, available; then those beyond spec.replicas go. False when that takes time.
bool StatefulSetSync::bring_about() {
    Replica const* const first = first_unavailable();
    for (Replica const& replica : replicas) {
        if (process(replica) && !parallel) return false;
    }
    for (Replica const& replica : condemned) settle_claim_owners(replica);
    for (Replica const& replica : condemned) {
        if (process_condemned(replica, first) && !parallel) return false;
    }
    return true;
}

// The lowest ordinal stays for last, and what is below the partition stays.
void StatefulSetSync::update_pods() {
    Doc const rolling = strategy["rollingUpdate"];
    std::int64_t const updates_from = rolling["partition"].as_int();
    std::int64_t const most = std::max<std::int64_t>(1, meta::scaled(rolling["maxUnavailable"], count, false, "1"));
    std::int64_t const missing =
        std::ranges::count_if(replicas, [this](Replica const& each) { return unavailable(each); });
    if (parallel) return update_in_parallel(updates_from, most - missing);
    std::int64_t budget = most - missing;
    for (std::int64_t index = count - 1; index >= updates_from && budget > 0; --index) {
        Replica const& replica = replicas[static_cast<std::size_t>(index)];
        if (!replica.doc.exists() || meta::is_deleting(replica.doc) ||
            meta::label(replica.doc, meta::kRevisionHashLabel) == update_revision) {
            continue;
        }
        remove(replica, "an update");
        status["currentReplicas"] = status["currentReplicas"].as_int() - 1;
        --budget;
    }
}

// Old pods that serve nobody go whatever the budget is; it is for those that serve.
void StatefulSetSync::update_in_parallel(std::int64_t updates_from, std::int64_t budget) {
    for (bool const serving : {false, true}) {
        for (std::int64_t index = count - 1; index >= updates_from; --index) {
            Replica const& replica = replicas[static_cast<std::size_t>(index)];
            if (!replica.doc.exists() || meta::is_deleting(replica.doc)) continue;
            if (meta::label(replica.doc, meta::kRevisionHashLabel) == update_revision) continue;
            if (available(replica.doc) != serving || (serving && budget-- <= 0)) continue;
            remove(replica, "an update");
            status["currentReplicas"] = status["currentReplicas"].as_int() - 1;
        }
    }
}

void StatefulSetSync::count_status() {
    std::int64_t all = 0;
    std::int64_t ready = 0;
    std::int64_t serving = 0;
    std::int64_t current = 0;
    std::int64_t updated = 0;
    for (auto const* list : {&replicas, &condemned}) {
        for (auto const& [ordinal, pod, wanted] : *list) {
            if (!pod.exists()) continue;
            ++all;
            if (runs_ready(pod)) {
                ++ready;
                serving += available(pod) ? 1 : 0;
                await_availability(plan, pod, terms.min_ready, now);
            }
            if (meta::is_deleting(pod)) continue;
            std::string const revision = meta::label(pod, meta::kRevisionHashLabel);
            current += revision == current_revision ? 1 : 0;
            updated += revision == update_revision ? 1 : 0;
        }
    }
    status["replicas"] = all;
    status["readyReplicas"] = ready;
    status["availableReplicas"] = serving;
    status["currentReplicas"] = current;
    status["updatedReplicas"] = updated;
}

bool StatefulSetSync::is_complete() const {
    for (char const* field : {"updatedReplicas", "readyReplicas", "replicas"}) {
        if (status[field].as_int() != count) return false;
    }
    return true;
}

void StatefulSetSync::complete_update() {
    if (!is_complete()) return;
    status["currentReplicas"] = std::as_const(status)["updatedReplicas"].as_int();
    status["currentRevision"] = update_revision;
}

Plan StatefulSetSync::run() {
    settle_revisions();
    if (update_revision.empty()) return std::move(plan);
    status["observedGeneration"] = meta::generation(set);
    status["currentRevision"] = current_revision;
    status["updateRevision"] = update_revision;
    count_status();
    if (!meta::is_deleting(set)) {
        bool const established = bring_about();
        if (established && strategy["type"].as_string("RollingUpdate") == "RollingUpdate") update_pods();
    }
    complete_update();
    // Pods of a third revision that went are taken from the current ones: the API server refuses such a count, and the
    // next sync counts anew.
    if (std::as_const(status)["currentReplicas"].as_int() < 0) {
        plan.requeue_at(now + std::chrono::milliseconds(5), "a count that is refused");
        return std::move(plan);
    }
    if (terms.resource == kStatefulSets) {
        for (char const* field : {"readyReplicas", "currentReplicas", "updatedReplicas"}) {
            if (std::as_const(status)[field].as_int() == 0) status.erase(field);
        }
    }
    write_status(
        plan, terms.resource, set, status,
        {"readyReplicas", "currentReplicas", "updatedReplicas", "updatedReadyReplicas", "updatedAvailableReplicas"});
    truncate_history();
    return std::move(plan);
}

Plan decide_stateful_set(StatefulSetView const& view, Time now) { return StatefulSetSync(view, now).run(); }

}   // namespace aviary::simulator
