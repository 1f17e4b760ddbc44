// Definitions of several versions whose objects a webhook converts.
#include "kube/apiserver/internal/test_server.h"

namespace aviary::apiserver {
namespace {

using client::PatchType;
using json::Doc;
using json::Value;

meta::GroupVersionResource const kWidgets{"demo.example.com", "v1", "widgets"};
meta::GroupVersionResource const kOlder{"demo.example.com", "v1alpha1", "widgets"};
meta::ObjectKey const kName{"default", "w"};

// v1 says spec.size, v1alpha1 spec.length.
Value definition(std::string_view stored = "v1") {
    Value object = parsed(
        R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.demo.example.com"},
      "spec":{"group":"demo.example.com","scope":"Namespaced","names":{"plural":"widgets","kind":"Widget"},
      "conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"service":{"namespace":"demo","name":"converter","path":"/convert"}}}},
      "versions":[
        {"name":"v1alpha1","served":true,"storage":false,"subresources":{"status":{}},"additionalPrinterColumns":[{"name":"Length","type":"integer","jsonPath":".spec.length"}],
         "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"length":{"type":"integer","maximum":100}}},"status":{"type":"object","properties":{"seen":{"type":"integer"}}}}}}},
        {"name":"v1","served":true,"storage":true,"subresources":{"status":{}},
         "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer"}}},"status":{"type":"object","properties":{"seen":{"type":"integer"}}}}}}}]}})");
    for (Value& version : object["spec"]["versions"].make_array())
        version["storage"] = version["name"] == Value(stored);
    return object;
}

class Converter final : public http::Handler {
public:
    int asked = 0;
    std::string says = "";   // a failure of this message
    bool renames = false;    // changes metadata.name, which it may not
    bool loses = false;      // answers with one object less

    Task<http::Response> handle(Context, http::Request request, net::Peer) override {
        ++asked;
        EXPECT_EQ("/convert", request.target);
        Doc const review = *json::parse(request.body);
        Value response{json::Object{{"uid", review.at({"request", "uid"}).string()}}};
        response.set({"result", "status"}, says.empty() ? "Success" : "Failure");
        response.set({"result", "message"}, says);
        json::Array converted;
        for (auto const& [index, each] : review.at({"request", "objects"}).elements()) {
            Value object = each.thaw();
            bool const older = each["apiVersion"].as_string().ends_with("/v1alpha1");
            EXPECT_NE(each["apiVersion"].string(), review.at({"request", "desiredAPIVersion"}).string());
            object["apiVersion"] = review.at({"request", "desiredAPIVersion"}).string();
            Value const was = std::as_const(object)["spec"][older ? "length" : "size"];
            object["spec"] = json::Object{{older ? "size" : "length", was}};
            object.set({"metadata", "annotations", "converted"}, "yes");
            object.set({"metadata", "resourceVersion"}, "7");
            if (renames) object.set({"metadata", "name"}, "other");
            converted.push_back(std::move(object));
        }
        if (loses) converted.pop_back();
        response["convertedObjects"] = std::move(converted);
        http::Response answer;
        answer.body = json::write(json::Object{
            {"apiVersion", "apiextensions.k8s.io/v1"}, {"kind", "ConversionReview"}, {"response", response}});
        co_return answer;
    }
};

Value older_widget(std::int64_t length, std::string_view name = "w") {
    Value object =
        parsed(R"({"apiVersion":"demo.example.com/v1alpha1","kind":"Widget","metadata":{"namespace":"default"}})");
    object.set({"metadata", "name"}, name);
    object.set({"spec", "length"}, length);
    return object;
}

struct World {
    explicit World(Context ctx) : context(ctx), test(ctx) {}
    Task<Status> start(std::string_view stored = "v1") {
        co_await test.start();
        test.server->add_service("fleet", {"demo", "converter"}, converter);
        CO_TRY(co_await test.admin().create(context, kCrds, definition(stored)));
        co_return Status{};
    }

    Context context;
    TestServer test;
    std::shared_ptr<Converter> converter = std::make_shared<Converter>();
};

