#include "kube/patch/type_tree.h"

#include <deque>

namespace aviary::patch {

struct TypeCompiler::Arena {
    std::deque<TypeNode> nodes;
    std::map<std::string, TypeNode const*, std::less<>> by_reference;
};

TypeNode const& untyped() {
    static TypeNode const node;
    return node;
}

TypeNode const& TypeNode::field(std::string_view name) const {
    if (kind == Kind::kStruct) {
        auto const found = fields.find(name);
        if (found != fields.end()) return *found->second;
    }
    return element != nullptr && (kind == Kind::kMap || kind == Kind::kStruct) ? *element : untyped();
}

TypeCompiler::TypeCompiler(Resolver resolve) : arena_(std::make_shared<Arena>()), resolve_(std::move(resolve)) {}

std::shared_ptr<TypeNode const> TypeCompiler::compile(json::Doc const& schema) { return {arena_, node_for(schema)}; }

TypeNode const* TypeCompiler::node_for(json::Doc const& schema) {
    if (!schema.is_object()) return &untyped();
    std::string reference = schema["$ref"].string();
    if (reference.empty() && schema["allOf"].size() == 1) reference = schema["allOf"][0]["$ref"].string();
    json::Doc target = schema;
    if (!reference.empty()) {
        // What stands beside the reference says how a list field merges; maps and structs take it from their own
        // schema.
        auto const found = arena_->by_reference.find(reference);
        if (found != arena_->by_reference.end()) return found->second;
        target = resolve_ ? resolve_(reference) : json::Doc();
        if (!target.exists()) return &untyped();
    }
    TypeNode& node = arena_->nodes.emplace_back();
    if (!reference.empty()) arena_->by_reference.emplace(reference, &node);
    fill(node, target);
    if (!reference.empty() && schema["x-kubernetes-map-type"].as_string() == "atomic")
        node.kind = TypeNode::Kind::kAtomicMap;
    return &node;
}

void TypeCompiler::fill(TypeNode& node, json::Doc const& schema) {
    std::string_view const strategy = schema["x-kubernetes-patch-strategy"].as_string();
    node.retain_keys = strategy.contains("retainKeys");
    node.replace = strategy == "replace";
    std::string_view const type = schema["type"].as_string();
    bool const atomic_map = schema["x-kubernetes-map-type"].as_string() == "atomic";
    if (type == "array") {
        node.element = node_for(schema["items"]);
        node.merge_key = schema["x-kubernetes-patch-merge-key"].string();
        node.merges_primitives = strategy.contains("merge") && node.merge_key.empty();
        std::string_view const list = schema["x-kubernetes-list-type"].as_string("atomic");
        node.kind = list == "map"   ? TypeNode::Kind::kMapList
                    : list == "set" ? TypeNode::Kind::kSetList
                                    : TypeNode::Kind::kAtomicList;
        for (auto const& [index, key] : schema["x-kubernetes-list-map-keys"].elements()) {
            json::Doc items = schema["items"];
            if (std::string const ref =
                    items["$ref"].exists() ? items["$ref"].string() : items["allOf"][0]["$ref"].string();
                !ref.empty() && resolve_)
                items = resolve_(ref);
            node.keys.emplace_back(key.string(), items.at({"properties", key.as_string(), "default"}).thaw());
        }
        // The builtin data marks lists that merge by key for strategic merge only; apply follows the list type alone.
        if (node.kind == TypeNode::Kind::kMapList && node.keys.empty()) node.kind = TypeNode::Kind::kAtomicList;
        return;
    }
    if (schema["x-kubernetes-int-or-string"].as_bool() || (!type.empty() && type != "object")) {
        node.kind = TypeNode::Kind::kScalar;
        return;
    }
    if (atomic_map) {
        node.kind = TypeNode::Kind::kAtomicMap;
        for (auto const& [name, property] : schema["properties"].members())
            node.fields.emplace(name, node_for(property));
        return;
    }
    if (schema["properties"].size() > 0) {
        node.kind = TypeNode::Kind::kStruct;
        for (auto const& [name, property] : schema["properties"].members())
            node.fields.emplace(name, node_for(property));
        return;
    }
    if (schema["additionalProperties"].is_object()) {
        node.kind = TypeNode::Kind::kMap;
        node.element = node_for(schema["additionalProperties"]);
        return;
    }
    node.kind = TypeNode::Kind::kUntyped;
}

}   // namespace aviary::patch
