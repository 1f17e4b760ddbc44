#include "core/crypto/certificate.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <span>

#include "core/base/check.h"
#include "core/base/strings.h"

namespace aviary::crypto {

namespace {

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* pointer) const {
        Free(pointer);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Request = std::unique_ptr<X509_REQ, Deleter<X509_REQ_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

std::unexpected<Error> openssl_error(std::string_view what) {
    char text[256] = "unknown";
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    return fail(ErrorCode::kInternal, fmt::format("{}: {}", what, text));
}

std::string read_all(BIO* bio) {
    char* data = nullptr;
    long const size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string to_pem(X509* certificate) {
    Bio const bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), certificate);
    return read_all(bio.get());
}

std::string to_pem(X509_REQ* request) {
    Bio const bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_REQ(bio.get(), request);
    return read_all(bio.get());
}

std::string to_pem(EVP_PKEY* key) {
    Bio const bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    return read_all(bio.get());
}

bool add_extension(X509* certificate, X509* issuer, int nid, std::string const& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    if (extension == nullptr) return false;
    bool const added = X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

void add_name(X509_NAME* name, char const* field, std::string const& value) {
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<unsigned char const*>(value.data()),
                               static_cast<int>(value.size()), -1, 0);
}

// A certificate without issuer and signature.
Result<Certificate> blank(EVP_PKEY* key, Time now, Duration validity) {
    Certificate certificate(X509_new());
    X509_set_version(certificate.get(), 2);
    std::string const serial = random_bytes(16);
    BIGNUM* const number =
        BN_bin2bn(reinterpret_cast<unsigned char const*>(serial.data()), static_cast<int>(serial.size()), nullptr);
    BN_clear_bit(number, 127);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
    BN_free(number);
    auto const seconds = [](Time time) {
        return static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count());
    };
    ASN1_TIME_set(X509_getm_notBefore(certificate.get()), seconds(now - std::chrono::hours(1)));
    ASN1_TIME_set(X509_getm_notAfter(certificate.get()), seconds(now + validity));
    if (X509_set_pubkey(certificate.get(), key) != 1) return openssl_error("setting the public key");
    return certificate;
}

