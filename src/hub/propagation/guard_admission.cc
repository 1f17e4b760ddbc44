#include "hub/propagation/guard_admission.h"

#include <fmt/format.h>

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
    explicit GuardAdmission(Propagator& propagator) : propagator_(propagator) {}

    std::string_view name() const override { return "release-guard"; }

    bool matches(AdmissionRequest const& request) const override {
        if (!request.subresource.empty() || request.operation == Operation::kCreate) return false;
        return request.resource.resource == "rollouts" ||
               (request.operation == Operation::kDelete && request.resource.resource == "propagationpolicies");
    }

    Task<Status> validate(Context, AdmissionRequest const& request) override {
        if (request.resource.resource == "propagationpolicies") co_return check_policy(request.old_object);
        if (request.operation == Operation::kDelete) co_return check(request.old_object, "deleted");
        bool const disables =
            request.object.at({"spec", "disabled"}).as_bool() && !request.old_object.at({"spec", "disabled"}).as_bool();
        if (disables) co_return check(request.old_object, "disabled");
        co_return Status{};
    }

private:
    std::string releasing_in(Doc const& rollout) const {
        std::string text;
        for (clusters::Member* member : propagator_.members().all()) {
            Doc const live = member->get(kRollouts, meta::key_of(rollout));
            if (live.at({"status", "phase"}).as_string() == "Progressing")
                text += (text.empty() ? "" : ", ") + member->name();
        }
        return text;
    }

    Status check(Doc const& rollout, std::string_view what) const {
        std::string const where = releasing_in(rollout);
        if (where.empty()) return {};
        std::string const wish = meta::annotation(rollout, kOnDelete);
        if (wish == "Release") return {};
        if (wish == "Rollback" || wish == "Hold") {
            return fail(ErrorCode::kUnsupported,
                        fmt::format("{}: {} is not supported yet; abort the release first (kubectl amc rollout abort "
                                    "rollouts/{} -M), or annotate Release",
                                    kOnDelete, wish, meta::name(rollout)));
        }
        return std::unexpected(
            Error(ErrorCode::kForbidden,
                  fmt::format("rollouts.rollouts.kruise.io \"{}\" is releasing in {} and cannot be {}: without it the "
                              "new version would go through unapproved. Finish or abort the "
                              "release first, or annotate the Rollout with {}=Release to let the new version through",
                              meta::name(rollout), where, what, kOnDelete)));
    }

    Status check_policy(Doc const& policy) const {
        for (auto const& [index, selector] : policy.at({"spec", "resourceSelectors"}).elements()) {
            if (selector["kind"].as_string() != "Rollout") continue;
            Doc const rollout = propagator_.sources().get(kRolloutKind, {meta::ns(policy), selector["name"].string()});
            if (!rollout.exists()) continue;
            Status const checked = check(rollout, "un-placed");
            if (!checked) return checked;
        }
        return {};
    }

    Propagator& propagator_;
};

}   // namespace

std::shared_ptr<control::Admission> make_guard_admission(Propagator& propagator) {
    return std::make_shared<GuardAdmission>(propagator);
}

}   // namespace aviary::propagation
