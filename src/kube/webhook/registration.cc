#include "kube/webhook/registration.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/async/event.h"
#include "core/base/check.h"
#include "core/base/strings.h"
#include "core/json/patch.h"
#include "kube/client/informer.h"
#include "kube/control/controller.h"
#include "kube/meta/object.h"
#include "kube/webhook/definition.h"

namespace aviary::webhook {

namespace {

using control::Key;
using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

// What to merge into it; nothing of what is others'.
std::optional<Value> merged(Doc const& live, Value const& wanted) {
    return is_definition(wanted) ? completed(live, wanted) : std::optional(wanted);
}

bool as_wanted(Doc const& live, Value const& wanted) {
    if (!live.exists()) return false;
    Value const before = live.thaw();
    Value after = before;
    if (auto const patch = merged(live, wanted)) json::apply_merge_patch(after, *patch);
    return after == before;
}

Key key_of(meta::GroupVersionResource const& resource, Value const& object) {
    return {resource.resource, {"", object.at({"metadata", "name"}).string()}};
}

bool trusts(Doc const& config, std::string_view authority_pem) {
    return base64_decode(config["caBundle"].as_string()).value_or("").contains(authority_pem);
}

}   // namespace

struct Registration::Impl {
    struct Wanted {
        meta::GroupVersionResource resource;
        Value object;
        std::unique_ptr<client::Informer> informer;   // of this one alone
    };
    client::Client client;
    bool leading = false;
    std::map<Key, Wanted> wanted;
    std::unique_ptr<control::Controller> controller;

    Impl(client::Client client_in, std::vector<Value> objects) : client(std::move(client_in)) {
        control::ControllerOptions options;
        options.name = "webhook-registration";
        options.warns_of_invalid = true;
        controller = std::make_unique<control::Controller>(
            options, std::make_unique<control::FunctionReconciler>(
                         [this](Key const& key, Time) { return decide(key); },
                         [this](Key const&) -> client::Client const& { return client; }));
        for (Value& object : objects) {
            Wanted each{meta::resource_of(object), std::move(object), nullptr};
            Key const key = key_of(each.resource, each.object);
            each.informer = std::make_unique<client::Informer>(client, each.resource, client::only(key.object));
            auto const keys = [key](Doc const&) { return std::vector<Key>{key}; };
            if (is_definition(each.object)) {
                controller->watch_if_shown(*each.informer, keys, key.part);
            } else {
                controller->watch(*each.informer, keys, key.part);
            }
            wanted.emplace(key, std::move(each));
        }
    }

    // Roles of before let nobody read definitions: these are then not converted, and all else goes on.
    static bool unread(Wanted const& each) {
        return is_definition(each.object) && !each.informer->synced() && each.informer->last_error();
    }

    Doc live(Key const& key, Wanted const& each) const { return each.informer->get(key.object); }

    Plan decide(Key const& key) const {
        Plan plan;
        auto const found = wanted.find(key);
        if (found == wanted.end() || !leading) return plan;
        Doc const there = live(key, found->second);
        Value const& object = found->second.object;
        if (Impl::unread(found->second) || meta::is_deleting(there) || as_wanted(there, object)) return plan;
        if (!there.exists() && is_definition(object)) return plan;
        Write write;
        write.verb = there.exists() ? Write::Verb::kMergePatch : Write::Verb::kCreate;
        write.resource = found->second.resource;
        write.key = key.object;
        write.body = there.exists() ? merged(there, object).value_or(object) : object;
        if (there.exists()) write.body.set({"metadata", "resourceVersion"}, meta::resource_version(there));
        write.why = "register the webhooks";
        plan.writes.push_back(std::move(write));
        return plan;
    }
};

Registration::Registration(client::Client client, std::vector<Value> wanted)
    : impl_(std::make_unique<Impl>(std::move(client), std::move(wanted))) {}
Registration::~Registration() = default;

void Registration::want(std::vector<Value> wanted) {
    for (Value& object : wanted) {
        Key const key = key_of(meta::resource_of(object), object);
        auto const found = impl_->wanted.find(key);
        AVIARY_CHECK(found != impl_->wanted.end());
        found->second.object = std::move(object);
        impl_->controller->enqueue(key);
    }
}

bool Registration::trusts(std::string_view authority_pem) const {
    for (auto const& [key, each] : impl_->wanted) {
        if (Impl::unread(each)) continue;
        if (!each.informer->synced()) return false;
        Doc const there = impl_->live(key, each);
        if (is_definition(each.object)) {
            Doc const config = there.at({"spec", "conversion", "webhook", "clientConfig"});
            if (there.exists() && is_ours(there, each.object) && !webhook::trusts(config, authority_pem)) return false;
            continue;
        }
        if (there["spec"].exists() && !webhook::trusts(there["spec"], authority_pem)) return false;
        for (auto const& [index, one] : there["webhooks"].elements()) {
            if (!webhook::trusts(one["clientConfig"], authority_pem)) return false;
        }
    }
    return true;
}

void Registration::on_change(std::function<void()> changed) {
    for (auto& [key, each] : impl_->wanted) each.informer->on_change([changed](client::Change const&) { changed(); });
}

Task<void> Registration::run(Context ctx) {
    async::Scope scope(ctx);
    for (auto& [key, each] : impl_->wanted) scope.spawn(each.informer->run(scope.context()));
    for (auto& [key, each] : impl_->wanted) impl_->controller->enqueue(key);
    scope.spawn(impl_->controller->run(scope.context()));
    co_await scope.join();
}

Task<void> Registration::lead(Context ctx, client::Client writer) {
    impl_->client = std::move(writer);
    impl_->leading = true;
    for (auto& [key, each] : impl_->wanted) impl_->controller->enqueue(key);
    async::Event never;
    (void)co_await never.wait(ctx);
    impl_->leading = false;
}

std::string Registration::missing() const {
    for (auto const& [key, each] : impl_->wanted) {
        if (Impl::unread(each)) continue;
        Doc const there = impl_->live(key, each);
        bool const fine = impl_->leading ? as_wanted(there, each.object) : there.exists();
        std::string const name = fmt::format("{} {}", key.part, key.object.name);
        if (!fine) {
            auto const error = impl_->controller->last_error(key);
            return fmt::format("{} is not {}{}", name, there.exists() ? "as it should be" : "there",
                               error ? ": " + error->message() : "");
        }
    }
    return {};
}

std::string Registration::unavailable() const {
    for (auto const& [key, each] : impl_->wanted) {
        Doc const available = meta::condition(impl_->live(key, each), "Available");
        if (available["status"].as_string() == "False")
            return fmt::format("{} {} is not available: {}", key.part, key.object.name,
                               available["message"].as_string());
    }
    return {};
}

}   // namespace aviary::webhook
