#include "hub/propagation/content.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using json::Doc;

// Kinds without a generation have no status either.
std::string key_of(Doc const& object) {
    if (!object.exists()) return "-";
    if (meta::generation(object) == 0) return "v" + meta::resource_version(object);
    std::string const said = json::write(object.at({"metadata", "labels"})) +
                             json::write(object.at({"metadata", "annotations"})) +
                             (meta::is_deleting(object) ? "-" : "");
    return fmt::format("{}.{:016x}", meta::generation(object), fnv1a_64(said));
}

std::int64_t version_of(Doc const& object) { return parse_int(meta::resource_version(object)).value_or(0); }

}   // namespace

Content content_of(Doc const& source, Doc const& binding, Content const* last) {
    std::string key = key_of(source) + "/" + key_of(binding);
    std::int64_t const newest = std::max(version_of(source), version_of(binding));
    if (last != nullptr) {
        if (last->key == key) return *last;
        return {std::move(key), std::max(newest, last->version)};
    }
    Doc const status = binding["status"];
    std::int64_t const recorded = status["contentVersion"].as_int();
    bool const same = status["contentKey"].as_string() == key && recorded > 0 && recorded <= newest;
    return {std::move(key), same ? recorded : newest};
}

}   // namespace aviary::propagation
