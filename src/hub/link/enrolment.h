// Who may link: an agent joins with a short-lived token of its cluster, and gets a certificate for the key it asks
// with; with that it links from then on. What it asks for is kept as a CertificateSigningRequest of the hub, approved
// with the token or by a person. Lives on the hub's loop.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "apis/fleet/link.h"
#include "core/async/task.h"
#include "core/crypto/certificate.h"
#include "kube/client/client.h"

namespace aviary::link {

// signerName of the CertificateSigningRequests.
inline constexpr std::string_view kSigner = "fleet.aviary.dev/agent";
// "agent-token-beijing": the Secret with the token that a cluster joins with, in the hub's namespace.
std::string token_name(std::string_view cluster);
// On that Secret: until when it counts (RFC 3339), and Manual where a person approves (`kubectl certificate approve`).
inline constexpr std::string_view kTokenEnds = "fleet.aviary.dev/token-ends";
inline constexpr std::string_view kApprove = "fleet.aviary.dev/approve";
inline constexpr std::string_view kManual = "Manual";

// Of a certificate; the agent asks for the next when two thirds have passed.
inline constexpr Duration kCertificateLasts = std::chrono::hours(24 * 90);

// Why a cluster cannot be linked; empty: it can. Pure.
std::string refusal(json::Doc const& managed_cluster, apis::LinkHello const& hello);
// Why somebody without a certificate cannot join; empty: the token is right. Pure.
std::string token_refusal(json::Doc const& secret, apis::LinkHello const& hello, Time now);

class Enrolment {
public:
    // Agents' certificates are under the authority; the bundle (PEM) is what they are to trust of the hub, itself and
    // those that come next or were before.
    Enrolment(client::Client hub, std::string ns, crypto::KeyPair authority, std::string bundle);

    // What is waited for, before the answer itself comes.
    using Waiting = std::function<Task<Status>(Context, apis::LinkAnswer)>;
    // Of one without a certificate: Certificate or Refused. An Error when the hub's API does not answer, or the context
    // stops while a person is waited for.
    Task<Result<apis::LinkAnswer>> enrol(Context ctx, apis::LinkHello hello, Waiting waiting);
    // Of one that has shown the certificate of this cluster: Linked, Certificate (it is linked too), or Refused.
    Task<Result<apis::LinkAnswer>> welcome(Context ctx, std::string cluster, apis::LinkHello hello);

private:
    Task<Result<json::Doc>> request_object(Context ctx, apis::LinkHello const& hello, std::string name);
    Task<Result<json::Doc>> approve(Context ctx, json::Doc object) const;
    Task<Result<json::Doc>> settled(Context ctx, json::Doc object) const;
    Task<Result<std::string>> issue(Context ctx, json::Doc object, apis::LinkHello const& hello) const;
    Result<std::string> sign(apis::LinkHello const& hello, Time now) const;
    Task<Status> keep_identity(Context ctx, json::Doc managed_cluster, apis::LinkHello const& hello) const;

    client::Client hub_;
    std::string ns_;
    crypto::KeyPair authority_;
    std::string bundle_;
    std::set<std::string> joined_;   // whose token is spent as soon as the certificate is used
};

}   // namespace aviary::link