CO_TEST(Conversion, IsWrittenAndReadInEveryVersion) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    auto const client = world.test.admin();
    auto const made = co_await client.create(ctx, kOlder, older_widget(3));
    CO_ASSERT_OK(made);
    EXPECT_EQ("demo.example.com/v1alpha1", (*made)["apiVersion"].as_string());
    EXPECT_EQ(3, made->at({"spec", "length"}).as_int());
    EXPECT_FALSE(made->at({"spec", "size"}).exists());
    auto const stored = co_await client.get(ctx, kWidgets, kName);
    CO_ASSERT_OK(stored);
    EXPECT_EQ(3, stored->at({"spec", "size"}).as_int());
    EXPECT_EQ(meta::uid(*made), meta::uid(*stored));
    EXPECT_EQ(meta::resource_version(*made), meta::resource_version(*stored)) << "the webhook's is not taken";
    EXPECT_EQ("yes", meta::annotation(*stored, "converted"));
    EXPECT_EQ(1, stored->at({"metadata", "generation"}).as_int());

    auto const patched =
        co_await client.patch(ctx, kOlder, kName, PatchType::kMerge, parsed(R"({"spec":{"length":5}})"));
    CO_ASSERT_OK(patched);
    EXPECT_EQ(5, patched->at({"spec", "length"}).as_int());
    EXPECT_EQ(2, patched->at({"metadata", "generation"}).as_int());
    auto const wrong =
        co_await client.patch(ctx, kOlder, kName, PatchType::kMerge, parsed(R"({"spec":{"length":500}})"));
    EXPECT_TRUE(wrong.error().message().contains("spec.length")) << wrong.error().message();
    client::WriteOptions status;
    status.subresource = "status";
    CO_ASSERT_OK(
        co_await client.patch(ctx, kOlder, kName, PatchType::kMerge, parsed(R"({"status":{"seen":1}})"), status));
    auto const after = co_await client.get(ctx, kWidgets, kName);
    EXPECT_EQ(5, after->at({"spec", "size"}).as_int());
    EXPECT_EQ(1, after->at({"status", "seen"}).as_int());

    CO_ASSERT_OK(co_await client.create(ctx, kOlder, older_widget(9, "x")));
    world.converter->asked = 0;
    auto const list = co_await client.list(ctx, kOlder, {});
    CO_ASSERT_OK(list);
    EXPECT_EQ(2U, (*list)["items"].size());
    EXPECT_EQ(5, (*list)["items"][0].at({"spec", "length"}).as_int());
    EXPECT_EQ(1, world.converter->asked) << "all at once";
    auto const rows = co_await world.test.send([] {
        client::Request request = TestServer::request("GET", "/apis/demo.example.com/v1alpha1/widgets");
        request.accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
        return request;
    }());
    EXPECT_EQ(9, rows.body["rows"][1]["cells"][1].as_int()) << json::write(rows.body);
    world.converter->asked = 0;
    CO_ASSERT_OK(co_await client.list(ctx, kWidgets, {}));
    EXPECT_EQ(0, world.converter->asked) << "what is stored is asked nobody about";
    CO_ASSERT_OK(co_await client.remove(ctx, kOlder, kName));
    co_await world.test.stop();
}

CO_TEST(Conversion, IsWatchedInEveryVersion) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    auto const client = world.test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kOlder, older_widget(3)));
    auto watch = co_await client.watch(ctx, kOlder, {});
    CO_ASSERT_OK(watch);
    auto const first = co_await (*watch)->next(ctx);
    CO_ASSERT_OK(first);
    EXPECT_EQ(3, (**first).at({"object", "spec", "length"}).as_int());
    CO_ASSERT_OK(co_await client.patch(ctx, kWidgets, kName, PatchType::kMerge, parsed(R"({"spec":{"size":4}})")));
    auto const second = co_await (*watch)->next(ctx);
    CO_ASSERT_OK(second);
    EXPECT_EQ("MODIFIED", (**second)["type"].as_string());
    EXPECT_EQ("demo.example.com/v1alpha1", (**second).at({"object", "apiVersion"}).as_string());
    EXPECT_EQ(4, (**second).at({"object", "spec", "length"}).as_int());
    world.converter->says = "out of order";
    CO_ASSERT_OK(co_await client.remove(ctx, kWidgets, kName));
    auto const last = co_await (*watch)->next(ctx);
    CO_ASSERT_OK(last);
    EXPECT_EQ("ERROR", (**last)["type"].as_string());
    EXPECT_TRUE((**last).at({"object", "message"}).as_string().contains("out of order"));
    co_await world.test.stop();
}

