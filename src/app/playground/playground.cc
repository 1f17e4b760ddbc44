#include "app/playground/playground.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <sstream>

#include "apis/cluster/managed_cluster.h"
#include "apis/crds.h"
#include "app/hub/audit_log.h"
#include "app/hub/hub.h"
#include "app/hub/validation.h"
#include "app/member/member.h"
#include "app/playground/internal/kubeconfig.h"
#include "app/playground/internal/listen.h"
#include "app/process/conversion.h"
#include "app/process/process.h"
#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "core/http/server.h"
#include "core/yaml/yaml.h"
#include "hub/placement/bind_admission.h"
#include "hub/placement/cluster_sets.h"
#include "hub/proxy/fleet_gauges.h"
#include "hub/proxy/fleet_route.h"
#include "hub/proxy/member_roles.h"
#include "hub/proxy/paths.h"
#include "kube/apiserver/http_frontend.h"
#include "kube/apiserver/server.h"
#include "kube/client/kubeconfig.h"
#include "kube/control/definitions.h"
#include "kube/control/roles.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"
#include "kube/simulator/engines.h"
#include "kube/simulator/simulator.h"
#include "kube/webhook/handler.h"

namespace aviary::playground {

namespace {

constexpr char kHub[] = "fleet";
constexpr std::size_t kMaxClusters = 1000;
control::UserInfo const kSystem{"system:aviary", {"system:masters"}, {}};
control::UserInfo const kMemberUser{"system:aviary:member", {"system:masters", "system:authenticated"}, {}};
control::UserInfo const kHubUser{"system:aviary:hub", {"system:masters", "system:authenticated"}, {}};

std::optional<std::string> read_file(std::string const& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::nullopt;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// The playground's own authority and certificates, made once and kept in <data-dir>/pki.
struct Credentials {
    crypto::KeyPair authority, server, admin;
};

constexpr Duration kRenewBefore = std::chrono::hours(24 * 30);

std::optional<crypto::KeyPair> load(std::string const& base) {
    auto certificate = read_file(base + ".crt");
    auto key = read_file(base + ".key");
    if (!certificate && !key) return std::nullopt;
    return crypto::KeyPair{certificate.value_or(""), key.value_or("")};
}

Result<crypto::KeyPair> keep(std::string const& base, Result<crypto::KeyPair> made) {
    if (!made) return made;
    TRY(client::write_private_file(base + ".key", made->key_pem));
    TRY(client::write_private_file(base + ".crt", made->certificate_pem));
    return made;
}

// What cannot be used, or not for long, is made anew; copies of an older kubeconfig go on working until theirs ends.
Result<crypto::KeyPair> load_or_issue(std::string const& base, crypto::KeyPair const& authority,
                                      crypto::CertificateRequest const& request, Time now) {
    if (auto pair = load(base)) {
        auto const until = crypto::usable_until(*pair, authority.certificate_pem);
        if (until && *until > now + kRenewBefore) return std::move(*pair);
    }
    return keep(base, crypto::issue(authority, request, now));
}

Result<crypto::KeyPair> load_or_make_authority(std::string const& base, Time now) {
    auto pair = load(base);
    if (!pair) return keep(base, crypto::create_authority("aviary-ca", now));
    auto const until = crypto::usable_until(*pair, pair->certificate_pem);
    if (until && *until > now) return std::move(*pair);
    return fail(
        ErrorCode::kInvalid,
        fmt::format("{}.crt and {}.key cannot be used: {}; put them back from a backup, or remove {} to have new "
                    "ones made: copies of the kubeconfig made until now then end",
                    base, base, until ? "the certificate has ended" : until.error().message(),
                    std::filesystem::path(base).parent_path().string()));
}

Result<Credentials> credentials(std::string const& folder, Time now) {
    std::error_code problem;
    std::filesystem::create_directories(folder, problem);
    if (problem) return fail(ErrorCode::kUnavailable, fmt::format("creating {}: {}", folder, problem.message()));
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, problem);
    Credentials result;
    result.authority = TRY(load_or_make_authority(folder + "/ca", now));
    crypto::CertificateRequest server;
    server.common_name = "aviary-apiserver";
    server.dns_names = {"localhost"};
    server.addresses = {"127.0.0.1"};
    result.server = TRY(load_or_issue(folder + "/server", result.authority, server, now));
    crypto::CertificateRequest admin;
    admin.common_name = "admin";
    admin.organisations = {"system:masters"};
    result.admin = TRY(load_or_issue(folder + "/admin", result.authority, admin, now));
    return result;
}

// Over the one of the start before, in which people have settings.
Status write_kubeconfig(std::string const& path, std::vector<client::NamedServer> const& servers,
                        Credentials const& keys) {
    auto const text = read_file(path);
    auto const before = text ? yaml::parse(*text) : Result<json::Value>(json::Value());
    std::string const made = path + ".made";
    TRY(client::write_kubeconfig(made, servers, "admin", keys.authority.certificate_pem, keys.admin.certificate_pem,
                                 keys.admin.key_pem));
    json::Value fresh = TRY(yaml::parse(read_file(made).value_or("")));
    std::error_code ignored;
    std::filesystem::remove(made, ignored);
    return client::write_private_file(
        path, yaml::write(before ? merge_kubeconfig(*before, std::move(fresh)) : std::move(fresh)));
}

}   // namespace

Result<std::vector<std::string>> parse_clusters(std::string_view text) {
    std::vector<std::string> names;
    if (auto const count = parse_int(text)) {
        if (*count < 1 || *count > static_cast<std::int64_t>(kMaxClusters)) {
            return fail(ErrorCode::kInvalid,
                        fmt::format("--clusters {}: between 1 and {} clusters", text, kMaxClusters));
        }
        for (std::int64_t index = 1; index <= *count; ++index) names.push_back(fmt::format("member-{:03}", index));
        return names;
    }
    std::set<std::string> seen;
    for (std::string_view part : split(text, ',')) {
        std::string const name(trim(part));
        if (auto const problem = meta::dns1123_label_problem(name))
            return fail(ErrorCode::kInvalid, fmt::format("--clusters: \"{}\": {}", name, *problem));
        if (name == kHub)
            return fail(ErrorCode::kInvalid, fmt::format("--clusters: \"{}\" is the hub's own name", kHub));
        if (!seen.insert(name).second)
            return fail(ErrorCode::kInvalid, fmt::format("--clusters: \"{}\" is named twice", name));
        names.push_back(name);
    }
    if (names.size() > kMaxClusters)
        return fail(ErrorCode::kInvalid, fmt::format("--clusters: more than {} clusters", kMaxClusters));
    return names;
}

namespace {

// The way to a cluster that is on record and that this process does not run.
class Nowhere final : public client::Transport {
public:
    explicit Nowhere(std::string cluster) : cluster_(std::move(cluster)) {}
    Task<Result<client::Response>> send(Context, client::Request) override {
        co_return fail(ErrorCode::kUnavailable,
                       fmt::format("not run by this process: `aviary up --clusters …,{}` starts it", cluster_));
    }

private:
    std::string cluster_;
};

bool names(std::vector<std::string> const& clusters, std::string const& cluster) {
    return std::ranges::find(clusters, cluster) != clusters.end();
}

Task<void> keep_first(Task<Status> task, Status& first) {
    Status const done = co_await std::move(task);
    if (!done && first) first = done;
}

// All at once: one after another, a hundred clusters wait a thousand times for the disk. Answers the first failure.
Task<Status> in_each(Context ctx, std::vector<std::string> const& clusters,
                     std::function<Task<Status>(Context, std::string)> act) {
    async::Scope scope(ctx);
    Status first;
    for (std::string const& cluster : clusters) scope.spawn(keep_first(act(scope.context(), cluster), first));
    co_await scope.join();
    co_return first;
}

}   // namespace

struct Playground::Impl {
    Options options;
    std::uint16_t port = 0;
    std::vector<std::string> left_out;
    std::shared_ptr<storage::Engine> engine;
    std::unique_ptr<apiserver::ApiServer> server;
    std::unique_ptr<http::Server> http;
    std::unique_ptr<simulator::Engines> engines;
    std::vector<std::unique_ptr<simulator::Simulator>> simulators;
    std::vector<std::unique_ptr<member::Member>> members;
    std::unique_ptr<hub::Hub> hub;
    std::string kubeconfig;

