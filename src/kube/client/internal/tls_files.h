// Certificates and a key in files that somebody replaces while we run: an authority that is followed by another, a
// client certificate before it ends. Lives on one loop.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.h"
#include "kube/client/kubeconfig.h"

namespace aviary::client {

// Where parts are, of those that are in files.
struct TlsPaths {
    std::string authority, certificate, key;
    bool none() const { return authority.empty() && certificate.empty() && key.empty(); }
};

// The parts as they are by now, beginning with these, which were read from there: the files are looked at each time,
// and read when one has changed. Files that are gone, of no certificate, or of a certificate and a key that do not
// belong together leave the last: they are being replaced one after the other.
std::function<TlsParts()> tls_files(TlsPaths paths, TlsParts parts);

}   // namespace aviary::client