CO_TEST(Conversion, ThatFailsIsTold) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start());
    auto const client = world.test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kOlder, older_widget(3)));
    auto const why = [&]() -> Task<std::string> {
        auto const read = co_await client.get(ctx, kOlder, kName);
        co_return read ? "nothing" : read.error().message();
    };
    std::string const head = "conversion webhook for demo.example.com/v1, Kind=Widget failed: ";
    world.converter->says = "out of order";
    EXPECT_EQ(head + "out of order", co_await why());
    auto const written = co_await client.create(ctx, kOlder, older_widget(3, "x"));
    EXPECT_EQ("conversion webhook for demo.example.com/v1alpha1, Kind=Widget failed: out of order",
              written.error().message());
    world.converter->says = "";
    world.converter->renames = true;
    EXPECT_EQ(head + "invalid converted object at index 0: must have the same metadata.name: other != w",
              co_await why());
    world.converter->renames = false;
    world.converter->loses = true;
    EXPECT_EQ(head + "it returned 0 objects, expected 1", co_await why());
    world.converter->loses = false;
    EXPECT_EQ("nothing", co_await why());
    Value elsewhere = parsed(R"({"spec":{"conversion":{"webhook":{"clientConfig":{"service":{"name":"gone"}}}}}})");
    CO_ASSERT_OK(co_await client.patch(ctx, kCrds, {"", "widgets.demo.example.com"}, PatchType::kMerge, elsewhere));
    EXPECT_EQ(head + "this server does not reach service demo/gone", co_await why());
    CO_ASSERT_OK(co_await client.get(ctx, kWidgets, kName));
    co_await world.test.stop();
}

CO_TEST(Conversion, FollowsTheVersionThatIsStored) {
    World world(ctx);
    CO_ASSERT_OK(co_await world.start("v1alpha1"));
    auto const client = world.test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kOlder, older_widget(3)));
    CO_ASSERT_OK(co_await client.patch(ctx, kCrds, {"", "widgets.demo.example.com"}, PatchType::kMerge,
                                       parsed(json::write(json::Object{{"spec", definition("v1")["spec"]}}))));
    auto const crd = co_await client.get(ctx, kCrds, {"", "widgets.demo.example.com"});
    EXPECT_EQ(2U, crd->at({"status", "storedVersions"}).size());
    // Stored as it was, until it is written again.
    auto const read = co_await client.get(ctx, kWidgets, kName);
    CO_ASSERT_OK(read);
    EXPECT_EQ(3, read->at({"spec", "size"}).as_int());
    CO_ASSERT_OK(co_await client.patch(ctx, kWidgets, kName, PatchType::kMerge, parsed(R"({"spec":{"size":4}})")));
    world.converter->asked = 0;
    auto const again = co_await client.get(ctx, kWidgets, kName);
    EXPECT_EQ(4, again->at({"spec", "size"}).as_int());
    EXPECT_EQ(0, world.converter->asked);
    co_await world.test.stop();
}

CO_TEST(Conversion, OfNoneShowsWhatTheVersionKnows) {
    World world(ctx);
    co_await world.test.start();
    Value plain = definition();
    plain["spec"].erase("conversion");
    auto const client = world.test.admin();
    CO_ASSERT_OK(co_await client.create(ctx, kCrds, plain));
    CO_ASSERT_OK(co_await client.create(ctx, kOlder, older_widget(3)));
    auto const read = co_await client.get(ctx, kWidgets, kName);
    CO_ASSERT_OK(read);
    EXPECT_EQ("demo.example.com/v1", (*read)["apiVersion"].as_string());
    EXPECT_FALSE(read->at({"spec", "length"}).exists());
    co_await world.test.stop();
}

}   // namespace
}   // namespace aviary::apiserver
