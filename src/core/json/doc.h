// Doc: an immutable, reference-counted JSON document in one compact block. A Doc may be a part of a larger one, which
// it keeps alive. Safe to share between threads. It is what the store, caches and informers hold.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "core/json/value.h"

namespace aviary::json {

class Doc {
public:
    // An absent value: exists() is false, is_null() is true.
    Doc() = default;
    Doc(Doc const& other);
    Doc(Doc&& other) noexcept : block_(std::exchange(other.block_, nullptr)), index_(other.index_) {}
    Doc& operator=(Doc other) noexcept {
        std::swap(block_, other.block_);
        std::swap(index_, other.index_);
        return *this;
    }
    ~Doc();

    static Doc freeze(Value const& value);
    // A part of this document as a mutable tree.
    Value thaw() const;
    // A block of its own for this part, unless there is hardly anything beside it; for keeping a small part of a large
    // document.
    Doc detach() const;

    bool exists() const { return block_ != nullptr; }
    Type type() const;
    bool is_null() const { return type() == Type::kNull; }
    bool is_bool() const { return type() == Type::kBool; }
    bool is_int() const { return type() == Type::kInt; }
    bool is_number() const { return type() == Type::kInt || type() == Type::kDouble; }
    bool is_string() const { return type() == Type::kString; }
    bool is_array() const { return type() == Type::kArray; }
    bool is_object() const { return type() == Type::kObject; }

    // The value, or the fallback when absent or of another type. Views live as long as any Doc of the same block.
    bool as_bool(bool fallback = false) const;
    std::int64_t as_int(std::int64_t fallback = 0) const;   // a whole double counts
    double as_double(double fallback = 0) const;
    std::string_view as_string(std::string_view fallback = {}) const;
    std::string string() const { return std::string(as_string()); }

    // Members or elements; 0 for others.
    std::size_t size() const;
    bool contains(std::string_view key) const { return (*this)[key].exists(); }
    // Absent when there is none.
    Doc operator[](std::string_view key) const;
    Doc operator[](char const* key) const { return (*this)[std::string_view(key)]; }
    Doc operator[](std::integral auto index) const { return element(static_cast<std::size_t>(index)); }
    Doc element(std::size_t index) const;
    Doc at(std::initializer_list<std::string_view> path) const;
    // In a list of objects the first whose member `key` is this text; absent when there is none.
    Doc find(std::string_view key, std::string_view text) const;

    class Iterator;
    struct Range;
    // for (auto [key, value] : doc.members()); nothing unless an object.
    Range members() const;
    // for (auto [key, value] : doc.elements()); keys are empty; nothing unless an array.
    Range elements() const;

    // Member order does not matter; 1 and 1.0 are equal.
    friend bool operator==(Doc const& left, Doc const& right);
    // Equal documents have equal hashes.
    std::uint64_t hash() const;
    // Bytes of the whole block this is a part of.
    std::size_t block_bytes() const;
    // True when both are the same part of the same block: a cheap "nothing changed".
    bool same(Doc const& other) const { return block_ == other.block_ && index_ == other.index_; }

private:
    friend class DocBuilder;
    struct Block;
    struct Node;
    Doc(Block* block, std::uint32_t index) : block_(block), index_(index) {}   // takes one reference
    Doc share(std::uint32_t index) const;
    Node const& node() const;
    std::string_view text(std::uint32_t offset, std::uint32_t length) const;
    static bool equal(Doc const& left, std::uint32_t left_index, Doc const& right, std::uint32_t right_index);
    std::uint64_t hash_at(std::uint32_t index) const;
    std::uint32_t next(std::uint32_t index) const;
    bool is_nearly_all() const;
    Value thaw_at(std::uint32_t index) const;
    struct Lookup;
    // The lookup of the block, once it pays.
    Lookup const* lookup() const;
    // The child with the key, or in the place; kNowhere when there is none.
    std::uint32_t member_at(std::uint32_t object, std::string_view key) const;
    std::uint32_t element_at(std::uint32_t array, std::size_t place) const;

    static constexpr std::uint32_t kNowhere = 0xffffffff;
    Block* block_ = nullptr;
    std::uint32_t index_ = 0;
};

class Doc::Iterator {
public:
    using value_type = std::pair<std::string_view, Doc>;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    value_type operator*() const;
    Iterator& operator++();
    Iterator operator++(int) {
        Iterator before = *this;
        ++*this;
        return before;
    }
    bool operator==(Iterator const& other) const { return index_ == other.index_; }

private:
    friend class Doc;
    friend struct Doc::Range;
    Doc const* parent_ = nullptr;
    std::uint32_t index_ = 0;
};

struct Doc::Range {
    Doc parent;
    std::uint32_t first, last;
    Iterator begin() const;
    Iterator end() const;
};

// Builds a Doc from events in document order. The caller keeps keys unique and containers balanced.
class DocBuilder {
public:
    DocBuilder();
    ~DocBuilder();
    DocBuilder(DocBuilder const&) = delete;
    DocBuilder& operator=(DocBuilder const&) = delete;

    // Inside an object every value is preceded by its key.
    void key(std::string_view key);
    void null();
    void boolean(bool value);
    void integer(std::int64_t value);
    void number(double value);
    void string(std::string_view value);
    void begin_object();
    void begin_array();
    void end();
    // A whole value at once.
    void value(Value const& value);
    void doc(Doc const& doc);
    // The finished document; the builder is empty afterwards and may be used again.
    Doc finish();

private:
    Doc::Node& add(Type type);
    std::uint32_t intern(std::string_view text);
    void copy(Doc const& doc, std::uint32_t index);
    void copy_all(Doc const& doc);
    class Keys;
    struct State;
    State* state_;
};

}   // namespace aviary::json
