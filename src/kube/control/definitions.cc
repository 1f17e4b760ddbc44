#include "kube/control/definitions.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "core/async/event.h"
#include "core/json/patch.h"
#include "kube/meta/object.h"

namespace aviary::control {

namespace {

using json::Doc;
using json::Value;

meta::GroupVersionResource const kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
constexpr Duration kEstablishedWithin = std::chrono::seconds(30);
constexpr Duration kLookAgain = std::chrono::milliseconds(50);

bool serves(Doc const& definition, std::string_view version) {
    for (auto const& [index, each] : definition.at({"spec", "versions"}).elements()) {
        if (each["name"].as_string() == version) return each["served"].as_bool();
    }
    return false;
}

Status check_versions(Doc const& there, Value const& wanted) {
    for (Value const& version : wanted.at({"spec", "versions"}).array()) {
        // Those beside it are added by who converts them.
        if (!version["storage"].as_bool() || serves(there, version["name"].as_string())) continue;
        return fail(
            ErrorCode::kUnsupported,
            fmt::format("customresourcedefinitions \"{}\" is there and does not serve {}: update what installed it",
                        meta::name(there), version["name"].as_string()));
    }
    return {};
}

// The definition as it is afterwards.
Task<Result<Doc>> install(Context ctx, client::Client client, Value definition, Existing existing) {
    meta::ObjectKey const key{"", definition.at({"metadata", "name"}).string()};
    auto there = co_await client.get(ctx, kDefinitions, key);
    if (!there && !there.error().is(ErrorCode::kNotFound)) co_return there;
    if (!there) {
        auto made = co_await client.create(ctx, kDefinitions, definition);
        if (made || !made.error().is(ErrorCode::kAlreadyExists)) co_return made;
        there = co_await client.get(ctx, kDefinitions, key);   // another replica came first
        if (!there) co_return there;
    }
    if (existing == Existing::kLeave) {
        CO_TRY(check_versions(*there, definition));
        co_return there;
    }
    Value const before = (*there)["spec"].thaw();
    Value after = before;
    json::apply_merge_patch(after, definition["spec"]);
    if (after == before) co_return there;
    Value patch{json::Object()};
    patch["spec"] = definition["spec"];
    co_return co_await client.patch(ctx, kDefinitions, key, client::PatchType::kMerge, std::move(patch));
}

bool established(Doc const& definition) {
    return meta::condition(definition, "Established")["status"].as_string() == "True";
}

}   // namespace

Task<Status> install_definitions(Context ctx, client::Client client, std::vector<Value> definitions,
                                 Existing existing) {
    Context const limited = ctx.with_timeout(kEstablishedWithin);
    for (Value& definition : definitions) {
        meta::ObjectKey const key{"", definition.at({"metadata", "name"}).string()};
        auto installed = co_await install(limited, client, std::move(definition), existing);
        while (installed && !established(*installed)) {
            CO_TRY(co_await async::sleep_for(limited, kLookAgain));
            installed = co_await client.get(limited, kDefinitions, key);
        }
        if (!installed) co_return std::unexpected(installed.error().context("installing " + key.name));
    }
    co_return Status{};
}

}   // namespace aviary::control
