#include "kube/client/informer.h"

#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"

namespace aviary::client {
namespace {

using namespace std::chrono_literals;
using json::Doc;

meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};

// Breaks every watch after a while; in between, and for requests, it works.
class Breaking final : public Transport {
public:
    explicit Breaking(std::shared_ptr<Transport> inner) : inner_(std::move(inner)) {}
    Task<Result<Response>> send(Context ctx, Request request) override {
        lists += request.method == "GET" && !request.has_query("watch") ? 1 : 0;
        if (request.has_query("watch") && gone > 0) {
            --gone;
            Response response;
            response.status = 410;
            response.body =
                *json::parse(R"({"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"})");
            co_return response;
        }
        auto answer = co_await inner_->send(ctx, std::move(request));
        if (answer && answer->watch)
            answer->watch = std::make_unique<Stream>(std::move(answer->watch), ctx.monotonic() + 20s);
        co_return answer;
    }
    int lists = 0;
    int gone = 0;

private:
    class Stream final : public WatchStream {
    public:
        Stream(std::unique_ptr<WatchStream> inner, MonotonicTime end) : inner_(std::move(inner)), end_(end) {}
        Task<Result<std::optional<Doc>>> next(Context ctx) override {
            auto event = co_await inner_->next(ctx.with_deadline(end_));
            if (!event) co_return fail(ErrorCode::kUnavailable, "connection lost");
            co_return event;
        }

