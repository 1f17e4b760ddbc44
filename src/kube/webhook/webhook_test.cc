#include <gtest/gtest.h>

#include "core/async/co_test.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/webhook/handler.h"
#include "kube/webhook/review.h"

namespace aviary::webhook {
namespace {

using control::AdmissionRequest;
using control::Operation;
using json::Doc;
using json::Value;

constexpr char kUpdate[] = R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{
    "uid":"u-1","operation":"UPDATE","kind":{"group":"apps","version":"v1","kind":"Deployment"},
    "resource":{"group":"apps","version":"v1","resource":"deployments"},"namespace":"demo","name":"qwen",
    "userInfo":{"username":"alice","groups":["oncall"],"extra":{"example.com/team":["a","b"]}},"dryRun":true,
    "object":{"metadata":{"name":"qwen","annotations":{"a/b":"1","gone":"x"}},"spec":{"replicas":2}},
    "oldObject":{"metadata":{"name":"qwen"},"spec":{"replicas":1}}}})";

Doc parsed(std::string_view text) { return *json::parse(text); }

std::string problem(std::string_view text) {
    auto const review = read_review(parsed(text));
    return review ? "none" : review.error().message();
}

TEST(Review, IsReadWhole) {
    auto const review = read_review(parsed(kUpdate));
    ASSERT_TRUE(review) << review.error().message();
    AdmissionRequest const& request = review->request;
    EXPECT_EQ("u-1", review->uid);
    EXPECT_EQ(Operation::kUpdate, request.operation);
    EXPECT_EQ("deployments.apps", request.resource.group_resource());
    EXPECT_EQ("Deployment", request.kind);
    EXPECT_EQ("demo/qwen", request.key.to_string());
    EXPECT_EQ(2, request.object.at({"spec", "replicas"}).as_int());
    EXPECT_EQ(1, request.old_object.at({"spec", "replicas"}).as_int());
    EXPECT_EQ("alice", request.user.name);
    EXPECT_EQ(std::vector<std::string>{"oncall"}, request.user.groups);
    EXPECT_EQ((client::NameValues{{"example.com/team", "a"}, {"example.com/team", "b"}}), request.user.extra);
    EXPECT_TRUE(request.dry_run);
}

TEST(Review, OfADeletionHasTheOldObjectAlone) {
    auto const review = read_review(parsed(
        R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"DELETE",
        "resource":{"version":"v1","resource":"pods"},"object":null,"oldObject":{"metadata":{"name":"a"}}}})"));
    ASSERT_TRUE(review) << review.error().message();
    EXPECT_EQ(Operation::kDelete, review->request.operation);
    EXPECT_TRUE(review->request.object.is_null());
    EXPECT_TRUE(review->request.old_object.exists());
}

TEST(Review, SaysWhatIsMissing) {
    EXPECT_EQ("apiVersion and kind: admission.k8s.io/v1 AdmissionReview is read here, not v1 Pod",
              problem(R"({"apiVersion":"v1","kind":"Pod"})"));
    auto const of = [](std::string_view request) {
        return R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":)" + std::string(request) +
               "}";
    };
    EXPECT_EQ("request.uid: missing", problem(of("{}")));
    EXPECT_EQ("request.operation: CREATE, UPDATE and DELETE are admitted here, not \"CONNECT\"",
              problem(of(R"({"uid":"u","operation":"CONNECT"})")));
    EXPECT_EQ("request.resource.resource: missing", problem(of(R"({"uid":"u","operation":"CREATE"})")));
    EXPECT_EQ("request.object: missing",
              problem(of(R"({"uid":"u","operation":"CREATE","resource":{"resource":"pods"},"object":[]})")));
    EXPECT_EQ("request.oldObject: missing",
              problem(of(R"({"uid":"u","operation":"UPDATE","resource":{"resource":"pods"},"object":{}})")));
}

TEST(Answer, CarriesThePatchThatLeadsToWhatIsAdmitted) {
    auto review = read_review(parsed(kUpdate));
    Value const before = review->request.object;
    review->request.object.set({"spec", "paused"}, true);
    review->request.object.find("metadata")->find("annotations")->erase("gone");
    review->request.object.set({"metadata", "annotations", "a/b"}, "2");
    review->request.warnings.push_back("seen");
    Value const answer = allow(*review, before);
    Value const& response = answer["response"];
    EXPECT_EQ("u-1", response["uid"].as_string());
    EXPECT_TRUE(response["allowed"].as_bool());
    EXPECT_EQ("JSONPatch", response["patchType"].as_string());
    EXPECT_EQ(R"(["seen"])", json::write(response["warnings"]));
    auto const text = base64_decode(response["patch"].as_string());
    ASSERT_TRUE(text);
    Value result = before;
    ASSERT_TRUE(json::apply_json_patch(result, parsed(*text).thaw()));
    EXPECT_EQ(review->request.object, result);
}

TEST(Answer, HasNoPatchWhereNothingChanges) {
    auto const review = read_review(parsed(kUpdate));
    EXPECT_EQ(R"({"allowed":true,"uid":"u-1"})", json::write(allow(*review, review->request.object)["response"]));
}

// Marks what it sees and refuses what is called so.
class Plugin final : public control::Admission {
public:
    std::string_view name() const override { return "plugin"; }
    bool matches(AdmissionRequest const& request) const override { return request.key.ns == "demo"; }
    Task<Status> mutate(Context, AdmissionRequest& request) override {
        request.object.set({"spec", "paused"}, true);
        co_return Status{};
    }
    Task<Status> validate(Context, AdmissionRequest const& request) override {
        if (request.object.at({"spec", "replicas"}).as_int() > 1)
            co_return fail(ErrorCode::kForbidden, "one replica is enough");
        co_return Status{};
    }
};