    // What a member's process answers behind its Service.
    void add_converter(std::string const& cluster) const {
        server->add_service(cluster, {std::string(apis::kConverterNamespace), std::string(apis::kConverter)},
                            webhook::make_handler({}, process::converter()));
    }

    // The release controllers of one member, unless it is to have none.
    Task<Status> start_member(Context ctx, std::string cluster) {
        if (names(options.bare, cluster)) co_return Status{};
        client::Client const client(server->transport(cluster, kMemberUser), "aviary-member");
        CO_TRY(co_await control::install_definitions(ctx, client, apis::member_crds()));
        add_converter(cluster);
        CO_TRY(co_await process::ensure_namespace(ctx, client, process::kNamespace));
        CO_TRY(co_await member::announce(ctx, client, process::kNamespace));
        members.push_back(std::make_unique<member::Member>(client, kMemberUser.name, process::kNamespace));
        for (auto const& admission : members.back()->admissions()) server->add_admission(cluster, admission);
        co_return Status{};
    }

    // Of the clusters on record those that a start of this folder made, and this one did not.
    Task<Status> find_left_out(Context ctx, client::Client client) {
        CO_TRY_ASSIGN(json::Doc const list, co_await client.list(ctx, apis::kManagedClusters, {}));
        for (auto const& [key, cluster] : list["items"].elements()) {
            std::string const name = meta::name(cluster);
            std::string_view const url = cluster.at({"spec", "managedClusterClientConfigs"})[0]["url"].as_string();
            bool const ours = url.starts_with("https://127.0.0.1:") && url.ends_with("/clusters/" + name);
            if (ours && !names(options.clusters, name)) left_out.push_back(name);
        }
        co_return Status{};
    }

