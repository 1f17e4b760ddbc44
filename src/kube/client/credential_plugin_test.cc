#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/async/scope.h"
#include "core/crypto/certificate.h"
#include "core/http/http2.h"
#include "core/http/server.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "kube/client/http_transport.h"
#include "kube/client/internal/credential_plugin.h"
#include "kube/client/kubeconfig.h"

namespace aviary::client {
namespace {

using namespace std::chrono_literals;
using json::Value;

constexpr char kV1[] = "client.authentication.k8s.io/v1";

// Says who asks.
class Mirror final : public http::Handler {
public:
    Task<http::Response> handle(Context, http::Request request, net::Peer peer) override {
        std::string const token(http::find_header(request.headers, "Authorization"));
        http::Response response;
        response.headers.emplace_back("Content-Type", "application/json");
        response.status = token == refused ? 401 : 200;
        response.body = R"({"message":")" + peer.common_name + token + R"("})";
        co_return response;
    }
    std::string refused = "nobody";
};

// An API server on loopback, and a kubeconfig whose user is a script beside it.
struct World {
    World() {
        std::filesystem::create_directories(folder);
        crypto::CertificateRequest request;
        request.common_name = "server";
        request.addresses = {"127.0.0.1"};
        auto const pair = *crypto::issue(authority, request, now());
        auto tls =
            *net::TlsServer::create(pair.certificate_pem, pair.key_pem, authority.certificate_pem, http::protocols());
        auto listener = std::move(*net::Listener::listen(executor, 0, std::move(tls)));
        port = listener->port();
        server = std::make_unique<http::Server>(std::move(listener), mirror);
        scope.spawn(server->run(scope.context()));
        write("ca.crt", authority.certificate_pem);
        // Each run leaves a line; a token per run.
        script(R"(echo run >>runs; printf '{"kind":"ExecCredential","apiVersion":"%s","status":{"token":"t%s"}}' )" +
               std::string(kV1) + " $(wc -l <runs)");
        config("");
    }
    ~World() {
        transport.reset();
        executor.run(scope.cancel_and_join());
        std::filesystem::remove_all(folder);
    }

    Time now() const { return executor.clock().now(); }
    void write(std::string const& name, std::string const& text) const { std::ofstream(folder + "/" + name) << text; }
    void script(std::string const& text) const {
        write("plugin", "#!/bin/sh\ncd '" + folder + "' || exit 9\n" + text + "\n");
        ::chmod((folder + "/plugin").c_str(), 0700);
    }
    // What a script prints with this status.
    std::string prints(std::string const& status) const {
        write("answer",
              R"({"kind":"ExecCredential","apiVersion":")" + std::string(kV1) + R"(","status":)" + status + "}");
        return "echo run >>runs; cat answer";
    }
    void config(std::string const& more, std::string const& command = "./plugin") const {
        write("config",
              "current-context: it\ncontexts: [{name: it, context: {cluster: it, user: me}}]\n"
              "clusters: [{name: it, cluster: {server: 'https://127.0.0.1:" +
                  std::to_string(port) +
                  "', certificate-authority: ca.crt, extensions: [{name: client.authentication.k8s.io/exec, "
                  "extension: {audience: me}}]}}]\nusers: [{name: me, user: {exec: {apiVersion: " +
                  kV1 + ", command: " + command + ", interactiveMode: Never" + more + "}}}]\n");
    }
    int runs() const {
        std::ifstream file(folder + "/runs");
        int count = 0;
        for (std::string line; std::getline(file, line);) ++count;
        return count;
    }
    void dial() {
        auto const access = load_kubeconfig(folder + "/config", "");
        ASSERT_TRUE(access) << access.error().message();
        auto made = http_transport(executor, *access);
        ASSERT_TRUE(made) << made.error().message();
        transport = std::move(*made);
    }
    static Task<std::string> ask_once(World& world) {
        Request request;
        request.path = "/version";
        auto const answer =
            co_await world.transport->send(Context(world.executor).with_timeout(20s), std::move(request));
        co_return answer ? answer->body["message"].string() : "error: " + answer.error().message();
    }
    std::string ask() { return executor.run(ask_once(*this)); }

