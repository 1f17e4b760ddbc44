#include "kube/apiserver/http_frontend.h"

#include <algorithm>

#include "kube/apiserver/internal/test_server.h"

namespace aviary::apiserver {
namespace {

using json::Doc;
using Events = std::vector<std::string>;

CO_TEST(Read, ObjectsComeBackAsTheyWereStored) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    auto const created = co_await client.create(ctx, kConfigMaps, config_map("a"));
    CO_ASSERT_OK(created);
    EXPECT_EQ(36u, meta::uid(*created).size());
    EXPECT_FALSE(meta::resource_version(*created).empty());
    EXPECT_TRUE(meta::created(*created));
    EXPECT_EQ("test", (*created)["metadata"]["managedFields"][0]["manager"].as_string());
    EXPECT_EQ("Update", (*created)["metadata"]["managedFields"][0]["operation"].as_string());
    auto const read = co_await client.get(ctx, kConfigMaps, {"default", "a"});
    CO_ASSERT_OK(read);
    EXPECT_EQ(*created, *read);
    auto const missing = co_await client.get(ctx, kConfigMaps, {"default", "b"});
    EXPECT_EQ("configmaps \"b\" not found", missing.error().message());
    EXPECT_TRUE(missing.error().is(ErrorCode::kNotFound));
    auto const unknown = co_await client.get(ctx, {"nope.io", "v1", "things"}, {"default", "b"});
    EXPECT_EQ("the server could not find the requested resource", unknown.error().message());
    co_await test.stop();
}

CO_TEST(Read, ListsComeInPagesOfOneState) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    for (char const* name : {"a", "b", "c", "d", "e"})
        CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map(name)));
    client::ListOptions options;
    options.ns = "default";
    options.limit = 2;
    auto const first = co_await client.list(ctx, kConfigMaps, options);
    CO_ASSERT_OK(first);
    EXPECT_EQ("ConfigMapList", (*first)["kind"].as_string());
    EXPECT_EQ(2u, (*first)["items"].size());
    EXPECT_EQ(3, (*first)["metadata"]["remainingItemCount"].as_int());
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map("aa")));
    Events names;
    options.continue_token = (*first)["metadata"]["continue"].string();
    options.limit = 10;
    auto const second = co_await client.list(ctx, kConfigMaps, options);
    CO_ASSERT_OK(second);
    for (auto const& [index, item] : (*second)["items"].elements()) names.push_back(meta::name(item));
    EXPECT_EQ((Events{"c", "d", "e"}), names);
    EXPECT_EQ((*first)["metadata"]["resourceVersion"].as_string(),
              (*second)["metadata"]["resourceVersion"].as_string());

    client::ListOptions wrong;
    wrong.resource_version_match = "Exact";
    auto const refused = co_await client.list(ctx, kConfigMaps, wrong);
    EXPECT_TRUE(refused.error().is(ErrorCode::kInvalid)) << refused.error().message();
    client::ListOptions future;
    future.resource_version = "999999999";
    auto const late = co_await client.list(ctx, kConfigMaps, future);
    EXPECT_TRUE(late.error().is(ErrorCode::kTimeout)) << late.error().message();
    co_await test.stop();
}

CO_TEST(Read, SelectorsChooseByLabelAndField) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    for (char const* name : {"a", "b"}) {
        json::Value object = config_map(name);
        object.set({"metadata", "labels"}, json::Object{{"app", name}});
        CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, std::move(object)));
    }
    auto const count = [&](std::string labels, std::string fields) -> client::ListOptions {
        return {.ns = "default", .label_selector = std::move(labels), .field_selector = std::move(fields)};
    };
    auto const labelled = co_await client.list(ctx, kConfigMaps, count("app in (a,c)", ""));
    CO_ASSERT_OK(labelled);
    EXPECT_EQ(1u, (*labelled)["items"].size());
    auto const named = co_await client.list(ctx, kConfigMaps, count("", "metadata.name=b"));
    CO_ASSERT_OK(named);
    EXPECT_EQ("b", meta::name((*named)["items"][0]));
    auto const wrong = co_await client.list(ctx, kConfigMaps, count("", "data.k=v"));
    EXPECT_EQ("field label not supported: data.k", wrong.error().message());
    co_await test.stop();
}

