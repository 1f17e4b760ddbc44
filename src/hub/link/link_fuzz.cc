// What the hub hears of one that dials in: the first letter of an input says what the rest is.
//   w  the bytes of an agent without a certificate, as they come      k  of one that has shown a certificate
//   h  its hello (JSON)                                               c  a signing request (PEM)
#include <fmt/format.h>

#include "apis/cluster/managed_cluster.h"
#include "core/async/virtual_executor.h"
#include "core/base/check.h"
#include "core/base/strings.h"
#include "core/http/internal/scripted.h"
#include "core/json/parse.h"
#include "core/observe/log.h"
#include "hub/link/gate.h"
#include "kube/meta/object.h"

namespace {

using namespace aviary;
using json::Object;
using json::Value;

constexpr char kToken[] = "secret";
constexpr char kSettings[] = "\0\0\0\4\0\0\0\0\0";
constexpr Duration kLong = std::chrono::minutes(1);

crypto::KeyPair const& authority() {
    static crypto::KeyPair const pair = *crypto::create_authority("fuzz", Time(std::chrono::seconds(1'790'000'000)));
    return pair;
}

// The hub's API: every cluster that is asked for joins by an agent with the same token, and what is written is kept as
// it is. Those whose names begin with m wait for a person, who never comes.
class Api final : public client::Transport {
public:
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        CO_TRY(co_await async::sleep_for(ctx, std::chrono::milliseconds(1)));
        client::Response response;
        std::string_view const path = request.path;
        if (request.method == "POST" || request.method == "PUT") {
            response.body = request.body;
        } else if (path.contains("/secrets/")) {
            response.body = json::Doc::freeze(secret(path.substr(path.rfind('/') + 1)));
        } else if (path.contains("/managedclusters/")) {
            response.body = json::Doc::freeze(cluster(path.substr(path.rfind('/') + 1)));
        } else {
            response.status = 404;
        }
        co_return response;
    }

private:
    static Value secret(std::string_view name) {
        Value object{Object{{"apiVersion", "v1"}, {"kind", "Secret"}}};
        object.set({"metadata", "name"}, name);
        object.set({"metadata", "annotations", link::kTokenEnds}, "2099-01-01T00:00:00Z");
        if (name.starts_with(link::token_name("m"))) object.set({"metadata", "annotations", link::kApprove}, "Manual");
        object.set({"data", "token"}, base64_encode(kToken));
        return object;
    }
    static Value cluster(std::string_view name) {
        Value object{Object{{"apiVersion", "cluster.open-cluster-management.io/v1"}, {"kind", "ManagedCluster"}}};
        object.set({"metadata", "name"}, name);
        object.set({"metadata", "annotations", apis::kLinkAnnotation}, apis::kLinkAgent);
        if (name.starts_with("k")) object.set({"metadata", "annotations", apis::kClusterUid}, "uid");
        object.set({"spec", "hubAcceptsClient"}, true);
        return object;
    }
};

client::Client hub() { return {std::make_shared<Api>(), "fuzz"}; }

Task<void> enrol(Context ctx, apis::LinkHello hello) {
    link::Enrolment enrolment(hub(), "aviary-system", authority(), authority().certificate_pem);
    auto const waiting = [](Context, apis::LinkAnswer answer) -> Task<Status> {
        AVIARY_CHECK(answer.outcome == apis::link_outcome::kWaiting);
        co_return Status{};
    };
    auto const joined = co_await enrolment.enrol(ctx, hello, waiting);
    if (joined && joined->outcome == apis::link_outcome::kCertificate) {
        AVIARY_CHECK(hello.token == kToken);
        AVIARY_CHECK(*crypto::common_name_of(hello.request) == apis::agent_name(hello.cluster));
        AVIARY_CHECK(crypto::ends_at(joined->certificate));
    }
    for (char const* cluster : {"beijing", "known"}) {
        auto const linked = co_await enrolment.welcome(ctx, cluster, hello);
        if (linked && linked->outcome != apis::link_outcome::kRefused) AVIARY_CHECK(hello.cluster == cluster);
    }
}

// One connection, and then nobody else.
class Once final : public net::Listener {
public:
    explicit Once(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)) {}
    std::uint16_t port() const override { return 0; }
    Task<Result<std::unique_ptr<net::Stream>>> accept(Context ctx) override {
        if (!stream_) CO_TRY(co_await async::sleep_for(ctx, std::chrono::hours(24)));
        co_return std::move(stream_);
    }
    void close() override {}

private:
    std::unique_ptr<net::Stream> stream_;
};

// Everything ends in time, whatever the peer says.
void play(std::function<Task<void>(Context)> task) {
    async::VirtualExecutor executor;
    async::Scope scope{Context(executor)};
    scope.spawn(task(scope.context()));
    executor.run_for(kLong);
    scope.cancel();
    executor.run_for(kLong);
    AVIARY_CHECK(scope.running() == 0);
}

void dial_in(std::string const& bytes, std::string const& name) {
    link::Links links;
    link::Enrolment enrolment(hub(), "aviary-system", authority(), authority().certificate_pem);
    link::Gate gate(std::make_unique<Once>(std::make_unique<http::Lasting>(
                        std::string(kSettings, sizeof kSettings - 1) + bytes, std::string(apis::kLinkProtocol),
                        net::Peer{.common_name = name})),
                    links, enrolment);
    play([&gate](Context ctx) { return gate.run(std::move(ctx)); });
    AVIARY_CHECK(links.clusters() == 0);
}

void sign(std::string_view request) {
    auto const name = crypto::common_name_of(request);
    auto const certificate = crypto::sign(authority(), request, {.common_name = apis::agent_name("beijing")},
                                          Time(std::chrono::seconds(1'790'000'000)));
    if (name && certificate) AVIARY_CHECK(crypto::ends_at(*certificate));
    (void)crypto::ends_at(request);
    (void)crypto::life_of({std::string(request), std::string(request)});
}

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    observe::set_level(observe::Level::kOff);
    if (size == 0) return 0;
    std::string const rest(reinterpret_cast<char const*>(data) + 1, size - 1);
    if (data[0] == 'w') dial_in(rest, "");
    if (data[0] == 'k') dial_in(rest, apis::agent_name("known"));
    if (data[0] == 'c') sign(rest);
    if (data[0] != 'h') return 0;
    auto const object = json::parse(rest);
    auto const hello = object ? apis::read_link_hello(*object) : std::unexpected(object.error());
    if (hello) play([&hello](Context ctx) { return enrol(std::move(ctx), *hello); });
    return 0;
}
