// Why pods are not ready, in the words that explain has for it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/json/doc.h"

namespace aviary::proxy {

// Pods that are not ready for the same reason.
struct Trouble {
    std::string
        reason;   // CrashLooping | PodFailed | ImagePullFailed | InsufficientGPU | Unschedulable | PullingImage …
    std::string detail;
    int count = 0;
    Time since{};
    // They have only begun, and nothing has gone wrong so far: no cause to hold a release back.
    bool starting = false;

    // "2 of 5 v2 pods CrashLooping: main restarted 4 times"
    std::string text(std::string_view version, std::size_t of) const;
    std::string ends_when() const;
};

bool ready(json::Doc const& pod);
// Its containers have ended for good, and another pod takes its place.
bool failed(json::Doc const& pod);
// Whether no waiting will mend it.
bool needs_person(std::string_view reason);
// The worst first.
std::vector<Trouble> troubles_of(std::vector<json::Doc> const& pods);

}   // namespace aviary::proxy
