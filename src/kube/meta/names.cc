#include "kube/meta/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"

namespace aviary::meta {

namespace {

bool lower_or_digit(char letter) { return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9'); }
bool letter_or_digit(char letter) { return lower_or_digit(letter) || (letter >= 'A' && letter <= 'Z'); }

bool dns_label(std::string_view text) {
    return !text.empty() && lower_or_digit(text.front()) && lower_or_digit(text.back()) &&
           std::ranges::all_of(text, [](char letter) { return lower_or_digit(letter) || letter == '-'; });
}

bool qualified(std::string_view text) {
    return !text.empty() && letter_or_digit(text.front()) && letter_or_digit(text.back()) &&
           std::ranges::all_of(text, [](char letter) {
               return letter_or_digit(letter) || letter == '-' || letter == '_' || letter == '.';
           });
}

std::string too_long(std::size_t limit) { return fmt::format("must be no more than {} characters", limit); }

}   // namespace

std::optional<std::string> dns1123_label_problem(std::string_view text) {
    if (text.size() > 63) return too_long(63);
    if (dns_label(text)) return std::nullopt;
    return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
           "end with an alphanumeric "
           "character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
}

std::optional<std::string> dns1123_subdomain_problem(std::string_view text) {
    if (text.size() > 253) return too_long(253);
    auto const labels = split(text, '.');
    if (!text.empty() && std::ranges::all_of(labels, dns_label)) return std::nullopt;
    return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
           "start and end with an "
           "alphanumeric character (e.g. 'example.com', regex used for validation is "
           "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

std::optional<std::string> path_segment_problem(std::string_view text) {
    if (text == "." || text == "..") return fmt::format("may not be '{}'", text);
    if (text.contains('/')) return "may not contain '/'";
    if (text.contains('%')) return "may not contain '%'";
    return std::nullopt;
}

std::optional<std::string> label_key_problem(std::string_view text) {
    std::size_t const slash = text.find('/');
    std::string_view name = text;
    if (slash != std::string_view::npos) {
        if (auto const problem = dns1123_subdomain_problem(text.substr(0, slash))) return "prefix part " + *problem;
        name = text.substr(slash + 1);
    }
    if (name.empty()) return "name part must be non-empty";
    if (name.size() > 63) return "name part " + too_long(63);
    if (qualified(name)) return std::nullopt;
    return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
           "alphanumeric character (e.g. "
           "'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
           "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
}

std::optional<std::string> label_value_problem(std::string_view text) {
    if (text.size() > 63) return too_long(63);
    if (text.empty() || qualified(text)) return std::nullopt;
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
           "start and end with an "
           "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
           "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

std::string fitting_name(std::string name) {
    constexpr std::size_t kLongest = 253;   // a DNS subdomain
    if (name.size() <= kLongest) return name;
    std::string const hash = fmt::format("{:016x}", fnv1a_64(name));
    name.resize(kLongest - hash.size() - 1);
    // Behind these nothing may follow but the end of a label.
    while (name.ends_with('.') || name.ends_with('-')) name.pop_back();
    return name + "-" + hash;
}

}   // namespace aviary::meta