Task<http::Response> ask(Context ctx, std::string target, std::string body) {
    http::Request request;
    request.method = "POST";
    request.target = std::move(target);
    request.body = std::move(body);
    auto const handler = make_handler({std::make_shared<Plugin>()});
    co_return co_await handler->handle(ctx, std::move(request), {});
}

CO_TEST(Handler, MutatesAtOnePathAndValidatesAtTheOther) {
    auto const mutated = co_await ask(ctx, "/mutate?timeout=5s", kUpdate);
    EXPECT_EQ(200, mutated.status);
    EXPECT_EQ(R"([{"op":"add","path":"/spec/paused","value":true}])",
              *base64_decode(parsed(mutated.body).at({"response", "patch"}).as_string()));
    auto const refused = co_await ask(ctx, "/validate", kUpdate);
    Doc const response = parsed(refused.body)["response"];
    EXPECT_EQ("u-1", response["uid"].as_string());
    EXPECT_FALSE(response["allowed"].as_bool(true));
    EXPECT_EQ(403, response.at({"status", "code"}).as_int());
    EXPECT_EQ("one replica is enough", response.at({"status", "message"}).as_string());
}

CO_TEST(Handler, CountsWhatItIsAsked) {
    observe::Registry registry;
    observe::Metrics const metrics(registry);
    Context const counted = ctx.with_metrics(metrics);
    for (char const* path : {"/mutate?timeout=5s", "/mutate", "/elsewhere"}) (void)co_await ask(counted, path, kUpdate);
    (void)co_await ask(counted, "/validate", "{");
    std::string const text = metrics.text();
    for (std::string_view line : {
             "\ncontroller_runtime_webhook_requests_total{code=\"200\",webhook=\"/mutate\"} 2\n",
             "\ncontroller_runtime_webhook_requests_total{code=\"400\",webhook=\"/validate\"} 1\n",
             "\ncontroller_runtime_webhook_latency_seconds_count{webhook=\"/mutate\"} 2\n",
         }) {
        EXPECT_TRUE(text.contains(line)) << line << text;
    }
    EXPECT_FALSE(text.contains("elsewhere")) << text;
}

CO_TEST(Handler, LetsThroughWhatNobodyAsksAbout) {
    std::string other = kUpdate;
    other.replace(other.find("\"demo\""), 6, "\"prod\"");
    auto const answer = co_await ask(ctx, "/validate", other);
    EXPECT_TRUE(parsed(answer.body).at({"response", "allowed"}).as_bool());
}

CO_TEST(Handler, RefusesWhatItCannotRead) {
    auto const elsewhere = co_await ask(ctx, "/", kUpdate);
    EXPECT_EQ(404, elsewhere.status);
    for (char const* body : {"{", "{}"}) {
        auto const unread = co_await ask(ctx, "/mutate", body);
        EXPECT_EQ(400, unread.status) << body;
    }
    auto const answer = co_await ask(
        ctx, "/mutate",
        R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CONNECT"}})");
    EXPECT_EQ(200, answer.status);
    EXPECT_FALSE(parsed(answer.body).at({"response", "allowed"}).as_bool(true));
}

Result<Value> renamed(Doc const& object, std::string_view api_version) {
    if (object.at({"metadata", "name"}).as_string() == "bad") return fail(ErrorCode::kUnsupported, "no such version");
    Value result = object.thaw();
    result["apiVersion"] = api_version;
    return result;
}

CO_TEST(Conversion, IsAnsweredInTheVersionThatAsks) {
    auto const handler = make_handler({}, renamed);
    auto const ask = [&](std::string body) -> Task<http::Response> {
        http::Request request{
            .method = "POST", .target = "/convert?timeout=30s", .headers = {}, .body = std::move(body)};
        co_return co_await handler->handle(ctx, std::move(request), {});
    };
    for (char const* version : {"v1", "v1beta1"}) {
        std::string const review =
            std::string(R"({"apiVersion":"apiextensions.k8s.io/)") + version +
            R"(","kind":"ConversionReview","request":{"uid":"u","desiredAPIVersion":"a/v2","objects":[)";
        http::Response const response = co_await ask(
            review + R"({"apiVersion":"a/v1","kind":"A","metadata":{"name":"x"}},{"apiVersion":"a/v1","kind":"A"}]}})");
        EXPECT_EQ(200, response.status);
        Doc const answer = parsed(response.body);
        EXPECT_EQ(std::string("apiextensions.k8s.io/") + version, answer["apiVersion"].as_string());
        EXPECT_EQ("u", answer.at({"response", "uid"}).as_string());
        EXPECT_EQ("Success", answer.at({"response", "result", "status"}).as_string());
        EXPECT_EQ(2U, answer.at({"response", "convertedObjects"}).size());
        EXPECT_EQ("a/v2", answer.at({"response", "convertedObjects"})[1]["apiVersion"].as_string());
        http::Response const failed =
            co_await ask(review + R"({"kind":"A","metadata":{"name":"bad","namespace":"n"}}]}})");
        Doc const result = parsed(failed.body).at({"response", "result"});
        EXPECT_EQ("Failure", result["status"].as_string());
        EXPECT_EQ("A n/bad: no such version", result["message"].as_string());
    }
    http::Response const other = co_await ask(R"({"apiVersion":"v1","kind":"Pod"})");
    EXPECT_EQ(400, other.status);
    http::Request nowhere{.method = "POST", .target = "/convert", .headers = {}, .body = "{}"};
    http::Response const missing = co_await make_handler({})->handle(ctx, std::move(nowhere), {});
    EXPECT_EQ(404, missing.status);
}

}   // namespace
}   // namespace aviary::webhook
