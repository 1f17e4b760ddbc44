#include "kube/client/http_transport.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/crypto/certificate.h"
#include "core/http/http2.h"
#include "core/http/server.h"
#include "kube/client/kubeconfig.h"

namespace aviary::client {
namespace {

using namespace std::chrono_literals;

// Says who asks.
class Mirror final : public http::Handler {
public:
    Task<http::Response> handle(Context, http::Request request, net::Peer peer) override {
        std::string_view const token = http::find_header(request.headers, "Authorization");
        http::Response response;
        response.headers.emplace_back("Content-Type", "application/json");
        response.status = refuses ? 401 : 200;
        response.body = R"({"message":")" + peer.common_name + std::string(token) + R"("})";
        ++asked;
        co_return response;
    }
    bool refuses = false;
    int asked = 0;
};

// An API server on loopback, and a kubeconfig of it with its credentials in files.
struct World {
    // A server that does not ask for certificates takes one that is over as kube-apiserver does: not in the handshake.
    explicit World(bool asks = true) {
        std::filesystem::create_directories(folder);
        listen(asks);
        write("ca.crt", authority.certificate_pem);
        show("alice", 48h);
        write("config",
              "current-context: it\ncontexts: [{name: it, context: {cluster: it, user: me}}]\n"
              "clusters: [{name: it, cluster: {server: 'https://127.0.0.1:" +
                  std::to_string(listener_port) +
                  "', certificate-authority: ca.crt}}]\n"
                  "users: [{name: me, user: {client-certificate: me.crt, client-key: me.key}}]\n");
    }
    ~World() {
        executor.run(scope.cancel_and_join());
        std::filesystem::remove_all(folder);
    }

    Time now() const { return executor.clock().now(); }
    void write(std::string const& name, std::string const& text) const {
        std::ofstream(folder + "/" + name + ".new") << text;
        std::filesystem::rename(folder + "/" + name + ".new", folder + "/" + name);
    }
    crypto::KeyPair made(std::string const& name, Duration validity) const {
        crypto::CertificateRequest request;
        request.common_name = name;
        request.validity = validity;
        return *crypto::issue(authority, request, now() - 2h);
    }
    void show(std::string const& name, Duration validity) const {
        auto const pair = made(name, validity);
        write("me.crt", pair.certificate_pem);
        write("me.key", pair.key_pem);
    }
    void listen(bool asks) {
        crypto::CertificateRequest request;
        request.common_name = "server";
        request.addresses = {"127.0.0.1"};
        auto const pair = *crypto::issue(authority, request, now());
        auto tls = *net::TlsServer::create(pair.certificate_pem, pair.key_pem, asks ? authority.certificate_pem : "",
                                           http::protocols());
        auto listener = std::move(*net::Listener::listen(executor, listener_port, std::move(tls)));
        listener_port = listener->port();
        server = std::make_unique<http::Server>(std::move(listener), mirror);
        scope.spawn(server->run(scope.context()));
    }
    std::string ask() {
        return executor.run([](World& world) -> Task<std::string> {
            Request request;
            request.path = "/version";
            auto const answer =
                co_await world.transport->send(Context(world.executor).with_timeout(10s), std::move(request));
            co_return answer ? answer->body["message"].string() : "error: " + answer.error().message();
        }(*this));
    }
    void dial() {
        auto const access = load_kubeconfig(folder + "/config", "");
        ASSERT_TRUE(access) << access.error().message();
        auto made = http_transport(executor, *access);
        ASSERT_TRUE(made) << made.error().message();
        transport = std::move(*made);
    }

    std::string const folder = testing::TempDir() + "transport-" + std::to_string(::getpid());
    async::AsioExecutor executor;
    crypto::KeyPair const authority = *crypto::create_authority("ca", now());
    std::shared_ptr<Mirror> const mirror = std::make_shared<Mirror>();
    std::uint16_t listener_port = 0;
    async::Scope scope{Context(executor)};
    std::unique_ptr<http::Server> server;
    std::shared_ptr<Transport> transport;
};

// As client-go: who replaces the files before they end need not start anything anew.
TEST(HttpTransport, FollowsTheFilesOfAKubeconfig) {
    World world;
    world.dial();
    EXPECT_EQ("alice", world.ask());
    world.show("bob", 48h);
    EXPECT_EQ("bob", world.ask());
    // In the middle of being replaced, and gone: as before.
    auto const next = world.made("carol", 48h);
    world.write("me.crt", next.certificate_pem);
    EXPECT_EQ("bob", world.ask());
    world.write("me.key", next.key_pem);
    EXPECT_EQ("carol", world.ask());
    std::filesystem::remove(world.folder + "/me.crt");
    EXPECT_EQ("carol", world.ask());
    world.write("me.crt", "no certificate");
    EXPECT_EQ("carol", world.ask());
}

TEST(HttpTransport, SaysThatACertificateIsOver) {
    World world(false);
    world.dial();
    world.mirror->refuses = true;
    EXPECT_EQ("", world.ask()) << "what the server says, where nothing is known";
    world.show("alice", 1h);
    std::string const said = world.ask();
    EXPECT_TRUE(said.starts_with("the client certificate of context \"it\" ended at ")) << said;
    EXPECT_TRUE(said.contains("another is to take its place")) << said;
    world.show("alice", 48h);
    EXPECT_EQ("", world.ask());
}

}   // namespace
}   // namespace aviary::client
