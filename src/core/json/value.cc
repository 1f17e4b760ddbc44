#include "core/json/value.h"

#include <algorithm>
#include <cmath>

namespace aviary::json {

namespace {

Value const kNull;
Array const kNoElements;
Object const kNoMembers;

}   // namespace

std::string_view to_string(Type type) {
    switch (type) {
        case Type::kNull: return "null";
        case Type::kBool: return "boolean";
        case Type::kInt: return "integer";
        case Type::kDouble: return "number";
        case Type::kString: return "string";
        case Type::kArray: return "array";
        case Type::kObject: break;
    }
    return "object";
}

Object::Object(std::initializer_list<std::pair<std::string_view, Value>> members) {
    for (auto const& [key, value] : members) (*this)[key] = value;
}

Value* Object::find(std::string_view key) {
    for (Member& member : members_) {
        if (member.key == key) return &member.value;
    }
    return nullptr;
}

Value const* Object::find(std::string_view key) const { return const_cast<Object*>(this)->find(key); }

Value& Object::operator[](std::string_view key) {
    if (Value* found = find(key)) return *found;
    return members_.emplace_back(std::string(key), Value()).value;
}

bool Object::erase(std::string_view key) {
    return std::erase_if(members_, [key](Member const& member) { return member.key == key; }) > 0;
}

void Object::append(std::string key, Value value) { members_.emplace_back(std::move(key), std::move(value)); }

bool Value::as_bool(bool fallback) const {
    bool const* value = std::get_if<bool>(&data_);
    return value ? *value : fallback;
}

std::int64_t Value::as_int(std::int64_t fallback) const {
    if (auto const* value = std::get_if<std::int64_t>(&data_)) return *value;
    if (auto const* value = std::get_if<double>(&data_)) {
        if (*value == std::floor(*value) && std::abs(*value) < 9e15) return static_cast<std::int64_t>(*value);
    }
    return fallback;
}

double Value::as_double(double fallback) const {
    if (auto const* value = std::get_if<double>(&data_)) return *value;
    if (auto const* value = std::get_if<std::int64_t>(&data_)) return static_cast<double>(*value);
    return fallback;
}

std::string_view Value::as_string(std::string_view fallback) const {
    auto const* value = std::get_if<std::string>(&data_);
    return value ? std::string_view(*value) : fallback;
}

Object const& Value::object() const {
    auto const* value = std::get_if<Object>(&data_);
    return value ? *value : kNoMembers;
}

Array const& Value::array() const {
    auto const* value = std::get_if<Array>(&data_);
    return value ? *value : kNoElements;
}

Object& Value::make_object() {
    if (!is_object()) data_ = Object();
    return std::get<Object>(data_);
}

Array& Value::make_array() {
    if (!is_array()) data_ = Array();
    return std::get<Array>(data_);
}

Value const* Value::find(std::string_view key) const { return object().find(key); }

Value* Value::find(std::string_view key) {
    auto* value = std::get_if<Object>(&data_);
    return value ? value->find(key) : nullptr;
}

Value const& Value::operator[](std::string_view key) const {
    Value const* found = find(key);
    return found ? *found : kNull;
}

Value const& Value::element(std::size_t index) const {
    Array const& elements = array();
    return index < elements.size() ? elements[index] : kNull;
}

bool Value::erase(std::string_view key) {
    auto* value = std::get_if<Object>(&data_);
    return value && value->erase(key);
}

std::size_t Value::size() const { return is_array() ? array().size() : object().size(); }

Value const& Value::at(std::initializer_list<std::string_view> path) const {
    Value const* value = this;
    for (std::string_view key : path) value = &(*value)[key];
    return *value;
}

Value& Value::set(std::initializer_list<std::string_view> path, Value value) {
    Value* target = this;
    for (std::string_view key : path) target = &target->make_object()[key];
    *target = std::move(value);
    return *target;
}

bool operator==(Value const& left, Value const& right) {
    if (left.is_number() && right.is_number()) {
        if (left.is_int() && right.is_int()) return left.as_int() == right.as_int();
        return left.as_double() == right.as_double();
    }
    if (left.type() != right.type()) return false;
    switch (left.type()) {
        case Type::kNull: return true;
        case Type::kBool: return left.as_bool() == right.as_bool();
        case Type::kString: return left.as_string() == right.as_string();
        case Type::kArray: return left.array() == right.array();
        case Type::kObject: {
            if (left.size() != right.size()) return false;
            return std::ranges::all_of(left.object(), [&](Object::Member const& member) {
                Value const* other = right.find(member.key);
                return other != nullptr && member.value == *other;
            });
        }
        default: return false;
    }
}

}   // namespace aviary::json