    private:
        std::unique_ptr<WatchStream> inner_;
        MonotonicTime end_;
    };
    std::shared_ptr<Transport> inner_;
};

// Watches that ran for a while and broke, however many, do not make the next connection wait longer.
CO_TEST(Informer, IsBackSoonAfterEachBreak) {
    async::Scope scope(ctx);
    auto opened = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(opened);
    auto const line = std::make_shared<Breaking>((*opened)->transport("fleet", {"admin", {"system:masters"}, {}}));
    Informer informer(Client(line, "test"), kConfigMaps);
    scope.spawn(informer.run(scope.context()));
    CO_ASSERT_OK(co_await informer.wait_synced(ctx.with_timeout(5s)));
    EXPECT_TRUE(informer.current());
    (void)co_await async::sleep_for(ctx, 300s);
    EXPECT_FALSE(informer.current()) << "nothing has been heard since the last break";
    Client const person((*opened)->transport("fleet", {"admin", {"system:masters"}, {}}), "person");
    bool heard = false;
    for (int number = 0; number < 20; ++number) {
        std::string const name = "c" + std::to_string(number);
        CO_ASSERT_OK(co_await person.create(
            ctx, kConfigMaps, *json::parse_value(R"({"metadata":{"namespace":"default","name":")" + name + R"("}})")));
        (void)co_await async::sleep_for(ctx, 1s);
        EXPECT_TRUE(informer.get({"default", name}).exists()) << name;
        heard = heard || informer.current();
    }
    EXPECT_TRUE(heard);
    EXPECT_EQ(line->lists, 1);   // nothing was missed that a watch did not bring
    co_await scope.cancel_and_join();
}

// Nobody answers while `away`; or somebody does, with a status that `refuses`: 500 is an API server without its store.
class Line final : public Transport {
public:
    explicit Line(std::shared_ptr<Transport> inner) : inner_(std::move(inner)) {}
    Task<Result<Response>> send(Context ctx, Request request) override {
        ++asked;
        if (away && refuses == 0) co_return fail(ErrorCode::kUnavailable, "connection refused");
        if (away) {
            Response response;
            response.status = refuses;
            response.body = *json::parse(
                R"({"kind":"Status","message":"rpc error: code = Unavailable desc = connection refused"})");
            co_return response;
        }
        auto answer = co_await inner_->send(ctx, std::move(request));
        co_return answer;
    }
    bool away = true;
    int refuses = 0;
    int asked = 0;

private:
    std::shared_ptr<Transport> inner_;
};

// As long as nobody answers it asks about once a second, and when somebody says that it does at once.
CO_TEST(Informer, IsBackSoonWhenTheServerWasAway) {
    async::Scope scope(ctx);
    auto opened = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(opened);
    auto const line = std::make_shared<Line>((*opened)->transport("fleet", {"admin", {"system:masters"}, {}}));
    Informer informer(Client(line, "test"), kConfigMaps);
    Informer patient(Client(line, "test"), kConfigMaps, {.last_backoff = 1h});
    int failures = 0;
    informer.on_failure([&](Error const& error) { failures += error.is(ErrorCode::kUnavailable) ? 1 : 0; });
    scope.spawn(informer.run(scope.context()));
    (void)co_await async::sleep_for(ctx, 10min);
    EXPECT_LE(line->asked, 900);
    EXPECT_EQ(failures, line->asked);
    line->away = false;
    EXPECT_FALSE(informer.current());
    CO_ASSERT_OK(co_await informer.wait_synced(ctx.with_timeout(1600ms)));
    EXPECT_TRUE(informer.current());

    line->away = true;
    scope.spawn(patient.run(scope.context()));
    (void)co_await async::sleep_for(ctx, 1h);
    line->away = false;
    (void)co_await async::sleep_for(ctx, 1min);
    EXPECT_FALSE(patient.synced());
    patient.reconnect();
    CO_ASSERT_OK(co_await patient.wait_synced(ctx.with_timeout(1ms)));
    co_await scope.cancel_and_join();
}

// An API server without its store answers, and that it cannot: it may be over at any moment.
CO_TEST(Informer, IsBackSoonWhenTheServersStoreWasAway) {
    async::Scope scope(ctx);
    auto opened = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(opened);
    auto const line = std::make_shared<Line>((*opened)->transport("fleet", {"admin", {"system:masters"}, {}}));
    line->refuses = 500;
    Informer informer(Client(line, "test"), kConfigMaps);
    scope.spawn(informer.run(scope.context()));
    (void)co_await async::sleep_for(ctx, 1min);
    line->away = false;
    CO_ASSERT_OK(co_await informer.wait_synced(ctx.with_timeout(1600ms)));
    co_await scope.cancel_and_join();
}

// One that has come back refuses until it has read what it decides by.
CO_TEST(Informer, IsBackSoonWhenTheServerRefusesAtFirst) {
    for (int const refuses : {403, 429}) {
        async::Scope scope(ctx);
        auto opened = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
        CO_ASSERT_OK(opened);
        auto const line = std::make_shared<Line>((*opened)->transport("fleet", {"admin", {"system:masters"}, {}}));
        Informer informer(Client(line, "test"), kConfigMaps);
        scope.spawn(informer.run(scope.context()));
        (void)co_await async::sleep_for(ctx, 1min);
        line->refuses = refuses;
        (void)co_await async::sleep_for(ctx, 8s);
        line->away = false;
        CO_ASSERT_OK(co_await informer.wait_synced(ctx.with_timeout(1600ms)));
        co_await scope.cancel_and_join();
    }
}

CO_TEST(Informer, AServerThatGoesOnRefusingIsAskedSeldom) {
    async::Scope scope(ctx);
    auto const line = std::make_shared<Line>(nullptr);   // away for ever
    line->refuses = 403;
    Informer informer(Client(line, "test"), kConfigMaps);
    scope.spawn(informer.run(scope.context()));
    (void)co_await async::sleep_for(ctx, 1min);
    int const before = line->asked;
    (void)co_await async::sleep_for(ctx, 10min);
    EXPECT_LE(line->asked - before, 90);
    co_await scope.cancel_and_join();
}

CO_TEST(Informer, ListsAgainWhenTheServerHasForgotten) {
    async::Scope scope(ctx);
    auto opened = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(opened);
    auto const line = std::make_shared<Breaking>((*opened)->transport("fleet", {"admin", {"system:masters"}, {}}));
    Informer informer(Client(line, "test"), kConfigMaps);
    scope.spawn(informer.run(scope.context()));
    CO_ASSERT_OK(co_await informer.wait_synced(ctx.with_timeout(5s)));
    line->gone = 1;
    Client const person((*opened)->transport("fleet", {"admin", {"system:masters"}, {}}), "person");
    (void)co_await async::sleep_for(ctx, 21s);
    CO_ASSERT_OK(co_await person.create(ctx, kConfigMaps,
                                        *json::parse_value(R"({"metadata":{"namespace":"default","name":"c"}})")));
    (void)co_await async::sleep_for(ctx, 1s);
    EXPECT_TRUE(informer.get({"default", "c"}).exists());
    EXPECT_EQ(line->lists, 2);
    co_await scope.cancel_and_join();
}

class NoEvents final : public WatchStream {
public:
    Task<Result<std::optional<Doc>>> next(Context ctx) override {
        CO_TRY(co_await async::sleep_for(ctx, 1h));
        co_return std::optional<Doc>();
    }
};

// Answers every list with this text.
class Lists final : public Transport {
public:
    explicit Lists(std::string text) : text_(std::move(text)) {}
    Task<Result<Response>> send(Context, Request request) override {
        Response response;
        if (request.has_query("watch")) {
            response.watch = std::make_unique<NoEvents>();
        } else {
            response.body = *json::parse(text_);
        }
        co_return response;
    }

private:
    std::string text_;
};

// kube-apiserver leaves apiVersion and kind out of the items of built-in kinds; whoever reads a copy needs them.
CO_TEST(Informer, ItemsOfAListSayWhatTheyAre) {
    Informer informer(Client(std::make_shared<Lists>(R"({"apiVersion":"apps/v1","kind":"DeploymentList",
        "metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a","namespace":"demo"},"spec":{"replicas":1}},
        {"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"b","namespace":"demo"}}]})"),
                             "test"),
                      {"apps", "v1", "deployments"});
    async::Scope scope(ctx);
    scope.spawn(informer.run(scope.context()));
    CO_ASSERT_OK(co_await informer.wait_synced(ctx));
    Doc const plain = informer.get({"demo", "a"});
    EXPECT_EQ(plain["apiVersion"].as_string(), "apps/v1");
    EXPECT_EQ(plain["kind"].as_string(), "Deployment");
    EXPECT_EQ(plain.at({"spec", "replicas"}).as_int(), 1);
    EXPECT_EQ(informer.get({"demo", "b"})["kind"].as_string(), "Widget");
    co_await scope.cancel_and_join();
    informer.forget();
    EXPECT_FALSE(informer.synced());
    EXPECT_TRUE(informer.objects().empty());
}

