#include "kube/webhook/registration.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "core/base/strings.h"
#include "core/json/patch.h"
#include "kube/client/informer.h"
#include "kube/control/controller.h"
#include "kube/meta/object.h"

namespace aviary::webhook {

namespace {

using control::Key;
using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

meta::GroupVersionResource resource_of(Value const& object) {
    auto [group, version] = meta::parse_api_version(object["apiVersion"].as_string());
    return {std::move(group), std::move(version), to_lower(object["kind"].as_string()) + "s"};
}

bool as_wanted(Doc const& live, Value const& wanted) {
    if (!live.exists()) return false;
    Value const before = live.thaw();
    Value after = before;
    json::apply_merge_patch(after, wanted);
    return after == before;
}

}   // namespace

struct Registration::Impl {
    struct Wanted {
        meta::GroupVersionResource resource;
        Value object;
        std::unique_ptr<client::Informer> informer;   // of this one alone
    };
    client::Client client;
    std::map<Key, Wanted> wanted;
    std::unique_ptr<control::Controller> controller;

    Impl(client::Client client_in, std::vector<Value> objects) : client(std::move(client_in)) {
        control::ControllerOptions options;
        options.name = "webhook-registration";
        controller = std::make_unique<control::Controller>(
            options, std::make_unique<control::FunctionReconciler>(
                         [this](Key const& key, Time) { return decide(key); },
                         [this](Key const&) -> client::Client const& { return client; }));
        for (Value& object : objects) {
            Wanted each{resource_of(object), std::move(object), nullptr};
            Key const key{each.resource.resource, {"", each.object.at({"metadata", "name"}).string()}};
            client::InformerOptions only;
            only.field_selector = "metadata.name=" + key.object.name;
            each.informer = std::make_unique<client::Informer>(client, each.resource, only);
            controller->watch(*each.informer, [key](Doc const&) { return std::vector<Key>{key}; }, key.part);
            wanted.emplace(key, std::move(each));
        }
    }

    Doc live(Key const& key, Wanted const& each) const { return each.informer->get(key.object); }

    Plan decide(Key const& key) const {
        Plan plan;
        auto const found = wanted.find(key);
        if (found == wanted.end()) return plan;
        Doc const there = live(key, found->second);
        if (meta::is_deleting(there) || as_wanted(there, found->second.object)) return plan;
        Write write;
        write.verb = there.exists() ? Write::Verb::kMergePatch : Write::Verb::kCreate;
        write.resource = found->second.resource;
        write.key = key.object;
        write.body = found->second.object;
        if (there.exists()) write.body.set({"metadata", "resourceVersion"}, meta::resource_version(there));
        write.why = "register the webhooks";
        plan.writes.push_back(std::move(write));
        return plan;
    }
};

Registration::Registration(client::Client client, std::vector<Value> wanted)
    : impl_(std::make_unique<Impl>(std::move(client), std::move(wanted))) {}
Registration::~Registration() = default;

Task<void> Registration::run(Context ctx) {
    async::Scope scope(ctx);
    for (auto& [key, each] : impl_->wanted) scope.spawn(each.informer->run(scope.context()));
    for (auto& [key, each] : impl_->wanted) impl_->controller->enqueue(key);
    scope.spawn(impl_->controller->run(scope.context()));
    co_await scope.join();
}

bool Registration::in_force() const {
    return std::ranges::all_of(impl_->wanted, [this](auto const& entry) {
        return as_wanted(impl_->live(entry.first, entry.second), entry.second.object);
    });
}

}   // namespace aviary::webhook
