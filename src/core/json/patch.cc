#include "core/json/patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/base/strings.h"
#include "core/json/write.h"

namespace aviary::json {

namespace {

constexpr std::size_t kMaxOperations = 10'000;
constexpr std::size_t kMaxDepth = 128;   // as parse(): what follows recurses
// What `copy` and `move` may touch in all. A few copies of a document into itself double it each time.
constexpr std::size_t kMaxTouched = 1'000'000;

// The container that the last token of a pointer speaks of.
struct Place {
    Value* parent = nullptr;
    std::string token;
};

// What the operations so far have done beside looking.
struct Effort {
    std::size_t touched = 0;   // values copied or moved to another place
    std::size_t shifted = 0;   // neighbours that made way
};
constexpr std::size_t kMaxShifted = 100'000'000;

struct Extent {
    std::size_t values = 0;   // and each 64 bytes of text
    std::size_t depth = 0;
};

Extent measure(Value const& value) {
    Extent total{1 + value.as_string().size() / 64, 0};
    auto const below = [&](Value const& each) {
        Extent const extent = measure(each);
        total.values += extent.values;
        total.depth = std::max(total.depth, extent.depth + 1);
    };
    for (Value const& each : value.array()) below(each);
    for (auto const& [key, each] : value.object()) {
        total.values += key.size() / 64;
        below(each);
    }
    return total;
}

Value* child(Value& parent, std::string const& token) {
    if (parent.is_object()) return parent.find(token);
    if (!parent.is_array()) return nullptr;
    auto const index = parse_int(token);
    if (!index || *index < 0 || static_cast<std::size_t>(*index) >= parent.size()) return nullptr;
    return &parent.make_array()[static_cast<std::size_t>(*index)];
}

Result<Place> locate(Value& document, std::vector<std::string> const& pointer) {
    Value* parent = &document;
    for (std::size_t index = 0; index + 1 < pointer.size(); ++index) {
        parent = child(*parent, pointer[index]);
        if (parent == nullptr) return fail(ErrorCode::kInvalid, "the path does not exist");
    }
    return Place{parent, pointer.empty() ? "" : pointer.back()};
}

Status add(Value& document, std::vector<std::string> const& pointer, Value value, Effort& effort) {
    if (pointer.empty()) {
        document = std::move(value);
        return {};
    }
    Place const place = TRY(locate(document, pointer));
    if (place.parent->is_object()) {
        (*place.parent)[place.token] = std::move(value);
        return {};
    }
    if (!place.parent->is_array())
        return fail(ErrorCode::kInvalid, "the path leads through a value that is neither object nor array");
    Array& array = place.parent->make_array();
    if (place.token == "-") {
        array.push_back(std::move(value));
        return {};
    }
    auto const index = parse_int(place.token);
    if (!index || *index < 0 || static_cast<std::size_t>(*index) > array.size())
        return fail(ErrorCode::kInvalid, "the index is out of range");
    effort.shifted += array.size() - static_cast<std::size_t>(*index);
    array.insert(array.begin() + *index, std::move(value));
    return {};
}

Result<Value> take(Value& document, std::vector<std::string> const& pointer, Effort& effort) {
    if (pointer.empty()) return std::exchange(document, Value());
    Place const place = TRY(locate(document, pointer));
    Value* found = child(*place.parent, place.token);
    if (found == nullptr) return fail(ErrorCode::kInvalid, "the path does not exist");
    Value taken = std::move(*found);
    effort.shifted += place.parent->size();
    if (place.parent->is_object()) {
        place.parent->erase(place.token);
    } else {
        Array& array = place.parent->make_array();
        array.erase(array.begin() + *parse_int(place.token));
    }
    return taken;
}

Status check_extent(Value const& value, std::vector<std::string> const& path, Effort* effort) {
    Extent const extent = measure(value);
    if (path.size() + extent.depth > kMaxDepth)
        return fail(ErrorCode::kInvalid, fmt::format("the result would be nested deeper than {} levels", kMaxDepth));
    if (effort == nullptr) return {};
    effort->touched += extent.values;
    if (effort->touched <= kMaxTouched) return {};
    return fail(ErrorCode::kTooLarge,
                fmt::format("the patch copies and moves more than {} values in all", kMaxTouched));
}

bool starts_with(std::vector<std::string> const& path, std::vector<std::string> const& prefix) {
    return path.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), path.begin());
}

Status relocate(Value& document, std::string_view op, Value const& operation, std::vector<std::string> const& path,
                Effort& effort) {
    if (!operation["from"].is_string()) return fail(ErrorCode::kInvalid, "\"from\" is missing");
    auto const from = TRY(parse_pointer(operation["from"].as_string()));
    Value const* source = resolve(document, from);
    if (source == nullptr) return fail(ErrorCode::kInvalid, "\"from\" does not exist");
    TRY(check_extent(*source, path, &effort));
    if (op == "copy") return add(document, path, Value(*source), effort);
    if (path == from) return {};
    if (starts_with(path, from)) return fail(ErrorCode::kInvalid, "a value cannot be moved into itself");
    return add(document, path, TRY(take(document, from, effort)), effort);
}

