#include "core/json/doc.h"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <vector>

#include "core/base/check.h"
#include "core/base/strings.h"

namespace aviary::json {

// Children follow their container directly, in document order; `next` of a container is the node behind its last child.
struct Doc::Node {
    std::uint32_t key_offset = 0;
    std::uint32_t key_length : 28 = 0;
    std::uint32_t type : 4 = 0;
    union {
        bool boolean;
        std::int64_t integer;
        double number;
        struct {
            std::uint32_t offset;
            std::uint32_t length;
        } string;
        struct {
            std::uint32_t count;
            std::uint32_t next;
        } container;
    };
    Node() : integer(0) {}

    bool is_container() const {
        static_assert(Type::kArray < Type::kObject && Type::kString < Type::kArray);
        return type >= static_cast<unsigned>(Type::kArray);
    }
};

// Aligned for the nodes that follow it.
struct alignas(Doc::Node) Doc::Block {
    std::atomic<std::uint32_t> references;
    std::uint32_t node_count;
    std::uint32_t text_bytes;
    // Reading may build it, from several threads at once: below kLookups it counts lookups, above it points.
    std::atomic<std::uintptr_t> lookup;
    Node* nodes() { return reinterpret_cast<Node*>(this + 1); }
    char const* text() { return reinterpret_cast<char const*>(nodes() + node_count); }
};

namespace {

constexpr std::size_t kFewChildren = 32;
constexpr std::uintptr_t kLookups = 8;   // nothing lies at so low an address

}   // namespace

// Where the children of large containers are.
struct Doc::Lookup {
    struct Member {
        std::uint32_t object;
        std::string_view key;
        bool operator==(Member const&) const = default;
    };
    struct Hash {
        std::size_t operator()(Member const& member) const {
            return std::hash<std::string_view>()(member.key) ^ (member.object * 0x9e3779b97f4a7c15U);
        }
    };
    boost::unordered_flat_map<Member, std::uint32_t, Hash> members;
    boost::unordered_flat_map<std::uint32_t, std::vector<std::uint32_t>> elements;
};

Doc::Doc(Doc const& other) : block_(other.block_), index_(other.index_) {
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
}

Doc::~Doc() {
    if (block_ != nullptr && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        std::uintptr_t const lookup = block_->lookup.load(std::memory_order_relaxed);
        if (lookup > kLookups) delete reinterpret_cast<Lookup*>(lookup);
        block_->~Block();
        std::free(block_);
    }
}

Doc Doc::share(std::uint32_t index) const {
    block_->references.fetch_add(1, std::memory_order_relaxed);
    return Doc(block_, index);
}

Doc::Node const& Doc::node() const { return block_->nodes()[index_]; }

std::string_view Doc::text(std::uint32_t offset, std::uint32_t length) const {
    return {block_->text() + offset, length};
}

std::uint32_t Doc::next(std::uint32_t index) const {
    Node const& node = block_->nodes()[index];
    return node.is_container() ? node.container.next : index + 1;
}

Type Doc::type() const { return block_ == nullptr ? Type::kNull : static_cast<Type>(node().type); }

bool Doc::as_bool(bool fallback) const { return is_bool() ? node().boolean : fallback; }

std::int64_t Doc::as_int(std::int64_t fallback) const {
    if (is_int()) return node().integer;
    if (type() == Type::kDouble) return Value(node().number).as_int(fallback);
    return fallback;
}

double Doc::as_double(double fallback) const {
    if (is_int()) return static_cast<double>(node().integer);
    return type() == Type::kDouble ? node().number : fallback;
}

std::string_view Doc::as_string(std::string_view fallback) const {
    return is_string() ? text(node().string.offset, node().string.length) : fallback;
}

std::size_t Doc::size() const { return is_array() || is_object() ? node().container.count : 0; }

Doc::Lookup const* Doc::lookup() const {
    std::uintptr_t state = block_->lookup.load(std::memory_order_acquire);
    if (state > kLookups) return reinterpret_cast<Lookup const*>(state);
    if (state < kLookups) {
        block_->lookup.compare_exchange_strong(state, state + 1, std::memory_order_relaxed);
        return nullptr;
    }
    auto made = std::make_unique<Lookup>();
    for (std::uint32_t index = 0; index < block_->node_count; ++index) {
        Node const& node = block_->nodes()[index];
        bool const object = node.type == static_cast<unsigned>(Type::kObject);
        if ((!object && node.type != static_cast<unsigned>(Type::kArray)) || node.container.count <= kFewChildren)
            continue;
        for (std::uint32_t child = index + 1; child < node.container.next; child = next(child)) {
            Node const& each = block_->nodes()[child];
            if (object) {
                made->members.emplace(Lookup::Member{index, text(each.key_offset, each.key_length)}, child);
            } else {
                made->elements[index].push_back(child);
            }
        }
    }
    if (block_->lookup.compare_exchange_strong(state, reinterpret_cast<std::uintptr_t>(made.get()),
                                               std::memory_order_acq_rel, std::memory_order_acquire))
        return made.release();
    return state > kLookups ? reinterpret_cast<Lookup const*>(state) : nullptr;
}

std::uint32_t Doc::member_at(std::uint32_t object, std::string_view key) const {
    auto const& container = block_->nodes()[object].container;
    if (container.count > kFewChildren) {
        if (Lookup const* known = lookup()) {
            auto const found = known->members.find(Lookup::Member{object, key});
            return found == known->members.end() ? kNowhere : found->second;
        }
    }
    Node const* const nodes = block_->nodes();
    char const* const texts = block_->text();
    Node const* const end = nodes + container.next;
    for (Node const* child = nodes + object + 1; child < end;
         child = child->is_container() ? nodes + child->container.next : child + 1) {
        if (child->key_length != key.size()) continue;
        char const* const own = texts + child->key_offset;
        // Most keys differ in their first letter: no call for those.
        if (key.empty() || (*own == key.front() && std::memcmp(own, key.data(), key.size()) == 0))
            return static_cast<std::uint32_t>(child - nodes);
    }
    return kNowhere;
}

std::uint32_t Doc::element_at(std::uint32_t array, std::size_t place) const {
    auto const& container = block_->nodes()[array].container;
    if (place >= container.count) return kNowhere;
    // Scalars alone stand side by side.
    if (container.next - array - 1 == container.count) return array + 1 + static_cast<std::uint32_t>(place);
    if (place > kFewChildren) {
        if (Lookup const* known = lookup()) return known->elements.at(array)[place];
    }
    std::uint32_t child = array + 1;
    while (place-- > 0) child = next(child);
    return child;
}

Doc Doc::operator[](std::string_view key) const {
    std::uint32_t const child = is_object() ? member_at(index_, key) : kNowhere;
    return child == kNowhere ? Doc() : share(child);
}

Doc Doc::element(std::size_t index) const {
    std::uint32_t const child = is_array() ? element_at(index_, index) : kNowhere;
    return child == kNowhere ? Doc() : share(child);
}

Doc Doc::at(std::initializer_list<std::string_view> path) const {
    if (!exists()) return {};
    // One reference for the end of the path, none on the way.
    std::uint32_t index = index_;
    for (std::string_view key : path) {
        if (block_->nodes()[index].type != static_cast<unsigned>(Type::kObject)) return {};
        index = member_at(index, key);
        if (index == kNowhere) return {};
    }
    return share(index);
}

Doc Doc::find(std::string_view key, std::string_view text) const {
    if (!is_array()) return {};
    for (std::uint32_t child = index_ + 1; child < node().container.next; child = next(child)) {
        if (block_->nodes()[child].type != static_cast<unsigned>(Type::kObject)) continue;
        std::uint32_t const member = member_at(child, key);
        if (member == kNowhere) continue;
        Node const& said = block_->nodes()[member];
        if (said.type == static_cast<unsigned>(Type::kString) &&
            this->text(said.string.offset, said.string.length) == text)
            return share(child);
    }
    return {};
}

Doc::Range Doc::members() const {
    if (!is_object()) return {{}, 0, 0};
    return {*this, index_ + 1, node().container.next};
}

Doc::Range Doc::elements() const {
    if (!is_array()) return {{}, 0, 0};
    return {*this, index_ + 1, node().container.next};
}

Doc::Iterator Doc::Range::begin() const {
    Iterator iterator;
    iterator.parent_ = &parent;
    iterator.index_ = first;
    return iterator;
}

Doc::Iterator Doc::Range::end() const {
    Iterator iterator;
    iterator.parent_ = &parent;
    iterator.index_ = last;
    return iterator;
}

Doc::Iterator::value_type Doc::Iterator::operator*() const {
    Node const& each = parent_->block_->nodes()[index_];
    return {parent_->text(each.key_offset, each.key_length), parent_->share(index_)};
}

Doc::Iterator& Doc::Iterator::operator++() {
    index_ = parent_->next(index_);
    return *this;
}

bool Doc::equal(Doc const& left, std::uint32_t left_index, Doc const& right, std::uint32_t right_index) {
    if (left.block_ == right.block_ && left_index == right_index) return true;
    Node const& a = left.block_->nodes()[left_index];
    Node const& b = right.block_->nodes()[right_index];
    Type const type = static_cast<Type>(a.type);
    if (a.type != b.type) {
        auto const number = [](Node const& node) {
            return node.type == static_cast<unsigned>(Type::kInt) ? static_cast<double>(node.integer) : node.number;
        };
        bool const numbers = (type == Type::kInt && b.type == static_cast<unsigned>(Type::kDouble)) ||
                             (type == Type::kDouble && b.type == static_cast<unsigned>(Type::kInt));
        return numbers && number(a) == number(b);
    }
    switch (type) {
        case Type::kNull: return true;
        case Type::kBool: return a.boolean == b.boolean;
        case Type::kInt: return a.integer == b.integer;
        case Type::kDouble: return a.number == b.number;
        case Type::kString:
            return left.text(a.string.offset, a.string.length) == right.text(b.string.offset, b.string.length);
        case Type::kArray: {
            if (a.container.count != b.container.count) return false;
            std::uint32_t other = right_index + 1;
            for (std::uint32_t child = left_index + 1; child < a.container.next; child = left.next(child)) {
                if (!equal(left, child, right, other)) return false;
                other = right.next(other);
            }
            return true;
        }
        case Type::kObject: break;
    }
    if (a.container.count != b.container.count) return false;
    // Usually in the same order: look first where the last match ended.
    std::uint32_t guess = right_index + 1;
    for (std::uint32_t child = left_index + 1; child < a.container.next; child = left.next(child)) {
        Node const& member = left.block_->nodes()[child];
        std::string_view const key = left.text(member.key_offset, member.key_length);
        auto const matches = [&](std::uint32_t index) {
            Node const& candidate = right.block_->nodes()[index];
            return right.text(candidate.key_offset, candidate.key_length) == key;
        };
        std::uint32_t found = guess;
        if (found >= b.container.next || !matches(found)) {
            found = right.member_at(right_index, key);
            if (found == kNowhere) return false;
        }
        if (!equal(left, child, right, found)) return false;
        guess = right.next(found);
    }
    return true;
}

bool operator==(Doc const& left, Doc const& right) {
    if (!left.exists() || !right.exists()) return left.is_null() && right.is_null();
    return Doc::equal(left, left.index_, right, right.index_);
}

std::uint64_t Doc::hash_at(std::uint32_t index) const {
    auto const mix = [](std::uint64_t value) {
        value = (value ^ (value >> 32)) * 0xd6e8feb86659fd93U;
        value = (value ^ (value >> 32)) * 0xd6e8feb86659fd93U;
        return value ^ (value >> 32);
    };
    Node const& node = block_->nodes()[index];
    switch (static_cast<Type>(node.type)) {
        case Type::kNull: return 0x51ed;
        case Type::kBool: return mix(node.boolean ? 2 : 1);
        case Type::kInt: {
            double const number = static_cast<double>(node.integer);
            std::uint64_t bits;
            std::memcpy(&bits, &number, sizeof bits);
            return mix(bits + 7);
        }
        case Type::kDouble: {
            double const number = node.number == 0 ? 0.0 : node.number;
            std::uint64_t bits;
            std::memcpy(&bits, &number, sizeof bits);
            return mix(bits + 7);
        }
        case Type::kString: return mix(fnv1a_64(text(node.string.offset, node.string.length)) + 3);
        case Type::kArray: {
            std::uint64_t hash = 11;
            for (std::uint32_t child = index + 1; child < node.container.next; child = next(child)) {
                hash = mix(hash * 31 + hash_at(child));
            }
            return hash;
        }
        case Type::kObject: break;
    }
    std::uint64_t hash = 13;   // a sum: member order does not matter
    for (std::uint32_t child = index + 1; child < node.container.next; child = next(child)) {
        Node const& member = block_->nodes()[child];
        hash += mix(fnv1a_64(text(member.key_offset, member.key_length)) * 31 + hash_at(child));
    }
    return mix(hash);
}

std::uint64_t Doc::hash() const { return exists() ? hash_at(index_) : 0x51ed; }

std::size_t Doc::block_bytes() const {
    return exists() ? sizeof(Block) + block_->node_count * sizeof(Node) + block_->text_bytes : 0;
}

Value Doc::thaw_at(std::uint32_t index) const {
    Node const& node = block_->nodes()[index];
    switch (static_cast<Type>(node.type)) {
        case Type::kNull: return {};
        case Type::kBool: return node.boolean;
        case Type::kInt: return node.integer;
        case Type::kDouble: return node.number;
        case Type::kString: return text(node.string.offset, node.string.length);
        case Type::kArray: {
            Array elements;
            elements.reserve(node.container.count);
            for (std::uint32_t child = index + 1; child < node.container.next; child = next(child)) {
                elements.push_back(thaw_at(child));
            }
            return elements;
        }
        case Type::kObject: break;
    }
    Object members;
    members.reserve(node.container.count);
    for (std::uint32_t child = index + 1; child < node.container.next; child = next(child)) {
        Node const& member = block_->nodes()[child];
        members.append(std::string(text(member.key_offset, member.key_length)), thaw_at(child));
    }
    return members;
}

Value Doc::thaw() const { return exists() ? thaw_at(index_) : Value(); }

Doc Doc::freeze(Value const& value) {
    DocBuilder builder;
    builder.value(value);
    return builder.finish();
}

// Whether the rest of the block is hardly worth the copy: an event of a watch is little more than its object.
bool Doc::is_nearly_all() const {
    constexpr std::uint32_t kNodes = 8;
    constexpr std::uint32_t kBytes = 256;
    std::uint32_t const end = next(index_);
    if (block_->node_count - (end - index_) > kNodes) return false;
    std::uint32_t bytes = 0;
    for (std::uint32_t index = 0; index < block_->node_count; ++index) {
        if (index == index_) index = end;
        if (index >= block_->node_count) break;
        Node const& node = block_->nodes()[index];
        bool const text = node.type == static_cast<unsigned>(Type::kString);
        if (node.key_length > kBytes || (text && node.string.length > kBytes)) return false;
        bytes += node.key_length + (text ? node.string.length : 0);
    }
    return bytes <= kBytes;
}

Doc Doc::detach() const {
    if (!exists() || index_ == 0 || is_nearly_all()) return *this;
    DocBuilder builder;
    builder.doc(*this);
    return builder.finish();
}

// Keys repeat (every container of every pod has "name"): each is stored once a document. Open addressing over their
// places in the text.
class DocBuilder::Keys {
public:
    // Where the key is in `text`, which it is appended to when it is new.
    std::uint32_t place(std::string_view key, std::string& text) {
        if (2 * (used_ + 1) > slots_.size()) grow();
        std::uint32_t const hash = hash_of(key);
        for (std::size_t at = hash;; ++at) {
            Slot& slot = slots_[at & (slots_.size() - 1)];
            if (!slot.used) {
                slot = {hash, static_cast<std::uint32_t>(text.size()), static_cast<std::uint32_t>(key.size()), true};
                text += key;
                ++used_;
                return slot.offset;
            }
            if (slot.hash == hash && std::string_view(text).substr(slot.offset, slot.length) == key) return slot.offset;
        }
    }

