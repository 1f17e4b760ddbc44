// The syntax of names and labels, with Kubernetes' words for what is wrong.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace aviary::meta {

// What is wrong with it; nothing when it is right.
std::optional<std::string> dns1123_label_problem(std::string_view text);
std::optional<std::string> dns1123_subdomain_problem(std::string_view text);
std::optional<std::string> path_segment_problem(std::string_view text);   // RBAC names
std::optional<std::string> label_key_problem(std::string_view text);
std::optional<std::string> label_value_problem(std::string_view text);

// A name for an object, as long as one may be: of a longer one the end is cut off, and told by a hash of it all.
std::string fitting_name(std::string name);

}   // namespace aviary::meta
