// A second Ingress beside the stable one that leads to the new version, with annotations that say how much and who.
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "core/lua/sandbox.h"
#include "kube/meta/gvk.h"
#include "member/traffic/route.h"
#include "member/traffic/scripts.h"

namespace aviary::traffic {

inline meta::GroupVersionResource const kIngresses{"networking.k8s.io", "v1", "ingresses"};

// Whose annotations the release has copied from the stable Ingress: what is gone there goes here too, and what others
// have written stays.
inline constexpr std::string_view kCopiedAnnotations = "rollouts.aviary.dev/copied-annotations";

// What its labels and annotations were made for. As long as that is the same they are left alone: some controllers
// write one for each Ingress, or answer one with another.
inline constexpr std::string_view kRoutedStep = "rollouts.aviary.dev/routed-step";

struct IngressClass {
    std::string type;   // "nginx" …: what the script is told as obj.classType
    lua::Script script;
    ScriptRunner* runner = nullptr;   // null: no failure is remembered
};

// "web-canary" for "web".
std::string canary_ingress_name(std::string_view stable);

// The canary Ingress as it should be now: equal to `canary` (absent: there is none yet) where nothing is to change,
// absent where none is needed yet. `owner` is its controller reference; a reference to another controller is
// AlreadyExists. What changes in the stable Ingress during the release is followed, labels and annotations with the
// next step.
//
// Only rules' paths whose backend is the stable Service are taken. Resource backends, rules without http and the
// default backend are left to the stable Ingress: no class can divide a default backend. Invalid where no path is left,
// and where the script fails.
Result<json::Doc> canary_ingress(json::Doc const& stable, json::Doc const& canary, Route const& route,
                                 IngressClass const& ingress_class, json::Value const& owner);

}   // namespace aviary::traffic
