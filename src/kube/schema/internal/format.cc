#include <arpa/inet.h>

#include "core/base/strings.h"
#include "core/base/time.h"
#include "kube/schema/internal/node.h"

namespace aviary::schema::internal {

namespace {

bool is_address(std::string const& text, int family) {
    unsigned char parsed[sizeof(in6_addr)];
    return inet_pton(family, text.c_str(), parsed) == 1;
}

bool is_network(std::string const& text) {
    std::size_t const slash = text.find('/');
    if (slash == std::string::npos) return false;
    std::string const address = text.substr(0, slash);
    std::string_view const digits = std::string_view(text).substr(slash + 1);
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return false;
    auto const bits = parse_int(digits);
    if (!bits) return false;
    return (is_address(address, AF_INET) && *bits <= 32) || (is_address(address, AF_INET6) && *bits <= 128);
}

bool matches(std::string_view text, re2::RE2 const& pattern) {
    return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

}   // namespace

bool has_format(std::string_view text, std::string_view format) {
    if (format == "date-time" || format == "datetime") return parse_rfc3339(text).has_value();
    if (format == "date") return text.size() == 10 && parse_rfc3339(std::string(text) + "T00:00:00Z").has_value();
    if (format == "byte") return base64_decode(text).has_value();
    // A text may hold a zero byte, where a C string would end.
    if (format == "ipv4") return !text.contains('\0') && is_address(std::string(text), AF_INET);
    if (format == "ipv6") return !text.contains('\0') && is_address(std::string(text), AF_INET6);
    if (format == "cidr") return !text.contains('\0') && is_network(std::string(text));
    if (format == "uuid") {
        static re2::RE2 const kUuid("(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}");
        return matches(text, kUuid);
    }
    if (format == "duration") {
        static re2::RE2 const kDuration("0|[-+]?([0-9]*\\.?[0-9]+\\s*[A-Za-zµ]+\\s*)+");
        return matches(text, kDuration);
    }
    return true;
}

}   // namespace aviary::schema::internal
