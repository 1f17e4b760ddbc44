#include "app/hub/internal/token_renewal.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apis/cluster/managed_cluster.h"
#include "app/hub/internal/connections.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/json/parse.h"
#include "core/observe/log.h"
#include "kube/meta/object.h"

namespace aviary::hub {

namespace {

using json::Doc;
using json::Object;
using json::Value;

meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
meta::GroupVersionResource const kServiceAccounts{"", "v1", "serviceaccounts"};
constexpr Duration kLookEvery = std::chrono::minutes(1);
constexpr Duration kAgain = std::chrono::minutes(10);   // after a failure
constexpr Duration kAtMost = std::chrono::seconds(30);
constexpr std::size_t kMaxTokenBytes = 64 << 10;

std::string token_of(Doc const& secret) { return base64_decode(secret.at({"data", "token"}).as_string()).value_or(""); }

// The life of the token; when it ends the Secret may say otherwise.
std::optional<TokenLife> life_of(Doc const& secret) {
    auto life = token_life(token_of(secret));
    if (!life) return life;
    if (auto const said = parse_rfc3339(meta::annotation(secret, kTokenEnds))) life->ends = *said;
    return life;
}

bool due(Doc const& secret, Time now) {
    auto const life = life_of(secret);
    return life && now >= life->from + (life->ends - life->from) / 2;
}

// Without a change nothing is written.
Task<void> say(Context ctx, client::Client hub, std::string cluster, bool renewed, std::string message,
               bool if_failed_alone = false) {
    auto const object = co_await hub.get(ctx, apis::kManagedClusters, {"", cluster});
    if (!object) co_return;
    if (if_failed_alone && meta::condition(*object, kTokenRenewed)["status"].as_string() != "False") co_return;
    Value conditions = object->at({"status", "conditions"}).thaw();
    bool const changed = meta::set_condition(conditions, kTokenRenewed, renewed ? "True" : "False",
                                             renewed ? "TokenRenewed" : "TokenNotRenewed", message, ctx.now());
    if (!changed) co_return;
    Value patch{Object()};
    patch.set({"metadata", "resourceVersion"}, meta::resource_version(*object));
    patch.set({"status", "conditions"}, std::move(conditions));
    client::WriteOptions options;
    options.subresource = "status";
    auto const written = co_await hub.patch(ctx, apis::kManagedClusters, {"", cluster}, client::PatchType::kMerge,
                                            std::move(patch), options);
    if (!written)
        ctx.log().warning("cluster conditions not written",
                          {{"cluster", cluster}, {"error", written.error().message()}});
}

}   // namespace

std::optional<TokenLife> token_life(std::string_view token) {
    if (token.size() > kMaxTokenBytes) return std::nullopt;
    auto const parts = split(token, '.');
    if (parts.size() != 3) return std::nullopt;
    std::string payload(parts[1]);   // base64 of URLs, without the padding
    std::ranges::replace(payload, '-', '+');
    std::ranges::replace(payload, '_', '/');
    payload.append((4 - payload.size() % 4) % 4, '=');
    auto const text = base64_decode(payload);
    auto const claims = text ? json::parse(*text) : Result<Doc>(fail(ErrorCode::kInvalid, "not base64"));
    if (!claims || !(*claims)["iat"].exists() || !(*claims)["exp"].exists()) return std::nullopt;
    TokenLife const life{Time(std::chrono::seconds((*claims)["iat"].as_int())),
                         Time(std::chrono::seconds((*claims)["exp"].as_int()))};
    return life.from < life.ends ? std::optional(life) : std::nullopt;
}

Task<Result<Token>> request_token(Context ctx, client::Client member, std::string ns) {
    Value request{Object{{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}}};
    request.set({"metadata", "name"}, kMemberAccount);
    request.set({"metadata", "namespace"}, ns);
    request.set({"spec", "expirationSeconds"}, kTokenSeconds);
    client::WriteOptions options;
    options.subresource = "token";
    auto const made = co_await member.create(ctx, kServiceAccounts, std::move(request), options);
    if (!made) co_return std::unexpected(made.error().context("asking for a token"));
    co_return Token{made->at({"status", "token"}).string(), made->at({"status", "expirationTimestamp"}).string()};
}

TokenRenewal::TokenRenewal(std::shared_ptr<client::Informer> secrets,
                           std::function<Result<std::shared_ptr<client::Transport>>(Doc const&)> connect,
                           std::string ns)
    : secrets_(std::move(secrets)), connect_(std::move(connect)), ns_(std::move(ns)) {
    secrets_->on_change([this](client::Change const& change) {
        seen_.erase(meta::key_of(change.object()));
        changed_.set();
    });
}

// The token as it is is what asks for the next.
Task<Result<Token>> TokenRenewal::made_anew(Context ctx, client::Client hub, Doc secret, std::string cluster) {
    CO_TRY_ASSIGN(Doc const object, co_await hub.get(ctx, apis::kManagedClusters, {"", cluster}));
    CO_TRY_ASSIGN(auto transport, connect_(object));
    CO_TRY_ASSIGN(Token const token,
                  co_await request_token(ctx, client::Client(std::move(transport), hub.name()), ns_));
    if (!token_life(token.text)) co_return fail(ErrorCode::kInvalid, "what the cluster gives is no token that ends");
    Value next = secret.thaw();
    next.set({"metadata", "annotations", kTokenEnds}, token.ends);
    next.set({"data", "token"}, base64_encode(token.text));
    // Over the one that was read alone: somebody may join the cluster again meanwhile.
    CO_TRY(co_await hub.update(ctx, kSecrets, std::move(next)));
    co_return token;
}

Task<void> TokenRenewal::renew(Context ctx, client::Client hub, Doc secret) {
    meta::ObjectKey const key = meta::key_of(secret);
    std::string const cluster = meta::label(secret, kClusterLabel);
    Context const limited = ctx.with_timeout(kAtMost);
    auto const token = co_await made_anew(limited, hub, secret, cluster);
    if (!ctx.check()) co_return;
    if (token) {
        ctx.log().info("the hub's token is made anew", {{"cluster", cluster}, {"ends", token->ends}});
        co_await say(ctx.with_timeout(kAtMost), hub, cluster, true,
                     fmt::format("The hub's token there ends at {}", token->ends));
        co_return;
    }
    seen_[key] = ctx.monotonic();
    // Another write came first, of whoever joins it again.
    if (token.error().is(ErrorCode::kConflict)) co_return;
    std::string problem = fmt::format("The hub's token there ends at {} and cannot be made anew: {}",
                                      format_rfc3339(life_of(secret)->ends), shortened(token.error().message(), 300));
    // A refusal of the credentials says so itself.
    if (!problem.contains("aviary join")) problem += fmt::format("; `aviary join {}` makes another", cluster);
    ctx.log().warning("the hub's token is not made anew", {{"cluster", cluster}, {"error", problem}});
    co_await say(ctx.with_timeout(kAtMost), hub, cluster, false, problem);
}

// What was said of a token before this one is over.
Task<void> TokenRenewal::acknowledge(Context ctx, client::Client hub, Doc secret) {
    std::string message = fmt::format("The hub's token there ends at {}", format_rfc3339(life_of(secret)->ends));
    co_await say(ctx.with_timeout(kAtMost), hub, meta::label(secret, kClusterLabel), true, std::move(message), true);
}

Task<void> TokenRenewal::run(Context ctx, client::Client hub) {
    seen_.clear();
    while (ctx.check()) {
        changed_.reset();
        async::Scope round(ctx);
        for (auto const& [key, secret] : secrets_->objects()) {
            auto const seen = seen_.find(key);
            if (!life_of(secret)) continue;
            if (!due(secret, ctx.now())) {
                if (seen == seen_.end()) round.spawn(acknowledge(round.context(), hub, secret));
                seen_[key] = std::nullopt;
            } else if (seen == seen_.end() || !seen->second || ctx.monotonic() >= *seen->second + kAgain) {
                round.spawn(renew(round.context(), hub, secret));
            }
        }
        co_await round.join();
        (void)co_await changed_.wait(ctx.with_timeout(kLookEvery));
    }
}

}   // namespace aviary::hub