    std::string const folder = testing::TempDir() + "plugin-" + std::to_string(::getpid());
    async::AsioExecutor executor;
    crypto::KeyPair const authority = *crypto::create_authority("ca", now());
    std::shared_ptr<Mirror> const mirror = std::make_shared<Mirror>();
    std::uint16_t port = 0;
    async::Scope scope{Context(executor)};
    std::unique_ptr<http::Server> server;
    std::shared_ptr<Transport> transport;
};

TEST(CredentialPlugin, SaysWhoWeAreAndIsAskedOnce) {
    World world;
    world.dial();
    EXPECT_EQ("Bearer t1", world.ask());
    EXPECT_EQ("Bearer t1", world.ask());
    EXPECT_EQ(1, world.runs());
}

TEST(CredentialPlugin, SeveralWaitForOneRun) {
    World world;
    world.dial();
    world.executor.run([](World& of) -> Task<void> {
        async::Scope asking{Context(of.executor)};
        for (int count = 0; count < 5; ++count) {
            asking.spawn([](World& one) -> Task<void> {
                std::string const said = co_await World::ask_once(one);
                EXPECT_EQ("Bearer t1", said);
            }(of));
        }
        co_await asking.join();
    }(world));
    EXPECT_EQ(1, world.runs());
}

TEST(CredentialPlugin, IsAskedAnewWhenTheServerRefuses) {
    World world;
    world.dial();
    EXPECT_EQ("Bearer t1", world.ask());
    world.mirror->refused = "Bearer t1";
    EXPECT_EQ("Bearer t2", world.ask()) << "the same request, once more";
    EXPECT_EQ("Bearer t2", world.ask());
    EXPECT_EQ(2, world.runs());
}

TEST(CredentialPlugin, IsAskedAnewWhenWhatItSaidEnds) {
    World world;
    world.script(R"(echo run >>runs; printf '{"kind":"ExecCredential","apiVersion":"%s","status":)"
                 R"({"token":"t%s","expirationTimestamp":"%s"}}' )" +
                 std::string(kV1) + " $(wc -l <runs) $(date -u -d '+2 seconds' +%FT%TZ)");
    world.dial();
    std::string said = world.ask();
    EXPECT_EQ("Bearer t1", said);
    for (int count = 0; count < 600 && said == "Bearer t1"; ++count) {
        ::usleep(50'000);
        said = world.ask();
    }
    EXPECT_EQ("Bearer t2", said);
}

TEST(CredentialPlugin, AClientCertificateIsShown) {
    World world;
    crypto::CertificateRequest request;
    request.common_name = "alice";
    auto const pair = *crypto::issue(world.authority, request, world.now());
    Value status{json::Object{{"clientCertificateData", pair.certificate_pem}, {"clientKeyData", pair.key_pem}}};
    world.script(world.prints(json::write(status)));
    world.dial();
    EXPECT_EQ("alice", world.ask());
    EXPECT_EQ("alice", world.ask());
    EXPECT_EQ(1, world.runs());
}

TEST(CredentialPlugin, IsToldWhatItIsToKnow) {
    World world;
    world.script(R"(printf '%s' "$KUBERNETES_EXEC_INFO" >info; printf '%s ' "$@" "$REGION" >words; )" +
                 world.prints(R"({"token":"t"})"));
    world.config(", args: [get-token, --cluster, 'a b'], env: [{name: REGION, value: cn}], provideClusterInfo: true");
    world.dial();
    EXPECT_EQ("Bearer t", world.ask());
    auto const text = [&](std::string const& name) {
        std::ifstream file(world.folder + "/" + name);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    EXPECT_EQ("get-token --cluster a b cn ", text("words"));
    Value const info = *json::parse_value(text("info"));
    EXPECT_EQ(kV1, info["apiVersion"].as_string());
    EXPECT_EQ("ExecCredential", info["kind"].as_string());
    EXPECT_FALSE(info.at({"spec", "interactive"}).as_bool());
    Value const cluster = info.at({"spec", "cluster"});
    EXPECT_EQ("https://127.0.0.1:" + std::to_string(world.port), cluster["server"].as_string());
    EXPECT_EQ("me", cluster.at({"config", "audience"}).as_string());
    EXPECT_FALSE(cluster["certificate-authority-data"].as_string().empty());
    world.config("");
    world.dial();
    EXPECT_EQ("Bearer t", world.ask());
    EXPECT_TRUE(json::parse_value(text("info"))->at({"spec", "cluster"}).is_null()) << "who is not asked to tell";
}

TEST(CredentialPlugin, SaysWhatIsWrongWithAPlugin) {
    World world;
    auto const said = [&](std::string const& script) {
        world.script(script);
        world.dial();
        std::string message = world.ask();
        std::string const whose = "error: credential plugin " + world.folder + "/./plugin: ";
        EXPECT_TRUE(message.starts_with(whose)) << message;
        return message.substr(std::min(whose.size(), message.size()));
    };
    EXPECT_EQ("it failed with exit code 4", said("exit 4"));
    EXPECT_EQ("what it prints is no JSON object", said("echo sign in first"));
    EXPECT_TRUE(said("cat /dev/zero").ends_with("prints more than 1048576 bytes"));
    EXPECT_EQ("it prints neither a token nor a client certificate", said(world.prints("{}")));
    EXPECT_EQ("what it says ended at 2020-01-01T00:00:00Z already: compare the clocks, or sign in anew",
              said(world.prints(R"({"token":"t","expirationTimestamp":"2020-01-01T00:00:00Z"})")));
    world.config(", installHint: 'get it at https://example.com'", "aviary-no-such-plugin");
    world.dial();
    EXPECT_EQ(
        "error: credential plugin aviary-no-such-plugin: aviary-no-such-plugin: No such file or directory\n"
        "get it at https://example.com",
        world.ask());
    world.config("", "./plugin");
    world.script("exit 4");
    world.dial();
    world.ask();
    world.script(world.prints(R"({"token":"t"})"));
    EXPECT_TRUE(world.ask().ends_with("it failed with exit code 4")) << "it is left in peace for a while";
}

TEST(ReadCredential, WhatIsNoneSaysWhy) {
    auto const why = [](std::string const& status,
                        std::string const& head =
                            R"("kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",)") {
        auto const read = read_plugin_credential("{" + head + "\"status\":" + status + "}", kV1);
        return read ? std::string() : read.error().message();
    };
    EXPECT_EQ("", why(R"({"token":"t"})"));
    EXPECT_EQ("", why(R"({"token":"t","expirationTimestamp":"2026-11-26T20:00:00+08:00"})"));
    EXPECT_EQ("it prints no status", why("null"));
    EXPECT_EQ("it prints no status", why("[]"));
    EXPECT_EQ("it prints neither a token nor a client certificate", why(R"({"token":5})"));
    EXPECT_EQ("status.token has letters that no token has", why(R"({"token":"a\r\nHeader: b"})"));
    EXPECT_EQ("status.expirationTimestamp is no time", why(R"({"token":"t","expirationTimestamp":"tomorrow"})"));
    EXPECT_EQ("status.expirationTimestamp is no time", why(R"({"token":"t","expirationTimestamp":7})"));
    EXPECT_EQ("a client certificate and its key belong together, and one is missing",
              why(R"({"clientCertificateData":"x"})"));
    EXPECT_TRUE(why(R"({"clientCertificateData":"x","clientKeyData":"y"})").starts_with("its client certificate: "));
    EXPECT_EQ("what it prints is no ExecCredential", why(R"({"token":"t"})", R"("kind":"Pod",)"));
    EXPECT_EQ(
        "it prints version \"client.authentication.k8s.io/v1beta1\" and the kubeconfig says "
        "\"client.authentication.k8s.io/v1\"",
        why(R"({"token":"t"})", R"("kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1",)"));
    for (std::string const text : {"", "[]", "{", "null", "\xff", "{}"})
        EXPECT_FALSE(read_plugin_credential(text, kV1));
}

TEST(ReadPlugin, WhatIsNoneSaysWhy) {
    auto const why = [](std::string const& exec) {
        auto const read = read_plugin(*yaml::parse(exec), Value(json::Object()), "", "/configs");
        return read ? "runs " + read->command : read.error().message();
    };
    std::string const v1 = "apiVersion: client.authentication.k8s.io/v1\n";
    EXPECT_EQ("runs aws", why(v1 + "command: aws\ninteractiveMode: IfAvailable"));
    EXPECT_EQ("runs /configs/bin/aws", why(v1 + "command: bin/aws\ninteractiveMode: Never"));
    EXPECT_EQ("runs /bin/aws", why(v1 + "command: /bin/aws\ninteractiveMode: Never"));
    EXPECT_EQ("runs aws", why("apiVersion: client.authentication.k8s.io/v1beta1\ncommand: aws"));
    EXPECT_EQ("exec.interactiveMode: Required value: Never, IfAvailable or Always", why(v1 + "command: aws"));
    EXPECT_EQ("exec.interactiveMode: Unsupported value: \"Now\": Never, IfAvailable or Always",
              why(v1 + "command: aws\ninteractiveMode: Now"));
    EXPECT_EQ("exec.command: Required value: the program to run", why(v1 + "interactiveMode: Never"));
    EXPECT_EQ(
        "exec.apiVersion: Unsupported value: \"client.authentication.k8s.io/v1alpha1\": "
        "client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1",
        why("apiVersion: client.authentication.k8s.io/v1alpha1\ncommand: aws"));
    EXPECT_EQ("exec.args: each is to be a text", why(v1 + "command: aws\ninteractiveMode: Never\nargs: [[a]]"));
    EXPECT_EQ("exec.env: each is to have a name, without \"=\", and a value",
              why(v1 + "command: aws\ninteractiveMode: Never\nenv: [{name: A=B, value: c}]"));
    EXPECT_FALSE(why("[]").starts_with("runs"));
}

}   // namespace
}   // namespace aviary::client
