#include "hub/link/enrolment.h"

#include <fmt/format.h>

#include <utility>

#include "apis/cluster/managed_cluster.h"
#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "kube/client/informer.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"

namespace aviary::link {

namespace {

using apis::LinkAnswer;
using apis::LinkHello;
using json::Array;
using json::Doc;
using json::Object;
using json::Value;

meta::GroupVersionResource const kRequests{"certificates.k8s.io", "v1", "certificatesigningrequests"};
meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
constexpr Duration kAnswerAtMost = std::chrono::seconds(10);

LinkAnswer refused(std::string why) { return {std::string(apis::link_outcome::kRefused), "", "", std::move(why)}; }

// One request one name: an agent that asks again goes on with what it asked before.
std::string request_name(LinkHello const& hello) {
    return fmt::format("aviary-agent-{}-{}", hello.cluster, crypto::sha256_hex(hello.request).substr(0, 16));
}

bool settled(Doc const& object) {
    return meta::condition_is_true(object, "Approved") || meta::condition_is_true(object, "Denied") ||
           meta::condition_is_true(object, "Failed");
}

// A person who denies is never overruled.
std::string denial(Doc const& object) {
    for (char const* type : {"Denied", "Failed"}) {
        if (!meta::condition_is_true(object, type)) continue;
        std::string const message = meta::condition(object, type)["message"].string();
        return fmt::format("certificatesigningrequest {} is {}{}; when it is deleted on the hub, the agent asks again",
                           meta::name(object), to_lower(type), message.empty() ? "" : ": " + message);
    }
    return {};
}

crypto::CertificateRequest certificate_of(std::string const& cluster) {
    crypto::CertificateRequest request;
    request.common_name = apis::agent_name(cluster);
    request.validity = kCertificateLasts;
    return request;
}

}   // namespace

std::string token_name(std::string_view cluster) { return std::string("agent-token-").append(cluster); }

std::string refusal(Doc const& managed_cluster, LinkHello const& hello) {
    if (!managed_cluster.exists() || !apis::reached_by_link(managed_cluster)) {
        return fmt::format("no cluster {} joins this fleet by an agent: `aviary join {} --agent` on the hub",
                           hello.cluster, hello.cluster);
    }
    if (!managed_cluster.at({"spec", "hubAcceptsClient"}).as_bool())
        return fmt::format("the hub does not accept {}: spec.hubAcceptsClient of its ManagedCluster", hello.cluster);
    std::string const known = meta::annotation(managed_cluster, apis::kClusterUid);
    if (known.empty() || known == hello.cluster_uid) return {};
    return fmt::format(
        "{} is another cluster in this fleet (kube-system has uid {} there, and {} here): `aviary join {} --agent "
        "--replace` on the hub makes it stand for this one",
        hello.cluster, known, hello.cluster_uid, hello.cluster);
}

std::string token_refusal(Doc const& secret, LinkHello const& hello, Time now) {
    std::string const token = base64_decode(secret.at({"data", "token"}).as_string()).value_or("");
    auto const ends = parse_rfc3339(meta::annotation(secret, kTokenEnds));
    // Whoever does not have it does not hear whether there is one.
    bool const right = !token.empty() && crypto::constant_time_equal(token, hello.token);
    if (right && ends && now < *ends) return {};
    return fmt::format("the token of {} is {}: `aviary join {} --agent` on the hub makes another", hello.cluster,
                       right ? "over" : "not the hub's", hello.cluster);
}

Enrolment::Enrolment(client::Client hub, std::string ns, crypto::KeyPair authority, std::string bundle)
    : hub_(std::move(hub)), ns_(std::move(ns)), authority_(std::move(authority)), bundle_(std::move(bundle)) {}

Result<std::string> Enrolment::sign(LinkHello const& hello, Time now) const {
    return crypto::sign(authority_, hello.request, certificate_of(hello.cluster), now);
}

// Of the object that stands for what this agent asks; absent where the hub's API server has none of the kind.
Task<Result<Doc>> Enrolment::request_object(Context ctx, LinkHello const& hello, std::string name) {
    std::string const request = base64_encode(hello.request);
    Value object{Object{{"apiVersion", "certificates.k8s.io/v1"}, {"kind", "CertificateSigningRequest"}}};
    object.set({"metadata", "name"}, name);
    object["spec"] =
        Object{{"request", request}, {"signerName", std::string(kSigner)}, {"usages", Array{"client auth"}}};
    auto made = co_await hub_.create(ctx, kRequests, std::move(object));
    if (!made && made.error().is(ErrorCode::kNotFound)) co_return Doc();
    if (!made && made.error().is(ErrorCode::kAlreadyExists)) made = co_await hub_.get(ctx, kRequests, {"", name});
    if (!made) co_return std::unexpected(made.error().context("certificatesigningrequest " + name));
    bool const ours =
        made->at({"spec", "request"}).as_string() == request && made->at({"spec", "signerName"}).as_string() == kSigner;
    if (!ours)
        co_return fail(ErrorCode::kConflict, fmt::format("certificatesigningrequest {} is not the agent's", name));
    co_return made;
}

Task<Result<Doc>> Enrolment::approve(Context ctx, Doc object) const {
    Value approved = object.thaw();
    Value conditions = object.at({"status", "conditions"}).thaw();
    meta::set_condition(conditions, "Approved", "True", "TokenOfItsCluster", "The agent showed its cluster's token.",
                        ctx.now());
    approved.set({"status", "conditions"}, std::move(conditions));
    client::WriteOptions options;
    options.subresource = "approval";
    co_return co_await hub_.update(ctx, kRequests, std::move(approved), options);
}

// The object once somebody has decided on it; an Error when it goes, or the context stops first.
Task<Result<Doc>> Enrolment::settled(Context ctx, Doc object) const {
    client::Informer informer(hub_, kRequests, client::only({"", meta::name(object)}));
    async::Event changed;
    informer.on_change([&](client::Change const& change) {
        object = change.after;
        changed.notify();
    });
    async::Scope scope(ctx);
    scope.spawn(informer.run(scope.context()));
    Status open;
    while (open && object.exists() && !link::settled(object)) open = co_await changed.wait(ctx);
    co_await scope.cancel_and_join();
    if (!open) co_return std::unexpected(open.error());
    if (!object.exists()) co_return fail(ErrorCode::kNotFound, "the signing request is gone");
    co_return object;
}

// The first that joins under a name is the cluster of that name.
Task<Status> Enrolment::keep_identity(Context ctx, Doc managed_cluster, LinkHello const& hello) const {
    if (!meta::annotation(managed_cluster, apis::kClusterUid).empty()) co_return Status{};
    Value patch{Object()};
    patch.set({"metadata", "annotations", apis::kClusterUid}, hello.cluster_uid);
    patch.set({"metadata", "resourceVersion"}, meta::resource_version(managed_cluster));
    auto const kept = co_await hub_.patch(ctx, apis::kManagedClusters, {"", hello.cluster}, client::PatchType::kMerge,
                                          std::move(patch));
    if (!kept) co_return std::unexpected(kept.error().context("managedcluster " + hello.cluster));
    co_return Status{};
}

// An API server keeps the first certificate of a request for good: an agent that did not get it gets it again.
Task<Result<std::string>> Enrolment::issue(Context ctx, Doc object, LinkHello const& hello) const {
    std::string const issued = base64_decode(object.at({"status", "certificate"}).as_string()).value_or("");
    if (!issued.empty()) co_return issued;
    CO_TRY_ASSIGN(std::string certificate, sign(hello, ctx.now()));
    if (object.exists()) {
        Value with = object.thaw();
        with.set({"status", "certificate"}, base64_encode(certificate));
        client::WriteOptions options;
        options.subresource = "status";
        CO_TRY(co_await hub_.update(ctx, kRequests, std::move(with), options));
    }
    co_return certificate;
}

Task<Result<LinkAnswer>> Enrolment::enrol(Context ctx, LinkHello hello, Waiting waiting) {
    if (meta::dns1123_label_problem(hello.cluster)) co_return refused("the agent names no cluster");
    if (hello.cluster_uid.empty()) co_return refused("the agent does not say which cluster it is of");
    auto const named = crypto::common_name_of(hello.request);
    if (!named || *named != apis::agent_name(hello.cluster))
        co_return refused("the agent asks for no certificate of its own");
    Context const limited = ctx.with_timeout(kAnswerAtMost);
    CO_TRY_ASSIGN(Doc const secret, co_await hub_.find(limited, kSecrets, {ns_, token_name(hello.cluster)}));
    if (std::string why = token_refusal(secret, hello, ctx.now()); !why.empty()) co_return refused(std::move(why));
    CO_TRY_ASSIGN(Doc cluster, co_await hub_.find(limited, apis::kManagedClusters, {"", hello.cluster}));
    if (std::string why = refusal(cluster, hello); !why.empty()) co_return refused(std::move(why));

    bool const manual = meta::annotation(secret, kApprove) == kManual;
    CO_TRY_ASSIGN(Doc object, co_await request_object(limited, hello, request_name(hello)));
    if (!object.exists() && manual)
        co_return refused("a person is to approve, and the hub's API server has no CertificateSigningRequests");
    if (object.exists() && !link::settled(object) && !manual) {
        CO_TRY_ASSIGN(object, co_await approve(limited, std::move(object)));
    }
    if (object.exists() && !link::settled(object)) {
        std::string what =
            fmt::format("`kubectl certificate approve {}` on the hub lets {} in", meta::name(object), hello.cluster);
        CO_TRY(co_await waiting(limited, {std::string(apis::link_outcome::kWaiting), "", "", std::move(what)}));
        CO_TRY_ASSIGN(object, co_await settled(ctx, std::move(object)));
        CO_TRY_ASSIGN(cluster,
                      co_await hub_.find(ctx.with_timeout(kAnswerAtMost), apis::kManagedClusters, {"", hello.cluster}));
        if (std::string why = refusal(cluster, hello); !why.empty()) co_return refused(std::move(why));
    }
    if (std::string why = denial(object); !why.empty()) co_return refused(std::move(why));

    Context const last = ctx.with_timeout(kAnswerAtMost);
    CO_TRY(co_await keep_identity(last, cluster, hello));
    CO_TRY_ASSIGN(std::string certificate, co_await issue(last, std::move(object), hello));
    joined_.insert(hello.cluster);
    ctx.log().info("a certificate for an agent", {{"cluster", hello.cluster}, {"uid", hello.cluster_uid}});
    co_return LinkAnswer{std::string(apis::link_outcome::kCertificate), std::move(certificate), bundle_, ""};
}

Task<Result<LinkAnswer>> Enrolment::welcome(Context ctx, std::string cluster, LinkHello hello) {
    if (hello.cluster != cluster)
        co_return refused(
            fmt::format("the certificate is of {}, the agent says that it is of {}", cluster, hello.cluster));
    Context const limited = ctx.with_timeout(kAnswerAtMost);
    CO_TRY_ASSIGN(Doc const object, co_await hub_.find(limited, apis::kManagedClusters, {"", cluster}));
    if (std::string why = refusal(object, hello); !why.empty()) co_return refused(std::move(why));
    // Made anew, or taken over: whoever had the name before may be another cluster.
    if (meta::annotation(object, apis::kClusterUid).empty()) {
        co_return refused(fmt::format(
            "{} is to join with its token: apply what `aviary join {} --agent` on the hub prints", cluster, cluster));
    }
    // Before its first link, another hub may have let it in.
    if (joined_.erase(cluster) > 0 || !meta::condition_is_true(object, apis::kClusterJoined)) {
        Status const spent = co_await hub_.remove(limited, kSecrets, {ns_, token_name(cluster)});
        if (!spent && !spent.error().is(ErrorCode::kNotFound))
            ctx.log().warning("a spent token is kept", {{"cluster", cluster}, {"error", spent.error().message()}});
    }
    if (hello.request.empty()) co_return LinkAnswer{std::string(apis::link_outcome::kLinked), "", bundle_, ""};
    auto certificate = sign(hello, ctx.now());
    if (!certificate) co_return refused(certificate.error().message());
    co_return LinkAnswer{std::string(apis::link_outcome::kCertificate), std::move(*certificate), bundle_, ""};
}

}   // namespace aviary::link
