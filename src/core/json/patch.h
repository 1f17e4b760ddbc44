// JSON Patch (RFC 6902), JSON merge patch (RFC 7386) and JSON Pointer (RFC 6901) on mutable trees.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/value.h"

namespace aviary::json {

// "/spec/steps/0" → {"spec", "steps", "0"}, with ~0 and ~1 undone; Invalid when it does not start with '/'.
Result<std::vector<std::string>> parse_pointer(std::string_view pointer);
// A key as one token of a pointer.
std::string escape_pointer(std::string_view key);
// Null when nothing is there.
Value const* resolve(Value const& document, std::vector<std::string> const& pointer);

// A JSON Patch that grows.
class PatchBuilder {
public:
    void test(std::string path, Value value) { put("test", std::move(path), std::move(value)); }
    // Over what is there, too.
    void add(std::string path, Value value) { put("add", std::move(path), std::move(value)); }
    void replace(std::string path, Value value) { put("replace", std::move(path), std::move(value)); }
    void remove(std::string path) { operations_.push_back(Object{{"op", "remove"}, {"path", std::move(path)}}); }

    bool empty() const { return operations_.size() == 0; }
    Value take() { return std::move(operations_); }

private:
    void put(char const* verb, std::string path, Value value) {
        operations_.push_back(Object{{"op", verb}, {"path", std::move(path)}, {"value", std::move(value)}});
    }

    Value operations_{Array()};
};

// Applies all operations or none. Invalid names the operation and its path; a failed test says what was found. A result
// nested too deep is Invalid, and copies that would fill memory are TooLarge.
Status apply_json_patch(Value& document, Value const& operations);
// An object merges member by member, null removes, anything else replaces.
void apply_merge_patch(Value& document, Value const& patch);
// Removes null members at any depth.
void drop_nulls(Value& value);
// The merge patch that turns `from` into `to`; an empty object when they are equal objects. Nulls inside `to` cannot be
// said in a merge patch.
Value create_merge_patch(Value const& from, Value const& to);
// The JSON Patch that turns `from` into `to`: objects member by member, anything else as a whole.
Value create_json_patch(Value const& from, Value const& to);

}   // namespace aviary::json