// Its watches end in time and in good order, and never say anything.
class Silent final : public Transport {
public:
    Task<Result<Response>> send(Context, Request request) override {
        Response response;
        if (request.has_query("watch")) {
            response.watch = std::make_unique<Stream>(lasts);
        } else {
            ++lists;
            response.body = *json::parse(
                R"({"apiVersion":"v1","kind":"ConfigMapList","metadata":{"resourceVersion":"7"},"items":[]})");
        }
        co_return response;
    }
    int lists = 0;
    Duration lasts = 5min;

private:
    class Stream final : public WatchStream {
    public:
        explicit Stream(Duration lasts) : lasts_(lasts) {}
        Task<Result<std::optional<Doc>>> next(Context ctx) override {
            CO_TRY(co_await async::sleep_for(ctx, lasts_));
            co_return std::optional<Doc>();
        }

    private:
        Duration lasts_;
    };
};

// The same name, another server behind it from some time on.
class Replaced final : public Transport {
public:
    explicit Replaced(std::shared_ptr<Transport> inner) : inner(std::move(inner)) {}
    Task<Result<Response>> send(Context ctx, Request request) override {
        if (request.has_query("watch") && refuse > 0) {
            --refuse;
            Response response;
            response.status = 504;
            response.body = *json::parse(
                R"({"kind":"Status","code":504,"reason":"Timeout","message":"Timeout: Too large resource version: 9, current: 1",
                "details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1}})");
            co_return response;
        }
        lists += request.has_query("watch") ? 0 : 1;
        std::shared_ptr<Transport> const way = inner;   // replaced while this is under way
        auto answer = co_await way->send(ctx, std::move(request));
        co_return answer;
    }
    std::shared_ptr<Transport> inner;
    int refuse = 0;
    int lists = 0;
};

