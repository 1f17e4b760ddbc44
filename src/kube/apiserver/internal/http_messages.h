// HTTP messages to API requests, and answers back.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/http/message.h"
#include "kube/client/transport.h"

namespace aviary::apiserver {

// Path and query of "/clusters/beijing/api/v1/pods?watch=1"; the cluster is left alone where none is named.
Status parse_target(std::string_view target, client::Request& request, std::string& cluster);
// Those that a request may carry: types, impersonation, conditions. The rest goes.
void read_headers(http::Headers& headers, client::Request& request);
bool wants_yaml(http::Headers const& headers);
bool starts_with_ignoring_case(std::string_view text, std::string_view start);
http::Response to_http(client::Response response, bool yaml);

}   // namespace aviary::apiserver
