#include "core/json/value.h"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

namespace aviary::json {

namespace {

Value const kNull;
Array const kNoElements;
Object const kNoMembers;

constexpr std::size_t kFewMembers = 32;
constexpr std::uintptr_t kLookups = 8;   // no object lies at so low an address

// Most keys differ in length or in their first letter: no call for those.
bool is_same(std::string const& key, std::string_view other) {
    return key.size() == other.size() && (other.empty() || (key[0] == other[0] && key == other));
}

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

struct Object::Index {
    // Keys are hashed, not viewed: short ones move with their member.
    boost::unordered_flat_map<std::size_t, std::uint32_t> first;   // by hash, the position of one member
    std::vector<std::uint32_t> others;                             // whose hash another member has
    void add(std::string_view key, std::size_t position) {
        if (!first.emplace(hash(key), static_cast<std::uint32_t>(position)).second)
            others.push_back(static_cast<std::uint32_t>(position));
    }
    static std::size_t hash(std::string_view key) { return std::hash<std::string_view>()(key); }
};

// Null while looking through all members is cheaper.
Object::Index const* Object::index() const {
    if (members_.size() <= kFewMembers) return nullptr;
    std::uintptr_t state = index_.load(std::memory_order_acquire);
    if (state > kLookups) return reinterpret_cast<Index const*>(state);
    if (state < kLookups) {
        index_.compare_exchange_strong(state, state + 1, std::memory_order_relaxed);
        return nullptr;
    }
    auto made = std::make_unique<Index>();
    made->first.reserve(members_.size());
    for (std::size_t position = 0; position < members_.size(); ++position) made->add(members_[position].key, position);
    if (index_.compare_exchange_strong(state, reinterpret_cast<std::uintptr_t>(made.get()), std::memory_order_acq_rel,
                                       std::memory_order_acquire))
        return made.release();
    return state > kLookups ? reinterpret_cast<Index const*>(state) : nullptr;
}

void Object::forget_index() {
    std::uintptr_t const state = index_.exchange(0, std::memory_order_acq_rel);
    if (state > kLookups) delete reinterpret_cast<Index*>(state);
}

// Past the last member when there is none.
std::size_t Object::position(std::string_view key) const {
    Index const* known = index();
    if (known == nullptr) {
        std::size_t at = 0;
        while (at < members_.size() && !is_same(members_[at].key, key)) ++at;
        return at;
    }
    auto const found = known->first.find(Index::hash(key));
    if (found == known->first.end()) return members_.size();
    if (members_[found->second].key == key) return found->second;
    for (std::uint32_t other : known->others) {
        if (members_[other].key == key) return other;
    }
    return members_.size();
}

Value* Object::find(std::string_view key) {
    std::size_t const at = position(key);
    return at < members_.size() ? &members_[at].value : nullptr;
}

Value const* Object::find(std::string_view key) const { return const_cast<Object*>(this)->find(key); }

Value& Object::operator[](std::string_view key) {
    if (Value* found = find(key)) return *found;
    append(std::string(key), Value());
    return members_.back().value;
}

bool Object::erase(std::string_view key) {
    std::size_t const at = position(key);
    if (at == members_.size()) return false;
    drop_index();
    members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(at));
    return true;
}

void Object::append(std::string key, Value value) {
    std::uintptr_t const state = index_.load(std::memory_order_relaxed);
    if (state > kLookups) reinterpret_cast<Index*>(state)->add(key, members_.size());
    members_.emplace_back(std::move(key), std::move(value));
}

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