Certificate read_certificate(std::string_view pem) {
    Bio const bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

Key read_key(std::string_view pem) {
    Bio const bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

// Empty when there is none.
std::string common_name_of(X509_NAME* name) {
    int const at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0) return {};
    ASN1_STRING* const text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    return {reinterpret_cast<char const*>(ASN1_STRING_get0_data(text)),
            static_cast<std::size_t>(ASN1_STRING_length(text))};
}

Result<Time> time_of(ASN1_TIME const* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return openssl_error("reading the dates");
    return Time(std::chrono::seconds(timegm(&parts)));
}

// The certificate, if the key is its own.
Result<Certificate> read_pair(KeyPair const& pair) {
    Certificate certificate = read_certificate(pair.certificate_pem);
    if (!certificate) return openssl_error("reading the certificate");
    Key const key = read_key(pair.key_pem);
    if (!key) return openssl_error("reading the key");
    if (X509_check_private_key(certificate.get(), key.get()) != 1)
        return openssl_error("the key does not belong to the certificate");
    return certificate;
}

// Whoever made it has the key, or it is none.
Result<Request> read_request(std::string_view pem) {
    Bio const bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    Request request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
    if (!request) return openssl_error("reading the signing request");
    EVP_PKEY* const key = X509_REQ_get0_pubkey(request.get());
    if (key == nullptr || X509_REQ_verify(request.get(), key) != 1)
        return openssl_error("the signing request is not signed with its own key");
    return request;
}

// The certificate of a key, in PEM.
Result<std::string> signed_by(KeyPair const& authority, EVP_PKEY* key, CertificateRequest const& request, Time now) {
    Certificate const issuer = read_certificate(authority.certificate_pem);
    Key const issuer_key = read_key(authority.key_pem);
    if (!issuer || !issuer_key) return openssl_error("reading the authority");
    Certificate certificate = TRY(blank(key, now, request.validity));
    X509_NAME* const name = X509_get_subject_name(certificate.get());
    for (std::string const& organisation : request.organisations) add_name(name, "O", organisation);
    add_name(name, "CN", request.common_name);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
    std::string alternatives;
    for (std::string const& dns : request.dns_names) alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + dns;
    for (std::string const& address : request.addresses)
        alternatives += (alternatives.empty() ? "IP:" : ",IP:") + address;
    bool const server = !alternatives.empty();
    bool extended =
        add_extension(certificate.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(certificate.get(), issuer.get(), NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
        add_extension(certificate.get(), issuer.get(), NID_ext_key_usage, server ? "serverAuth" : "clientAuth") &&
        add_extension(certificate.get(), issuer.get(), NID_authority_key_identifier, "keyid");
    if (server)
        extended = extended && add_extension(certificate.get(), issuer.get(), NID_subject_alt_name, alternatives);
    if (!extended || X509_sign(certificate.get(), issuer_key.get(), EVP_sha256()) == 0)
        return openssl_error("signing a certificate");
    return to_pem(certificate.get());
}

}   // namespace

void add_host(CertificateRequest& request, std::string host) {
    bool const numeric = host.find_first_not_of("0123456789.") == std::string::npos || host.contains(':');
    (numeric ? request.addresses : request.dns_names).push_back(std::move(host));
}

Result<KeyPair> create_authority(std::string_view common_name, Time now, Duration validity) {
    Key const key(EVP_EC_gen("P-256"));
    if (!key) return openssl_error("creating a key");
    Certificate certificate = TRY(blank(key.get(), now, validity));
    X509_NAME* const name = X509_get_subject_name(certificate.get());
    add_name(name, "CN", std::string(common_name));
    X509_set_issuer_name(certificate.get(), name);
    bool const extended =
        add_extension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE") &&
        add_extension(certificate.get(), certificate.get(), NID_key_usage,
                      "critical,keyCertSign,cRLSign,digitalSignature") &&
        add_extension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash");
    if (!extended || X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0)
        return openssl_error("signing the authority");
    return KeyPair{to_pem(certificate.get()), to_pem(key.get())};
}

Result<KeyPair> issue(KeyPair const& authority, CertificateRequest const& request, Time now) {
    Key const key(EVP_EC_gen("P-256"));
    if (!key) return openssl_error("creating a key");
    return KeyPair{TRY(signed_by(authority, key.get(), request, now)), to_pem(key.get())};
}

Result<SigningRequest> create_signing_request(std::string_view common_name) {
    Key const key(EVP_EC_gen("P-256"));
    Request const request(X509_REQ_new());
    if (!key || !request) return openssl_error("creating a key");
    add_name(X509_REQ_get_subject_name(request.get()), "CN", std::string(common_name));
    if (X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
        X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0)
        return openssl_error("signing a request");
    return SigningRequest{to_pem(request.get()), to_pem(key.get())};
}

Result<std::string> common_name_of(std::string_view signing_request_pem) {
    Request const request = TRY(read_request(signing_request_pem));
    return common_name_of(X509_REQ_get_subject_name(request.get()));
}

Result<std::string> sign(KeyPair const& authority, std::string_view signing_request_pem,
                         CertificateRequest const& request, Time now) {
    Request const asked = TRY(read_request(signing_request_pem));
    return signed_by(authority, X509_REQ_get0_pubkey(asked.get()), request, now);
}

Result<Time> usable_until(KeyPair const& pair, std::string_view authority_pem) {
    Certificate const certificate = TRY(read_pair(pair));
    Certificate const authority = read_certificate(authority_pem);
    if (!authority) return openssl_error("reading the authority");
    if (X509_verify(certificate.get(), X509_get0_pubkey(authority.get())) != 1)
        return openssl_error("the certificate is not under this authority");
    return time_of(X509_get0_notAfter(certificate.get()));
}

Result<Life> life_of(KeyPair const& pair) {
    Certificate const certificate = TRY(read_pair(pair));
    return Life{common_name_of(X509_get_subject_name(certificate.get())),
                TRY(time_of(X509_get0_notBefore(certificate.get()))),
                TRY(time_of(X509_get0_notAfter(certificate.get())))};
}

Result<Time> ends_at(std::string_view certificate_pem) {
    Certificate const certificate = read_certificate(certificate_pem);
    if (!certificate) return openssl_error("reading the certificate");
    return time_of(X509_get0_notAfter(certificate.get()));
}

std::string lapse(std::string_view certificate_pem, Time now) {
    Certificate const certificate = read_certificate(certificate_pem);
    if (!certificate) return {};
    auto const begins = time_of(X509_get0_notBefore(certificate.get()));
    auto const ends = time_of(X509_get0_notAfter(certificate.get()));
    if (ends && *ends <= now) return fmt::format("ended at {}", format_rfc3339(*ends));
    if (begins && now < *begins)
        return fmt::format("begins at {}, and it is {} here: compare the clocks", format_rfc3339(*begins),
                           format_rfc3339(now));
    return {};
}

std::string sha256_hex(std::string_view bytes) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    // Looked up once: by name, each hash would ask every provider for it.
    static EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    AVIARY_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, nullptr, kSha256, nullptr) == 1);
    return hex(std::span(digest));
}

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    AVIARY_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) == 1);
    return bytes;
}

bool constant_time_equal(std::string_view left, std::string_view right) {
    return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}   // namespace aviary::crypto
