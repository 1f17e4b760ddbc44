// Structural schemas: validating, pruning and defaulting objects by an OpenAPI v3 schema, with Kubernetes' words.
// Compiled once; immutable and shared.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::schema {

namespace internal {
struct Node;
struct Arena;
}   // namespace internal

class Schema {
public:
    using Resolver = std::function<json::Doc(std::string_view reference)>;   // absent when there is no such schema

    // An Error names the place in the schema that is wrong.
    class Compiler;
    static Result<std::shared_ptr<Schema const>> compile(json::Doc const& schema);
    ~Schema();

    // What is wrong, by JSON path ("spec.steps[1].replicas"); empty when nothing is. At most a hundred causes. Messages
    // are the API server's: `Invalid value: "string": spec.x in body must be of type integer: "string"`.
    // `at` is where the object stands, when it is a part of another.
    std::vector<FieldCause> validate(json::Value const& object, std::string_view at = {}) const;
    // Removes fields that the schema does not know, except metadata; answers their paths.
    std::vector<std::string> prune(json::Value& object) const;
    // The paths of unknown fields, changing nothing: built-in kinds.
    std::vector<std::string> unknown_fields(json::Value const& object) const;
    // Fills in what is absent, in every object that is there; null counts as absent unless the field is nullable, and
    // is removed when there is no default.
    void apply_defaults(json::Value& object) const;

private:
    friend class Compiler;
    Schema(std::shared_ptr<internal::Arena const> arena, internal::Node const* root);
    std::shared_ptr<internal::Arena const> arena_;
    internal::Node const* root_;
};

// Compiles schemas that may refer to each other, also in cycles; what it compiles is shared by all its results.
class Schema::Compiler {
public:
    // With `structure_only` just types and names of fields are checked, as Go decoding does it: built-in kinds.
    explicit Compiler(Resolver resolve = {}, bool structure_only = false);
    ~Compiler();
    Result<std::shared_ptr<Schema const>> compile(json::Doc const& schema);

private:
    internal::Node const* node_for(json::Doc const& schema, std::string const& path);
    void fill(internal::Node& node, json::Doc const& schema, std::string const& path);
    void fill_rules(internal::Node& node, json::Doc const& schema, std::string const& path);
    std::shared_ptr<internal::Arena> arena_;
    Resolver resolve_;
    bool structure_only_;
    std::string problem_;
};

// Why this is no structural schema (apiextensions v1); nothing when it is. `path` is where the schema stands in its
// definition: spec.versions[0].schema.openAPIV3Schema.
std::vector<FieldCause> check_structural(json::Doc const& schema, std::string const& path);
// Features of the schema that are accepted but not enforced ("x-kubernetes-validations at spec.foo").
std::vector<std::string> unsupported_features(json::Doc const& schema);

}   // namespace aviary::schema
