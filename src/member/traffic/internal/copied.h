// Which labels and annotations of a stable object are as true of its canary.
#pragma once

#include <string_view>

namespace aviary::traffic {

// Neither what kubectl keeps about the object itself, nor what marks it as brought by a hub, nor a release's own notes.
inline bool is_copied(std::string_view key) {
    return key != "kubectl.kubernetes.io/last-applied-configuration" && !key.starts_with("fleet.aviary.dev/") &&
           !key.starts_with("rollouts.aviary.dev/");
}

}   // namespace aviary::traffic
