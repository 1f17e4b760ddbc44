#include "kube/webhook/authority.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "core/base/strings.h"
#include "kube/meta/object.h"

namespace aviary::webhook {

namespace {

using json::Doc;
using json::Object;
using json::Value;

meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
constexpr std::string_view kCertificate = "ca.crt";
constexpr std::string_view kKey = "ca.key";
constexpr std::string_view kPrevious = "ca-previous.crt";
constexpr Duration kRenewBefore = std::chrono::hours(24 * 30);

Authority read(Doc const& secret) {
    auto const text = [&secret](std::string_view key) {
        return base64_decode(secret.at({"data", key}).as_string()).value_or("");
    };
    Authority found{{text(kCertificate), text(kKey)}, text(kPrevious)};
    // API servers take a bundle as a whole or not at all.
    if (!crypto::ends_at(found.previous_pem)) found.previous_pem.clear();
    return found;
}

}   // namespace

std::optional<Authority> usable_authority(Doc const& secret, Time now) {
    Authority found = read(secret);
    auto const until = crypto::usable_until(found.keys, found.keys.certificate_pem);
    if (!until || *until <= now + kRenewBefore) return std::nullopt;
    // Made when a clock was ahead: nobody takes a certificate under it yet.
    if (!crypto::lapse(found.keys.certificate_pem, now).empty()) return std::nullopt;
    return found;
}

Task<Result<Authority>> ensure_authority(Context ctx, client::Client client, meta::ObjectKey secret,
                                         std::string previous_pem) {
    // Several replicas may start at once: the one that wrote first is read by the others.
    for (int attempt = 0; attempt < 3; ++attempt) {
        auto const found = co_await client.find(ctx, kSecrets, secret);
        if (!found) co_return std::unexpected(found.error().context("reading secret " + secret.to_string()));
        Doc const& there = *found;
        Authority made{{}, previous_pem};
        if (there.exists()) {
            if (auto kept = usable_authority(there, ctx.now())) co_return std::move(*kept);
            std::string ending = read(there).keys.certificate_pem;
            if (crypto::ends_at(ending)) made.previous_pem = std::move(ending);
        }
        CO_TRY_ASSIGN(made.keys, crypto::create_authority(secret.name, ctx.now()));
        Value object{Object{{"apiVersion", "v1"}, {"kind", "Secret"}, {"type", "Opaque"}}};
        object.set({"metadata", "name"}, secret.name);
        object.set({"metadata", "namespace"}, secret.ns);
        if (there.exists()) object.set({"metadata", "resourceVersion"}, meta::resource_version(there));
        object.set({"data", kCertificate}, base64_encode(made.keys.certificate_pem));
        object.set({"data", kKey}, base64_encode(made.keys.key_pem));
        if (!made.previous_pem.empty()) object.set({"data", kPrevious}, base64_encode(made.previous_pem));
        Result<Doc> written;
        if (there.exists()) {
            written = co_await client.update(ctx, kSecrets, std::move(object));
        } else {
            written = co_await client.create(ctx, kSecrets, std::move(object));
        }
        if (written) co_return std::move(made);
        bool const lost = written.error().is(ErrorCode::kConflict) || written.error().is(ErrorCode::kAlreadyExists);
        if (!lost) co_return std::unexpected(written.error().context("keeping secret " + secret.to_string()));
    }
    co_return fail(ErrorCode::kConflict,
                   fmt::format("secret {} is being changed by somebody else all the time", secret.to_string()));
}

}   // namespace aviary::webhook
