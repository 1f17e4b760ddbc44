// Where the hub serves its reads across members: as an API group, so that a kube-apiserver can pass them on.
#pragma once

#include <string_view>

namespace aviary::proxy {

inline constexpr std::string_view kGroup = "proxy.fleet.aviary.dev";
inline constexpr std::string_view kVersion = "v1alpha1";
inline constexpr std::string_view kRoot = "/apis/proxy.fleet.aviary.dev/v1alpha1/";

}   // namespace aviary::proxy
