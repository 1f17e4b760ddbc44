#include "app/playground/internal/kubeconfig.h"

#include <gtest/gtest.h>

#include "core/yaml/yaml.h"

namespace aviary::playground {
namespace {

json::Value parsed(char const* text) {
    auto const value = yaml::parse(text);
    EXPECT_TRUE(value) << (value ? "" : value.error().message());
    return value ? *value : json::Value();
}

constexpr char kFresh[] = R"(
clusters:
- {name: fleet, cluster: {server: "https://127.0.0.1:7443", certificate-authority-data: new}}
- {name: beijing, cluster: {server: "https://127.0.0.1:7443/clusters/beijing", certificate-authority-data: new}}
contexts:
- {name: fleet, context: {cluster: fleet, user: admin}}
- {name: beijing, context: {cluster: beijing, user: admin}}
users:
- {name: admin, user: {client-key-data: new}}
current-context: fleet
)";

TEST(MergeKubeconfig, KeepsWhatAPersonHasSet) {
    json::Value const before = parsed(R"(
preferences: {colors: true}
clusters:
- {name: fleet, cluster: {server: "https://127.0.0.1:6000", certificate-authority-data: old}}
- {name: beijing, cluster: {server: "https://127.0.0.1:6000/clusters/beijing"}}
- {name: lima, cluster: {server: "https://127.0.0.1:6000/clusters/lima"}}
- {name: work, cluster: {server: "https://work.example.com"}}
contexts:
- {name: fleet, context: {cluster: fleet, user: admin, namespace: demo}}
- {name: beijing, context: {cluster: beijing, user: alice}}
- {name: lima, context: {cluster: lima, user: admin}}
- {name: mine, context: {cluster: fleet, user: alice}}
- {name: work, context: {cluster: work, user: alice}}
users:
- {name: admin, user: {client-key-data: old}}
- {name: alice, user: {token: x}}
current-context: mine
)");
    EXPECT_EQ(yaml::write(merge_kubeconfig(before, parsed(kFresh))), yaml::write(parsed(R"(
clusters:
- {name: fleet, cluster: {server: "https://127.0.0.1:7443", certificate-authority-data: new}}
- {name: beijing, cluster: {server: "https://127.0.0.1:7443/clusters/beijing", certificate-authority-data: new}}
- {name: work, cluster: {server: "https://work.example.com"}}
contexts:
- {name: fleet, context: {cluster: fleet, user: admin, namespace: demo}}
- {name: beijing, context: {cluster: beijing, user: alice}}
- {name: mine, context: {cluster: fleet, user: alice}}
- {name: work, context: {cluster: work, user: alice}}
users:
- {name: admin, user: {client-key-data: new}}
- {name: alice, user: {token: x}}
current-context: mine
)")));
}

TEST(MergeKubeconfig, OfNothingIsTheFreshOne) {
    for (char const* before : {"{}", "[]", "x", "current-context: gone", "contexts: x"})
        EXPECT_EQ(yaml::write(merge_kubeconfig(parsed(before), parsed(kFresh))), yaml::write(parsed(kFresh))) << before;
}

}   // namespace
}   // namespace aviary::playground
