// Taking over what something else has brought to a member: what the hub's object is made of, what a write of the hub
// would change there, and whose ownership of fields ends. Pure. Why it is done so: docs/adr/0007.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::propagation {

// Who brought it: the words of `aviary adopt --from` and of fleet.aviary.dev/adopt on the hub's object.
enum class Origin { kKubectl, kKarmada };
std::optional<Origin> parse_origin(std::string_view word);

// The hub's object for one that lives in a member: all that it says there, the defaults too, without what the cluster
// and those who brought it keep in it for themselves.
json::Value template_of(json::Doc const& live);

struct Difference {
    std::string path;        // spec.template.spec.containers[vllm].image
    std::string hub, live;   // as JSON; empty: not there
};
// What applying `rendered` would change of `live` beside labels of the hub; and what `live` has in its spec, or data,
// that `rendered` does not say. Labels and annotations that the hub does not say may be there: they stay. At most
// `limit`.
std::vector<Difference> differences(json::Value const& rendered, json::Doc const& live, std::size_t limit = SIZE_MAX);
// "spec.replicas is 5 here and 3 on the hub"
std::string to_string(Difference const& difference);

// Of an object that the hub has applied: the merge patch that ends what those who brought it claim of its fields, and
// takes the labels away by which Karmada would go on to update or delete it; absent when there is nothing of it.
std::optional<json::Value> end_of_origin(json::Doc const& live, Origin origin);

}   // namespace aviary::propagation
