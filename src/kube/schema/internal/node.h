// A compiled schema: what validating, pruning and defaulting walk beside an object.
#pragma once

#include <re2/re2.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/json/field_path.h"
#include "core/json/value.h"

namespace aviary::schema::internal {

struct Node {
    std::string type;   // empty: anything
    bool nullable = false;
    bool int_or_string = false;
    bool preserve_unknown = false;
    bool embedded = false;   // x-kubernetes-embedded-resource
    std::map<std::string, Node const*, std::less<>> properties;
    Node const* additional = nullptr;   // additionalProperties
    bool additional_any = false;        // additionalProperties: true
    Node const* items = nullptr;
    std::vector<std::string> required;
    json::Array enumeration;
    std::optional<double> minimum, maximum, multiple_of;
    bool exclusive_minimum = false, exclusive_maximum = false;
    std::optional<std::int64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
    std::unique_ptr<re2::RE2> pattern;
    std::string format;
    std::vector<Node const*> all_of, any_of, one_of;
    Node const* never = nullptr;   // not
    json::Value default_value;
    bool has_default = false;
    std::string list_type;
    std::vector<std::string> list_keys;

    Node const* property(std::string_view name) const {
        auto const found = properties.find(name);
        return found != properties.end() ? found->second : additional;
    }
    bool open() const {
        return preserve_unknown || additional_any || (type.empty() && properties.empty() && additional == nullptr);
    }
};

struct Arena {
    std::deque<Node> nodes;
    std::map<std::string, Node const*, std::less<>> by_reference;
};

void validate(Node const& node, json::Value const& value, json::FieldPath const& path, std::vector<FieldCause>& causes);
// Fields that are not in the schema; `prune` also removes them.
void find_unknown(Node const& node, json::Value const& value, json::FieldPath const& path,
                  std::vector<std::string>& found);
void prune(Node const& node, json::Value& value, std::vector<std::string>& found);
void apply_defaults(Node const& node, json::Value& value);

// False when text is not of the format; formats that nobody checks are always right.
bool has_format(std::string_view text, std::string_view format);

}   // namespace aviary::schema::internal
