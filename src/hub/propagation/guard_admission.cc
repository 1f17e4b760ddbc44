#include "hub/propagation/guard_admission.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/policy/propagation_policy.h"
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
        return request.resource.resource == "rollouts" && request.resource.group == kRollouts.group;
    }

    Task<Status> mutate(Context, AdmissionRequest& request) override {
        if (apis::is_policy(request.resource) || request.operation == Operation::kDelete) co_return Status{};
        Doc const object = Doc::freeze(request.object);
        bool const wanted = wish_of(object) == "Rollback" && !meta::is_deleting(object) &&
                            !meta::has_finalizer(object, placement::kOnDeleteFinalizer);
        if (wanted) request.object["metadata"]["finalizers"].make_array().push_back(placement::kOnDeleteFinalizer);
        co_return Status{};
    }

    Task<Status> validate(Context, AdmissionRequest const& request) override {
        if (apis::is_policy(request.resource)) co_return check_policy(request.old_object, Doc::freeze(request.object));
        if (request.operation == Operation::kCreate) co_return Status{};
        Doc const& before = request.old_object;
        if (request.operation == Operation::kDelete) co_return check_deletion(before);
        bool const disables =
            request.object.at({"spec", "disabled"}).as_bool() && !before.at({"spec", "disabled"}).as_bool();
        if (disables) co_return check(before, view_.releasing_in(before), "disabled");
        Doc const after = Doc::freeze(request.object);
        // To take the word back is to delete it without one.
        bool const retracts = leaving(before) && wish_of(before) == "Rollback" && wish_of(after) != "Rollback";
        if (retracts) co_return check(after, view_.releasing_in(before), "deleted");
        co_return Status{};
    }

private:
    static std::string wish_of(Doc const& rollout) { return meta::annotation(rollout, kOnDelete); }

    Status check_deletion(Doc const& rollout) const {
        std::vector<std::string> const where = view_.releasing_in(rollout);
        bool const unready =
            wish_of(rollout) == "Rollback" && !meta::has_finalizer(rollout, placement::kOnDeleteFinalizer);
        if (where.empty() || !unready) return check(rollout, where, "deleted");
        return fail(ErrorCode::kForbidden,
                    fmt::format("rollouts.rollouts.kruise.io \"{}\" is releasing in {} and cannot go back before it is "
                                "deleted: its finalizer {} is missing; the hub puts it on in a moment, try again",
                                meta::name(rollout), join(where, ", "), placement::kOnDeleteFinalizer));
    }

    static Status check(Doc const& rollout, std::vector<std::string> const& where, std::string_view what) {
        if (where.empty()) return {};
        std::string const wish = wish_of(rollout);
        // Held or going back: a member keeps its Rollout as long as that releases, whatever the hub has.
        if (wish == "Release" || wish == "Hold" || wish == "Rollback") return {};
        return std::unexpected(Error(
            ErrorCode::kForbidden,
            fmt::format("rollouts.rollouts.kruise.io \"{}\" is releasing in {} and cannot be {}: without it the "
                        "new version would go through unapproved. Finish or abort the "
                        "release first, or annotate the Rollout with {}=Rollback to go back to the stable version "
                        "first, with Hold to keep the members' own until they have ended theirs, or with Release "
                        "to let the new version through",
                        meta::name(rollout), join(where, ", "), what, kOnDelete)));
    }

    Status check_policy(Doc const& before, Doc const& after) const {
        for (Doc const& rollout : view_.rollouts_of(before, after)) {
            std::vector<std::string> where = view_.releasing_in(rollout);
            if (where.empty()) continue;
            std::vector<std::string> const stays = view_.clusters_after(rollout, before, after);
            std::erase_if(where,
                          [&](std::string const& cluster) { return std::ranges::binary_search(stays, cluster); });
            TRY(check(rollout, where, "un-placed there"));
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