    Task<Status> join(Context ctx, client::Client hub_client, std::string cluster, std::uint16_t port) {
        client::Client const in_member(server->transport(cluster, kHubUser), "aviary-hub");
        CO_TRY(co_await control::install_roles(ctx, in_member, proxy::member_roles()));
        std::string url = fmt::format("https://127.0.0.1:{}/clusters/{}", port, cluster);
        co_return co_await hub::register_cluster(ctx, hub_client, std::move(cluster), std::move(url));
    }

    // The hub reaches members with its own credentials, as it would over a wire.
    Task<Status> start_hub(Context ctx, std::uint16_t port) {
        client::Client const client(server->transport(kHub, kHubUser), "aviary-hub");
        CO_TRY(co_await control::install_definitions(ctx, client, apis::crds()));
        add_converter(kHub);
        CO_TRY(co_await in_each(ctx, options.clusters, [this, &client, port](Context each, std::string cluster) {
            return join(each, client, std::move(cluster), port);
        }));
        CO_TRY(co_await find_left_out(ctx, client));
        placement::Allowed const allowed =
            options.require_set_binding ? placement::Allowed::kBoundSets : placement::Allowed::kEverywhere;
        if (options.require_set_binding) CO_TRY(co_await placement::ensure_default_sets(ctx, client));
        decision::AuditSink audit;
        if (!options.audit_log.empty()) {
            CO_TRY_ASSIGN(auto log, hub::AuditLog::open(options.audit_log, ctx.metrics()));
            audit = hub::AuditLog::sink(std::move(log));
        }
        apiserver::ApiServer& api = *server;
        hub = std::make_unique<hub::Hub>(
            client, kHub,
            [&api, run = options.clusters](json::Doc const& cluster) -> Result<std::shared_ptr<client::Transport>> {
                if (!names(run, meta::name(cluster))) return std::make_shared<Nowhere>(meta::name(cluster));
                return api.transport(meta::name(cluster), kHubUser);
            },
            std::move(audit), propagation::Mode::kFull, 1, allowed);
        server->add_admission(kHub, hub::make_validation(hub->propagator().sources()));
        server->add_admission(
            kHub, decision::make_decision_admission(control::make_reviewer(server->authorizer(kHub)), kHubUser.name));
        if (options.require_set_binding)
            server->add_admission(kHub,
                                  placement::make_bind_admission(control::make_reviewer(server->authorizer(kHub))));
        server->add_admission(kHub, hub->guard_admission());
        server->add_route(kHub, std::string(proxy::kRoot),
                          proxy::make_fleet_route({std::shared_ptr<void>(), &hub->propagator()},   // outlives requests
                                                  control::make_reviewer(server->authorizer(kHub))));
        co_return Status{};
    }
};

Playground::Playground(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Playground::~Playground() = default;

Task<Result<std::unique_ptr<Playground>>> Playground::start(Context ctx, async::AsioExecutor& executor,
                                                            Options options) {
    auto impl = std::make_unique<Impl>();
    std::error_code problem;
    std::filesystem::create_directories(options.data_dir, problem);
    if (problem)
        co_return fail(ErrorCode::kUnavailable, fmt::format("creating {}: {}", options.data_dir, problem.message()));
    // First of all: its lock keeps a second process from everything else in the folder.
    CO_TRY_ASSIGN(impl->engine, storage::open_rocks(options.data_dir + "/store",
                                                    {.durability = options.durability, .metrics = ctx.metrics()}));
    CO_TRY_ASSIGN(Credentials const keys, credentials(options.data_dir + "/pki", ctx.now()));
    CO_TRY_ASSIGN(auto tls, net::TlsServer::create(keys.server.certificate_pem, keys.server.key_pem,
                                                   keys.authority.certificate_pem, http::protocols()));
    CO_TRY_ASSIGN(auto listener, co_await listen_soon(ctx, executor, options.port, tls));
    std::uint16_t const port = listener->port();
    apiserver::Options serving;
    serving.root_cluster = kHub;
    CO_TRY_ASSIGN(impl->server, co_await apiserver::ApiServer::open(ctx, impl->engine, serving));
    std::vector<client::NamedServer> servers{{kHub, fmt::format("https://127.0.0.1:{}", port)}};
    impl->engines = std::make_unique<simulator::Engines>(executor);
    for (std::string const& cluster : options.clusters) {
        CO_TRY(co_await impl->server->ensure_cluster(ctx, cluster));
        servers.push_back({cluster, fmt::format("https://127.0.0.1:{}/clusters/{}", port, cluster)});
        simulator::Options simulation;
        simulation.pod_start = options.pod_start;
        simulation.engines = impl->engines.get();
        impl->simulators.push_back(std::make_unique<simulator::Simulator>(
            client::Client(impl->server->transport(cluster, kSystem), "simulator"), simulation));
    }
    impl->options = options;
    impl->port = port;
    CO_TRY(co_await in_each(ctx, options.clusters, [&impl](Context each, std::string cluster) {
        return impl->start_member(each, std::move(cluster));
    }));
    if (!options.clusters.empty()) {
        CO_TRY(co_await impl->start_hub(ctx, port));
    }
    apiserver::GatherGauges gauges;
    if (impl->hub) {
        gauges = [hub = impl->hub.get()](Context each) {
            return proxy::fleet_gauges(std::move(each), {std::shared_ptr<void>(), &hub->propagator()});
        };
    }
    impl->http =
        std::make_unique<http::Server>(std::move(listener), apiserver::http_handler(*impl->server, std::move(gauges)));
    impl->kubeconfig = options.data_dir + "/kubeconfig";
    CO_TRY(write_kubeconfig(impl->kubeconfig, servers, keys));
    co_return std::unique_ptr<Playground>(new Playground(std::move(impl)));
}

Task<void> Playground::run(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(impl_->server->run_controllers(scope.context()));
    scope.spawn(impl_->http->run(scope.context()));
    scope.spawn(impl_->engines->run(scope.context()));
    for (auto const& simulator : impl_->simulators) scope.spawn(simulator->run(scope.context()));
    for (auto const& member : impl_->members) scope.spawn(member->run(scope.context()));
    if (impl_->hub) scope.spawn(impl_->hub->run(scope.context()));
    co_await scope.join();
}

Task<Status> Playground::wait_ready(Context ctx) {
    for (auto const& simulator : impl_->simulators) {
        while (!simulator->ready()) CO_TRY(co_await async::sleep_for(ctx, std::chrono::milliseconds(2)));
    }
    for (auto const& member : impl_->members) {
        while (!member->ready()) CO_TRY(co_await async::sleep_for(ctx, std::chrono::milliseconds(2)));
    }
    while (impl_->hub && !impl_->hub->ready()) CO_TRY(co_await async::sleep_for(ctx, std::chrono::milliseconds(2)));
    co_return Status{};
}

std::string Playground::kubeconfig() const { return impl_->kubeconfig; }
std::uint16_t Playground::port() const { return impl_->port; }
std::vector<std::string> const& Playground::left_out() const { return impl_->left_out; }

}   // namespace aviary::playground
