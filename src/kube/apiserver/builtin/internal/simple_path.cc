#include "kube/apiserver/builtin/internal/simple_path.h"

#include <string>

#include "core/base/strings.h"
#include "core/json/write.h"

namespace aviary::builtin::internal {

namespace {

// Filters compare with ==; other operators match nothing.
bool matches(json::Doc const& element, std::string_view filter) {
    std::size_t at = filter.find("==");
    if (at == std::string_view::npos) return first_at(element, trim(filter).substr(1)).exists();
    std::string_view left = trim(filter.substr(0, at));
    std::string_view right = trim(filter.substr(at + 2));
    if (!left.starts_with("@")) return false;
    json::Doc value = first_at(element, left.substr(1));
    if (!value.exists()) return false;
    if (right.size() >= 2 && (right.front() == '"' || right.front() == '\'')) {
        return value.is_string() && value.as_string() == right.substr(1, right.size() - 2);
    }
    return json::write(value) == right;
}

json::Doc in_brackets(json::Doc const& value, std::string_view inner, std::string_view rest) {
    if (inner == "*" || inner.starts_with("?(")) {
        std::string_view filter = inner == "*" ? std::string_view() : inner.substr(2, inner.size() - 3);
        auto try_element = [&](json::Doc const& element) {
            return filter.empty() || matches(element, filter) ? first_at(element, rest) : json::Doc();
        };
        for (auto [_, element] : value.elements()) {
            if (json::Doc found = try_element(element); found.exists()) return found;
        }
        for (auto [_, element] : value.members()) {
            if (json::Doc found = try_element(element); found.exists()) return found;
        }
        return {};
    }
    if (inner.size() >= 2 && (inner.front() == '\'' || inner.front() == '"')) {
        return first_at(value[inner.substr(1, inner.size() - 2)], rest);
    }
    auto index = parse_int(inner);
    if (!index) return {};
    std::int64_t position = *index < 0 ? *index + static_cast<std::int64_t>(value.size()) : *index;
    return position < 0 ? json::Doc() : first_at(value.element(static_cast<std::size_t>(position)), rest);
}

// The end of [...], minding quotes.
std::size_t closing(std::string_view path) {
    char quote = 0;
    for (std::size_t i = 1; i < path.size(); ++i) {
        if (quote != 0) {
            if (path[i] == quote) quote = 0;
        } else if (path[i] == '\'' || path[i] == '"') {
            quote = path[i];
        } else if (path[i] == ']') {
            return i;
        }
    }
    return std::string_view::npos;
}

}   // namespace

json::Doc first_at(json::Doc const& root, std::string_view path) {
    if (path.starts_with("{") && path.ends_with("}")) path = path.substr(1, path.size() - 2);
    if (!root.exists() || path.empty() || path == ".") return root;
    if (path[0] == '[') {
        std::size_t end = closing(path);
        if (end == std::string_view::npos || end < 2) return {};
        return in_brackets(root, trim(path.substr(1, end - 1)), path.substr(end + 1));
    }
    if (path[0] != '.') return {};
    path.remove_prefix(1);
    if (!path.empty() && path[0] == '[') return first_at(root, path);
    // A dot of the key itself is written as \. in paths.
    std::string key;
    std::size_t i = 0;
    for (; i < path.size() && path[i] != '.' && path[i] != '['; ++i) {
        if (path[i] == '\\' && i + 1 < path.size()) ++i;
        key += path[i];
    }
    if (key == "*") return in_brackets(root, key, path.substr(i));
    return first_at(root[key], path.substr(i));
}

}   // namespace aviary::builtin::internal