CO_TEST(Watch, ChangesOfSelectionAreAdditionsAndDeletions) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map("a")));
    auto watch = co_await client.watch(ctx, kConfigMaps, {.ns = "default", .label_selector = "in=yes"});
    CO_ASSERT_OK(watch);
    auto const set = [&](std::string_view value) {
        return parsed(fmt::format(R"({{"metadata":{{"labels":{{"in":"{}"}}}}}})", value));
    };
    CO_ASSERT_OK(co_await client.patch(ctx, kConfigMaps, {"default", "a"}, client::PatchType::kMerge, set("yes")));
    CO_ASSERT_OK(co_await client.patch(ctx, kConfigMaps, {"default", "a"}, client::PatchType::kMerge,
                                       parsed(R"({"data":{"k":"2"}})")));
    auto const left = co_await client.patch(ctx, kConfigMaps, {"default", "a"}, client::PatchType::kMerge, set("no"));
    CO_ASSERT_OK(left);
    CO_ASSERT_OK(co_await client.patch(ctx, kConfigMaps, {"default", "a"}, client::PatchType::kMerge,
                                       parsed(R"({"data":{"k":"3"}})")));
    EXPECT_EQ((Events{"ADDED a", "MODIFIED a", "DELETED a"}), co_await drain(ctx, **watch));
    co_await test.stop();
}

CO_TEST(Watch, AnObjectThatLeavesIsShownAsItWasInside) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    json::Value object = config_map("a");
    object.set({"metadata", "labels"}, json::Object{{"in", "yes"}});
    auto const created = co_await client.create(ctx, kConfigMaps, std::move(object));
    auto watch = co_await client.watch(
        ctx, kConfigMaps,
        {.ns = "default", .label_selector = "in=yes", .resource_version = meta::resource_version(*created)});
    CO_ASSERT_OK(watch);
    auto const changed = co_await client.patch(ctx, kConfigMaps, {"default", "a"}, client::PatchType::kMerge,
                                               parsed(R"({"metadata":{"labels":null}})"));
    CO_ASSERT_OK(changed);
    auto const event = co_await (*watch)->next(ctx);
    CO_ASSERT_OK(event);
    EXPECT_EQ("DELETED", (**event)["type"].as_string());
    EXPECT_EQ("yes", meta::label((**event)["object"], "in"));
    EXPECT_EQ(meta::resource_version(*changed), meta::resource_version((**event)["object"]));
    co_await test.stop();
}

CO_TEST(Watch, BeginsWithWhatIsThereAndSaysWhenThatIsAll) {
    TestServer test(ctx);
    co_await test.start({.bookmark_interval = std::chrono::seconds(5)});
    auto const client = test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map("a")));
    auto response = co_await test.send(TestServer::request("GET", "/api/v1/namespaces/default/configmaps",
                                                           {{"watch", "1"},
                                                            {"allowWatchBookmarks", "true"},
                                                            {"sendInitialEvents", "true"},
                                                            {"resourceVersionMatch", "NotOlderThan"}}));
    CO_ASSERT_TRUE(response.watch != nullptr);
    auto const first = co_await response.watch->next(ctx);
    EXPECT_EQ("ADDED", (**first)["type"].as_string());
    auto const end = co_await response.watch->next(ctx);
    EXPECT_EQ("BOOKMARK", (**end)["type"].as_string());
    EXPECT_EQ("true", meta::annotation((**end)["object"], "k8s.io/initial-events-end"));
    EXPECT_EQ(meta::resource_version((**first)["object"]), meta::resource_version((**end)["object"]));
    // Later bookmarks come by time, and only when nothing else is to be told.
    EXPECT_EQ((Events{"BOOKMARK", "BOOKMARK"}), co_await drain(ctx, *response.watch, std::chrono::seconds(12)));

    auto const unmatched = co_await test.send(
        TestServer::request("GET", "/api/v1/configmaps", {{"watch", "1"}, {"sendInitialEvents", "true"}}));
    EXPECT_EQ(422, unmatched.status);
    co_await test.stop();
}

CO_TEST(Watch, EndsInGoodOrderAndKnowsItsLimits) {
    TestServer test(ctx);
    co_await test.start({.max_watches = 1, .max_log_events = 4});
    auto const client = test.admin();
    auto watch = co_await client.watch(ctx, kConfigMaps, {.ns = "default", .timeout_seconds = 3});
    CO_ASSERT_OK(watch);
    auto const second = co_await client.watch(ctx, kConfigMaps, {.ns = "default"});
    EXPECT_TRUE(second.error().is(ErrorCode::kTooManyRequests));
    MonotonicTime const began = ctx.monotonic();
    auto const end = co_await (*watch)->next(ctx);
    CO_ASSERT_OK(end);
    EXPECT_FALSE(end->has_value());
    EXPECT_EQ(std::chrono::seconds(3), ctx.monotonic() - began);
    watch->reset();
    EXPECT_EQ(0u, test.server->open_watches());
    co_await test.stop();
}

