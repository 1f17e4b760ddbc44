#include "app/hub/validation.h"

#include "apis/policy/propagation_policy.h"
#include "apis/policy/validate.h"
#include "apis/rollouts/rollout.h"
#include "apis/rollouts/validate.h"
#include "hub/propagation/propagator.h"

namespace aviary::hub {

namespace {

class Validation final : public control::Admission {
public:
    explicit Validation(placement::Sources& sources) : sources_(sources) {}

    std::string_view name() const override { return "validation"; }

    bool matches(control::AdmissionRequest const& request) const override {
        if (request.operation == control::Operation::kDelete || !request.subresource.empty()) return false;
        std::string const& group = request.resource.group;
        if (request.resource.resource == "rollouts") return group == apis::kRollouts.group;
        return apis::is_policy(request.resource);
    }

    Task<Status> mutate(Context, control::AdmissionRequest& request) override {
        if (request.resource.resource == "rollouts") co_return Status{};
        std::vector<FieldCause> causes = apis::validate_policy(request.object, request.warnings);
        co_return apis::refuse(std::move(causes), request.resource.group, request.kind, request.key.name);
    }

    Task<Status> validate(Context, control::AdmissionRequest const& request) override {
        if (request.resource.resource != "rollouts") co_return Status{};
        placement::Sources::Kind const* const rollouts = sources_.find(propagation::kRolloutKind);
        std::vector<json::Doc> const others =
            rollouts == nullptr ? std::vector<json::Doc>() : rollouts->informer->list(request.key.ns);
        // Whether they release custom kinds is the members' to say.
        co_return apis::refuse(
            apis::validate_rollout(request.object, request.old_object, others, apis::WorkloadKinds::kLabelled),
            request.resource.group, request.kind, request.key.name);
    }

private:
    placement::Sources& sources_;
};

}   // namespace

std::shared_ptr<control::Admission> make_validation(placement::Sources& sources) {
    return std::make_shared<Validation>(sources);
}

}   // namespace aviary::hub
