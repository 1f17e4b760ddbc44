#include "apis/fleet/brought.h"

#include <fmt/format.h>

#include <utility>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"

namespace aviary::apis {

using json::Doc;

std::string short_hash(std::string_view text) { return fmt::format("{:016x}", fnv1a_64(text)).substr(0, 12); }

Replaced replaced(Doc const& workload) {
    std::string const says(meta::label(workload, kReplacedLabel));
    auto const dot = says.find('.');
    if (dot == std::string::npos) return {};
    return {says.substr(0, dot), says.substr(dot + 1)};
}

std::string comes_from(Doc const& workload) {
    std::string const revision(meta::label(workload, kStableRevisionLabel));
    return revision.empty() ? revision : short_hash(revision);
}

std::string stable_template(Doc const& workload) {
    Replaced note = replaced(workload);
    std::string const from = comes_from(workload);
    bool const releasing = !meta::annotation(workload, kInProgressingAnnotation).empty();
    bool const completed = releasing && !note.hash.empty() && !from.empty() && note.from != from;
    return completed ? std::move(note.hash) : std::string(meta::label(workload, kStableLabel));
}

}   // namespace aviary::apis
