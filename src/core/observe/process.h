// What the process itself takes, by the names that Prometheus' own clients give it.
#pragma once

#include <string>

namespace aviary::observe {

// As Metrics::text() is, of this moment: processor, memory, files and the start. What cannot be read is left out.
std::string process_text();

}   // namespace aviary::observe
