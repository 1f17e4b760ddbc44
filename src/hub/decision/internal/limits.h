// How long what others wrote may be where it is kept.
#pragma once

#include <cstddef>

namespace aviary::decision {

// Bytes of one word, as a name, a time or a state: as much as Kubernetes allows a name.
inline constexpr std::size_t kLongestWord = 253;

}   // namespace aviary::decision
