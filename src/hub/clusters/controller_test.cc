#include "hub/clusters/controller.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::clusters {
namespace {

using namespace std::chrono_literals;

using json::Doc;
using json::Value;

Doc doc(std::string const& text) { return Doc::freeze(*json::parse_value(text)); }

// "kruise-rollouts 0.6.2"
std::string kruise(std::string const& image, std::string const& labels = "{}") {
    apis::Controller const found = kruise_controller(doc(fmt::format(
        R"({{"metadata":{{"labels":{}}},"spec":{{"template":{{"spec":{{"containers":[{{"name":"proxy","image":"proxy:v9.9.9"}},
        {{"name":"manager","image":"{}"}}]}}}}}}}})",
        labels, image)));
    return found.name + " " + found.version;
}

TEST(Controller, KruisesVersionIsThatOfItsImage) {
    EXPECT_EQ(kruise("openkruise/kruise-rollout:v0.6.2"), "kruise-rollouts 0.6.2");
    EXPECT_EQ(kruise("registry.example.com:5000/kruise-rollout:0.5.0"), "kruise-rollouts 0.5.0");
    EXPECT_EQ(kruise("kruise-rollout:v0.6.3@sha256:1234"), "kruise-rollouts 0.6.3");
    // Or of the chart that installed it.
    std::string const label = R"({"app.kubernetes.io/version":"v0.6.4"})";
    EXPECT_EQ(kruise("kruise-rollout@sha256:1234", label), "kruise-rollouts 0.6.4");
    EXPECT_EQ(kruise("registry:5000/kruise-rollout", label), "kruise-rollouts 0.6.4");
    EXPECT_EQ(kruise("kruise-rollout:latest"), "kruise-rollouts ");
    EXPECT_EQ(kruise(""), "kruise-rollouts ");
    EXPECT_EQ(kruise_controller(Doc()).name, apis::controller::kKruise);
}

// "False ControllerTooOld"
std::string judged(std::string name, std::string version, Version hub = {0, 5, 1}, std::string unread = {}) {
    Verdict const verdict = judge({{std::move(name), std::move(version), {}}, std::move(unread)}, hub);
    EXPECT_FALSE(verdict.message.empty());
    return fmt::format("{} {}", verdict.status, verdict.reason);
}

TEST(Controller, AHubWorksWithItsOwnMinorVersionAndTwoBefore) {
    std::string const aviary(apis::controller::kAviary);
    EXPECT_EQ(judged(aviary, "0.5.1"), "True Supported");
    EXPECT_EQ(judged(aviary, "0.5.9"), "True Supported");
    EXPECT_EQ(judged(aviary, "0.4.0"), "True Supported");
    EXPECT_EQ(judged(aviary, "0.3.0-rc.1"), "True Supported");
    EXPECT_EQ(judged(aviary, "0.2.9"), "False ControllerTooOld");
    EXPECT_EQ(judged(aviary, "0.6.0"), "False ControllerTooNew");
    EXPECT_EQ(judged(aviary, "1.0.0"), "False ControllerTooNew");
    EXPECT_EQ(judged(aviary, "0.9.0", {1, 1, 0}), "False ControllerTooOld");
    EXPECT_EQ(judged(aviary, "0.1.0", {0, 1, 0}), "True Supported");
    EXPECT_EQ(judged(aviary, ""), "Unknown VersionUnknown");
}

TEST(Controller, OfKruiseOneVersionIsTheOldest) {
    std::string const kruise(apis::controller::kKruise);
    EXPECT_EQ(judged(kruise, "0.6.2"), "True Supported");
    EXPECT_EQ(judged(kruise, "0.7.0"), "True Supported");
    EXPECT_EQ(judged(kruise, "0.6.1"), "False ControllerTooOld");
    EXPECT_EQ(judged(kruise, "0.6.2-rc.1"), "False ControllerTooOld");
    EXPECT_EQ(judged(kruise, ""), "Unknown VersionUnknown");
    EXPECT_EQ(judged("", ""), "Unknown ControllerUnknown");
    EXPECT_EQ(judged("argo", "9.0.0"), "Unknown ControllerUnknown");
    Verdict const unread = judge({{}, "configmaps is forbidden"}, {0, 5, 1});
    EXPECT_NE(unread.message.find("join again (configmaps is forbidden)"), std::string::npos) << unread.message;
}

