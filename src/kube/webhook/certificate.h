// Certificate: what a server of one replica shows those who dial it, under the authority that all replicas share: its
// webhooks to API servers, say. Made anew before it ends, and when the authority is another: then only after they trust
// that one, so that nobody is turned away. Lives on one loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/async/task.h"
#include "core/crypto/certificate.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"
#include "kube/webhook/authority.h"

namespace aviary::webhook {

// How long all API servers may take to trust what is registered.
inline constexpr Duration kTrustSettles = std::chrono::seconds(10);

class Certificate {
public:
    struct Options {
        meta::ObjectKey secret;   // of the authority, which ensure_authority() has read or made
        crypto::CertificateRequest request;
    };
    // Issues the first one.
    static Result<std::unique_ptr<Certificate>> create(client::Client client, Options options, Authority authority,
                                                       Time now);
    ~Certificate();

    crypto::KeyPair const& pair() const;
    // What API servers are to trust: the authority, and those of before that replicas may still show certificates of.
    std::string bundle() const;
    // Called when they have changed.
    void on_pair(std::function<void(Context const&, crypto::KeyPair const&)> changed);
    void on_bundle(std::function<void(std::string const& bundle)> changed);

    // Follows the Secret, makes the authority anew in its last month, and the certificate. `trusted` says whether API
    // servers have been told to trust an authority (PEM).
    Task<void> run(Context ctx, std::function<bool(std::string_view authority_pem)> trusted);
    // What is trusted may have changed.
    void look();
    // The authority that the certificate is under.
    crypto::KeyPair const& issuer() const;

private:
    struct Impl;
    explicit Certificate(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::webhook
