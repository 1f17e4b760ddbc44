#include "hub/propagation/content.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using json::Doc;

// When anybody but the hub has last said something of it: a label that was changed and changed back leaves no other
// trace. RFC 3339 in UTC with whole seconds, as API servers write it.
std::string_view said_at(Doc const& object) {
    std::string_view newest;
    for (auto const& [index, entry] : object.at({"metadata", "managedFields"}).elements()) {
        if (!entry["subresource"].as_string().empty() || entry["manager"].as_string() == kManager) continue;
        newest = std::max(newest, std::string_view(entry["time"].as_string()));
    }
    return newest;
}

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
    std::string const undated = key_of(source) + "/" + key_of(binding);
    std::string_view const at = meta::generation(source) == 0 ? std::string_view() : said_at(source);
    std::string key = at.empty() ? undated : fmt::format("{}@{}", undated, at);
    std::int64_t const newest = std::max(version_of(source), version_of(binding));
    if (last != nullptr) {
        if (last->key == key) return *last;
        return {std::move(key), std::max(newest, last->version)};
    }
    Doc const status = binding["status"];
    std::int64_t const recorded = status["contentVersion"].as_int();
    // Versions before wrote keys without a time: they count as what is there, or an upgrade would make all of it newer.
    std::string_view const before = status["contentKey"].as_string();
    bool const same = (before == key || before == undated) && recorded > 0 && recorded <= newest;
    return {std::move(key), same ? recorded : newest};
}

}   // namespace aviary::propagation
