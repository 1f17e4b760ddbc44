#include "hub/propagation/guard_admission.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/policy/propagation_policy.h"
#include "core/base/strings.h"
#include "hub/propagation/names.h"
#include "hub/propagation/propagator.h"
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
        return request.resource.resource == "rollouts" && request.resource.group == kRollouts.group &&
               request.operation != Operation::kCreate;
    }

    Task<Status> validate(Context, AdmissionRequest const& request) override {
        if (apis::is_policy(request.resource)) co_return check_policy(request.old_object, Doc::freeze(request.object));
        if (request.operation == Operation::kDelete)
            co_return check(request.old_object, view_.releasing_in(request.old_object), "deleted");
        bool const disables =
            request.object.at({"spec", "disabled"}).as_bool() && !request.old_object.at({"spec", "disabled"}).as_bool();
        if (disables) co_return check(request.old_object, view_.releasing_in(request.old_object), "disabled");
        co_return Status{};
    }

private:
    static Status check(Doc const& rollout, std::vector<std::string> const& where, std::string_view what) {
        if (where.empty()) return {};
        std::string const wish = meta::annotation(rollout, kOnDelete);
        // Held: a member keeps its Rollout as long as that releases, whatever the hub has.
        if (wish == "Release" || wish == "Hold") return {};
        if (wish == "Rollback") {
            return fail(ErrorCode::kUnsupported,
                        fmt::format("{}: {} is not supported yet; abort the release first (kubectl amc rollout abort "
                                    "rollouts/{} -M), or annotate Hold or Release",
                                    kOnDelete, wish, meta::name(rollout)));
        }
        return std::unexpected(
            Error(ErrorCode::kForbidden,
                  fmt::format("rollouts.rollouts.kruise.io \"{}\" is releasing in {} and cannot be {}: without it the "
                              "new version would go through unapproved. Finish or abort the "
                              "release first, or annotate the Rollout with {}=Hold to keep the members' own until they "
                              "have ended theirs, or with Release to let the new version through",
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
