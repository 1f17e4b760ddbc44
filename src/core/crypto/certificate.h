// Certificates of our own authority: a CA, and server and client certificates under it (ECDSA P-256, PEM). OpenSSL ends
// here and in net/. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"

namespace aviary::crypto {

// A certificate and its private key; the key must never be logged.
struct KeyPair {
    std::string certificate_pem;
    std::string key_pem;
};

struct CertificateRequest {
    std::string common_name;
    std::vector<std::string> organisations;   // Kubernetes reads groups from here
    std::vector<std::string> dns_names;       // with addresses: a server certificate; without both: a client's
    std::vector<std::string> addresses;       // "127.0.0.1"
    Duration validity = std::chrono::hours(24 * 365);
};
// A name or an address, for a server's certificate.
void add_host(CertificateRequest& request, std::string host);

// Valid from an hour before `now`, for clocks that differ.
Result<KeyPair> create_authority(std::string_view common_name, Time now,
                                 Duration validity = std::chrono::hours(24 * 3650));
Result<KeyPair> issue(KeyPair const& authority, CertificateRequest const& request, Time now);

// Asks for a certificate (PKCS #10) of a key that stays where it was made.
struct SigningRequest {
    std::string request_pem;
    std::string key_pem;
};
Result<SigningRequest> create_signing_request(std::string_view common_name);
// Whom it names. An Error when it cannot be read, or whoever sends it does not have the key.
Result<std::string> common_name_of(std::string_view signing_request_pem);
// A certificate (PEM) of the key that is asked with; all else is as `request` has it, whatever was asked for.
Result<std::string> sign(KeyPair const& authority, std::string_view signing_request_pem,
                         CertificateRequest const& request, Time now);

// How long the pair can be used: when its certificate ends. An Error when one of the two cannot be read, they do not
// belong together, or the certificate is not under the authority (PEM; its own for an authority).
Result<Time> usable_until(KeyPair const& pair, std::string_view authority_pem);

struct Life {
    std::string common_name;
    Time begins, ends;
};
// Of a pair whose authority need not be at hand.
Result<Life> life_of(KeyPair const& pair);

// When the first certificate of the text ends; an Error when there is none.
Result<Time> ends_at(std::string_view certificate_pem);
// That it has ended, or has not begun because clocks differ, and when; empty when neither is so or there is none.
std::string lapse(std::string_view certificate_pem, Time now);

// Lower-case hex.
std::string sha256_hex(std::string_view bytes);
std::string random_bytes(std::size_t count);
// Takes the same time wherever the two differ.
bool constant_time_equal(std::string_view left, std::string_view right);

}   // namespace aviary::crypto
