#include "kube/apiserver/aggregated.h"

#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "kube/meta/gvk.h"

namespace aviary::apiserver {
namespace {

using json::Doc;

// Says who asked what.
class Echo final : public Route {
public:
    Task<client::Response> handle(Context, control::UserInfo user, client::Request request) override {
        json::Value body{json::Object{{"user", user.name}, {"path", request.path}}};
        for (std::string const& group : user.groups) body["groups"].push_back(group);
        for (auto const& [key, value] : user.extra) body["extra"][key] = value;
        body["query"] = request.query_value("output");
        client::Response response;
        response.status = 200;
        response.body = Doc::freeze(body);
        co_return response;
    }
};

class Elsewhere final : public http::Handler {
public:
    Task<http::Response> handle(Context, http::Request, net::Peer) override {
        http::Response response;
        response.status = 418;
        co_return response;
    }
};

AggregatedApi api(bool leads = true) {
    AggregatedApi made;
    made.group = "reads.example.com";
    made.version = "v1";
    made.resources = {"things"};
    made.front_proxy = [] {
        return FrontProxy{{"front-proxy"}, {"X-Remote-User"}, {"X-Remote-Group"}, {"X-Remote-Extra-"}};
    };
    made.route = [leads]() -> std::shared_ptr<Route> { return leads ? std::make_shared<Echo>() : nullptr; };
    return made;
}

Task<http::Response> ask(Context ctx, std::string target, std::string certificate, bool leads = true) {
    http::Request request;
    request.target = std::move(target);
    request.headers = {{"x-remote-user", "alice"},
                       {"X-Remote-Group", "oncall"},
                       {"X-Remote-Group", "system:authenticated"},
                       {"X-Remote-Extra-Example.com%2fteam", "a"}};
    auto const handler = make_aggregated_handler(api(leads), std::make_shared<Elsewhere>());
    net::Peer peer;
    peer.common_name = std::move(certificate);
    http::Response response = co_await handler->handle(ctx, std::move(request), std::move(peer));
    co_return response;
}

CO_TEST(Aggregated, BelievesTheFrontProxyAlone) {
    auto const answer = co_await ask(ctx, "/apis/reads.example.com/v1/things?output=json", "front-proxy");
    EXPECT_EQ(200, answer.status);
    auto const said = json::parse(answer.body);
    CO_ASSERT_OK(said);
    EXPECT_EQ("alice", (*said)["user"].as_string());
    EXPECT_EQ(2U, (*said)["groups"].size());
    EXPECT_EQ("a", said->at({"extra", "example.com/team"}).as_string());
    EXPECT_EQ("/apis/reads.example.com/v1/things", (*said)["path"].as_string());
    EXPECT_EQ("json", (*said)["query"].as_string());
    for (char const* other : {"", "alice"}) {
        auto const refused = co_await ask(ctx, "/apis/reads.example.com/v1/things", other);
        EXPECT_EQ(401, refused.status) << other;
    }
}

CO_TEST(Aggregated, IsDiscovered) {
    auto const answer = co_await ask(ctx, "/apis/reads.example.com/v1", "front-proxy", false);
    auto const list = json::parse(answer.body);
    CO_ASSERT_OK(list);
    EXPECT_EQ("APIResourceList", (*list)["kind"].as_string());
    EXPECT_EQ("things", (*list)["resources"][0]["name"].as_string());
    auto const group = co_await ask(ctx, "/apis/reads.example.com", "front-proxy", false);
    EXPECT_EQ("APIGroup", (*json::parse(group.body))["kind"].as_string());
}

CO_TEST(Aggregated, SaysWhenNobodyAnswers) {
    auto const answer = co_await ask(ctx, "/apis/reads.example.com/v1/things", "front-proxy", false);
    EXPECT_EQ(503, answer.status);
    EXPECT_NE(answer.body.find("no hub leads at the moment: try again"), std::string::npos) << answer.body;
    AggregatedApi knows = api(false);
    knows.why_nobody = [] { return std::string("the store is away"); };
    http::Request request;
    request.target = "/apis/reads.example.com/v1/things";
    request.headers = {{"x-remote-user", "alice"}};
    net::Peer peer;
    peer.common_name = "front-proxy";
    auto const handler = make_aggregated_handler(std::move(knows), std::make_shared<Elsewhere>());
    auto const said = co_await handler->handle(ctx, std::move(request), std::move(peer));
    EXPECT_NE(said.body.find("no hub leads at the moment (the store is away): try again"), std::string::npos)
        << said.body;
    auto const elsewhere = co_await ask(ctx, "/mutate", "");
    auto const beside = co_await ask(ctx, "/apis/reads.example.company/v1/things", "");
    EXPECT_EQ(418, elsewhere.status);
    EXPECT_EQ(418, beside.status);
}

}   // namespace
}   // namespace aviary::apiserver
