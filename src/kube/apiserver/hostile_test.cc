// Whatever is sent, the server answers with a client's error or carries it out: never with a defect of its own.
#include "core/base/random.h"
#include "kube/apiserver/builtin/builtin.h"
#include "kube/apiserver/internal/test_server.h"

namespace aviary::apiserver {
namespace {

using json::Doc;
using json::Value;

Value strange(Random& random) {
    switch (random.below(10)) {
        case 0: return nullptr;
        case 1: return true;
        case 2: return -1;
        case 3: return 9'000'000'000'000'000'000;
        case 4: return 0.5;
        case 5: return "";
        case 6: return "\x01 not a name /..";
        case 7: return json::Array{nullptr, "a", json::Object{{"a", json::Array()}}};
        case 8: return json::Object{{"name", 7}, {"", json::Object()}};
        default: return json::Array();
    }
}

// One that a schema would allow, more or less.
Value sample(Doc const& schema, Random& random, int depth) {
    std::string_view const type = schema["type"].as_string();
    if (type == "string") return random.below(3) == 0 ? "5" : "abc";
    if (type == "integer" || type == "number") return static_cast<std::int64_t>(random.below(100));
    if (type == "boolean") return random.below(2) == 0;
    if (type == "array") return json::Array{sample(schema["items"], random, depth + 1)};
    Doc target = schema;
    Doc const reference = schema["$ref"].exists() ? schema["$ref"] : schema["allOf"][0]["$ref"];
    if (reference.exists()) {
        std::string_view name = reference.as_string();
        name.remove_prefix(std::string_view("#/components/schemas/").size());
        target = builtin::builtin_schemas()[name];
    }
    Value object{json::Object()};
    if (depth > 8) return object;
    for (auto const& [key, property] : target["properties"].members()) {
        if (random.below(depth < 2 ? 3 : 6) != 0) object[key] = sample(property, random, depth + 1);
    }
    return object;
}

void spoil(Value& value, Random& random, int times) {
    for (int count = 0; count < times; ++count) {
        Value* place = &value;
        while ((place->is_object() || place->is_array()) && place->size() > 0 && random.below(5) != 0) {
            std::size_t const index = random.below(place->size());
            place = place->is_array() ? &place->make_array()[index]
                                      : &(place->make_object().begin() + static_cast<std::ptrdiff_t>(index))->value;
        }
        *place = strange(random);
    }
}

CO_TEST(Hostile, EveryKindSurvivesEveryShape) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    Random random(20261124);
    for (auto const& info : builtin::builtin_resources()) {
        std::string const path = client::resource_path(info->resource, info->namespaced ? "default" : "");
        for (int round = 0; round < 40; ++round) {
            Value object = sample(info->openapi, random, 0);
            object.make_object();
            object["metadata"] =
                json::Object{{"name", "x"}, {"labels", json::Object{{"a", "b"}}}, {"finalizers", json::Array{"a/b"}}};
            if (round % 4 != 0) spoil(object, random, static_cast<int>(random.below(4)));
            auto const send = [&](std::string method, std::string target, client::NameValues query, Value body,
                                  std::string type) {
                return TestServer::request(std::move(method), std::move(target), std::move(query), std::move(body),
                                           std::move(type));
            };
            std::vector<client::Request> requests;
            requests.push_back(send("POST", path, {}, object, "application/json"));
            requests.push_back(send("PUT", path + "/x", {}, object, "application/json"));
            requests.push_back(send("PUT", path + "/x/status", {}, object, "application/json"));
            requests.push_back(send("PATCH", path + "/x", {}, object, "application/merge-patch+json"));
            requests.push_back(send("PATCH", path + "/x", {}, object, "application/strategic-merge-patch+json"));
            requests.push_back(
                send("PATCH", path + "/x", {{"fieldManager", "m"}}, object, "application/apply-patch+yaml"));
            requests.push_back(send("PATCH", path + "/x", {}, json::Array{object}, "application/json-patch+json"));
            requests.push_back(send("DELETE", path + "/x", {}, object, "application/json"));
            for (client::Request& request : requests) {
                std::string const what = fmt::format("{} {} {} {}", request.method, request.path, request.content_type,
                                                     json::write(request.body));
                auto const response = co_await test.send(std::move(request));
                EXPECT_NE(500, response.status) << what << "\n" << json::write(response.body);
                if (response.status == 500) co_return;
            }
            client::Request table = send("GET", path, {}, {}, "");
            table.accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
            auto const shown = co_await test.send(std::move(table));
            EXPECT_TRUE(shown.ok() || shown.status == 404 || shown.status == 405 || shown.status == 501)
                << path << " " << shown.status;
        }
    }
    co_await test.stop();
}

CO_TEST(Hostile, DefinitionsOfEveryShape) {
    TestServer test(ctx);
    co_await test.start();
    test.run_controllers();
    Random random(7);
    Value const good = parsed(
        R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.demo.example.com"},
      "spec":{"group":"demo.example.com","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList","shortNames":["w"]},
      "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.n","statusReplicasPath":".status.n","labelSelectorPath":".status.s"}},
       "additionalPrinterColumns":[{"name":"A","type":"string","jsonPath":".spec.a[0].b"}],
       "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","required":["n"],"properties":{"n":{"type":"integer","default":1,"minimum":0},
         "a":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["b"],"items":{"type":"object","properties":{"b":{"type":"string","pattern":"^a"}}}},
         "p":{"x-kubernetes-int-or-string":true},"m":{"type":"object","additionalProperties":{"type":"string"}}}},"status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}})");
    for (int round = 0; round < 400; ++round) {
        Value object = good;
        spoil(object, random, 1 + static_cast<int>(random.below(3)));
        auto const defined = co_await test.send(
            TestServer::request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {}, object));
        EXPECT_NE(500, defined.status) << json::write(object) << json::write(defined.body);
        if (!defined.ok()) continue;
        std::string const path = "/apis/demo.example.com/v1/namespaces/default/widgets";
        Value widget = parsed(R"({"metadata":{"name":"x"},"spec":{"n":1,"a":[{"b":"ab"}],"p":"5%","m":{"k":"v"}}})");
        spoil(widget, random, static_cast<int>(random.below(3)));
        for (auto const& [method, target, type] :
             {std::tuple("POST", path, "application/json"),
              std::tuple("PATCH", path + "/x", "application/merge-patch+json"),
              std::tuple("PATCH", path + "/x", "application/apply-patch+yaml"),
              std::tuple("PATCH", path + "/x/scale", "application/merge-patch+json")}) {
            auto const response =
                co_await test.send(TestServer::request(method, target, {{"fieldManager", "m"}}, widget, type));
            EXPECT_NE(500, response.status) << json::write(widget) << json::write(response.body);
        }
        if (round % 20 == 0) (void)co_await test.send(TestServer::request("GET", "/openapi/v2"));
        auto const removed = co_await test.admin().remove(ctx, kCrds, {"", meta::name(defined.body)});
        EXPECT_TRUE(removed) << removed.error().message();
        (void)co_await async::sleep_for(ctx, std::chrono::milliseconds(10));
    }
    co_await test.stop();
}

}   // namespace
}   // namespace aviary::apiserver
