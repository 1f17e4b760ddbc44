// Codecs of values that several kinds share. For .cc files alone.
#pragma once

#include "core/json/fields.h"
#include "kube/meta/int_or_percent.h"

namespace aviary::json {

template <>
struct Codec<meta::IntOrPercent> {
    static Result<meta::IntOrPercent> read(Doc const& doc, FieldPath const& path) {
        auto const value = meta::IntOrPercent::from(doc);
        if (!value) return detail::wrong_type(path, "an integer or a percentage", doc);
        return *value;
    }
    static Value write(meta::IntOrPercent const& value) { return value.to_value(); }
    static bool empty(meta::IntOrPercent const&) { return false; }
    static Value schema() {
        return Object{{"x-kubernetes-int-or-string", true},
                      {"anyOf", Array{Object{{"type", "integer"}}, Object{{"type", "string"}}}}};
    }
};

// Takes away what is neither a number nor a percentage: the schema lets any text through.
inline void erase_unreadable(Value& holder, std::string_view name) {
    if (!holder.is_object() || meta::IntOrPercent::from(Doc::freeze(holder[name]))) return;
    holder.make_object().erase(name);
}

}   // namespace aviary::json
