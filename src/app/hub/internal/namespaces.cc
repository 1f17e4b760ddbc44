#include "app/hub/internal/namespaces.h"

#include <utility>

#include "core/async/scope.h"
#include "kube/meta/object.h"

namespace aviary::hub {

namespace {

using json::Doc;
using json::Object;

meta::GroupVersionResource const kNamespace{"", "v1", "namespaces"};
// A member that says that it has Rollouts in more does not fill the hub's store.
constexpr std::size_t kMostMade = 1000;
constexpr Duration kLookAgain = std::chrono::milliseconds(500);

}   // namespace

Namespaces::Namespaces(client::Client hub, clusters::Members& members)
    : hub_(hub.named("aviary-hub")), there_(hub_, kNamespace) {
    control::ControllerOptions options;
    options.name = "namespaces";
    controller_ = std::make_unique<control::Controller>(
        options, std::make_unique<control::FunctionReconciler>(
                     [this](control::Key const& key, Time now) { return decide(key, now); },
                     [this](control::Key const&) -> client::Client const& { return hub_; }));
    controller_->watch(there_,
                       [](Doc const& object) { return std::vector<control::Key>{{"", {"", meta::name(object)}}}; });
    members.on_informer([this](clusters::Member&, client::Informer& informer) {
        informer.on_change([this](client::Change const& change) {
            if (change.after["kind"].as_string() != "Rollout") return;
            std::string const name = meta::ns(change.after);
            wanted_.insert(name);
            controller_->enqueue({"", {"", name}});
        });
    });
}

control::Plan Namespaces::decide(control::Key const& key, Time now) {
    control::Plan plan;
    std::string const& name = key.object.name;
    if (!wanted_.contains(name)) return plan;
    if (!there_.synced()) {
        plan.requeue_at(now + kLookAgain, "the hub's namespaces are being listed");
        return plan;
    }
    if (there_.get(key.object).exists()) wanted_.erase(name);
    bool const full = made_.size() >= kMostMade && !made_.contains(name);
    if (!wanted_.contains(name) || full) return plan;
    made_.insert(name);
    control::Write write;
    write.verb = control::Write::Verb::kCreate;
    write.resource = kNamespace;
    write.key = key.object;
    write.body = Object{{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", Object{{"name", name}}}};
    write.ignore_already_exists = true;
    write.why = "members have Rollouts there";
    plan.writes.push_back(std::move(write));
    return plan;
}

Task<void> Namespaces::run(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(there_.run(scope.context()));
    scope.spawn(controller_->run(scope.context()));
    co_await scope.join();
}

}   // namespace aviary::hub
