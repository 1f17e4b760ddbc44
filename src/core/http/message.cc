#include "core/http/message.h"

#include <utility>

#include "core/base/strings.h"

namespace aviary::http {

std::string_view find_header(Headers const& headers, std::string_view name) {
    for (auto const& [key, value] : headers) {
        if (iequals(key, name)) return value;
    }
    return {};
}

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

Response plain_text(int status, std::string text) {
    Response response;
    response.status = status;
    response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
    response.body = std::move(text);
    return response;
}

}   // namespace aviary::http
