#include "hub/propagation/adopt.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/write.h"
#include "hub/propagation/internal/fake_member.h"

namespace aviary::propagation {
namespace {

using control::Write;
using json::Doc;
using json::Value;

Doc doc(std::string_view text) { return *json::parse(text); }

// ---- what the hub's object is made of ----

TEST(TemplateOf, LeavesOutWhatTheClusterAndWhoBroughtItKeepThere) {
    Value const made = template_of(doc(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s","namespace":"demo",
        "uid":"u","resourceVersion":"7","managedFields":[{}],"finalizers":["x/y"],
        "labels":{"app":"web","karmada.io/managed":"true","work.karmada.io/permanent-id":"p",
        "resourcetemplate.karmada.io/retain-replicas":"true","fleet.aviary.dev/hub":"other"},
        "annotations":{"team":"llm","kubectl.kubernetes.io/last-applied-configuration":"{}",
        "work.karmada.io/namespace":"karmada-es-a","resourcetemplate.karmada.io/uid":"t"}},
        "spec":{"clusterIP":"10.0.0.1","type":"ClusterIP"},"status":{"x":1}})"));
    EXPECT_EQ(json::write_canonical(made),
              R"({"apiVersion":"v1","kind":"Service","metadata":{"annotations":{"team":"llm"},"labels":{"app":"web",)"
              R"("resourcetemplate.karmada.io/retain-replicas":"true"},"name":"s","namespace":"demo"},)"
              R"("spec":{"type":"ClusterIP"}})");
    Value const bare = template_of(doc(
        R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","annotations":{"work.karmada.io/name":"c"}}})"));
    EXPECT_EQ(json::write_canonical(bare["metadata"]), R"({"name":"c"})");
}

// ---- what a write would change ----

TEST(Differences, AreWhatAWriteWouldChangeAndWhatTheHubDoesNotSay) {
    struct Case {
        char const* hub;
        char const* live;
        char const* found;
    };
    for (Case const& each : std::vector<Case>{
             {R"({"spec":{"a":1}})", R"({"spec":{"a":1},"status":{"b":2}})", ""},
             {R"({"spec":{"a":1,"b":null}})", R"({"spec":{"a":1}})", ""},
             {R"({"spec":{"a":1}})", R"({"spec":{"a":2}})", "spec.a is 2 here and 1 on the hub"},
             {R"({"spec":{"a":1}})", R"({"spec":{"a":1,"b":2}})", "spec.b is 2 here and not set on the hub"},
             {R"({"data":{"a":"1"}})", R"({})", R"(data is not set here and {"a":"1"} on the hub)"},
             // Whatever a map is, atomic or not: a selector that is longer there would be cut by an apply.
             {R"({"spec":{"template":{"spec":{"nodeSelector":{"gpu":"a"}}}}})",
              R"({"spec":{"template":{"spec":{"nodeSelector":{"gpu":"a","zone":"b"}}}}})",
              R"(spec.template.spec.nodeSelector.zone is "b" here and not set on the hub)"},
             {R"({"spec":{"c":[{"name":"vllm","image":"v1"}]}})", R"({"spec":{"c":[{"name":"vllm","image":"v2"}]}})",
              R"(spec.c[vllm].image is "v2" here and "v1" on the hub)"},
             {R"({"spec":{"c":["x","y"]}})", R"({"spec":{"c":["x","z"]}})",
              R"(spec.c[1] is "z" here and "y" on the hub)"},
             {R"({"spec":{"c":["x"]}})", R"({"spec":{"c":["x","z"]}})",
              R"(spec.c is ["x","z"] here and ["x"] on the hub)"},
             // Labels and annotations of others stay; the hub's own say nothing.
             {R"({"metadata":{"labels":{"app":"web","fleet.aviary.dev/hub":"fleet"}}})",
              R"({"metadata":{"labels":{"app":"web","karmada.io/managed":"true"},"annotations":{"x":"y"}}})", ""},
             {R"({"metadata":{"labels":{"app":"web"}}})", R"({"metadata":{"labels":{"app":"db"}}})",
              R"(metadata.labels.app is "db" here and "web" on the hub)"},
             {R"({"metadata":{"annotations":{"team":"llm"}}})", R"({"metadata":{"name":"w"}})",
              R"(metadata.annotations.team is not set here and "llm" on the hub)"},
             // A count that is the member's own is left out of a render.
             {R"({"spec":{"a":1}})", R"({"spec":{"a":1,"replicas":7}})", ""},
             {R"({"spec":{"replicas":3}})", R"({"spec":{"replicas":7}})", "spec.replicas is 7 here and 3 on the hub"},
         }) {
        std::string text;
        for (Difference const& one : differences(*json::parse_value(each.hub), doc(each.live)))
            text += (text.empty() ? "" : "; ") + to_string(one);
        EXPECT_EQ(text, each.found) << each.hub << " " << each.live;
    }
}

TEST(Differences, AreAsManyAsAreAskedFor) {
    Value const hub = *json::parse_value(R"({"spec":{"a":1,"b":1,"c":1}})");
    EXPECT_EQ(differences(hub, doc(R"({"spec":{}})"), 2).size(), 2u);
    EXPECT_EQ(differences(hub, doc(R"({"spec":{}})")).size(), 3u);
}

// ---- in a member ----

// A hub that has the Deployment which `who` has brought to the member.
struct Brought {
    FakeHub hub;

