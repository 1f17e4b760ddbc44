#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "kube/apiserver/store/internal/tree.h"

namespace aviary::store {
namespace {

using Model = std::map<std::string, std::uint64_t>;

Model read(Tree::Node const* root, std::string_view begin = "", std::string_view end = "\x7f") {
    Model result;
    std::string last;
    Tree::visit(root, begin, end, [&](Entry const& entry) {
        EXPECT_LE(last, entry.key);
        last = entry.key;
        result.emplace(entry.key, entry.revision);
        return true;
    });
    return result;
}

Model part(Model const& model, std::string const& begin, std::string const& end) {
    return begin < end ? Model(model.lower_bound(begin), model.lower_bound(end)) : Model();
}

std::string key_of(int number) { return "k" + std::to_string(number); }

RC_GTEST_PROP(Tree, BehavesLikeAMapAndRootsStay, (std::vector<std::pair<std::uint16_t, std::uint8_t>> const& raw)) {
    Tree tree;
    Model model;
    std::vector<std::pair<Tree::Root, Model>> roots;
    std::uint64_t revision = 0;
    // Each step stands for a run of keys, so that nodes fill up, split, shrink and join.
    for (auto const& [start, kind] : raw) {
        for (int each = 0; each < 60; ++each) {
            std::string const key = key_of((start + each * 7) % 3000);
            if (kind % 5 < 3) {
                tree.put(std::make_shared<Entry const>(Entry{key, ++revision, {}}));
                model[key] = revision;
            } else {
                tree.erase(key);
                model.erase(key);
            }
        }
        if (kind % 3 == 0) roots.emplace_back(tree.root(), model);
        std::string const begin = key_of(kind), end = key_of(start % 3000);
        RC_ASSERT(Tree::count(tree.peek(), begin, end) == part(model, begin, end).size());
        RC_ASSERT(read(tree.peek(), begin, end) == part(model, begin, end));
    }
    RC_ASSERT(read(tree.peek()) == model);
    RC_ASSERT(tree.size() == model.size());
    for (auto const& [key, value] : model) {
        Entry const* const found = tree.find(key);
        RC_ASSERT(found != nullptr);
        RC_ASSERT(found->revision == value);
    }
    for (auto const& [root, then] : roots) RC_ASSERT(read(root.get()) == then);
    for (auto const& [key, value] : model) tree.erase(key);
    RC_ASSERT(tree.size() == 0U);
    RC_ASSERT(tree.peek() == nullptr);
}

}   // namespace
}   // namespace aviary::store
