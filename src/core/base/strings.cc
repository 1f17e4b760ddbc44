#include "core/base/strings.h"

#include <array>
#include <charconv>

namespace aviary {

namespace {

char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}   // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    if (text.empty()) return parts;
    std::size_t start = 0;
    while (true) {
        std::size_t const end = text.find(separator, start);
        parts.push_back(text.substr(start, end - start));
        if (end == std::string_view::npos) return parts;
        start = end + 1;
    }
}

std::string join(std::span<std::string const> parts, std::string_view separator) {
    std::string text;
    for (std::size_t index = 0; index < parts.size(); ++index) {
        if (index > 0) text += separator;
        text += parts[index];
    }
    return text;
}

std::string_view trim(std::string_view text) {
    auto const blank = [](char letter) { return letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

bool is_utf8(std::string_view text) {
    auto const* at = reinterpret_cast<unsigned char const*>(text.data());
    auto const* const end = at + text.size();
    while (at != end) {
        unsigned char const lead = *at++;
        if (lead < 0x80) continue;
        int const more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0xc2 || lead > 0xf4 || end - at < more) return false;
        unsigned char const least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        unsigned char const most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        if (*at < least || *at > most) return false;
        for (int each = 1; each < more; ++each)
            if ((at[each] & 0xc0) != 0x80) return false;
        at += more;
    }
    return true;
}

std::string shortened(std::string_view text, std::size_t max_bytes) {
    if (text.size() <= max_bytes) return std::string(text);
    std::size_t end = max_bytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return std::string(text.substr(0, end)) + "…";
}

std::string to_lower(std::string_view text) {
    std::string result(text);
    for (char& letter : result) letter = lower(letter);
    return result;
}

bool iequals(std::string_view left, std::string_view right) {
    if (left.size() != right.size()) return false;
    for (std::size_t index = 0; index < left.size(); ++index) {
        if (lower(left[index]) != lower(right[index])) return false;
    }
    return true;
}

std::optional<std::int64_t> parse_int(std::string_view text) {
    std::int64_t value = 0;
    auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<HostPort> split_host_port(std::string_view text) {
    std::string_view host = text.substr(0, text.find(':'));
    std::string_view rest = text.substr(host.size());
    if (text.starts_with('[')) {
        std::size_t const end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        host = text.substr(1, end - 1);
        rest = text.substr(end + 1);
    }
    if (rest.empty()) return HostPort{std::string(host), std::nullopt};
    if (!rest.starts_with(':')) return std::nullopt;
    return HostPort{std::string(host), std::string(rest.substr(1))};
}

std::string join_host_port(std::string_view host, std::string_view port) {
    bool const numeric6 = host.contains(':');
    return std::string(numeric6 ? "[" : "").append(host).append(numeric6 ? "]:" : ":").append(port);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    auto const port = parse_int(text);
    if (!port || *port < 1 || *port > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*port);
}

std::string hex(std::span<unsigned char const> bytes) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (unsigned char byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 0xf];
    }
    return text;
}

std::string base64_encode(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t index = 0; index < bytes.size(); index += 3) {
        std::size_t const count = std::min<std::size_t>(3, bytes.size() - index);
        unsigned group = 0;
        for (std::size_t offset = 0; offset < 3; ++offset) {
            group = group << 8 | (offset < count ? static_cast<unsigned char>(bytes[index + offset]) : 0U);
        }
        for (std::size_t offset = 0; offset < 4; ++offset) {
            text += offset <= count ? kBase64[(group >> (18 - 6 * offset)) & 63] : '=';
        }
    }
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    static constexpr auto kValues = [] {
        std::array<signed char, 256> values{};
        values.fill(-1);
        for (std::size_t index = 0; index < kBase64.size(); ++index) {
            values[static_cast<unsigned char>(kBase64[index])] = static_cast<signed char>(index);
        }
        return values;
    }();
    std::string bytes;
    unsigned group = 0;
    int bits = 0;
    std::size_t padding = 0;
    std::size_t digits = 0;
    for (char letter : text) {
        if (letter == '\n' || letter == '\r') continue;
        ++digits;
        if (letter == '=') {
            ++padding;
            continue;
        }
        int const value = kValues[static_cast<unsigned char>(letter)];
        if (value < 0 || padding > 0) return std::nullopt;
        group = group << 6 | static_cast<unsigned>(value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes += static_cast<char>(group >> bits & 0xff);
        }
    }
    if (digits % 4 != 0 || padding > 2) return std::nullopt;
    return bytes;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t index = 0; index < text.size(); ++index) {
        if (text[index] == '+' && plus_is_space) {
            result += ' ';
        } else if (text[index] == '%') {
            if (index + 2 >= text.size()) return std::nullopt;
            int const high = hex_value(text[index + 1]);
            int const low = hex_value(text[index + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            result += static_cast<char>(high * 16 + low);
            index += 2;
        } else {
            result += text[index];
        }
    }
    return result;
}

std::string percent_encode(std::string_view text) {
    static constexpr std::string_view kDigits = "0123456789ABCDEF";
    static constexpr std::string_view kUnreserved = "-._~";
    std::string result;
    for (char letter : text) {
        bool const plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                           (letter >= '0' && letter <= '9') || kUnreserved.contains(letter);
        if (plain) {
            result += letter;
        } else {
            result += '%';
            result += kDigits[static_cast<unsigned char>(letter) >> 4];
            result += kDigits[static_cast<unsigned char>(letter) & 0xf];
        }
    }
    return result;
}

std::uint32_t fnv1a_32(std::string_view text) {
    std::uint32_t hash = 2166136261U;
    for (char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 16777619U;
    return hash;
}

std::uint64_t fnv1a_64(std::string_view text) {
    std::uint64_t hash = 14695981039346656037U;
    for (char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211U;
    return hash;
}

}   // namespace aviary