    explicit Brought(std::string const& who, std::string const& adopt, std::string const& metadata = "{}")
        : hub(false) {
        Value object = hub.source;
        object["metadata"].erase("uid");
        object["metadata"].erase("resourceVersion");
        hub.member.object = json::Object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}};
        hub.member.edit(who, json::write(object));
        hub.member.edit(who, fmt::format(R"({{"metadata":{}}})", metadata));
        hub.edit([&](Value& source) { source.set({"metadata", "annotations", kAdopt}, adopt); });
    }
    // Everything but labels and the server's own.
    std::string said() const {
        Value object = hub.member.object;
        for (char const* own : {"labels", "managedFields", "resourceVersion"}) object["metadata"].erase(own);
        return json::write_canonical(object);
    }
    std::string owners_of(std::vector<std::string_view> const& path) const {
        std::string text;
        for (std::string const& each : owners(hub.member.live(), path)) text += (text.empty() ? "" : " ") + each;
        return text;
    }
};

TEST(Adopt, WhatIsTheSameBecomesTheHubsAndNothingElseChanges) {
    struct Case {
        char const* who;
        char const* adopt;
    };
    for (Case const& each : std::vector<Case>{{"kubectl-client-side-apply", "kubectl"},
                                              {"kubectl", "kubectl"},
                                              {"kubectl-edit", "karmada"},
                                              {"karmada-controller-manager", "karmada"},
                                              {"karmada-agent", "karmada"}}) {
        Brought brought(each.who, each.adopt,
                        R"({"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"}})");
        std::string const before = brought.said();
        EXPECT_EQ(brought.hub.run(), "changed on the hub; taken over") << each.who;
        EXPECT_EQ(brought.hub.state(), "Applied") << each.who;
        EXPECT_EQ(brought.said(), before) << each.who;
        EXPECT_EQ(brought.owners_of({"spec", "replicas"}), "aviary-hub") << each.who;
        EXPECT_EQ(brought.owners_of({"spec", "template", "spec", "containers"}), "aviary-hub") << each.who;
        // What the hub does not say is nobody's concern: taking it away would raise a Deployment's generation.
        EXPECT_EQ(brought.owners_of({"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"}),
                  each.who);
        EXPECT_EQ(brought.hub.run(), "") << each.who << ": again";
    }
}

TEST(Adopt, OthersKeepWhatTheyClaim) {
    Brought brought("argocd-controller", "kubectl");
    EXPECT_FALSE(brought.hub.run().contains("taken over"));
    EXPECT_EQ(brought.owners_of({"spec", "replicas"}), "aviary-hub argocd-controller");
    Brought karmada("karmada-controller-manager", "kubectl");
    EXPECT_FALSE(karmada.hub.run().contains("taken over"));
}