// A backup of yesterday does not know the version of today: what it has is the truth now.
CO_TEST(Informer, ListsAgainAfterABackupWasRestored) {
    async::Scope scope(ctx);
    auto today = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    auto backup = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(today);
    CO_ASSERT_OK(backup);
    auto const old = (*backup)->transport("fleet", {"admin", {"system:masters"}, {}});
    auto const line = std::make_shared<Replaced>((*today)->transport("fleet", {"admin", {"system:masters"}, {}}));
    Client const person(line, "person");
    for (char const* name : {"a", "b", "c"}) {
        std::string const text = std::string(R"({"metadata":{"namespace":"default","name":")") + name + R"("}})";
        CO_ASSERT_OK(co_await person.create(ctx, kConfigMaps, *json::parse_value(text)));
    }
    CO_ASSERT_OK(
        co_await Client(old, "person")
            .create(ctx, kConfigMaps, *json::parse_value(R"({"metadata":{"namespace":"default","name":"old"}})")));
    Informer informer(Client(std::make_shared<Breaking>(line), "test"), kConfigMaps);
    scope.spawn(informer.run(scope.context()));
    CO_ASSERT_OK(co_await informer.wait_synced(ctx.with_timeout(5s)));
    line->inner = old;
    (void)co_await async::sleep_for(ctx, 30s);
    EXPECT_TRUE(informer.get({"default", "old"}).exists());
    EXPECT_FALSE(informer.get({"default", "a"}).exists());
    co_await scope.cancel_and_join();
}

// Other servers say it with other words, or say nothing at all: not even a bookmark.
CO_TEST(Informer, ListsAgainWhenItsVersionIsOfNoUse) {
    async::Scope scope(ctx);
    auto opened = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(opened);
    auto const line = std::make_shared<Replaced>((*opened)->transport("fleet", {"admin", {"system:masters"}, {}}));
    line->refuse = 1;
    Informer informer(Client(line, "test"), kConfigMaps);
    scope.spawn(informer.run(scope.context()));
    (void)co_await async::sleep_for(ctx, 30s);
    EXPECT_EQ(line->lists, 2);
    (void)co_await async::sleep_for(ctx, 1h);
    EXPECT_EQ(line->lists, 2);   // bookmarks came
    co_await scope.cancel_and_join();

    async::Scope other(ctx);
    auto const silent = std::make_shared<Silent>();
    Informer waiting(Client(silent, "test"), kConfigMaps);
    other.spawn(waiting.run(other.context()));
    (void)co_await async::sleep_for(ctx, 30min);
    EXPECT_GE(silent->lists, 3);
    EXPECT_LE(silent->lists, 7);
    // A line that is cut every minute has nothing to do with the version.
    silent->lasts = 1min;
    (void)co_await async::sleep_for(ctx, 10min);
    int const before = silent->lists;
    (void)co_await async::sleep_for(ctx, 1h);
    EXPECT_EQ(silent->lists, before);
    co_await other.cancel_and_join();
}

// A member that does not end: pages after pages, or additions after additions.
class Endless final : public Transport {
public:
    Task<Result<Response>> send(Context, Request request) override {
        Response response;
        if (request.has_query("watch")) {
            response.watch = std::make_unique<Stream>(*this);
            co_return response;
        }
        if (++lists >= 1000) pages = false;   // enough to tell
        std::string text =
            R"({"apiVersion":"v1","kind":"ConfigMapList","metadata":{"resourceVersion":"7","continue":")";
        if (pages) text += same_token ? "again" : std::to_string(lists);
        text += R"("},"items":[)";
        for (int count = 0; count < per_page; ++count) text += (count > 0 ? "," : "") + object();
        response.body = *json::parse(text + "]}");
        co_return response;
    }
    std::string object() {
        return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"default","resourceVersion":"8","name":"c)" +
               std::to_string(++objects) + R"("},"data":{"k":")" + std::string(payload, 'x') + R"("}})";
    }
    bool pages = true;
    bool same_token = false;
    int per_page = 1;
    std::size_t payload = 10;
    int lists = 0;
    int objects = 0;

