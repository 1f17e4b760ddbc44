#include "kube/webhook/certificate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/async/scope.h"
#include "core/observe/log.h"
#include "kube/client/informer.h"
#include "kube/meta/object.h"

namespace aviary::webhook {

namespace {

constexpr Duration kLookEvery = std::chrono::hours(1);
// Clocks of machines are put right now and then: so often is asked whether this one was, by more than so much.
constexpr Duration kAskEvery = std::chrono::minutes(1);
constexpr Duration kPut = std::chrono::seconds(5);
constexpr Duration kRetry = std::chrono::minutes(1);
// How long an authority that was replaced by hand stays trusted: until all replicas have another certificate.
constexpr Duration kOverlap = std::chrono::minutes(10);

}   // namespace

struct Certificate::Impl {
    client::Client client;
    Options options;
    Authority authority;
    client::Informer secret;
    async::Event changed;
    std::string before;   // the authority before this one, as this process has seen it
    Time before_until{};
    crypto::KeyPair issuer;   // what the certificate is under
    crypto::KeyPair pair;
    Time renew_at{};
    std::string told;   // the bundle
    std::optional<MonotonicTime> trusted_since;
    std::function<void(Context const&, crypto::KeyPair const&)> on_pair;
    std::function<void(std::string const&)> on_bundle;

    Impl(client::Client client_in, Options options_in, Authority authority_in)
        : client(std::move(client_in)),
          options(std::move(options_in)),
          authority(std::move(authority_in)),
          secret(client, {"", "v1", "secrets"}, client::only(options.secret)) {
        secret.on_change([this](client::Change const&) { changed.set(); });
    }

    Status issue(crypto::KeyPair const& under, Time now) {
        crypto::KeyPair made = TRY(crypto::issue(under, options.request, now));
        issuer = under;
        pair = std::move(made);
        // Long before its end, so that a cluster that is away for weeks is no trouble.
        renew_at = now + options.request.validity / 3 * 2;
        return {};
    }

    std::string bundle(Time now) const {
        std::string all = authority.keys.certificate_pem;
        auto const add = [&all, now](std::string const& pem) {
            auto const ends = crypto::ends_at(pem);
            if (ends && *ends > now && !all.contains(pem)) all += pem;
        };
        add(authority.previous_pem);
        if (now < before_until) add(before);
        // Whatever is asked for by now must not be refused.
        if (issuer.certificate_pem != authority.keys.certificate_pem) add(issuer.certificate_pem);
        return all;
    }

    void take(Authority other, Time now) {
        if (other.keys.certificate_pem != authority.keys.certificate_pem) {
            before = authority.keys.certificate_pem;
            before_until = now + kOverlap;
            trusted_since.reset();
        }
        authority = std::move(other);
    }

    // One that is there and lasts is read, else it is made.
    Task<Status> follow_authority(Context ctx) {
        json::Doc const there = secret.get(options.secret);
        auto kept = usable_authority(there, ctx.now());
        if (kept) {
            take(std::move(*kept), ctx.now());
            co_return Status{};
        }
        CO_TRY_ASSIGN(Authority made,
                      co_await ensure_authority(ctx, client, options.secret, authority.keys.certificate_pem));
        ctx.log().info("the authority of certificates", {{"secret", options.secret.to_string()}, {"is", "made anew"}});
        take(std::move(made), ctx.now());
        co_return Status{};
    }

    Status follow_certificate(Context const& ctx, bool trusts) {
        if (!trusts) trusted_since.reset();
        if (trusts && !trusted_since) trusted_since = ctx.monotonic();
        bool const settled = trusted_since && ctx.monotonic() - *trusted_since >= kTrustSettles;
        bool const other = authority.keys.certificate_pem != issuer.certificate_pem;
        // One that has not begun was made when the clock was ahead.
        bool const lasts = ctx.now() < renew_at && crypto::lapse(pair.certificate_pem, ctx.now()).empty();
        if (!(other && settled) && lasts) return {};
        TRY(issue(crypto::KeyPair(other && settled ? authority.keys : issuer), ctx.now()));
        ctx.log().info("a certificate is made anew",
                       {{"of", options.request.common_name}, {"because", other ? "its authority is" : "of its time"}});
        if (on_pair) on_pair(ctx, pair);
        return {};
    }

    Duration until_next(Context const& ctx) const {
        Duration wait = std::min(kLookEvery, renew_at - ctx.now());
        if (ctx.now() < before_until) wait = std::min(wait, before_until - ctx.now());
        if (trusted_since && issuer.certificate_pem != authority.keys.certificate_pem)
            wait = std::min(wait, *trusted_since + kTrustSettles - ctx.monotonic());
        return std::max<Duration>(wait, std::chrono::seconds(1));
    }

    // Until something has changed, it is time, or somebody has put the clock.
    Task<void> rest(Context ctx, Duration wait) {
        auto const ahead = [&ctx] {
            return std::chrono::duration_cast<Duration>(ctx.now().time_since_epoch()) -
                   std::chrono::duration_cast<Duration>(ctx.monotonic().time_since_epoch());
        };
        Duration const before = ahead();
        MonotonicTime const end = ctx.monotonic() + wait;
        while (ctx.check() && ctx.monotonic() < end && std::chrono::abs(ahead() - before) < kPut) {
            Duration const nap = std::min<Duration>(kAskEvery, end - ctx.monotonic());
            if (co_await changed.wait(ctx.with_timeout(nap))) co_return;
        }
    }

    Task<void> run(Context ctx, std::function<bool(std::string_view)> trusted) {
        async::Scope scope(ctx);
        scope.spawn(secret.run(scope.context()));
        while (ctx.check()) {
            changed.reset();
            Status fine;
            if (secret.synced()) fine = co_await follow_authority(ctx);
            if (!ctx.check()) break;
            if (std::string now = bundle(ctx.now()); now != told) {
                told = std::move(now);
                if (on_bundle) on_bundle(told);
            }
            Status const shown = follow_certificate(ctx, trusted(authority.keys.certificate_pem));
            if (fine) fine = shown;
            if (!fine)
                ctx.log().warning("a certificate stays as it is",
                                  {{"of", options.request.common_name}, {"error", fine.error().message()}});
            Duration const wait = fine ? until_next(ctx) : kRetry;
            co_await rest(ctx, wait);
        }
        co_await scope.cancel_and_join();
    }
};

Result<std::unique_ptr<Certificate>> Certificate::create(client::Client client, Options options, Authority authority,
                                                         Time now) {
    auto impl = std::make_unique<Impl>(std::move(client), std::move(options), std::move(authority));
    TRY(impl->issue(crypto::KeyPair(impl->authority.keys), now));
    impl->told = impl->bundle(now);
    return std::unique_ptr<Certificate>(new Certificate(std::move(impl)));
}

Certificate::Certificate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Certificate::~Certificate() = default;

crypto::KeyPair const& Certificate::pair() const { return impl_->pair; }
std::string Certificate::bundle() const { return impl_->told; }
crypto::KeyPair const& Certificate::issuer() const { return impl_->issuer; }

void Certificate::on_pair(std::function<void(Context const&, crypto::KeyPair const&)> changed) {
    impl_->on_pair = std::move(changed);
}

void Certificate::on_bundle(std::function<void(std::string const&)> changed) { impl_->on_bundle = std::move(changed); }

void Certificate::look() { impl_->changed.set(); }

Task<void> Certificate::run(Context ctx, std::function<bool(std::string_view)> trusted) {
    co_await impl_->run(ctx, std::move(trusted));
}

}   // namespace aviary::webhook
