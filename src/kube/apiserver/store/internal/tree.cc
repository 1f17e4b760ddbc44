#include "kube/apiserver/store/internal/tree.h"

#include <algorithm>

namespace aviary::store {

namespace {
constexpr std::size_t kMax = 32;
constexpr std::size_t kMin = 8;
}   // namespace

// A leaf has entries; an inner node has children and, for each but the first, a key that is above all before it and not
// above any in it.
struct Tree::Node {
    std::uint64_t generation = 0;
    std::uint64_t count = 0;
    std::vector<EntryPointer> entries;
    std::vector<std::shared_ptr<Node>> children;
    std::vector<std::string> separators;

    bool leaf() const { return children.empty(); }
    std::size_t width() const { return leaf() ? entries.size() : children.size(); }
    std::size_t child_of(std::string_view key) const {
        return static_cast<std::size_t>(
            std::ranges::upper_bound(separators, key, {},
                                     [](std::string const& each) { return std::string_view(each); }) -
            separators.begin());
    }
    std::size_t position_of(std::string_view key) const {
        return static_cast<std::size_t>(
            std::ranges::lower_bound(entries, key, {},
                                     [](EntryPointer const& each) { return std::string_view(each->key); }) -
            entries.begin());
    }
    void recount() {
        count = entries.size();
        for (auto const& child : children) count += child->count;
    }
};

std::uint64_t Tree::size() const { return root_ ? root_->count : 0; }

Tree::Root Tree::root() {
    ++generation_;
    return root_;
}

Tree::Node& Tree::own(std::shared_ptr<Node>& node) {
    if (node->generation != generation_) {
        node = std::make_shared<Node>(*node);
        node->generation = generation_;
    }
    return *node;
}

// The upper half becomes a new right neighbour. Appending in order leaves full nodes behind.
Tree::Split Tree::split(Node& node, bool at_end) {
    Split result{std::make_shared<Node>(), {}};
    Node& upper = *result.node;
    upper.generation = generation_;
    auto const from = static_cast<std::ptrdiff_t>(at_end ? node.width() - 2 : node.width() / 2);
    auto const move_tail = [](auto& source, std::ptrdiff_t first, auto& target) {
        target.assign(std::make_move_iterator(source.begin() + first), std::make_move_iterator(source.end()));
        source.erase(source.begin() + first, source.end());
    };
    if (node.leaf()) {
        move_tail(node.entries, from, upper.entries);
        result.separator = upper.entries.front()->key;
    } else {
        move_tail(node.children, from, upper.children);
        move_tail(node.separators, from, upper.separators);
        result.separator = std::move(node.separators.back());
        node.separators.pop_back();
    }
    node.recount();
    upper.recount();
    return result;
}

Tree::Split Tree::put_below(std::shared_ptr<Node>& place, EntryPointer&& entry, bool rightmost) {
    Node& node = own(place);
    if (node.leaf()) {
        std::size_t const at = node.position_of(entry->key);
        bool const at_end = rightmost && at == node.entries.size();
        if (at < node.entries.size() && node.entries[at]->key == entry->key) {
            node.entries[at] = std::move(entry);
        } else {
            node.entries.insert(node.entries.begin() + static_cast<std::ptrdiff_t>(at), std::move(entry));
        }
        node.recount();
        return node.entries.size() > kMax ? split(node, at_end) : Split();
    }
    std::size_t const child = node.child_of(entry->key);
    bool const last = rightmost && child + 1 == node.children.size();
    Split upper = put_below(node.children[child], std::move(entry), last);
    if (upper.node) {
        auto const after = static_cast<std::ptrdiff_t>(child);
        node.separators.insert(node.separators.begin() + after, std::move(upper.separator));
        node.children.insert(node.children.begin() + after + 1, std::move(upper.node));
    }
    node.recount();
    return node.children.size() > kMax ? split(node, last) : Split();
}

void Tree::put(EntryPointer entry) {
    if (!root_) {
        root_ = std::make_shared<Node>();
        root_->generation = generation_;
    }
    Split upper = put_below(root_, std::move(entry), true);
    if (!upper.node) return;
    auto root = std::make_shared<Node>();
    root->generation = generation_;
    root->separators.push_back(std::move(upper.separator));
    root->children = {root_, std::move(upper.node)};
    root->recount();
    root_ = std::move(root);
}

// Joins a small child with a neighbour where both fit into one node.
void Tree::merge(Node& parent, std::size_t child) {
    if (parent.children[child]->width() >= kMin || parent.children.size() < 2) return;
    std::size_t const left_at = child > 0 ? child - 1 : 0;
    if (parent.children[left_at]->width() + parent.children[left_at + 1]->width() > kMax) return;
    Node& left = own(parent.children[left_at]);
    Node const& right = *parent.children[left_at + 1];
    if (!left.leaf()) left.separators.push_back(parent.separators[left_at]);
    left.entries.insert(left.entries.end(), right.entries.begin(), right.entries.end());
    left.children.insert(left.children.end(), right.children.begin(), right.children.end());
    left.separators.insert(left.separators.end(), right.separators.begin(), right.separators.end());
    left.recount();
    parent.children.erase(parent.children.begin() + static_cast<std::ptrdiff_t>(left_at) + 1);
    parent.separators.erase(parent.separators.begin() + static_cast<std::ptrdiff_t>(left_at));
}

void Tree::erase_below(std::shared_ptr<Node>& place, std::string_view key) {
    Node& node = own(place);
    if (node.leaf()) {
        node.entries.erase(node.entries.begin() + static_cast<std::ptrdiff_t>(node.position_of(key)));
    } else {
        std::size_t const child = node.child_of(key);
        erase_below(node.children[child], key);
        merge(node, child);
    }
    node.recount();
}

void Tree::erase(std::string_view key) {
    if (find(key) == nullptr) return;
    erase_below(root_, key);
    while (root_ && !root_->leaf() && root_->children.size() == 1)
        root_ = std::shared_ptr<Node>(root_->children.front());
    if (root_->count == 0) root_.reset();
}

Entry const* Tree::find(Node const* root, std::string_view key) {
    if (root == nullptr) return nullptr;
    while (!root->leaf()) root = root->children[root->child_of(key)].get();
    std::size_t const at = root->position_of(key);
    return at < root->entries.size() && root->entries[at]->key == key ? root->entries[at].get() : nullptr;
}

void Tree::visit(Node const* root, std::string_view begin, std::string_view end, Visitor const& visitor) {
    auto const walk = [&](auto const& self, Node const& node) -> bool {
        if (node.leaf()) {
            for (std::size_t at = node.position_of(begin); at < node.entries.size(); ++at) {
                Entry const& entry = *node.entries[at];
                if (entry.key >= end || !visitor(entry)) return false;
            }
            return true;
        }
        for (std::size_t child = node.child_of(begin); child < node.children.size(); ++child) {
            if (child > 0 && node.separators[child - 1] >= end) return false;
            if (!self(self, *node.children[child])) return false;
        }
        return true;
    };
    if (root != nullptr) walk(walk, *root);
}

std::uint64_t Tree::count(Node const* root, std::string_view begin, std::string_view end) {
    auto const rank = [root](std::string_view key) {
        std::uint64_t before = 0;
        Node const* node = root;
        while (!node->leaf()) {
            std::size_t const child = node->child_of(key);
            for (std::size_t at = 0; at < child; ++at) before += node->children[at]->count;
            node = node->children[child].get();
        }
        return before + node->position_of(key);
    };
    return root == nullptr || begin >= end ? 0 : rank(end) - rank(begin);
}

}   // namespace aviary::store
