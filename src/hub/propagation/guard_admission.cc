#include "hub/propagation/guard_admission.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/cluster/managed_cluster_set.h"
#include "apis/policy/propagation_policy.h"
#include "apis/rollouts/conversion.h"
#include "core/base/strings.h"
#include "hub/placement/bindings.h"
#include "hub/propagation/names.h"
#include "hub/propagation/propagator.h"
#include "hub/propagation/release_state.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using control::AdmissionRequest;
using control::Operation;
using json::Doc;

class GuardAdmission final : public control::Admission {
public:
    explicit GuardAdmission(GuardView view) : view_(std::move(view)) {}

    std::string_view name() const override { return "release-guard"; }

    bool matches(AdmissionRequest const& request) const override {
        if (!request.subresource.empty()) return false;
        if (apis::is_policy(request.resource)) return request.operation != Operation::kDelete;
        // A new one takes nothing away.
        if (apis::is_of_cluster_sets(request.resource)) return request.operation != Operation::kCreate;
        return request.resource.resource == "rollouts" && request.resource.group == kRollouts.group;
    }

    Task<Status> mutate(Context, AdmissionRequest& request) override {
        if (request.resource.resource != kRollouts.resource || request.operation == Operation::kDelete)
            co_return Status{};
        Doc const object = Doc::freeze(request.object);
        bool const wanted = is_word_on_delete(wish_of(object)) && !meta::is_deleting(object) &&
                            !meta::has_finalizer(object, placement::kOnDeleteFinalizer);
        if (wanted) request.object["metadata"]["finalizers"].make_array().push_back(placement::kOnDeleteFinalizer);
        co_return Status{};
    }

    Task<Status> validate(Context, AdmissionRequest const& request) override {
        if (apis::is_policy(request.resource) || apis::is_of_cluster_sets(request.resource)) {
            bool const ends = request.operation == Operation::kDelete;
            co_return check_placement(request.old_object, ends ? Doc() : Doc::freeze(request.object));
        }
        if (request.operation != Operation::kDelete)
            CO_TRY(check_word(wish_of(request.old_object), wish_of(Doc::freeze(request.object))));
        if (request.operation == Operation::kCreate) co_return Status{};
        Doc const before = as_stored(request.old_object);
        if (request.operation == Operation::kDelete) co_return check_deletion(before);
        co_return check_update(before, as_stored(Doc::freeze(request.object)));
    }

private:
    // What is looked at here is named as it is stored.
    static Doc as_stored(Doc const& rollout) {
        auto stored = apis::convert(rollout, apis::kRolloutsStored);
        return stored ? Doc::freeze(*stored) : rollout;
    }
    static std::string wish_of(Doc const& rollout) { return meta::annotation(rollout, kOnDelete); }

    // One that is there already holds no other write up.
    static Status check_word(std::string const& before, std::string const& after) {
        if (after.empty() || after == before || is_word_on_delete(after)) return {};
        return fail(ErrorCode::kForbidden,
                    fmt::format("annotation {}: \"{}\" is none of Rollback, Hold, Release", kOnDelete, after));
    }

    // What the Rollout does in clusters that would not be so without it: "is releasing in beijing"; empty: nothing.
    static std::string releases(std::vector<std::string> const& where) {
        return where.empty() ? std::string() : "is releasing in " + join(where, ", ");
    }
    std::string holds(Doc const& rollout) const {
        std::vector<std::string> const releasing = view_.releasing_in(rollout);
        HeldBack held = view_.held_back(rollout);
        auto const said = [&](std::string const& cluster) { return std::ranges::binary_search(releasing, cluster); };
        std::erase_if(held.waiting, said);
        std::vector<std::string> parts;
        if (!releasing.empty()) parts.push_back(releases(releasing));
        if (!held.waiting.empty()) parts.push_back("holds a new version back in " + join(held.waiting, ", "));
        if (!held.unknown.empty())
            parts.push_back("may hold one back in clusters that were not read, " + join(held.unknown, ", ") + ",");
        return join(parts, " and ");
    }