Status apply_operation(Value& document, Value const& operation, Effort& effort) {
    std::string_view const op = operation["op"].as_string();
    if (!operation["path"].is_string()) return fail(ErrorCode::kInvalid, "\"path\" is missing");
    auto const path = TRY(parse_pointer(operation["path"].as_string()));
    if (op == "remove") {
        TRY(take(document, path, effort));
        return {};
    }
    if (op == "move" || op == "copy") return relocate(document, op, operation, path, effort);
    Value const* value = operation.find("value");
    if (value == nullptr && (op == "add" || op == "replace" || op == "test"))
        return fail(ErrorCode::kInvalid, "\"value\" is missing");
    if (op == "add" || op == "replace") TRY(check_extent(*value, path, nullptr));
    if (op == "add") return add(document, path, *value, effort);
    if (op == "replace") {
        if (path.empty()) return add(document, path, *value, effort);
        Place const place = TRY(locate(document, path));
        Value* found = child(*place.parent, place.token);
        if (found == nullptr) return fail(ErrorCode::kInvalid, "the path does not exist");
        *found = *value;
        return {};
    }
    if (op == "test") {
        Value const* found = resolve(document, path);
        Value const nothing;
        if (found == nullptr) found = &nothing;   // as the API server: a test for null passes where nothing is
        if (*found == *value) return {};
        return fail(ErrorCode::kInvalid, fmt::format("test failed: found {}, not {}", write(*found), write(*value)));
    }
    return fail(ErrorCode::kInvalid, fmt::format("unknown operation \"{}\"", op));
}

}   // namespace

Result<std::vector<std::string>> parse_pointer(std::string_view pointer) {
    std::vector<std::string> tokens;
    if (pointer.empty()) return tokens;
    if (pointer.front() != '/')
        return fail(ErrorCode::kInvalid, fmt::format("\"{}\" is no JSON pointer: it must start with '/'", pointer));
    pointer.remove_prefix(1);
    std::string token;
    for (std::size_t index = 0; index <= pointer.size(); ++index) {
        if (index == pointer.size() || pointer[index] == '/') {
            tokens.push_back(std::move(token));
            token.clear();
        } else if (pointer[index] == '~' && index + 1 < pointer.size() &&
                   (pointer[index + 1] == '0' || pointer[index + 1] == '1')) {
            token += pointer[++index] == '0' ? '~' : '/';
        } else {
            token += pointer[index];
        }
    }
    return tokens;
}

std::string escape_pointer(std::string_view key) {
    std::string text;
    for (char letter : key) {
        if (letter == '~') {
            text += "~0";
        } else if (letter == '/') {
            text += "~1";
        } else {
            text += letter;
        }
    }
    return text;
}

Value const* resolve(Value const& document, std::vector<std::string> const& pointer) {
    Value const* value = &document;
    for (std::string const& token : pointer) {
        value = child(const_cast<Value&>(*value), token);
        if (value == nullptr) return nullptr;
    }
    return value;
}

Status apply_json_patch(Value& document, Value const& operations) {
    if (!operations.is_array()) return fail(ErrorCode::kBadRequest, "a JSON patch is an array of operations");
    if (operations.size() > kMaxOperations) {
        return fail(ErrorCode::kTooLarge, fmt::format("a JSON patch may have {} operations, this one has {}",
                                                      kMaxOperations, operations.size()));
    }
    Value patched = document;
    Effort effort;
    for (std::size_t index = 0; index < operations.size(); ++index) {
        if (effort.shifted > kMaxShifted)
            return fail(ErrorCode::kTooLarge, "the patch adds to and removes from large lists and objects too often");
        Status const applied = apply_operation(patched, operations[index], effort);
        if (!applied) {
            return std::unexpected(
                applied.error().context(fmt::format("operation {} ({} {})", index, operations[index]["op"].as_string(),
                                                    operations[index]["path"].as_string())));
        }
    }
    document = std::move(patched);
    return {};
}

void apply_merge_patch(Value& document, Value const& patch) {
    if (!patch.is_object()) {
        document = patch;
        return;
    }
    Object& members = document.make_object();
    std::set<std::string_view> gone;
    for (auto const& [key, value] : patch.object()) {
        if (value.is_null()) {
            if (members.contains(key)) gone.insert(key);
        } else {
            apply_merge_patch(members[key], value);
        }
    }
    if (!gone.empty()) members.erase_if([&](std::string const& key, Value const&) { return gone.contains(key); });
}

void drop_nulls(Value& value) {
    if (value.is_array()) {
        for (Value& each : value.make_array()) drop_nulls(each);
    }
    if (!value.is_object()) return;
    Object& members = value.make_object();
    members.erase_if([](std::string const&, Value const& child) { return child.is_null(); });
    for (auto& [key, child] : members) drop_nulls(child);
}

Value create_merge_patch(Value const& from, Value const& to) {
    if (!to.is_object()) return to;
    Value patch{Object()};
    for (auto const& [key, value] : to.object()) {
        Value const* before = from.find(key);
        if (before == nullptr) {
            patch[key] = value;
        } else if (before->is_object() && value.is_object()) {
            Value below = create_merge_patch(*before, value);
            if (below.size() > 0) patch[key] = std::move(below);
        } else if (!(*before == value)) {
            patch[key] = value;
        }
    }
    for (auto const& [key, value] : from.object()) {
        if (!to.contains(key)) patch[key] = nullptr;
    }
    return patch;
}

namespace {

void add_operations(Value const& from, Value const& to, std::string const& path, Value& patch) {
    if (from == to) return;
    if (!from.is_object() || !to.is_object()) {
        patch.push_back(Object{{"op", "replace"}, {"path", path}, {"value", to}});
        return;
    }
    for (auto const& [key, value] : from.object()) {
        if (!to.contains(key)) patch.push_back(Object{{"op", "remove"}, {"path", path + "/" + escape_pointer(key)}});
    }
    for (auto const& [key, value] : to.object()) {
        std::string const member = path + "/" + escape_pointer(key);
        if (Value const* before = from.find(key)) {
            add_operations(*before, value, member, patch);
        } else {
            patch.push_back(Object{{"op", "add"}, {"path", member}, {"value", value}});
        }
    }
}

}   // namespace

Value create_json_patch(Value const& from, Value const& to) {
    Value patch{Array()};
    add_operations(from, to, "", patch);
    return patch;
}

}   // namespace aviary::json
