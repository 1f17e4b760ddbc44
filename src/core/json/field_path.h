// Where a value lies in its document, for messages: "spec.steps[1].replicas".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace aviary::json {

// One place and a link to the place around it, which must outlive it: a walk makes them on its stack, and text only
// when there is something to say.
struct FieldPath {
    FieldPath const* parent = nullptr;
    std::string_view name = {};   // without data: an element, at `index`
    std::size_t index = 0;

    FieldPath member(std::string_view member_name) const { return {this, member_name, 0}; }
    FieldPath element(std::size_t at) const { return {this, {}, at}; }
    std::string text() const;
};

}   // namespace aviary::json
