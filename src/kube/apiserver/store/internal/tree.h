// Tree: a persistent ordered map from keys to entries. root() gives an immutable state in constant time; later changes
// copy only the nodes on their way. Changes are for one thread, roots for any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/doc.h"

namespace aviary::store {

struct Entry {
    std::string key;
    std::uint64_t revision = 0;
    json::Doc object;
};
using EntryPointer = std::shared_ptr<Entry const>;

class Tree {
public:
    struct Node;
    using Root = std::shared_ptr<Node const>;

    void put(EntryPointer entry);
    void erase(std::string_view key);
    std::uint64_t size() const;
    // The current state; it stays as it is.
    Root root();
    // The same for the moment: until the next change.
    Node const* peek() const { return root_.get(); }

    // Null when absent. The entry lives as long as the root.
    static Entry const* find(Node const* root, std::string_view key);
    Entry const* find(std::string_view key) const { return find(root_.get(), key); }
    // In key order over [begin, end); the visitor answers false to stop.
    using Visitor = std::function<bool(Entry const&)>;
    static void visit(Node const* root, std::string_view begin, std::string_view end, Visitor const& visitor);
    // Entries in [begin, end), in logarithmic time.
    static std::uint64_t count(Node const* root, std::string_view begin, std::string_view end);

private:
    Node& own(std::shared_ptr<Node>& node);
    // A new right neighbour and the key that it begins at; none without a node.
    struct Split {
        std::shared_ptr<Node> node;
        std::string separator;
    };
    Split split(Node& node, bool at_end);
    Split put_below(std::shared_ptr<Node>& node, EntryPointer&& entry, bool rightmost);
    void erase_below(std::shared_ptr<Node>& node, std::string_view key);
    void merge(Node& parent, std::size_t child);

    std::shared_ptr<Node> root_;
    std::uint64_t generation_ = 0;   // nodes of this generation are in no root that was given out
};

}   // namespace aviary::store
