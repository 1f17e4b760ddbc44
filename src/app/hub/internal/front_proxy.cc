#include "app/hub/internal/front_proxy.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "core/json/parse.h"
#include "core/observe/log.h"

namespace aviary::hub {

namespace {

using json::Doc;

meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
meta::ObjectKey const kMap{"kube-system", "extension-apiserver-authentication"};

// None when it is not there, is empty or null, as in an API server's own reading. One that cannot be read is not taken
// for none: no names stand for any.
Result<std::vector<std::string>> texts(Doc const& data, std::string_view key) {
    std::vector<std::string> result;
    std::string_view const text = data[key].as_string();
    if (text.empty() || text == "null") return result;
    auto const list = json::parse(text);
    if (!list || !list->is_array())
        return fail(ErrorCode::kInvalid, fmt::format("configmap {}: {} is no list", kMap.to_string(), key));
    for (auto const& [index, each] : list->elements()) result.push_back(each.string());
    return result;
}

}   // namespace

FrontProxy::FrontProxy(client::Client client) : informer_(std::move(client), kConfigMaps, client::only(kMap)) {}

Task<Result<std::unique_ptr<FrontProxy>>> FrontProxy::read(Context ctx, client::Client client) {
    auto const map = co_await client.get(ctx, kConfigMaps, kMap);
    if (!map) co_return std::unexpected(map.error().context("how the API server passes requests on"));
    std::unique_ptr<FrontProxy> made(new FrontProxy(std::move(client)));
    CO_TRY(made->take(*map));
    co_return made;
}

Status FrontProxy::take(Doc const& map) {
    Doc const data = map["data"];
    std::string const authority = data["requestheader-client-ca-file"].string();
    if (authority.empty()) {
        return fail(ErrorCode::kUnsupported,
                    fmt::format("configmap {} has no requestheader-client-ca-file: the API server does not aggregate",
                                kMap.to_string()));
    }
    apiserver::FrontProxy proxy;
    proxy.allowed_names = TRY(texts(data, "requestheader-allowed-names"));
    proxy.username_headers = TRY(texts(data, "requestheader-username-headers"));
    proxy.group_headers = TRY(texts(data, "requestheader-group-headers"));
    proxy.extra_header_prefixes = TRY(texts(data, "requestheader-extra-headers-prefix"));
    if (trust_ && authority != authority_) TRY(trust_(authority));
    authority_ = authority;
    proxy_ = std::move(proxy);
    return {};
}

Task<void> FrontProxy::run(Context ctx, std::function<Status(std::string const&)> trust) {
    trust_ = std::move(trust);
    informer_.on_change([this, ctx](client::Change const& change) {
        std::string const before = authority_;
        Status const taken = take(change.after);
        if (!taken) {
            ctx.log().warning("the front proxy of before counts", {{"error", taken.error().message()}});
        } else if (authority_ != before) {
            ctx.log().info("the API server's front proxy has another authority");
        }
    });
    co_await informer_.run(ctx);
}

}   // namespace aviary::hub
