#include "kube/control/definitions.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "core/async/event.h"
#include "core/base/strings.h"
#include "core/base/version.h"
#include "core/json/patch.h"
#include "core/observe/log.h"
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

// Written by a newer version: what that added would be pruned from objects by the definition of this one.
bool is_newer(Doc const& definition) {
    auto const version = parse_version(meta::annotation(definition, kDefinitionsVersion));
    return version && *version > *parse_version(program_version());
}

// The definition as it is afterwards.
Task<Result<Doc>> install(Context ctx, client::Client client, Value definition, Existing existing) {
    meta::ObjectKey const key{"", definition.at({"metadata", "name"}).string()};
    Value patch{json::Object()};
    if (existing == Existing::kUpdate) {
        definition.set({"metadata", "annotations", kDefinitionsVersion}, std::string(program_version()));
        patch["metadata"]["annotations"] = definition.at({"metadata", "annotations"});
        patch["spec"] = definition["spec"];
    }
    while (true) {
        CO_TRY_ASSIGN(Doc const there, co_await client.find(ctx, kDefinitions, key));
        if (!there.exists()) {
            auto made = co_await client.create(ctx, kDefinitions, definition);
            if (made || !made.error().is(ErrorCode::kAlreadyExists)) co_return made;
            continue;   // another replica came first
        }
        if (existing == Existing::kLeave || is_newer(there)) {
            CO_TRY(check_versions(there, definition));
            co_return there;
        }
        Value const before = there.thaw();
        Value after = before;
        json::apply_merge_patch(after, patch);
        if (after == before) co_return there;
        // A newer version may write it at the same time.
        Value guarded = patch;
        guarded["metadata"]["resourceVersion"] = meta::resource_version(there);
        auto patched = co_await client.patch(ctx, kDefinitions, key, client::PatchType::kMerge, std::move(guarded));
        if (patched || !patched.error().is(ErrorCode::kConflict)) co_return patched;
    }
}

bool established(Doc const& definition) {
    return meta::condition(definition, "Established")["status"].as_string() == "True";
}

}   // namespace

Task<Status> install_definitions(Context ctx, client::Client client, std::vector<Value> definitions,
                                 Existing existing) {
    Context const limited = ctx.with_timeout(kEstablishedWithin);
    std::vector<std::string> newer;
    for (Value& definition : definitions) {
        meta::ObjectKey const key{"", definition.at({"metadata", "name"}).string()};
        auto installed = co_await install(limited, client, std::move(definition), existing);
        while (installed && !established(*installed)) {
            CO_TRY(co_await async::sleep_for(limited, kLookAgain));
            installed = co_await client.get(limited, kDefinitions, key);
        }
        if (!installed) co_return std::unexpected(installed.error().context("installing " + key.name));
        if (existing == Existing::kUpdate && is_newer(*installed)) newer.push_back(key.name);
    }
    if (!newer.empty()) {
        ctx.log().warning("a newer version than this one wrote these definitions: they are left as they are",
                          {{"version", std::string(program_version())}, {"definitions", join(newer, ", ")}});
    }
    co_return Status{};
}

}   // namespace aviary::control