TEST(Adopt, AFieldThatTheHubDropsIsGone) {
    for (bool const adopts : {true, false}) {
        Brought brought("kubectl-client-side-apply", "kubectl", R"({"labels":{"tier":"gpu"}})");
        brought.hub.edit([](Value& source) { source.set({"metadata", "labels", "tier"}, "gpu"); });
        if (!adopts) {
            brought.hub.edit([](Value& source) { source["metadata"].erase("annotations"); });
            brought.hub.change = [](Observed& seen) { seen.overwrite = true; };
        }
        brought.hub.run();
        brought.hub.edit([](Value& source) { source["metadata"]["labels"].erase("tier"); });
        brought.hub.run();
        EXPECT_EQ(meta::label(brought.hub.member.live(), "tier"), adopts ? "" : "gpu");
    }
}

TEST(Adopt, KarmadasLabelsGoAndItsAnnotationsStay) {
    Brought brought("karmada-controller-manager", "karmada",
                    R"({"labels":{"karmada.io/managed":"true","work.karmada.io/permanent-id":"p"},
                    "annotations":{"work.karmada.io/namespace":"karmada-es-beijing"}})");
    EXPECT_EQ(brought.hub.run(), "changed on the hub; taken over");
    Doc const live = brought.hub.member.live();
    EXPECT_EQ(meta::label(live, "karmada.io/managed"), "");
    EXPECT_EQ(meta::label(live, "work.karmada.io/permanent-id"), "");
    EXPECT_EQ(meta::label(live, "app"), "web");
    EXPECT_EQ(meta::annotation(live, "work.karmada.io/namespace"), "karmada-es-beijing");
    EXPECT_EQ(brought.hub.run(), "");
}

TEST(Adopt, WhatDiffersIsNotWritten) {
    // Also where the policy would let the hub overwrite it.
    for (bool const overwrite : {false, true}) {
        Brought brought("kubectl", "kubectl");
        brought.hub.change = [overwrite](Observed& seen) { seen.overwrite = overwrite; };
        brought.hub.member.edit("kubectl", R"({"spec":{"template":{"spec":{"nodeSelector":{"zone":"b"}}}}})");
        EXPECT_EQ(brought.hub.run(), "");
        EXPECT_EQ(brought.hub.state(), "Conflict/Differs");
        EXPECT_EQ(brought.hub.last.message,
                  R"(spec.template.spec.nodeSelector is {"zone":"b"} here and not set on the hub: )"
                  "it is taken over once they are the same");
        brought.hub.member.edit("kubectl", R"({"spec":{"template":{"spec":{"nodeSelector":null}}}})");
        EXPECT_EQ(brought.hub.run(), "changed on the hub; taken over");
    }
}

TEST(Adopt, WhatWasComparedIsThePrecondition) {
    Brought brought("kubectl", "kubectl");
    Decision const decision = brought.hub.decide_now();
    ASSERT_EQ(decision.plan.writes.size(), 1u);
    brought.hub.member.edit("kubectl", R"({"spec":{"replicas":3}})");
    EXPECT_FALSE(brought.hub.member.perform(decision.plan.writes[0]));
    EXPECT_EQ(brought.hub.run(), "");
    EXPECT_EQ(brought.hub.state(), "Conflict/Differs");
}

TEST(Adopt, NotInTheMiddleOfARelease) {
    for (char const* edit : {R"({"metadata":{"annotations":{"rollouts.kruise.io/in-progressing":"{}"}}})", ""}) {
        Brought brought("kubectl", "kubectl");
        if (*edit != 0) brought.hub.member.edit("rollout", edit);
        bool progressing = *edit == 0;
        brought.hub.change = [&](Observed& seen) {
            if (progressing) seen.member_rollout = doc(R"({"kind":"Rollout","status":{"phase":"Progressing"}})");
        };
        EXPECT_EQ(brought.hub.run(), "");
        EXPECT_EQ(brought.hub.state(), "Conflict/ReleaseInProgress");
        progressing = false;
        brought.hub.member.edit("rollout",
                                R"({"metadata":{"annotations":{"rollouts.kruise.io/in-progressing":null}}})");
        EXPECT_EQ(brought.hub.run(), "changed on the hub; taken over");
    }
}

TEST(Adopt, AnUnknownWordTakesNothingOver) {
    Brought brought("kubectl", "everything");
    EXPECT_EQ(brought.hub.run(), "");
    EXPECT_EQ(brought.hub.state(), "Conflict/AlreadyExists");
}

}   // namespace
}   // namespace aviary::propagation
