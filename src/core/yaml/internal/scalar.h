// What plain scalars mean in the YAML 1.1 that Kubernetes' tools read and write.
#pragma once

#include <string_view>

#include "core/json/value.h"

namespace aviary::yaml::internal {

// "yes" is true, "010" is 8, "~" is null, "1e3" is 1000, "2024-01-01" is text.
json::Value plain_scalar(std::string_view text);
// ".inf" and ".nan", which JSON cannot say.
bool is_not_finite(std::string_view text);
// True when text must be quoted to stay text: "yes", "1", "2024-01-01", "12:30", "<<".
bool means_more_than_text(std::string_view text);
// The order of keys: symbols, numbers by value ("a2" before "a10"), letters.
bool key_less(std::string_view left, std::string_view right);

}   // namespace aviary::yaml::internal
