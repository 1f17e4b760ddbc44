// Value: a mutable JSON tree for building and patching. Keeps member order and unknown fields; int64 and double stay
// apart. A plain value; copying is deep. For caches and the wire see doc.h.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace aviary::json {

class Value;

enum class Type : std::uint8_t { kNull, kBool, kInt, kDouble, kString, kArray, kObject };
// "null", "boolean", "integer", "number", "string", "array", "object": the words of JSON schema.
std::string_view to_string(Type type);

using Array = std::vector<Value>;

// Members in insertion order; keys are unique. Many members are found as fast as
// few: an index is kept once it pays. `for (auto const& [key, value] : object)`.
class Object {
public:
    struct Member;

    Object() noexcept;
    Object(std::initializer_list<std::pair<std::string_view, Value>> members);
    Object(Object const& other);
    Object(Object&& other) noexcept;
    Object& operator=(Object const& other);
    Object& operator=(Object&& other) noexcept;
    ~Object();

    bool empty() const;
    std::size_t size() const;
    std::vector<Member>::iterator begin();
    std::vector<Member>::iterator end();
    std::vector<Member>::const_iterator begin() const;
    std::vector<Member>::const_iterator end() const;

    Value* find(std::string_view key);
    Value const* find(std::string_view key) const;
    bool contains(std::string_view key) const { return find(key) != nullptr; }
    // Adds a null when absent.
    Value& operator[](std::string_view key);
    bool erase(std::string_view key);
    // Every member that `unwanted` says so of, at once: each removal by key moves all that follows.
    template <typename Predicate>
    void erase_if(Predicate unwanted);
    void clear();
    void reserve(std::size_t count);
    // For members known to be new (parsers that check duplicates themselves).
    void append(std::string key, Value value);

private:
    struct Index;
    Index const* index() const;
    std::size_t position(std::string_view key) const;
    void drop_index() {
        if (index_.load(std::memory_order_relaxed) != 0) forget_index();
    }
    void forget_index();

    std::vector<Member> members_;
    // Reading may build the index, from several threads at once: below kLookups it counts lookups, above it points.
    mutable std::atomic<std::uintptr_t> index_ = 0;
};

class Value {
public:
    Value() = default;
    Value(std::nullptr_t) {}
    Value(bool value) : data_(value) {}
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    Value(T value) : data_(static_cast<std::int64_t>(value)) {}
    Value(double value) : data_(value) {}
    Value(std::string value) : data_(std::move(value)) {}
    Value(std::string_view value) : data_(std::string(value)) {}
    Value(char const* value) : data_(std::string(value)) {}
    Value(Array value) : data_(std::move(value)) {}
    Value(Object value) : data_(std::move(value)) {}

    Type type() const { return static_cast<Type>(data_.index()); }
    bool is_null() const { return type() == Type::kNull; }
    bool is_bool() const { return type() == Type::kBool; }
    bool is_int() const { return type() == Type::kInt; }
    bool is_number() const { return type() == Type::kInt || type() == Type::kDouble; }
    bool is_string() const { return type() == Type::kString; }
    bool is_array() const { return type() == Type::kArray; }
    bool is_object() const { return type() == Type::kObject; }

    // The value, or the fallback when it is of another type.
    bool as_bool(bool fallback = false) const;
    std::int64_t as_int(std::int64_t fallback = 0) const;   // a whole double counts
    double as_double(double fallback = 0) const;
    std::string_view as_string(std::string_view fallback = {}) const;
    std::string string() const { return std::string(as_string()); }

    // Members and elements of an empty static container when of another type.
    Object const& object() const;
    Array const& array() const;
    // Turns a value of another type into an empty container first.
    Object& make_object();
    Array& make_array();

    // Null when absent or not an object; never creates.
    Value const& operator[](std::string_view key) const;
    Value const& operator[](std::integral auto index) const { return element(static_cast<std::size_t>(index)); }
    Value const& element(std::size_t index) const;
    Value const* find(std::string_view key) const;
    Value* find(std::string_view key);
    // Creates the member; a null becomes an object.
    Value& operator[](std::string_view key) { return make_object()[key]; }
    Value& operator[](char const* key) { return make_object()[key]; }
    Value const& operator[](char const* key) const { return (*this)[std::string_view(key)]; }
    bool contains(std::string_view key) const { return find(key) != nullptr; }
    bool erase(std::string_view key);
    void push_back(Value value) { make_array().push_back(std::move(value)); }
    std::size_t size() const;

    // Nested members: value.at({"metadata", "labels", "app"}).
    Value const& at(std::initializer_list<std::string_view> path) const;
    Value& set(std::initializer_list<std::string_view> path, Value value);

    // Member order does not matter; 1 and 1.0 are equal.
    friend bool operator==(Value const& left, Value const& right);

private:
    std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> data_;
};

struct Object::Member {
    std::string key;
    Value value;
};

// Out of the class: members are complete only here.
inline Object::Object() noexcept = default;
inline Object::Object(Object const& other) : members_(other.members_) {}
inline Object::Object(Object&& other) noexcept
    : members_(std::move(other.members_)), index_(other.index_.exchange(0, std::memory_order_relaxed)) {}
inline Object& Object::operator=(Object const& other) {
    if (this != &other) *this = Object(other);
    return *this;
}
inline Object& Object::operator=(Object&& other) noexcept {
    drop_index();
    members_ = std::move(other.members_);
    index_.store(other.index_.exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
    return *this;
}
inline Object::~Object() { drop_index(); }
inline bool Object::empty() const { return members_.empty(); }
inline std::size_t Object::size() const { return members_.size(); }
inline std::vector<Object::Member>::iterator Object::begin() {
    drop_index();   // whoever holds it may put members in another order
    return members_.begin();
}
inline std::vector<Object::Member>::iterator Object::end() { return members_.end(); }
inline std::vector<Object::Member>::const_iterator Object::begin() const { return members_.begin(); }
inline std::vector<Object::Member>::const_iterator Object::end() const { return members_.end(); }
inline void Object::reserve(std::size_t count) { members_.reserve(count); }
template <typename Predicate>
void Object::erase_if(Predicate unwanted) {
    drop_index();
    std::erase_if(members_, [&](Member const& member) { return unwanted(member.key, member.value); });
}
inline void Object::clear() {
    drop_index();
    members_.clear();
}

}   // namespace aviary::json
