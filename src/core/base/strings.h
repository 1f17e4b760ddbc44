// Small text helpers that std lacks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aviary {

// split("a,b,,c", ',') gives {"a","b","","c"}; an empty text gives {}.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(std::span<std::string const> parts, std::string_view separator);
std::string_view trim(std::string_view text);
// As RFC 3629 has it: neither overlong nor a surrogate nor past the last plane.
bool is_utf8(std::string_view text);
// At most so many bytes of it, cut between UTF-8 characters, with "…" behind when something is missing.
std::string shortened(std::string_view text, std::size_t max_bytes);
std::string to_lower(std::string_view text);
bool iequals(std::string_view left, std::string_view right);    // ASCII, for header names
std::optional<std::int64_t> parse_int(std::string_view text);   // the whole text, decimal
// "host:443", "[fd00::1]:443" or a host alone: an address of IPv6, which has colons of its own, stands in brackets.
struct HostPort {
    std::string host;                  // without the brackets; may be empty
    std::optional<std::string> port;   // as it stands there
};
// Nothing when a bracket is not closed, or something else than a port stands behind it.
std::optional<HostPort> split_host_port(std::string_view text);
std::string join_host_port(std::string_view host, std::string_view port);
std::optional<std::uint16_t> parse_port(std::string_view text);   // 1 to 65535
std::string hex(std::span<unsigned char const> bytes);
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);
// Percent-decoding for paths and queries; `plus_is_space` for queries. Empty when malformed.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
std::string percent_encode(std::string_view text);   // everything but unreserved characters
// FNV-1a, for stable names and digests that are not security relevant.
std::uint32_t fnv1a_32(std::string_view text);
std::uint64_t fnv1a_64(std::string_view text);

}   // namespace aviary