    void clear() {
        if (slots_.size() > kKept) slots_.resize(kKept);
        std::ranges::fill(slots_, Slot());
        used_ = 0;
    }

private:
    struct Slot {
        std::uint32_t hash = 0, offset = 0, length = 0;
        bool used = false;
    };

    // Eight letters at a time: most keys are short, and there are many.
    static std::uint32_t hash_of(std::string_view key) {
        constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15U;
        std::uint64_t hash = key.size() * kMix;
        for (; key.size() >= sizeof hash; key.remove_prefix(sizeof hash)) {
            std::uint64_t letters;
            std::memcpy(&letters, key.data(), sizeof letters);
            hash = (hash ^ letters) * kMix;
            hash ^= hash >> 32;
        }
        std::uint64_t rest = 0;
        for (char const each : key) rest = rest << 8 | static_cast<unsigned char>(each);
        hash = (hash ^ rest) * kMix;
        return static_cast<std::uint32_t>(hash >> 32);
    }

    void grow() {
        std::vector<Slot> const before = std::exchange(slots_, std::vector<Slot>(std::max(slots_.size() * 2, kKept)));
        for (Slot const& slot : before) {
            if (!slot.used) continue;
            std::size_t at = slot.hash;
            while (slots_[at & (slots_.size() - 1)].used) ++at;
            slots_[at & (slots_.size() - 1)] = slot;
        }
    }

