// Declares a struct's JSON form once, as a list of its fields; reading, writing and the OpenAPI schema of CRDs follow
// from it.
//
//   template <>
//   constexpr auto json::fields<CanaryStep> = json::object("One batch of a canary release.",
//       json::field("replicas", &CanaryStep::replicas, "Pods on the new version …", {.required = true}),
//       json::field("pause", &CanaryStep::pause, "What ends the step.", {.always = true}));
//
// Reading ignores unknown fields; a value of the wrong type is Invalid and names its JSON path. Include it in .cc files
// only.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/field_path.h"
#include "core/json/parse.h"
#include "core/json/value.h"

namespace aviary::json {

struct FieldOptions {
    bool required = false;
    bool always = false;   // written also when empty
    std::optional<double> minimum, maximum;
    std::optional<std::int64_t> max_items, min_length, max_length;
    std::string_view pattern = {};
    std::array<std::string_view, 12> one_of = {};   // the values a string may have
    std::string_view default_json = {};
    std::string_view format = {};      // int32, int64, date-time
    std::string_view list_type = {};   // atomic | set | map
    std::array<std::string_view, 4> list_keys = {};
    bool preserve_unknown = false;
};

template <class Owner, class Member>
struct Field {
    std::string_view name;
    Member Owner::* member;
    std::string_view doc;
    FieldOptions options;
};

template <class... Fields>
struct ObjectFields {
    std::string_view doc;
    std::tuple<Fields...> list;
};

template <class Owner, class Member>
constexpr Field<Owner, Member> field(std::string_view name, Member Owner::* member, std::string_view doc,
                                     FieldOptions options = {}) {
    return {name, member, doc, options};
}

template <class... Fields>
constexpr ObjectFields<Fields...> object(std::string_view doc, Fields... list) {
    return {doc, {list...}};
}

// Specialised by each struct that has fields.
template <class T>
constexpr std::nullptr_t fields = nullptr;

template <class T>
concept HasFields = !std::is_same_v<std::remove_cvref_t<decltype(fields<T>)>, std::nullptr_t>;

// How one type reads, writes and describes itself; specialised for values of one's own (quantities, times).
template <class T>
struct Codec;

namespace detail {

// Invalid: "spec.steps[1].replicas: Invalid value: must be an integer, not string".
std::unexpected<Error> wrong_type(FieldPath const& path, std::string_view wanted, Doc const& found);
std::unexpected<Error> out_of_range(FieldPath const& path, std::int64_t found);

void add_options(Value& schema, FieldOptions const& options);

}   // namespace detail

template <>
struct Codec<bool> {
    static Result<bool> read(Doc const& doc, FieldPath const& path) {
        if (!doc.is_bool()) return detail::wrong_type(path, "a boolean", doc);
        return doc.as_bool();
    }
    static Value write(bool value) { return value; }
    static bool empty(bool value) { return !value; }
    static Value schema() { return Object{{"type", "boolean"}}; }
};

template <std::integral T>
    requires(!std::is_same_v<T, bool>)
struct Codec<T> {
    static Result<T> read(Doc const& doc, FieldPath const& path) {
        if (!doc.is_int()) return detail::wrong_type(path, "an integer", doc);
        if (!std::in_range<T>(doc.as_int())) return detail::out_of_range(path, doc.as_int());
        return static_cast<T>(doc.as_int());
    }
    static Value write(T value) { return value; }
    static bool empty(T value) { return value == 0; }
    static Value schema() { return Object{{"type", "integer"}, {"format", sizeof(T) == 4 ? "int32" : "int64"}}; }
};

template <>
struct Codec<double> {
    static Result<double> read(Doc const& doc, FieldPath const& path) {
        if (!doc.is_number()) return detail::wrong_type(path, "a number", doc);
        return doc.as_double();
    }
    static Value write(double value) { return value; }
    static bool empty(double value) { return value == 0; }
    static Value schema() { return Object{{"type", "number"}}; }
};

template <>
struct Codec<std::string> {
    static Result<std::string> read(Doc const& doc, FieldPath const& path) {
        if (!doc.is_string()) return detail::wrong_type(path, "a string", doc);
        return doc.string();
    }
    static Value write(std::string const& value) { return value; }
    static bool empty(std::string const& value) { return value.empty(); }
    static Value schema() { return Object{{"type", "string"}}; }
};

// Anything: kept as it is.
template <>
struct Codec<Value> {
    static Result<Value> read(Doc const& doc, FieldPath const&) { return doc.thaw(); }
    static Value write(Value const& value) { return value; }
    static bool empty(Value const& value) { return value.is_null(); }
    static Value schema() { return Object{{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}}; }
};

template <class T>
struct Codec<std::optional<T>> {
    static Result<std::optional<T>> read(Doc const& doc, FieldPath const& path) {
        if (doc.is_null()) return std::optional<T>();
        return std::optional<T>(TRY(Codec<T>::read(doc, path)));
    }
    static Value write(std::optional<T> const& value) { return value ? Codec<T>::write(*value) : Value(); }
    static bool empty(std::optional<T> const& value) { return !value; }
    static Value schema() { return Codec<T>::schema(); }
};

template <class T>
struct Codec<std::vector<T>> {
    static Result<std::vector<T>> read(Doc const& doc, FieldPath const& path) {
        std::vector<T> result;
        if (doc.is_null()) return result;
        if (!doc.is_array()) return detail::wrong_type(path, "a list", doc);
        for (auto const& [key, element] : doc.elements())
            result.push_back(TRY(Codec<T>::read(element, path.element(result.size()))));
        return result;
    }
    static Value write(std::vector<T> const& value) {
        Array elements;
        for (T const& each : value) elements.push_back(Codec<T>::write(each));
        return elements;
    }
    static bool empty(std::vector<T> const& value) { return value.empty(); }
    static Value schema() { return Object{{"type", "array"}, {"items", Codec<T>::schema()}}; }
};

template <class T>
struct Codec<std::map<std::string, T>> {
    static Result<std::map<std::string, T>> read(Doc const& doc, FieldPath const& path) {
        std::map<std::string, T> result;
        if (doc.is_null()) return result;
        if (!doc.is_object()) return detail::wrong_type(path, "an object", doc);
        for (auto const& [key, value] : doc.members())
            result.emplace(key, TRY(Codec<T>::read(value, path.member(key))));
        return result;
    }
    static Value write(std::map<std::string, T> const& value) {
        Object members;
        for (auto const& [key, each] : value) members.append(key, Codec<T>::write(each));
        return members;
    }
    static bool empty(std::map<std::string, T> const& value) { return value.empty(); }
    static Value schema() { return Object{{"type", "object"}, {"additionalProperties", Codec<T>::schema()}}; }
};

template <HasFields T>
struct Codec<T> {
    static Result<T> read(Doc const& doc, FieldPath const& path) {
        T result{};
        if (doc.is_null()) return result;
        if (!doc.is_object()) return detail::wrong_type(path, "an object", doc);
        std::optional<Error> problem;
        auto const one = [&](auto const& each) {
            using Member = std::remove_cvref_t<decltype(result.*(each.member))>;
            if (problem) return;
            Doc const value = doc[each.name];
            if (value.is_null()) return;
            auto read = Codec<Member>::read(value, path.member(each.name));
            if (read) {
                result.*(each.member) = std::move(*read);
            } else {
                problem = read.error();
            }
        };
        std::apply([&](auto const&... each) { (one(each), ...); }, fields<T>.list);
        if (problem) return std::unexpected(*problem);
        return result;
    }
    static Value write(T const& value) {
        Object object;
        auto const one = [&](auto const& each) {
            using Member = std::remove_cvref_t<decltype(value.*(each.member))>;
            if (is_written(value, each))
                object.append(std::string(each.name), Codec<Member>::write(value.*(each.member)));
        };
        std::apply([&](auto const&... each) { (one(each), ...); }, fields<T>.list);
        return object;
    }
    static bool empty(T const& value) {
        return std::apply([&](auto const&... each) { return !(is_written(value, each) || ...); }, fields<T>.list);
    }
    static Value schema() {
        Value result{Object{{"type", "object"}, {"description", fields<T>.doc}}};
        auto const one = [&](auto const& each) {
            using Member = std::remove_cvref_t<decltype(std::declval<T>().*(each.member))>;
            Value property = Codec<Member>::schema();
            if (!each.doc.empty()) property["description"] = each.doc;
            detail::add_options(property, each.options);
            result["properties"][each.name] = std::move(property);
            if (each.options.required) result["required"].push_back(each.name);
        };
        std::apply([&](auto const&... each) { (one(each), ...); }, fields<T>.list);
        return result;
    }

private:
    static bool is_written(T const& value, auto const& field) {
        using Member = std::remove_cvref_t<decltype(value.*(field.member))>;
        return field.options.always || !Codec<Member>::empty(value.*(field.member));
    }
};

template <class T>
Result<T> read(Doc const& doc, std::string_view path = {}) {
    return Codec<T>::read(doc, FieldPath{.name = path});
}

// A struct's JSON; empty fields are left out unless they are always written.
template <class T>
Value to_value(T const& value) {
    return Codec<T>::write(value);
}

template <class T>
Value schema_of() {
    return Codec<T>::schema();
}

}   // namespace aviary::json
