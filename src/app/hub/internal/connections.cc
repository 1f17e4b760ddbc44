#include "app/hub/internal/connections.h"

#include <fmt/format.h>

#include <utility>

#include "apis/fleet/link.h"
#include "core/base/strings.h"
#include "kube/client/http_transport.h"
#include "kube/meta/object.h"

namespace aviary::hub {

namespace {

using json::Doc;

std::string decoded(Doc const& secret, std::string_view key) {
    return base64_decode(secret.at({"data", key}).as_string()).value_or("");
}

client::InformerOptions of_clusters(std::string const& ns) {
    client::InformerOptions options;
    options.ns = ns;
    options.label_selector = kClusterLabel;
    return options;
}

class Explaining final : public client::Transport {
public:
    Explaining(std::shared_ptr<client::Transport> inner, std::string cluster)
        : inner_(std::move(inner)), cluster_(std::move(cluster)) {}

    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        auto response = co_await inner_->send(ctx, std::move(request));
        if (response && response->status == kUnauthorized) {
            std::string const message = fmt::format(
                "{0} refuses the hub's credentials, which have ended or were revoked: `aviary join {0}` makes others",
                cluster_);
            response->body = Doc::freeze(json::Object{{"kind", "Status"},
                                                      {"apiVersion", "v1"},
                                                      {"status", "Failure"},
                                                      {"reason", "Unauthorized"},
                                                      {"message", message},
                                                      {"code", kUnauthorized}});
        }
        co_return response;
    }

private:
    static constexpr int kUnauthorized = 401;
    std::shared_ptr<client::Transport> inner_;
    std::string cluster_;
};

}   // namespace

std::shared_ptr<client::Transport> explaining_refusals(std::shared_ptr<client::Transport> transport,
                                                       std::string cluster) {
    return std::make_shared<Explaining>(std::move(transport), std::move(cluster));
}

std::string credentials_name(std::string const& cluster) { return "cluster-" + cluster; }

Connections::Connections(async::AsioExecutor& executor, client::Client hub, std::string ns, Agents const& agents)
    : executor_(executor),
      ns_(std::move(ns)),
      agents_(agents),
      secrets_(std::make_shared<client::Informer>(std::move(hub), meta::GroupVersionResource{"", "v1", "secrets"},
                                                  of_clusters(ns_))) {}

void Connections::on_change(std::function<void(std::string const& cluster)> changed) {
    secrets_->on_change([changed = std::move(changed)](client::Change const& change) {
        changed(meta::label(change.object(), kClusterLabel));
    });
}

Task<void> Connections::run(Context ctx) { co_await secrets_->run(ctx); }

Result<std::shared_ptr<client::Transport>> Connections::connect(Doc const& managed_cluster) const {
    std::string const name = meta::name(managed_cluster);
    if (apis::reached_by_link(managed_cluster)) return agents_.connect(name);
    Doc const where = managed_cluster.at({"spec", "managedClusterClientConfigs"})[0];
    client::ServerAccess access;
    access.context = name;
    access.url = where["url"].string();
    if (access.url.empty())
        return fail(ErrorCode::kInvalid,
                    "spec.managedClusterClientConfigs[0].url: Required value: where the cluster is");
    if (std::string const bundle = where["caBundle"].string(); !bundle.empty()) {
        auto authority = base64_decode(bundle);
        if (!authority) return fail(ErrorCode::kInvalid, "spec.managedClusterClientConfigs[0].caBundle is not base64");
        access.authority = std::move(*authority);
    }
    meta::ObjectKey const key{ns_, credentials_name(name)};
    Doc const secret = secrets_->get(key);
    if (!secret.exists()) {
        return fail(
            ErrorCode::kNotFound,
            fmt::format("secret {} with its credentials is missing: `aviary join {}` makes it", key.to_string(), name));
    }
    access.certificate = decoded(secret, "tls.crt");
    access.key = decoded(secret, "tls.key");
    if (access.certificate.empty()) {
        if (decoded(secret, "token").empty())
            return fail(ErrorCode::kInvalid, fmt::format("secret {} has neither token nor tls.crt", key.to_string()));
        if (!access.url.starts_with("https://")) {
            return fail(
                ErrorCode::kInvalid,
                fmt::format("spec.managedClusterClientConfigs[0].url: {}: a token is sent by https alone", access.url));
        }
        access.token_source = [secrets = secrets_, key] { return decoded(secrets->get(key), "token"); };
    }
    return explaining_refusals(TRY(client::http_transport(executor_, access)), name);
}

}   // namespace aviary::hub
