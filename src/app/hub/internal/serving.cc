#include "app/hub/internal/serving.h"

#include <utility>

#include "apis/fleet/decision.h"
#include "apis/policy/propagation_policy.h"
#include "apis/rollouts/rollout.h"
#include "app/hub/validation.h"
#include "hub/proxy/fleet_route.h"
#include "kube/webhook/handler.h"

namespace aviary::hub {

using control::AdmissionRequest;
using Admissions = std::vector<std::shared_ptr<control::Admission>>;

struct Serving::Impl {
    std::shared_ptr<control::AccessReviewer> reviewer;
    std::string hub_user;
    Hub* hub = nullptr;
    Admissions of_leader;
    std::shared_ptr<apiserver::Route> route;
};

namespace {

// Passes on to the functions of the hub that leads.
class OfTheLeader final : public control::Admission {
public:
    explicit OfTheLeader(std::function<Admissions const*()> leader) : leader_(std::move(leader)) {}

    std::string_view name() const override { return "hub"; }
    bool matches(AdmissionRequest const& request) const override {
        if (!request.subresource.empty()) return false;
        return apis::is_policy(request.resource) ||
               (request.resource.resource == "rollouts" && request.resource.group == apis::kRollouts.group);
    }
    Task<Status> mutate(Context ctx, AdmissionRequest& request) override {
        CO_TRY_ASSIGN(Admissions const asked, matching(request));
        for (auto const& each : asked) CO_TRY(co_await each->mutate(ctx, request));
        co_return Status{};
    }
    Task<Status> validate(Context ctx, AdmissionRequest const& request) override {
        CO_TRY_ASSIGN(Admissions const asked, matching(request));
        for (auto const& each : asked) CO_TRY(co_await each->validate(ctx, request));
        co_return Status{};
    }

private:
    Result<Admissions> matching(AdmissionRequest const& request) const {
        Admissions const* const all = leader_();
        if (all == nullptr)
            return fail(ErrorCode::kUnavailable,
                        "no hub leads at the moment, or it is still reading: try again in some seconds");
        Admissions asked;
        for (auto const& each : *all) {
            if (each->matches(request)) asked.push_back(each);
        }
        return asked;
    }

    std::function<Admissions const*()> leader_;
};

}   // namespace

Serving::Serving(std::shared_ptr<control::AccessReviewer> reviewer, std::string hub_user)
    : impl_(std::make_shared<Impl>()) {
    impl_->reviewer = std::move(reviewer);
    impl_->hub_user = std::move(hub_user);
}
Serving::~Serving() = default;

void Serving::lead(Hub* hub) {
    impl_->hub = hub;
    impl_->of_leader.clear();
    impl_->route.reset();
    if (hub == nullptr) return;
    impl_->of_leader = {make_validation(hub->propagator().sources()), hub->guard_admission()};
    impl_->route = proxy::make_fleet_route(hub->propagator(), impl_->reviewer);
}

bool Serving::leads() const { return impl_->hub != nullptr && impl_->hub->ready(); }

Admissions Serving::admissions() const {
    auto const leader = [impl = impl_]() -> Admissions const* {
        return impl->hub != nullptr && impl->hub->ready() ? &impl->of_leader : nullptr;
    };
    return {decision::make_decision_admission(impl_->reviewer, impl_->hub_user), std::make_shared<OfTheLeader>(leader)};
}

std::shared_ptr<apiserver::Route> Serving::route() const { return impl_->route; }

std::vector<webhook::Rule> webhook_rules() {
    std::vector<std::string> const policies{"policy.one.alibabacloud.com", "policy.karmada.io"};
    std::vector<webhook::Rule> rules;
    for (std::string_view path : {webhook::kMutatePath, webhook::kValidatePath}) {
        bool const mutates = path == webhook::kMutatePath;
        std::vector<std::string> const written{"CREATE", "UPDATE"};
        std::vector<std::string> const touched{"CREATE", "UPDATE", "DELETE"};
        rules.push_back({"decisions.fleet.aviary.dev",
                         path,
                         {apis::kDecisions.group},
                         apis::kDecisions.version,
                         mutates ? std::vector<std::string>{"CREATE"} : touched,
                         mutates ? std::vector<std::string>{"decisions"}
                                 : std::vector<std::string>{"decisions", "decisions/status"}});
        rules.push_back({"rollouts.fleet.aviary.dev",
                         path,
                         {apis::kRollouts.group},
                         apis::kRollouts.version,
                         mutates ? written : touched,
                         {"rollouts"}});
        rules.push_back({"policies.fleet.aviary.dev", path, policies, "v1alpha1", written, {"propagationpolicies"}});
        webhook::Rule cluster_policies{"clusterpolicies.fleet.aviary.dev", path, policies, "v1alpha1", written,
                                       {"clusterpropagationpolicies"}};
        cluster_policies.cluster_scoped = true;
        rules.push_back(std::move(cluster_policies));
    }
    return rules;
}

}   // namespace aviary::hub
