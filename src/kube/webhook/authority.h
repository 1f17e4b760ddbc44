// The authority that a webhook's certificates are under: one for all replicas, kept in a Secret, made by whoever comes
// first and made anew before it ends.
#pragma once

#include <optional>
#include <string>

#include "core/async/task.h"
#include "core/crypto/certificate.h"
#include "core/json/doc.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::webhook {

struct Authority {
    crypto::KeyPair keys;
    // The one before: replicas may show certificates under it until they have another; may be empty.
    std::string previous_pem;
};

// What the Secret holds; empty when that cannot be used, ends within a month, or has not begun.
std::optional<Authority> usable_authority(json::Doc const& secret, Time now);

// The one in the Secret, or a new one, which stays there with the one before: that of the Secret, or `previous_pem`
// where there is none. An Error says why it cannot be read or written.
Task<Result<Authority>> ensure_authority(Context ctx, client::Client client, meta::ObjectKey secret,
                                         std::string previous_pem = {});

}   // namespace aviary::webhook