std::string claims(std::string const& before, apis::Controller const& controller, std::string_view kubernetes = {},
                   std::string_view id = {}) {
    std::string text;
    for (Value const& each : with_claims(doc(before), controller, kubernetes, id).array())
        text += fmt::format("{}={} ", each["name"].as_string(), each["value"].as_string());
    return text;
}

TEST(Controller, ClaimsOfOthersStay) {
    apis::Controller const aviary{"aviary", "0.2.0", {"a", "b"}};
    EXPECT_EQ(claims("[]", aviary, "v1.31.0", "uid"),
              "rollouts.aviary.dev/controller=aviary rollouts.aviary.dev/controller-version=0.2.0 "
              "rollouts.aviary.dev/capabilities=a,b kubeversion.open-cluster-management.io=v1.31.0 id.k8s.io=uid ");
    std::string const before =
        R"([{"name":"region","value":"north"},{"name":"rollouts.aviary.dev/controller","value":"aviary"},
        {"name":"rollouts.aviary.dev/capabilities","value":"a"},{"name":"id.k8s.io","value":"theirs"},{"name":"zone","value":"1"}])";
    EXPECT_EQ(claims(before, {"kruise-rollouts", "0.6.2", {}}),
              "region=north rollouts.aviary.dev/controller=kruise-rollouts id.k8s.io=theirs zone=1 "
              "rollouts.aviary.dev/controller-version=0.6.2 ");
    EXPECT_EQ(claims(before, {}), "region=north id.k8s.io=theirs zone=1 ");
}

TEST(Controller, ARecordIsReadWithCare) {
    apis::Controller const own = apis::this_controller();
    EXPECT_TRUE(parse_version(own.version));
    EXPECT_EQ(apis::read_controller_record(Doc::freeze(apis::write_controller_record("aviary-system", own))), own);
    EXPECT_EQ(apis::read_controller_record(Doc()), apis::Controller());
    EXPECT_EQ(apis::read_controller_record(doc(R"({"data":{"controller":"Not a name"}})")), apis::Controller());
    apis::Controller const odd = apis::read_controller_record(
        doc(R"({"data":{"controller":"aviary","version":"newest","capabilities":"good,,<b>,also-good"}})"));
    EXPECT_EQ(odd, (apis::Controller{"aviary", "", {"good", "also-good"}}));
    std::string many;
    for (int index = 0; index < 100; ++index) many += fmt::format("capability-{},", index);
    std::string const text = R"({"data":{"controller":"aviary","version":"0.1.0-)" + std::string(100, 'x') +
                             R"(","capabilities":")" + many + R"("}})";
    apis::Controller const long_one = apis::read_controller_record(doc(text));
    EXPECT_EQ(long_one.version, "");
    EXPECT_LE(apis::capabilities_text(long_one).size(), 1024u);
}

TEST(Controller, IsSilentOnceItsLeaseIsOverOrGivenUp) {
    Time const renewed = *parse_rfc3339("2026-01-01T00:00:00Z");
    auto const silent = [&](char const* holder, Duration later, json::Value lasts = 15) {
        json::Value lease{json::Object()};
        lease["spec"] = json::Object{{"holderIdentity", holder},
                                     {"leaseDurationSeconds", std::move(lasts)},
                                     {"renewTime", "2026-01-01T00:00:00.000000Z"}};
        return silent_since(json::Doc::freeze(lease), renewed + later);
    };
    EXPECT_EQ(silent("pod-1", 30s), std::nullopt);
    EXPECT_EQ(silent("pod-1", 31s), renewed);
    EXPECT_EQ(silent("pod-1", -1h), std::nullopt);
    EXPECT_EQ(silent("", 1s), renewed);
    for (json::Value const& unknown : {json::Value(), json::Value(0), json::Value(-15)})
        EXPECT_EQ(silent("pod-1", 1h, unknown), std::nullopt);
    EXPECT_EQ(silent_since(json::Doc(), renewed), std::nullopt);
}

}   // namespace
}   // namespace aviary::clusters