    static constexpr std::size_t kKept = 256;
    std::vector<Slot> slots_;   // a power of two of them, half of them free at least
    std::size_t used_ = 0;
};

struct DocBuilder::State {
    std::vector<Doc::Node> nodes;
    std::string text;
    std::vector<std::uint32_t> open;
    std::uint32_t key_offset = 0;
    std::uint32_t key_length = 0;
    Keys keys;

    void clear() {
        nodes.clear();
        text.clear();
        open.clear();
        key_offset = key_length = 0;
        keys.clear();
    }

    // What the last builder of this thread left, for the next: documents are built all the time.
    static std::unique_ptr<State>& spare() {
        thread_local std::unique_ptr<State> kept;
        return kept;
    }
};

DocBuilder::DocBuilder() {
    auto& spare = State::spare();
    state_ = spare ? spare.release() : new State;
}

DocBuilder::~DocBuilder() {
    constexpr std::size_t kKeptBytes = 256 << 10;
    bool const small =
        state_->nodes.capacity() * sizeof(Doc::Node) <= kKeptBytes && state_->text.capacity() <= kKeptBytes;
    auto& spare = State::spare();
    if (!small || spare) {
        delete state_;
        return;
    }
    state_->clear();
    spare.reset(state_);
}

std::uint32_t DocBuilder::intern(std::string_view text) {
    std::size_t const offset = state_->text.size();
    AVIARY_CHECK(offset + text.size() < (1ULL << 32));
    state_->text += text;
    return static_cast<std::uint32_t>(offset);
}

void DocBuilder::key(std::string_view key) {
    AVIARY_CHECK(key.size() < (1U << 28) && state_->text.size() + key.size() < (1ULL << 32));
    state_->key_offset = state_->keys.place(key, state_->text);
    state_->key_length = static_cast<std::uint32_t>(key.size());
}

Doc::Node& DocBuilder::add(Type type) {
    if (!state_->open.empty()) ++state_->nodes[state_->open.back()].container.count;
    Doc::Node& node = state_->nodes.emplace_back();
    node.type = static_cast<unsigned>(type);
    node.key_offset = state_->key_offset;
    node.key_length = state_->key_length;
    state_->key_offset = state_->key_length = 0;
    return node;
}

void DocBuilder::null() { add(Type::kNull); }
void DocBuilder::boolean(bool value) { add(Type::kBool).boolean = value; }
void DocBuilder::integer(std::int64_t value) { add(Type::kInt).integer = value; }
void DocBuilder::number(double value) { add(Type::kDouble).number = value; }

void DocBuilder::string(std::string_view value) {
    std::uint32_t const offset = intern(value);
    Doc::Node& node = add(Type::kString);
    node.string.offset = offset;
    node.string.length = static_cast<std::uint32_t>(value.size());
}

void DocBuilder::begin_object() {
    add(Type::kObject).container = {0, 0};
    state_->open.push_back(static_cast<std::uint32_t>(state_->nodes.size() - 1));
}

void DocBuilder::begin_array() {
    add(Type::kArray).container = {0, 0};
    state_->open.push_back(static_cast<std::uint32_t>(state_->nodes.size() - 1));
}

void DocBuilder::end() {
    AVIARY_CHECK(!state_->open.empty());
    state_->nodes[state_->open.back()].container.next = static_cast<std::uint32_t>(state_->nodes.size());
    state_->open.pop_back();
}

void DocBuilder::value(Value const& value) {
    switch (value.type()) {
        case Type::kNull: return null();
        case Type::kBool: return boolean(value.as_bool());
        case Type::kInt: return integer(value.as_int());
        case Type::kDouble: return number(value.as_double());
        case Type::kString: return string(value.as_string());
        case Type::kArray:
            begin_array();
            for (Value const& element : value.array()) this->value(element);
            return end();
        case Type::kObject: break;
    }
    begin_object();
    for (auto const& [name, member] : value.object()) {
        key(name);
        this->value(member);
    }
    end();
}

void DocBuilder::copy(Doc const& doc, std::uint32_t index) {
    Doc::Node const& node = doc.block_->nodes()[index];
    switch (static_cast<Type>(node.type)) {
        case Type::kNull: return null();
        case Type::kBool: return boolean(node.boolean);
        case Type::kInt: return integer(node.integer);
        case Type::kDouble: return number(node.number);
        case Type::kString: return string(doc.text(node.string.offset, node.string.length));
        case Type::kArray: begin_array(); break;
        case Type::kObject: begin_object(); break;
    }
    for (std::uint32_t child = index + 1; child < node.container.next; child = doc.next(child)) {
        Doc::Node const& member = doc.block_->nodes()[child];
        if (static_cast<Type>(node.type) == Type::kObject) key(doc.text(member.key_offset, member.key_length));
        copy(doc, child);
    }
    end();
}

void DocBuilder::doc(Doc const& doc) {
    if (!doc.exists()) return null();
    doc.index_ == 0 ? copy_all(doc) : copy(doc, doc.index_);
}

// A whole block: its nodes and its text as they are, moved.
void DocBuilder::copy_all(Doc const& doc) {
    Doc::Block& block = *doc.block_;
    auto const text = intern({block.text(), block.text_bytes});
    auto const first = static_cast<std::uint32_t>(state_->nodes.size());
    Doc::Node& root = add(doc.type());
    std::uint32_t const key_offset = root.key_offset;
    std::uint32_t const key_length = root.key_length;
    state_->nodes.pop_back();
    state_->nodes.insert(state_->nodes.end(), block.nodes(), block.nodes() + block.node_count);
    for (std::uint32_t index = first; index < state_->nodes.size(); ++index) {
        Doc::Node& node = state_->nodes[index];
        node.key_offset += text;
        switch (static_cast<Type>(node.type)) {
            case Type::kString: node.string.offset += text; break;
            case Type::kArray:
            case Type::kObject: node.container.next += first; break;
            default: break;
        }
    }
    state_->nodes[first].key_offset = key_offset;
    state_->nodes[first].key_length = key_length;
}

Doc DocBuilder::finish() {
    AVIARY_CHECK(state_->open.empty() && !state_->nodes.empty());
    std::size_t const node_bytes = state_->nodes.size() * sizeof(Doc::Node);
    void* memory = std::malloc(sizeof(Doc::Block) + node_bytes + state_->text.size());
    if (memory == nullptr) throw std::bad_alloc();
    auto* block = new (memory) Doc::Block{
        {1}, static_cast<std::uint32_t>(state_->nodes.size()), static_cast<std::uint32_t>(state_->text.size()), 0};
    std::memcpy(static_cast<void*>(block->nodes()), state_->nodes.data(), node_bytes);
    std::memcpy(const_cast<char*>(block->text()), state_->text.data(), state_->text.size());
    state_->clear();
    return Doc(block, 0);
}

}   // namespace aviary::json
