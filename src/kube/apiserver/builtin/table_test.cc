#include "kube/apiserver/builtin/table.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/apiserver/builtin/builtin.h"

namespace aviary::builtin {
namespace {

Time const kNow = *parse_rfc3339("2026-11-24T12:00:00Z");

apiserver::ResourceInfo const& find(std::string_view group, std::string_view kind) {
    for (auto const& info : builtin_resources()) {
        if (info->resource.group == group && info->kind == kind) return *info;
    }
    throw std::runtime_error("no such kind");
}

json::Doc doc(std::string_view text) { return json::parse(text).value(); }

std::string cells(std::string_view group, std::string_view kind, std::string_view object) {
    return json::write(json::Value(find(group, kind).row(doc(object), kNow)));
}

std::string pod_status(std::string_view status, std::string_view metadata = "") {
    std::string text = R"({"metadata":{"name":"p","creationTimestamp":"2026-11-24T11:55:00Z")" + std::string(metadata) +
                       R"(},"spec":{"containers":[{"name":"a"}]},"status":)" + std::string(status) + "}";
    json::Array row = find("", "Pod").row(doc(text), kNow);
    return row[1].string() + " " + row[2].string() + " " + row[3].string() + " " + row[4].string();
}

TEST(Table, PodStatusTellsTheMostTellingReason) {
    EXPECT_EQ(pod_status(R"({"phase":"Pending"})"), "0/1 Pending 0 5m");
    EXPECT_EQ(
        pod_status(R"({"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ContainerCreating"}}}]})"),
        "0/1 ContainerCreating 0 5m");
    EXPECT_EQ(pod_status(R"({"phase":"Running","containerStatuses":[{"ready":true,"state":{"running":{}}}]})"),
              "1/1 Running 0 5m");
    EXPECT_EQ(
        pod_status(
            R"({"phase":"Running","containerStatuses":[{"restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}},
        "lastState":{"terminated":{"finishedAt":"2026-11-24T11:59:00Z"}}}]})"),
        "0/1 CrashLoopBackOff 3 (60s ago) 5m");
    EXPECT_EQ(pod_status(R"({"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":2}}}]})"),
              "0/1 ExitCode:2 0 5m");
    EXPECT_EQ(pod_status(R"({"phase":"Running"})", R"(,"deletionTimestamp":"2026-11-24T11:59:59Z")"),
              "0/1 Terminating 0 5m");
    EXPECT_EQ(
        pod_status(
            R"({"phase":"Pending","initContainerStatuses":[{"state":{"waiting":{"reason":"ImagePullBackOff"}}}]})"),
        "0/1 Init:ImagePullBackOff 0 5m");
}

TEST(Table, WorkloadsShowTheirCounts) {
    EXPECT_EQ(cells("apps", "Deployment",
                    R"({"metadata":{"name":"d","creationTimestamp":"2026-11-24T10:00:00Z"},"spec":{"replicas":3,
        "selector":{"matchLabels":{"app":"x"}},"template":{"spec":{"containers":[{"name":"c","image":"i:1"}]}}},
        "status":{"readyReplicas":2,"updatedReplicas":1,"availableReplicas":2}})"),
              R"(["d","2/3",1,2,"120m","c","i:1","app=x"])");
    EXPECT_EQ(cells("", "Service",
                    R"({"metadata":{"name":"s","creationTimestamp":"2026-11-24T11:59:30Z"},"spec":{"type":"NodePort",
        "clusterIPs":["10.96.0.9"],"ports":[{"port":80,"nodePort":30001,"protocol":"TCP"}]}})"),
              R"(["s","NodePort","10.96.0.9","<none>","80:30001/TCP","30s","<none>"])");
    EXPECT_EQ(
        cells(
            "", "Node",
            R"({"metadata":{"name":"n","creationTimestamp":"2026-11-24T11:59:30Z","labels":{"node-role.kubernetes.io/gpu":""}},
        "spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}],"nodeInfo":{"kubeletVersion":"v1.37.2"}}})"),
        R"(["n","Ready,SchedulingDisabled","gpu","30s","v1.37.2","<none>","<none>","<unknown>","<unknown>","<unknown>"])");
    EXPECT_EQ(cells("", "Event",
                    R"({"lastTimestamp":"2026-11-24T11:59:30Z","type":"Normal","reason":"Created","message":" m ",
        "involvedObject":{"kind":"Pod","name":"p"},"source":{"component":"kubelet"},"metadata":{"name":"e"}})"),
              R"(["30s","Normal","Created","pod/p","","kubelet","m","<unknown>",1,"e"])");
}

TEST(Table, CustomColumnsFollowTheirPaths) {
    apiserver::ResourceInfo info;
    info.custom = true;
    info.columns = custom_columns(doc(R"([{"name":"Phase","type":"string","jsonPath":".status.phase"},
        {"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"},
        {"name":"Weight","type":"integer","jsonPath":".spec.weight","priority":1},
        {"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}])"));
    json::Doc object = doc(R"({"metadata":{"name":"r","creationTimestamp":"2026-11-24T11:50:00Z"},"spec":{"weight":7},
        "status":{"conditions":[{"type":"X","status":"False"},{"type":"Ready","status":"True"}]}})");
    json::Value table = make_table(info, std::span(&object, 1), doc(R"({"resourceVersion":"9"})"), {}, kNow);
    EXPECT_EQ(json::write(table["rows"].element(0)["cells"]), R"(["r",null,"True",7,"10m"])");
    EXPECT_EQ(table["rows"].element(0)["object"]["kind"].string(), "PartialObjectMetadata");
    EXPECT_EQ(table["metadata"]["resourceVersion"].string(), "9");
    EXPECT_EQ(table["columnDefinitions"].element(0)["format"].string(), "name");
    EXPECT_EQ(table["columnDefinitions"].element(3)["priority"].as_int(), 1);
}

TEST(Table, KindsWithoutColumnsShowNameAndCreation) {
    json::Doc role = doc(R"({"metadata":{"name":"view","creationTimestamp":"2026-11-24T11:50:00Z"}})");
    json::Value table = make_table(find("rbac.authorization.k8s.io", "ClusterRole"), std::span(&role, 1), {},
                                   {.include = IncludeObject::kNone}, kNow);
    EXPECT_EQ(json::write(table["rows"].element(0)), R"({"cells":["view","2026-11-24T11:50:00Z"],"object":null})");
}

}   // namespace
}   // namespace aviary::builtin
