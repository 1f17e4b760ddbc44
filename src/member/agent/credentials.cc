#include "member/agent/credentials.h"

#include <fmt/format.h>

#include <utility>

#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "kube/meta/names.h"

namespace aviary::agent {

namespace {

using json::Doc;
using json::Object;
using json::Value;

std::string text(Doc const& secret, std::string_view key) {
    return base64_decode(secret.at({"data", key}).as_string()).value_or("");
}

Value secret(char const* name, std::string const& ns) {
    Value object{Object{{"apiVersion", "v1"}, {"kind", "Secret"}, {"type", "Opaque"}}};
    object.set({"metadata", "name"}, name);
    object.set({"metadata", "namespace"}, ns);
    return object;
}

std::unexpected<Error> lacks(std::string_view key, std::string_view what) {
    return fail(ErrorCode::kInvalid, fmt::format("secret {}: {}: {}", kGivenSecret, key, what));
}

}   // namespace

Result<Given> read_given(Doc const& secret) {
    if (!secret.exists()) {
        return fail(ErrorCode::kNotFound,
                    fmt::format("secret {} is missing: `aviary join NAME --agent` on the hub makes it", kGivenSecret));
    }
    Given given{.host = {},
                .authority = text(secret, "ca.crt"),
                .cluster = text(secret, "cluster"),
                .token = text(secret, "token")};
    auto const hub = split_host_port(text(secret, "hub"));
    auto const port = hub && hub->port ? parse_port(*hub->port) : std::nullopt;
    if (!port || hub->host.empty()) return lacks("hub", "it is to be HOST:PORT");
    given.host = hub->host;
    given.port = *port;
    if (given.authority.empty()) return lacks("ca.crt", "the hub's authority is to be there");
    if (auto const problem = meta::dns1123_label_problem(given.cluster)) return lacks("cluster", *problem);
    return given;
}

Value write_given(std::string const& hub, std::string const& authority, std::string const& cluster,
                  std::string const& token, std::string const& ns) {
    Value object = secret(kGivenSecret, ns);
    object["data"] = Object{{"hub", base64_encode(hub)},
                            {"ca.crt", base64_encode(authority)},
                            {"cluster", base64_encode(cluster)},
                            {"token", base64_encode(token)}};
    return object;
}

Own read_own(Doc const& secret) {
    return {text(secret, "tls.crt"), text(secret, "tls.key"), text(secret, "ca.crt"), text(secret, "next.csr"),
            text(secret, "next.key")};
}

Value write_own(Own const& own, std::string const& ns) {
    Value object = secret(kOwnSecret, ns);
    auto const put = [&object](char const* key, std::string const& value) {
        if (!value.empty()) object.set({"data", key}, base64_encode(value));
    };
    put("tls.crt", own.certificate);
    put("tls.key", own.key);
    put("ca.crt", own.authority);
    put("next.csr", own.next_request);
    put("next.key", own.next_key);
    return object;
}

Own renewed(Own own, apis::LinkAnswer const& answer) {
    own.certificate = answer.certificate;
    own.key = std::exchange(own.next_key, {});
    own.next_request.clear();
    if (!answer.authority.empty()) own.authority = answer.authority;
    return own;
}

bool brings_authority(Given const& given, Own const& own, apis::LinkAnswer const& answer) {
    std::string const& known = own.authority.empty() ? given.authority : own.authority;
    return answer.authority != known && crypto::ends_at(answer.authority).has_value();
}

Plan plan_of(Given const& given, Own const& own, Time now) {
    auto const life = crypto::life_of({own.certificate, own.key});
    // That of another name is of no use: it has been joined anew.
    bool const counts = life && life->common_name == apis::agent_name(given.cluster) && now < life->ends;
    if (!counts) return {};
    Time const renew_at = life->begins + (life->ends - life->begins) * 2 / 3;
    if (now < renew_at) return {Errand::kLink, renew_at};
    return {Errand::kRenew, life->ends};   // the next has come by then, and ends later
}

}   // namespace aviary::agent