private:
    class Stream final : public WatchStream {
    public:
        explicit Stream(Endless& source) : source_(source) {}
        Task<Result<std::optional<Doc>>> next(Context ctx) override {
            CO_TRY(co_await async::sleep_for(ctx, 1ms));
            co_return std::optional(*json::parse(R"({"type":"ADDED","object":)" + source_.object() + "}"));
        }

    private:
        Endless& source_;
    };
};

Task<void> expect_bounded(Context ctx, Endless setup, InformerOptions options, int most_lists, std::string_view says) {
    observe::Registry registry;
    observe::Metrics const metrics(registry);
    Context const counted = ctx.with_metrics(metrics);
    auto const member = std::make_shared<Endless>(std::move(setup));
    async::Scope scope(counted);
    Informer informer(Client(member, "test"), kConfigMaps, std::move(options));
    scope.spawn(informer.run(scope.context()));
    (void)co_await async::sleep_for(ctx, 1min);
    EXPECT_LE(member->lists, most_lists);
    EXPECT_LE(informer.objects().size(), 10u);
    EXPECT_TRUE(informer.last_error().has_value());
    if (informer.last_error())
        EXPECT_TRUE(informer.last_error()->message().contains(says)) << informer.last_error()->message();
    bool const limit = says != "twice";
    EXPECT_EQ(limit, metrics.text().contains("aviary_informer_too_large_total{resource=\"configmaps\"}"))
        << metrics.text();
    co_await scope.cancel_and_join();
}

CO_TEST(Informer, AMemberThatDoesNotEndIsCutOff) {
    Endless same;
    same.same_token = true;
    co_await expect_bounded(ctx, same, {}, 40, "twice");
    co_await expect_bounded(ctx, {}, {.max_objects = 10}, 300, "more than 10 objects");
    Endless empty;
    empty.per_page = 0;
    co_await expect_bounded(ctx, empty, {.max_objects = 10}, 300, "more than 10 objects");
    Endless big;
    big.payload = 100'000;
    co_await expect_bounded(ctx, big, {.max_bytes = 1'000'000}, 300, "more than 1000000 bytes");
    Endless additions;
    additions.pages = false;
    co_await expect_bounded(ctx, additions, {.max_objects = 10}, 1, "more than 10 objects");
    additions.payload = 100'000;
    co_await expect_bounded(ctx, additions, {.max_bytes = 1'000'000}, 1, "more than 1000000 bytes");
}

// Objects may be so large that a page of many is more than one answer may be.
class LargeObjects final : public Transport {
public:
    Task<Result<Response>> send(Context, Request request) override {
        Response response;
        if (request.has_query("watch")) {
            response.watch = std::make_unique<NoEvents>();
        } else if (request.query_value("limit").size() > 2) {
            co_return fail(ErrorCode::kTooLarge, "the answer is over the limit");
        } else {
            response.body = *json::parse(
                R"({"apiVersion":"v1","kind":"ConfigMapList","metadata":{"resourceVersion":"7"},"items":[]})");
        }
        co_return response;
    }
};

CO_TEST(Informer, LargeObjectsComeInSmallerPages) {
    async::Scope scope(ctx);
    Informer informer(Client(std::make_shared<LargeObjects>(), "test"), kConfigMaps);
    scope.spawn(informer.run(scope.context()));
    EXPECT_TRUE(co_await informer.wait_synced(ctx.with_timeout(10s)));
    co_await scope.cancel_and_join();
}

}   // namespace
}   // namespace aviary::client