CO_TEST(Read, TablesAndMetadataAlone) {
    TestServer test(ctx);
    co_await test.start();
    CO_ASSERT_OK(co_await test.admin().create(ctx, kConfigMaps, config_map("a")));
    auto request = TestServer::request("GET", "/api/v1/namespaces/default/configmaps");
    request.accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    auto const table = co_await test.send(request);
    EXPECT_EQ("Table", table.body["kind"].as_string());
    EXPECT_EQ("a", table.body["rows"][0]["cells"][0].as_string());
    request.accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    auto const partial = co_await test.send(request);
    EXPECT_EQ("PartialObjectMetadataList", partial.body["kind"].as_string());
    EXPECT_EQ("a", meta::name(partial.body["items"][0]));
    EXPECT_FALSE(partial.body["items"][0]["data"].exists());
    co_await test.stop();
}

CO_TEST(Read, RequestsAreCounted) {
    TestServer test(ctx);
    co_await test.start();
    (void)co_await test.admin().get(ctx, kConfigMaps, {"default", "a"});
    (void)co_await test.admin().get(ctx, kConfigMaps, {"default", "a"});
    bool found = false;
    for (auto const& count : test.server->request_counts()) {
        if (count.user == "admin" && count.agent == "test" && count.verb == "get" && count.resource == "configmaps") {
            found = true;
            EXPECT_EQ(404, count.code);
            EXPECT_EQ(2u, count.count);
        }
    }
    EXPECT_TRUE(found);
    co_await test.stop();
}

CO_TEST(Read, MetricsAreThoseOfTheProcess) {
    observe::Registry registry;
    observe::Metrics const metrics(registry);
    metrics.counter("other_total", "Somebody else's.").add();
    TestServer test(ctx.with_metrics(metrics));
    co_await test.start();
    (void)co_await test.admin().get(ctx, kConfigMaps, {"default", "a"});
    auto watch = co_await test.admin().watch(ctx, kPods, {.ns = "default"});
    CO_ASSERT_OK(watch);
    auto const handler = http_handler(*test.server);
    http::Request request{.target = "/metrics"};
    http::Response const page = co_await handler->handle(ctx, request, {"admin", {"system:masters"}, ""});
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(http::find_header(page.headers, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    for (std::string_view line : {
             "\nother_total 1\n",
             "\naviary_apiserver_watches 1\n",
             "\naviary_apiserver_requests_total{agent=\"test\",cluster=\"fleet\",code=\"404\",resource=\"configmaps\","
             "subresource=\"\",user=\"admin\",verb=\"get\"} 1\n",
             "\naviary_apiserver_request_duration_seconds_count{resource=\"configmaps\",verb=\"get\"} 1\n",
         }) {
        EXPECT_TRUE(page.body.contains(line)) << line << page.body;
    }
    watch->reset();
    EXPECT_TRUE(metrics.text().contains("\naviary_apiserver_watches 0\n"));
    http::Response const refused = co_await handler->handle(ctx, request, {"eve", {}, ""});
    EXPECT_EQ(refused.status, 403);
    co_await test.stop();
}

// What is counted is named by the server, never by who asks.
CO_TEST(Read, ProbesOfAnyPathAreOneCount) {
    TestServer test(ctx);
    co_await test.start();
    auto const handler = http_handler(*test.server);
    for (int number = 0; number < 100; ++number) {
        http::Request probe{.target = "/healthz/" + std::to_string(number) + std::string(1000, 'x')};
        probe.headers.emplace_back("User-Agent", "probe/" + std::to_string(number) + std::string(1000, 'x'));
        http::Response const answer = co_await handler->handle(ctx, probe, {});
        EXPECT_EQ(200, answer.status);
    }
    auto const probes = test.server->request_counts();
    CO_ASSERT_TRUE(probes.size() == 1);
    EXPECT_EQ("/healthz", probes[0].resource);
    EXPECT_EQ("system:anonymous", probes[0].user);
    EXPECT_EQ(100u, probes[0].count);

    for (int number = 0; number < 100; ++number) {
        std::string const name = "n" + std::to_string(number);
        for (std::string const& path : {"/" + name, "/apis/" + name, "/apis/" + name + "/v1/" + name,
                                        "/api/v1/namespaces/default/pods/a/" + name}) {
            client::Request request = TestServer::request("GET", path);
            request.headers.emplace_back("User-Agent", std::string(64, 'a') + name);
            (void)co_await test.send(request);
            request.method = "X" + name;
            (void)co_await test.send(std::move(request));
        }
    }
    (void)co_await test.send(TestServer::request("GET", "/version"));
    std::vector<std::string> seen;
    for (auto const& count : test.server->request_counts()) {
        EXPECT_LE(count.agent.size(), 64u);
        seen.push_back(count.verb + " " + count.resource + " " + count.subresource);
    }
    EXPECT_LE(seen.size(), 10u) << testing::PrintToString(seen);
    EXPECT_NE(seen.end(), std::ranges::find(seen, "get /version ")) << testing::PrintToString(seen);
    co_await test.stop();
}

CO_TEST(Watch, WithoutInitialEventsBeginsWhereItIsTold) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    auto const first = co_await client.create(ctx, kConfigMaps, config_map("a"));
    CO_ASSERT_OK(first);
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map("b")));
    client::NameValues query{{"watch", "1"}, {"sendInitialEvents", "false"}, {"resourceVersionMatch", "NotOlderThan"}};
    query.emplace_back("resourceVersion", meta::resource_version(*first));
    auto from_first = co_await test.send(TestServer::request("GET", "/api/v1/configmaps", query));
    CO_ASSERT_TRUE(from_first.watch != nullptr);
    EXPECT_EQ((Events{"ADDED b"}), co_await drain(ctx, *from_first.watch));
    query.back().second = "";
    auto from_now = co_await test.send(TestServer::request("GET", "/api/v1/configmaps", query));
    CO_ASSERT_TRUE(from_now.watch != nullptr);
    EXPECT_EQ((Events{}), co_await drain(ctx, *from_now.watch));
    co_await test.stop();
}

