// The authority that a webhook's certificates are under: one for all replicas, kept in a Secret, made by whoever comes
// first and made anew before it ends.
#pragma once

#include <string>

#include "core/async/task.h"
#include "core/crypto/certificate.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::webhook {

struct Authority {
    crypto::KeyPair keys;
    std::string
        previous_pem;   // the one before: replicas that started earlier show certificates under it; may be empty
    // What certificates may be under.
    std::string bundle() const { return keys.certificate_pem + previous_pem; }
};

// An Error says what of the Secret cannot be read, or why it cannot be written.
Task<Result<Authority>> ensure_authority(Context ctx, client::Client client, meta::ObjectKey secret);

}   // namespace aviary::webhook
