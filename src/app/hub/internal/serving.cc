#include "app/hub/internal/serving.h"

#include <utility>

#include "apis/cluster/managed_cluster_set.h"
#include "apis/fleet/decision.h"
#include "apis/policy/propagation_policy.h"
#include "apis/rollouts/rollout.h"
#include "app/hub/validation.h"
#include "core/async/event.h"
#include "hub/placement/bind_admission.h"
#include "hub/proxy/fleet_route.h"
#include "kube/webhook/handler.h"

namespace aviary::hub {

using control::AdmissionRequest;
using Admissions = std::vector<std::shared_ptr<control::Admission>>;

namespace {
constexpr Duration kLookAgain = std::chrono::milliseconds(100);
}   // namespace

struct Serving::Impl {
    std::shared_ptr<control::AccessReviewer> reviewer;
    std::string hub_user;
    std::shared_ptr<Hub> hub;
    async::Event term;        // one begins
    bool was_ready = false;   // in this term
    Admissions of_leader;
    std::shared_ptr<apiserver::Route> route;

    // Members that come and go later keep nobody from writing.
    bool leads() {
        if (hub != nullptr && !was_ready) was_ready = hub->ready();
        return hub != nullptr && was_ready;
    }
};

namespace {

// Passes on to the functions of the hub that leads.
class OfTheLeader final : public control::Admission {
public:
    explicit OfTheLeader(std::function<Admissions const*()> leader) : leader_(std::move(leader)) {}

    std::string_view name() const override { return "hub"; }
    bool matches(AdmissionRequest const& request) const override {
        if (!request.subresource.empty()) return false;
        return apis::is_policy(request.resource) || apis::is_of_cluster_sets(request.resource) ||
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

void Serving::lead(std::shared_ptr<Hub> hub) {
    impl_->was_ready = false;
    impl_->of_leader.clear();
    impl_->route.reset();
    impl_->hub = hub;
    if (hub == nullptr) return;
    impl_->term.notify();
    if (!hub->propagator().attached())
        impl_->of_leader = {make_validation(hub->propagator().sources()), hub->guard_admission()};
    impl_->route = proxy::make_fleet_route({hub, &hub->propagator()}, impl_->reviewer);
}

bool Serving::leads() const { return impl_->leads(); }

Task<void> Serving::run(Context ctx) const {
    while (ctx.check()) {
        bool const settled = impl_->hub == nullptr || impl_->leads();
        if (settled) {
            (void)co_await impl_->term.wait(ctx);
        } else {
            (void)co_await async::sleep_for(ctx, kLookAgain);
        }
    }
}

Admissions Serving::admissions() const {
    auto const leader = [impl = impl_]() -> Admissions const* { return impl->leads() ? &impl->of_leader : nullptr; };
    return {decision::make_decision_admission(impl_->reviewer, impl_->hub_user),
            placement::make_bind_admission(impl_->reviewer), std::make_shared<OfTheLeader>(leader)};
}

std::shared_ptr<apiserver::Route> Serving::route() const { return impl_->route; }

namespace {

void add_set_rules(std::string_view path, std::vector<webhook::Rule>& rules) {
    if (path != webhook::kValidatePath) return;
    std::string const& group = apis::kManagedClusterSets.group;
    std::string const& version = apis::kManagedClusterSets.version;
    rules.push_back({"clustersetbindings.fleet.aviary.dev",
                     path,
                     {group},
                     version,
                     {"CREATE", "UPDATE", "DELETE"},
                     {apis::kManagedClusterSetBindings.resource}});
    webhook::Rule sets{"clustersets.fleet.aviary.dev",      path, {group}, version, {"CREATE", "UPDATE", "DELETE"},
                       {apis::kManagedClusterSets.resource}};
    sets.cluster_scoped = true;
    rules.push_back(std::move(sets));
    webhook::Rule clusters{"clusters.fleet.aviary.dev",    path,
                           {apis::kManagedClusters.group}, apis::kManagedClusters.version,
                           {"CREATE", "UPDATE"},           {apis::kManagedClusters.resource}};
    clusters.cluster_scoped = true;
    clusters.condition = placement::moves_to_another_set();
    rules.push_back(std::move(clusters));
}

}   // namespace

std::vector<webhook::Rule> webhook_rules(std::string const& hub_user, propagation::Mode mode,
                                         placement::Allowed allowed) {
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
                         mutates ? written : touched,
                         {"decisions"}});
        if (!mutates) {
            webhook::Rule record{"decisionstatus.fleet.aviary.dev", path,       {apis::kDecisions.group},
                                 apis::kDecisions.version,          {"UPDATE"}, {"decisions/status"}};
            record.condition = webhook::by_others(hub_user);
            rules.push_back(std::move(record));
        }
        if (mode == propagation::Mode::kAttached) continue;   // what stands on the hub goes nowhere
        webhook::Rule rollouts{"rollouts.fleet.aviary.dev", path,
                               {apis::kRollouts.group},     apis::kRollouts.version,
                               mutates ? written : touched, {"rollouts"}};
        // What is wrong is said in the names that it is written in.
        rollouts.other_versions = {"v1alpha1"};
        rules.push_back(std::move(rollouts));
        rules.push_back({"policies.fleet.aviary.dev", path, policies, "v1alpha1", written, {"propagationpolicies"}});
        webhook::Rule cluster_policies{"clusterpolicies.fleet.aviary.dev", path, policies, "v1alpha1", written,
                                       {"clusterpropagationpolicies"}};
        cluster_policies.cluster_scoped = true;
        rules.push_back(std::move(cluster_policies));
        if (allowed == placement::Allowed::kBoundSets) add_set_rules(path, rules);
    }
    return rules;
}

}   // namespace aviary::hub