// Its client knows a state that this server never had, as after a backup was restored: it has to list again.
CO_TEST(Watch, FromTheFutureIsGone) {
    TestServer test(ctx);
    co_await test.start();
    client::NameValues query{{"watch", "1"}, {"resourceVersion", "1000000"}};
    auto future = co_await test.send(TestServer::request("GET", "/api/v1/configmaps", query));
    EXPECT_EQ(200, future.status) << json::write(future.body);
    CO_ASSERT_TRUE(future.watch != nullptr);
    auto const event = co_await future.watch->next(ctx);
    CO_ASSERT_TRUE(event && *event);
    EXPECT_EQ("ERROR", (**event)["type"].as_string());
    EXPECT_EQ(410, (**event)["object"]["code"].as_int());
    // With the objects themselves there is nothing to miss: as upstream, it may become true in a while.
    query.emplace_back("sendInitialEvents", "true");
    query.emplace_back("resourceVersionMatch", "NotOlderThan");
    auto const initial = co_await test.send(TestServer::request("GET", "/api/v1/configmaps", query));
    EXPECT_EQ(504, initial.status);
    co_await test.stop();
}

Task<void> count_turns(Context ctx, int& turns) {
    while (turns < 1000 && co_await async::yield(ctx)) ++turns;
}

// Looking through a long log for what a selector never matches is done in steps.
CO_TEST(Watch, ASelectorThatMatchesLittleLetsOthersIn) {
    TestServer test(ctx);
    co_await test.start();
    auto const client = test.admin();
    auto const first = co_await client.create(ctx, kConfigMaps, config_map("a"));
    CO_ASSERT_OK(first);
    for (int number = 0; number < 3000; ++number)
        CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map("c" + std::to_string(number))));
    CO_ASSERT_OK(co_await client.create(ctx, kConfigMaps, config_map("wanted")));
    auto watch = co_await client.watch(ctx, kConfigMaps,
                                       {.ns = "default",
                                        .field_selector = "metadata.name=wanted",
                                        .resource_version = meta::resource_version(*first)});
    CO_ASSERT_OK(watch);
    int turns = 0;
    async::Scope scope(ctx);
    scope.spawn(count_turns(scope.context(), turns));
    auto const event = co_await (*watch)->next(ctx);
    int const between = turns;
    co_await scope.cancel_and_join();
    CO_ASSERT_TRUE(event && *event);
    EXPECT_EQ("wanted", meta::name((**event)["object"]));
    EXPECT_GE(between, 3000 / 200);
    EXPECT_LT(between, 1000);
    watch->reset();
    co_await test.stop();
}

}   // namespace
}   // namespace aviary::apiserver
