#include "kube/apiserver/internal/http_messages.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "kube/apiserver/text_stream.h"

namespace aviary::apiserver {

using client::Request;
using client::Response;

namespace {

// The events of a watch, a document a line. Watches of this server give text that they share.
class WatchBody final : public http::BodyStream {
public:
    explicit WatchBody(std::unique_ptr<client::WatchStream> watch)
        : watch_(std::move(watch)), text_(dynamic_cast<TextStream*>(watch_.get())) {}
    Task<Result<std::optional<std::string>>> next(Context ctx) override {
        if (text_ != nullptr) {
            Result<std::optional<std::string>> shared = co_await text_->next_text(ctx);
            co_return std::move(shared);
        }
        CO_TRY_ASSIGN(std::optional<json::Doc> event, co_await watch_->next(ctx));
        if (!event) co_return std::optional<std::string>();
        std::string text = json::write(*event);
        text += '\n';
        co_return std::optional(std::move(text));
    }

private:
    std::unique_ptr<client::WatchStream> watch_;
    TextStream* text_;
};

}   // namespace

http::Response to_http(Response response, bool yaml) {
    http::Response out;
    out.status = response.status;
    out.headers = std::move(response.headers);
    out.headers.emplace_back("Cache-Control", "no-cache, private");
    if (response.watch) {
        out.headers.emplace_back("Content-Type", "application/json");
        out.stream = std::make_unique<WatchBody>(std::move(response.watch));
        return out;
    }
    if (response.body.exists() && yaml) {
        out.headers.emplace_back("Content-Type", "application/yaml");
        out.body = yaml::write(response.body.thaw());
        return out;
    }
    out.headers.emplace_back("Content-Type", std::move(response.content_type));
    out.body = response.body.exists() ? json::write(response.body) : std::move(response.raw_body);
    if (response.body.exists()) out.body += '\n';
    return out;
}

// "/clusters/beijing/api/v1/pods?watch=1"
Status parse_target(std::string_view target, Request& request, std::string& cluster) {
    std::size_t const mark = target.find('?');
    std::string_view path = target.substr(0, mark);
    constexpr std::string_view kClusters = "/clusters/";
    if (path.starts_with(kClusters)) {
        path.remove_prefix(kClusters.size());
        std::size_t const slash = path.find('/');
        cluster = path.substr(0, slash);
        path = slash == std::string_view::npos ? "/" : path.substr(slash);
    }
    if (path.empty() || path.front() != '/') return fail(ErrorCode::kBadRequest, "the path must begin with '/'");
    request.path = path;
    if (mark == std::string_view::npos) return {};
    for (std::string_view part : split(target.substr(mark + 1), '&')) {
        if (part.empty()) continue;
        std::size_t const sign = part.find('=');
        auto key = percent_decode(part.substr(0, sign), true);
        auto value = percent_decode(sign == std::string_view::npos ? std::string_view() : part.substr(sign + 1), true);
        if (!key || !value) return fail(ErrorCode::kBadRequest, fmt::format("malformed query parameter \"{}\"", part));
        request.query.emplace_back(std::move(*key), std::move(*value));
    }
    return {};
}

bool starts_with_ignoring_case(std::string_view text, std::string_view start) {
    return text.size() >= start.size() && iequals(text.substr(0, start.size()), start);
}

bool wants_yaml(http::Headers const& headers) {
    return starts_with_ignoring_case(http::find_header(headers, "Accept"), "application/yaml");
}

void read_headers(http::Headers& headers, Request& request) {
    for (auto& [key, value] : headers) {
        if (iequals(key, "Content-Type")) {
            request.content_type = std::move(value);
        } else if (iequals(key, "Accept")) {
            request.accept = std::move(value);
        } else if (iequals(key, "User-Agent") || iequals(key, "If-None-Match") ||
                   starts_with_ignoring_case(key, "impersonate-")) {
            request.headers.emplace_back(std::move(key), std::move(value));
        }
    }
}

}   // namespace aviary::apiserver