    Status check_update(Doc const& before, Doc const& after) const {
        bool const disables = after.at({"spec", "disabled"}).as_bool() && !before.at({"spec", "disabled"}).as_bool();
        if (disables) TRY(check(after, releases(view_.releasing_in(before)), "disabled"));
        if (!same_workload(before, after)) TRY(check_other_workload(before, after));
        if (!leaving(before) || !is_word_on_delete(wish_of(before))) return {};
        // To take the word back is to delete it without one.
        if (!is_word_on_delete(wish_of(after))) return check(after, holds(before), "deleted");
        bool const drops = !meta::has_finalizer(after, placement::kOnDeleteFinalizer);
        if (!drops || wish_of(after) == "Release" || view_.may_go(before)) return {};
        return fail(ErrorCode::kForbidden,
                    fmt::format("the finalizer {} of rollouts.rollouts.kruise.io \"{}\" is the hub's to take off, once "
                                "nothing goes through without it: annotate it with {}=Hold to wait for no cluster, or "
                                "with Release to let the new version through",
                                placement::kOnDeleteFinalizer, meta::name(before), kOnDelete));
    }

    // In whatever version it is named.
    static bool same_workload(Doc const& before, Doc const& after) {
        auto const [kind, key] = workload_of(before);
        auto const [other_kind, other_key] = workload_of(after);
        return kind.group == other_kind.group && kind.kind == other_kind.kind && key == other_key;
    }

    // The one that it held has no Rollout then, and nothing of it is held or goes back first.
    Status check_other_workload(Doc const& before, Doc const& after) const {
        std::string const where = holds(before);
        if (where.empty() || wish_of(after) == "Release") return {};
        return fail(
            ErrorCode::kForbidden,
            fmt::format("rollouts.rollouts.kruise.io \"{}\" {} and cannot be pointed at another workload: the "
                        "new version would go through unapproved. Finish or abort the release first, or annotate "
                        "the Rollout with {}=Release to let the new version through",
                        meta::name(before), where, kOnDelete));
    }

    Status check_deletion(Doc const& rollout) const {
        std::string const where = holds(rollout);
        bool const unready =
            is_done_first(wish_of(rollout)) && !meta::has_finalizer(rollout, placement::kOnDeleteFinalizer);
        if (where.empty() || !unready) return check(rollout, where, "deleted");
        return fail(ErrorCode::kForbidden,
                    fmt::format("rollouts.rollouts.kruise.io \"{}\" {} and cannot keep the new version away before it "
                                "is deleted: its finalizer {} is missing; the hub puts it on in a moment, try again",
                                meta::name(rollout), where, placement::kOnDeleteFinalizer));
    }

    static Status check(Doc const& rollout, std::string const& where, std::string_view what) {
        if (where.empty()) return {};
        // Held or going back: a member keeps its Rollout as long as that releases, whatever the hub has.
        if (is_word_on_delete(wish_of(rollout))) return {};
        return std::unexpected(Error(
            ErrorCode::kForbidden,
            fmt::format("rollouts.rollouts.kruise.io \"{}\" {} and cannot be {}: without it the "
                        "new version would go through unapproved. Finish or abort the "
                        "release first, or annotate the Rollout with {}=Rollback to go back to the stable version "
                        "first, with Hold to keep the members' own until they have ended theirs and the new "
                        "version away from where it has not begun, or with Release to let the new version through",
                        meta::name(rollout), where, what, kOnDelete)));
    }

    Status check_placement(Doc const& before, Doc const& after) const {
        for (Doc const& rollout : view_.rollouts_of(before, after)) {
            std::vector<std::string> where = view_.releasing_in(rollout);
            if (where.empty()) continue;
            std::vector<std::string> const stays = view_.clusters_after(rollout, before, after);
            std::erase_if(where,
                          [&](std::string const& cluster) { return std::ranges::binary_search(stays, cluster); });
            TRY(check(rollout, releases(where), "un-placed there"));
        }
        return {};
    }

    GuardView view_;
};

}   // namespace

std::shared_ptr<control::Admission> make_guard_admission(GuardView view) {
    return std::make_shared<GuardAdmission>(std::move(view));
}

}   // namespace aviary::propagation
