// The shape that strategic merge and server-side apply need to know of a kind: what is one value, what merges by field,
// which lists merge and by which keys. Compiled once from OpenAPI; immutable and shared.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::patch {

struct TypeNode {
    enum class Kind {
        kScalar,
        kStruct,      // known fields; others behave as untyped
        kMap,         // any keys, one element type
        kAtomicMap,   // owned and replaced as a whole
        kAtomicList,
        kSetList,   // of scalars
        kMapList,   // elements named by keys
        kUntyped,   // unknown: objects merge by field, lists are atomic
    };
    Kind kind = Kind::kUntyped;
    std::map<std::string, TypeNode const*, std::less<>> fields;   // kStruct
    TypeNode const* element = nullptr;                            // maps and lists
    std::vector<std::pair<std::string, json::Value>> keys;        // kMapList: key and its default (null: none)
    // Strategic merge: lists without a merge key, or with the strategy replace, are replaced.
    std::string merge_key;
    bool merges_primitives = false;   // a list of scalars with the strategy merge
    bool replace = false;             // patchStrategy replace
    bool retain_keys = false;

    // The node of a field; never null (untyped when unknown).
    TypeNode const& field(std::string_view name) const;
};

// For everything unknown.
TypeNode const& untyped();

// Compiles schemas that may refer to each other, also in cycles.
class TypeCompiler {
public:
    using Resolver = std::function<json::Doc(std::string_view reference)>;   // absent when there is no such schema
    explicit TypeCompiler(Resolver resolve = {});
    // Understands x-kubernetes-list-type, -list-map-keys, -map-type, -patch-strategy, -patch-merge-key,
    // -preserve-unknown-fields.
    std::shared_ptr<TypeNode const> compile(json::Doc const& schema);

private:
    TypeNode const* node_for(json::Doc const& schema);
    void fill(TypeNode& node, json::Doc const& schema);
    struct Arena;
    std::shared_ptr<Arena> arena_;
    Resolver resolve_;
};

}   // namespace aviary::patch
