// Label and field selectors.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"

namespace aviary::meta {

class LabelSelector {
public:
    // "a=b,c!=d,e in (x,y),!f,g"; an empty text matches everything.
    static Result<LabelSelector> parse(std::string_view text);
    // metav1.LabelSelector; an empty object matches everything.
    static Result<LabelSelector> from_object(json::Doc const& selector);
    // What is wrong with one, as typed clients would say: from_object() takes what it does not know for nothing.
    static std::optional<std::string> problem(json::Doc const& selector);

    bool matches(json::Doc const& object) const { return matches_labels(object.at({"metadata", "labels"})); }
    bool matches_labels(json::Doc const& labels) const;
    bool empty() const { return requirements_.empty(); }
    std::string to_string() const;

private:
    enum class Operator { kIn, kNotIn, kExists, kDoesNotExist, kGreater, kLess };
    struct Requirement {
        std::string key;
        Operator op;
        std::vector<std::string> values;
    };
    std::vector<Requirement> requirements_;
};

class FieldSelector {
public:
    // "metadata.name=x,status.phase!=Running".
    static Result<FieldSelector> parse(std::string_view text);
    bool matches(json::Doc const& object) const;
    bool empty() const { return requirements_.empty(); }
    // The value that metadata.name (or another field) must equal; empty when none is asked.
    std::string required(std::string_view field) const;
    std::vector<std::string> fields() const;

private:
    struct Requirement {
        std::string field, value;
        bool equal;
    };
    std::vector<Requirement> requirements_;
};

}   // namespace aviary::meta
