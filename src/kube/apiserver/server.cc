#include "kube/apiserver/server.h"

#include <map>

#include "core/async/event.h"
#include "core/storage/engine.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/shared.h"

namespace aviary::apiserver {

struct ApiServer::Impl {
    std::shared_ptr<storage::Engine> engine;
    std::shared_ptr<Shared> shared = std::make_shared<Shared>();
    std::map<std::string, std::unique_ptr<Cluster>, std::less<>> clusters;
    async::Scope* controller_scope = nullptr;   // while run_controllers runs
};

namespace {

// In process: no bytes, but the same handling, and an answer on a later turn as over any wire.
class InProcessTransport final : public client::Transport {
public:
    InProcessTransport(ApiServer& server, std::string cluster, control::UserInfo user)
        : server_(server), cluster_(std::move(cluster)), user_(std::move(user)) {}
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        CO_TRY(co_await async::yield(ctx));
        client::Response response = co_await server_.handle(ctx, cluster_, user_, std::move(request));
        co_return std::move(response);
    }

private:
    ApiServer& server_;
    std::string cluster_;
    control::UserInfo user_;
};

}   // namespace

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiServer::~ApiServer() = default;

Task<Result<std::unique_ptr<ApiServer>>> ApiServer::open(Context ctx, std::shared_ptr<storage::Engine> engine,
                                                         Options options) {
    auto impl = std::make_unique<Impl>();
    impl->engine = std::move(engine);
    impl->shared->options = std::move(options);
    if (!impl->shared->options.catalog) impl->shared->options.catalog = make_catalog(0);
    impl->shared->count_in(ctx.metrics());
    CO_TRY_ASSIGN(std::vector<std::string> const names, store::clusters(*impl->engine));
    for (std::string const& name : names) {
        CO_TRY_ASSIGN(impl->clusters[name], Cluster::open(*impl->engine, name, *impl->shared));
    }
    std::string const root = impl->shared->options.root_cluster;
    auto server = std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
    CO_TRY(co_await server->ensure_cluster(ctx, root));
    co_return std::move(server);
}

Task<Status> ApiServer::ensure_cluster(Context ctx, std::string cluster) {
    auto found = impl_->clusters.find(cluster);
    if (found == impl_->clusters.end()) {
        CO_TRY_ASSIGN(auto opened, Cluster::open(*impl_->engine, cluster, *impl_->shared));
        found = impl_->clusters.emplace(cluster, std::move(opened)).first;
        if (impl_->controller_scope != nullptr) {
            impl_->controller_scope->spawn(found->second->run_controllers(impl_->controller_scope->context()));
        }
    }
    Status ready = co_await found->second->bootstrap(ctx);
    co_return ready;
}

std::vector<std::string> ApiServer::clusters() const {
    std::vector<std::string> names;
    for (auto const& [name, cluster] : impl_->clusters) names.push_back(name);
    return names;
}

Task<client::Response> ApiServer::handle(Context ctx, std::string cluster, control::UserInfo user,
                                         client::Request request) {
    auto const found = impl_->clusters.find(cluster);
    if (found == impl_->clusters.end())
        co_return error_response(Error(ErrorCode::kNotFound, "there is no cluster \"" + cluster + "\" here"));
    client::Response response = co_await found->second->handle(ctx, std::move(user), std::move(request));
    co_return std::move(response);
}

std::shared_ptr<client::Transport> ApiServer::transport(std::string cluster, control::UserInfo user) {
    return std::make_shared<InProcessTransport>(*this, std::move(cluster), std::move(user));
}

control::Authorizer const& ApiServer::authorizer(std::string const& cluster) const {
    return impl_->clusters.at(cluster)->authorizer();
}

void ApiServer::add_admission(std::string cluster, std::shared_ptr<control::Admission> admission) {
    impl_->clusters.at(cluster)->add_admission(std::move(admission));
}

void ApiServer::add_service(std::string cluster, meta::ObjectKey service, std::shared_ptr<http::Handler> handler) {
    impl_->clusters.at(cluster)->add_service(std::move(service), std::move(handler));
}

void ApiServer::add_route(std::string cluster, std::string prefix, std::shared_ptr<Route> route) {
    impl_->clusters.at(cluster)->add_route(std::move(prefix), std::move(route));
}

Options const& ApiServer::options() const { return impl_->shared->options; }

Task<void> ApiServer::run_controllers(Context ctx) {
    async::Scope scope(ctx);
    impl_->controller_scope = &scope;
    for (auto const& [name, cluster] : impl_->clusters) scope.spawn(cluster->run_controllers(scope.context()));
    async::Event never;
    (void)co_await never.wait(scope.context());
    impl_->controller_scope = nullptr;
    co_await scope.cancel_and_join();
}

std::vector<ApiServer::RequestCount> ApiServer::request_counts() const { return impl_->shared->counts.all(); }
std::size_t ApiServer::open_watches() const { return impl_->shared->watches; }
observe::Metrics const& ApiServer::metrics() const { return impl_->shared->metrics; }

}   // namespace aviary::apiserver
