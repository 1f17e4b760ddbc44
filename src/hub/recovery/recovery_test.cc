#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "hub/propagation/names.h"
#include "hub/propagation/render.h"
#include "hub/recovery/rebuild.h"
#include "kube/meta/object.h"

namespace aviary::recovery {
namespace {

using json::Doc;
using json::Value;

Time const kNow = *parse_rfc3339("2026-11-23T14:00:00Z");

Doc doc(std::string const& text) { return *json::parse(text); }

Value pod_template(std::string const& image) {
    return *json::parse_value(R"({"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"main","image":")" +
                              image + R"("}]}})");
}
std::string hash(std::string const& image) { return propagation::template_hash(pod_template(image)); }

Doc deployment(std::string const& image, std::int64_t generation = 3) {
    Value object = *json::parse_value(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo","uid":"hub-uid"}})");
    object.set({"metadata", "generation"}, generation);
    object.set({"metadata", "resourceVersion"}, "7");
    object.set({"spec", "template"}, pod_template(image));
    return Doc::freeze(object);
}

Doc binding(std::string const& clusters, std::string const& kind = "Deployment", std::int64_t generation = 5) {
    std::string const version = kind == "Rollout" ? "rollouts.kruise.io/v1beta1" : "apps/v1";
    std::string const name = kind == "Rollout" ? "rollout-web" : "deployment-web";
    return doc(R"({"metadata":{"name":")" + name + R"(","namespace":"demo","resourceVersion":"9","generation":)" +
               std::to_string(generation) + R"(},"spec":{"resource":{"apiVersion":")" + version + R"(","kind":")" +
               kind + R"(","namespace":"demo","name":"web","uid":"u1"},"clusters":)" + clusters + "}}");
}

Doc decision(std::string const& name, std::string const& outcome, std::string const& created = "2026-11-23T13:50:00Z") {
    return doc(R"({"metadata":{"name":")" + name + R"(","namespace":"demo","creationTimestamp":")" + created +
               R"("},"spec":{"rolloutRef":{"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","name":"web"},
               "action":"Approve","targets":[{"cluster":"oslo","rolloutUID":"r1","step":1,"revision":"abc"}],
               "expiresAt":"2026-11-23T15:00:00Z","requester":{"username":"alice","groups":["oncall"]}},
               "status":{"outcome":")" +
               outcome + R"("}})");
}

Doc const kLive = doc(
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo","uid":"member-uid"}})");

RecordSeen released(std::string const& clusters = R"([{"name":"beijing"},{"name":"oslo"}])") {
    RecordSeen seen;
    seen.hub = "hub-1";
    seen.binding = binding(clusters);
    seen.source = deployment("v2");
    seen.released = true;
    seen.used = {"", hash("v1"), hash("v2")};
    seen.kept = [](std::string_view wanted) {
        return wanted == hash("v1") ? std::optional(pod_template("v1")) : std::nullopt;
    };
    return seen;
}

RecordSeen with_decisions(std::vector<Doc> decisions) {
    RecordSeen seen;
    seen.hub = "hub-1";
    seen.binding = binding(R"([{"name":"beijing","paused":true,"pausedBy":"alice"},{"name":"oslo"}])", "Rollout");
    seen.source = doc(R"({"metadata":{"name":"web","namespace":"demo","generation":2}})");
    seen.decisions = std::move(decisions);
    seen.kept = [](std::string_view) { return std::nullopt; };
    return seen;
}

Doc stored(Record const& record) { return Doc::freeze(write_record(record, kLive)); }

HubSide new_hub(std::string const& image = "v2") {
    HubSide hub;
    hub.hub = "hub-2";
    meta::ObjectKey const web{"demo", "deployment-web"};
    meta::ObjectKey const rollout{"demo", "rollout-web"};
    hub.bindings[web] = binding(R"([{"name":"beijing","replicas":4},{"name":"oslo"}])", "Deployment", 1);
    hub.sources[web] = deployment(image, 1);
    hub.resources[web] = {"apps", "v1", "deployments"};
    hub.bindings[rollout] = binding(R"([{"name":"beijing"},{"name":"oslo"}])", "Rollout", 1);
    hub.sources[rollout] = doc(R"({"metadata":{"name":"web","namespace":"demo","generation":1}})");
    hub.resources[rollout] = {"rollouts.kruise.io", "v1beta1", "rollouts"};
    return hub;
}

TEST(Record, SaysWhatGitDoesNot) {
    Record const record = record_of(released(R"([{"name":"beijing","replicas":5},{"name":"oslo","revision":")" +
                                             hash("v1") + R"(","rejected":"x"}])"),
                                    kNow);
    ASSERT_EQ(record.pins.size(), 1u);
    EXPECT_EQ(record.pins[0].name, "oslo");
    EXPECT_EQ(record.hub_template, hash("v2"));
    EXPECT_EQ(record.templates.size(), 2u);
    EXPECT_TRUE(says_something(record));
}

TEST(Record, AtRestThereIsNothingToSay) {
    RecordSeen seen = released();
    seen.used = {hash("v2")};
    EXPECT_FALSE(says_something(record_of(seen, kNow)));
    seen = released();
    seen.released = false;
    EXPECT_FALSE(says_something(record_of(seen, kNow)));
    EXPECT_TRUE(says_something(record_of(released(), kNow)));
}

TEST(Record, HasDecisionsThatAreOpenAlone) {
    Record const record = record_of(with_decisions({decision("b", "Pending"), decision("c", "Applied"),
                                                    decision("a", "Pending"), decision("d", "")}),
                                    kNow);
    ASSERT_EQ(record.decisions.size(), 2u);
    EXPECT_EQ(record.decisions[0].name, "a");
    EXPECT_EQ(record.decisions[1].name, "b");
    EXPECT_EQ(record.decisions[1].spec.requester->username, "alice");
}

TEST(Record, LeavesADecisionTimeToBeCarriedOut) {
    RecordSeen const seen = with_decisions({decision("a", "Pending"), decision("b", "Applied")});
    Time const made = *meta::created(seen.decisions[0]);
    EXPECT_TRUE(record_of(seen, made + kDecisionCarriedOut - std::chrono::nanoseconds(1)).decisions.empty());
    EXPECT_EQ(more_at(seen, made), made + kDecisionCarriedOut);
    EXPECT_EQ(record_of(seen, made + kDecisionCarriedOut).decisions.size(), 1u);
    EXPECT_EQ(more_at(seen, made + kDecisionCarriedOut), std::nullopt);
}

// It waits for long: a hub that ends the moment after is not to lose it.
TEST(Record, HasADecisionAtOnceWhereAClusterIsAway) {
    for (char const* outcome : {"Waiting", "Unreachable"}) {
        Value open = decision("a", "Pending").thaw();
        open.set({"status", "clusters"}, json::Array{json::Object{{"cluster", "oslo"}, {"outcome", outcome}}});
        RecordSeen const seen = with_decisions({Doc::freeze(open)});
        Time const made = *meta::created(seen.decisions[0]);
        EXPECT_EQ(record_of(seen, made).decisions.size(), 1u) << outcome;
        EXPECT_EQ(more_at(seen, made), std::nullopt) << outcome;
    }
}

TEST(Record, ComesBackAsItWasWritten) {
    for (RecordSeen const& seen : {released(), with_decisions({decision("a", "Pending")})}) {
        Record const record = record_of(seen, kNow);
        auto const read = read_record(stored(record));
        ASSERT_TRUE(read) << read.error().message();
        EXPECT_TRUE(covers(*read, record));
        EXPECT_TRUE(covers(record, *read));
        EXPECT_EQ(read->binding_generation, record.binding_generation);
        EXPECT_EQ(read->source_generation, record.source_generation);
    }
}

TEST(Record, IsWrittenAgainOnlyWhenItSaysMore) {
    Record const copy = record_of(released(), kNow);
    RecordSeen seen = released();
    seen.binding = binding(R"([{"name":"beijing","replicas":7},{"name":"oslo"},{"name":"paris"}])", "Deployment", 8);
    EXPECT_TRUE(covers(copy, record_of(seen, kNow))) << "placement and replicas follow from Git";
    seen.used = {hash("v2")};
    EXPECT_TRUE(covers(copy, record_of(seen, kNow))) << "a template that is not used any more";
    seen.binding = binding(R"([{"name":"beijing","paused":true},{"name":"oslo"}])", "Deployment", 8);
    EXPECT_FALSE(covers(copy, record_of(seen, kNow)));
    seen = released();
    seen.source = deployment("v3", 4);
    EXPECT_FALSE(covers(copy, record_of(seen, kNow)));
    seen = released();
    seen.epoch = 2;
    EXPECT_FALSE(covers(copy, record_of(seen, kNow))) << "a recovered hub says so";
}

TEST(Record, KeepsATemplateThatTheHubHasNotKept) {
    RecordSeen seen = released();
    seen.copies.push_back(record_of(seen, kNow));
    seen.kept = [](std::string_view) { return std::nullopt; };
    EXPECT_TRUE(record_of(seen, kNow).templates.contains(hash("v1")));
}

TEST(Record, AHubIsBehindWhatANewerOneWrote) {
    RecordSeen const seen = released();
    Record const copy = record_of(seen, kNow);
    EXPECT_FALSE(ahead(copy, seen, kNow));
    RecordSeen older = seen;
    older.binding = binding(R"([{"name":"beijing"}])", "Deployment", 4);
    EXPECT_TRUE(ahead(copy, older, kNow)) << "a pin that the backup does not have";
    older = seen;
    older.source = deployment("v1", 2);
    EXPECT_TRUE(ahead(copy, older, kNow)) << "a template that it does not have";
    older = seen;
    older.hub = "hub-2";
    EXPECT_TRUE(ahead(copy, older, kNow)) << "another hub";
    Record raised = copy;
    raised.epoch = 2;
    EXPECT_TRUE(ahead(raised, seen, kNow));
    RecordSeen recovered = older = seen;
    recovered.epoch = 2;
    recovered.binding = binding("[]", "Deployment", 1);
    EXPECT_FALSE(ahead(copy, recovered, kNow));
}

TEST(Record, AHubThatDoesNotKnowAnOpenDecisionIsBehind) {
    RecordSeen const seen = with_decisions({decision("a", "Pending")});
    Record const copy = record_of(seen, kNow);
    EXPECT_FALSE(ahead(copy, seen, kNow));
    EXPECT_FALSE(ahead(copy, with_decisions({decision("a", "Applied")}), kNow)) << "it has been settled since";
    EXPECT_TRUE(ahead(copy, with_decisions({}), kNow));
    EXPECT_FALSE(ahead(copy, with_decisions({}), kNow + std::chrono::hours(24 * 31))) << "hubs keep them no longer";
}

TEST(Record, WhatIsMalformedIsRefused) {
    Doc const good = stored(record_of(released(), kNow));
    auto const changed = [&](std::string const& what, std::string const& with) {
        Value object = good.thaw();
        std::string text = object.at({"data", "record"}).string();
        auto const at = text.find(what);
        EXPECT_NE(at, std::string::npos) << what;
        text.replace(at, what.size(), with);
        object.set({"data", "record"}, text);
        return read_record(Doc::freeze(object));
    };
    EXPECT_TRUE(read_record(good));
    EXPECT_FALSE(read_record(doc(R"({"metadata":{"name":"x"}})")));
    auto const later = changed(R"("version":1)", R"("version":2)");
    ASSERT_FALSE(later);
    EXPECT_TRUE(later.error().is(ErrorCode::kUnsupported));
    EXPECT_FALSE(changed(R"("epoch":1)", R"("epoch":0)"));
    EXPECT_FALSE(changed(R"("epoch":1)", R"("epoch":9223372036854775807)")) << "nothing could come after it";
    EXPECT_FALSE(changed(R"("name":"web")", R"("name":"other")")) << "it lies where another one belongs";
    EXPECT_FALSE(changed(R"("image":"v1")", R"("image":"evil")")) << "a template is named by what it says";
    EXPECT_FALSE(changed(R"({)", R"(()"));
    Value foreign = write_record(record_of(with_decisions({decision("a", "Pending")}), kNow), kLive);
    std::string text = foreign.at({"data", "record"}).string();
    auto const at = text.find(R"("kind":"Rollout","name":"web"}})");
    auto const reference = text.find(R"("rolloutRef")");
    ASSERT_NE(reference, std::string::npos) << at;
    text.replace(text.find(R"("web")", reference), 5, R"("other")");
    foreign.set({"data", "record"}, text);
    EXPECT_FALSE(read_record(Doc::freeze(foreign))) << "decisions on another Rollout";
}

TEST(Rebuild, TheNewestRecordCounts) {
    RecordSeen older = released();
    RecordSeen newer = released(R"([{"name":"beijing","paused":true},{"name":"oslo"}])");
    newer.binding = binding(R"([{"name":"beijing","paused":true},{"name":"oslo"}])", "Deployment", 6);
    for (bool const first : {true, false}) {
        Doc const one = stored(record_of(first ? older : newer, kNow));
        Doc const other = stored(record_of(first ? newer : older, kNow));
        Rebuilt const rebuilt =
            rebuild({{"beijing", one}, {"oslo", other}, {"paris", doc(R"({"metadata":{"name":"x"}})")}});
        ASSERT_EQ(rebuilt.records.size(), 1u);
        ASSERT_EQ(rebuilt.records[0].pins.size(), 1u);
        EXPECT_TRUE(rebuilt.records[0].pins[0].paused);
        EXPECT_EQ(rebuilt.remarks.size(), 2u) << "one is older, one is none";
    }
}

TEST(Rebuild, AHigherEpochCountsMore) {
    RecordSeen old_one = released();
    old_one.binding = binding(R"([{"name":"oslo","paused":true}])", "Deployment", 99);
    RecordSeen recovered = released();
    recovered.epoch = 2;
    recovered.binding = binding(R"([{"name":"oslo"}])", "Deployment", 1);
    Rebuilt const rebuilt =
        rebuild({{"beijing", stored(record_of(old_one, kNow))}, {"oslo", stored(record_of(recovered, kNow))}});
    ASSERT_EQ(rebuilt.records.size(), 1u);
    EXPECT_TRUE(rebuilt.records[0].pins.empty());
    EXPECT_EQ(rebuilt.epoch, 2);
}

TEST(Rebuild, AsNewAndDifferentHasTheDecisionsOfBoth) {
    Rebuilt const rebuilt = rebuild({{"beijing", stored(record_of(with_decisions({decision("a", "Pending")}), kNow))},
                                     {"oslo", stored(record_of(with_decisions({decision("b", "Pending")}), kNow))},
                                     {"paris", stored(record_of(with_decisions({decision("a", "Pending")}), kNow))}});
    ASSERT_EQ(rebuilt.records.size(), 1u);
    ASSERT_EQ(rebuilt.records[0].decisions.size(), 2u);
    EXPECT_FALSE(rebuilt.remarks.empty());
}

TEST(Rebuild, RecordsOfAnotherHubAreToldApart) {
    RecordSeen other = with_decisions({});
    other.hub = "hub-9";
    std::vector<Found> const found{{"beijing", stored(record_of(released(), kNow))},
                                   {"oslo", stored(record_of(other, kNow))}};
    EXPECT_EQ(rebuild(found).hubs, (std::set<std::string>{"hub-1", "hub-9"}));
    Rebuilt const one = rebuild(found, "hub-1");
    ASSERT_EQ(one.records.size(), 1u);
    EXPECT_EQ(one.records[0].hub, "hub-1");
}

Restored const& of(std::vector<Restored> const& plan, std::string const& name) {
    for (Restored const& each : plan) {
        if (each.binding.name == name) return each;
    }
    static Restored const none{};
    return none;
}

TEST(Recovery, ANewHubGetsPinsTemplatesAndDecisions) {
    RecordSeen web = released(R"([{"name":"beijing"},{"name":"oslo","revision":")" + hash("v1") + R"(","rejected":")" +
                              hash("v2") + R"("}])");
    Rebuilt const rebuilt = rebuild({{"beijing", stored(record_of(web, kNow))},
                                     {"oslo", stored(record_of(with_decisions({decision("a", "Pending")}), kNow))}});
    auto const plan = decide_recovery(new_hub(), rebuilt, kNow);
    ASSERT_EQ(plan.size(), 2u);
    Restored const& workload = of(plan, "deployment-web");
    ASSERT_EQ(workload.revisions.size(), 1u);
    EXPECT_EQ(workload.revisions[0].key.name, "web-" + hash("v1"));
    EXPECT_TRUE(workload.source.empty()) << "it has the version that the members have";
    ASSERT_EQ(workload.pins.size(), 1u);
    Value const& clusters = workload.pins[0].body.at({"spec", "clusters"});
    EXPECT_EQ(clusters[0]["replicas"].as_int(), 4) << "placement is this hub's";
    EXPECT_EQ(clusters[1]["revision"].as_string(), hash("v1"));
    EXPECT_EQ(clusters[1]["rejected"].as_string(), hash("v2"));
    EXPECT_EQ(workload.pins[0].body.at({"metadata", "resourceVersion"}).as_string(), "9");
    Restored const& rollout = of(plan, "rollout-web");
    EXPECT_EQ(rollout.pins[0].body.at({"spec", "clusters"})[0]["paused"].as_bool(), true);
    EXPECT_EQ(rollout.pins[0].body.at({"spec", "clusters"})[0]["pausedBy"].as_string(), "alice");
    ASSERT_EQ(rollout.decisions.size(), 2u) << "created, and its status";
    EXPECT_EQ(rollout.decisions[0].key, (meta::ObjectKey{"demo", "a"}));
    EXPECT_EQ(rollout.decisions[0].body.at({"spec", "requester", "username"}).as_string(), "alice");
    EXPECT_EQ(rollout.decisions[1].subresource, "status");
}

TEST(Recovery, AManifestOfBeforeTheReleaseGetsItsTemplateBack) {
    Rebuilt const rebuilt = rebuild({{"beijing", stored(record_of(released(), kNow))}});
    auto const plan = decide_recovery(new_hub("v1"), rebuilt, kNow);
    ASSERT_EQ(plan[0].source.size(), 1u);
    EXPECT_TRUE(plan[0].source[0].body[1]["value"] == pod_template("v2"));
    EXPECT_EQ(plan[0].source[0].body[0]["value"].as_string(), "7") << "of the object that was looked at";
}

TEST(Recovery, AGroupsTemplateIsPutBackWhereItsKindHasIt) {
    auto const set = [](char const* image) {
        return doc(fmt::format(R"({{"apiVersion":"leaderworkerset.x-k8s.io/v1","kind":"LeaderWorkerSet",
            "metadata":{{"name":"web","namespace":"demo","uid":"hub-uid","resourceVersion":"7","generation":3}},
            "spec":{{"leaderWorkerTemplate":{{"size":2,"workerTemplate":{{"spec":{{"containers":[{{"name":"main",
            "image":"{}"}}]}}}}}}}}}})",
                               image));
    };
    Doc const bound = doc(
        R"({"metadata":{"name":"leaderworkerset.leaderworkerset.x-k8s.io-web","namespace":"demo","generation":5},"spec":{
        "resource":{"apiVersion":"leaderworkerset.x-k8s.io/v1","kind":"LeaderWorkerSet","namespace":"demo","name":"web",
        "uid":"u1"},"clusters":[{"name":"beijing"}]}})");
    RecordSeen seen = released();
    seen.binding = bound;
    seen.source = set("v2");
    seen.used = {"", propagation::template_hash(propagation::pod_template(seen.source))};
    Record const record = record_of(seen, kNow);
    HubSide hub;
    hub.hub = "hub-2";
    meta::ObjectKey const key{"demo", "leaderworkerset.leaderworkerset.x-k8s.io-web"};
    auto const anew = [](Doc const& object) {
        Value first = object.thaw();
        first.set({"metadata", "generation"}, 1);
        return Doc::freeze(first);
    };
    hub.bindings[key] = anew(bound);
    hub.sources[key] = anew(set("v1"));
    hub.resources[key] = {"leaderworkerset.x-k8s.io", "v1", "leaderworkersets"};
    auto const plan = decide_recovery(hub, rebuild({{"beijing", stored(record)}}), kNow);
    ASSERT_EQ(plan.size(), 1u);
    ASSERT_EQ(plan[0].source.size(), 1u) << plan[0].lines.front();
    Value live = hub.sources[key].thaw();
    ASSERT_TRUE(json::apply_json_patch(live, plan[0].source[0].body));
    EXPECT_TRUE(live["spec"] == set("v2").thaw()["spec"]) << json::write(live);
}

// A status comes behind its Decision, and the hub may act upon that before.
TEST(Recovery, WhatADecisionHasDoneIsNotAskedForAgain) {
    Value open = decision("a", "Pending").thaw();
    Value target = open.at({"spec", "targets"})[0];
    target["cluster"] = "beijing";
    open["spec"]["targets"].push_back(target);
    open["status"]["clusters"] = json::Array{json::Object{{"cluster", "beijing"}, {"outcome", "Applied"}},
                                             json::Object{{"cluster", "oslo"}, {"outcome", "Unreachable"}}};
    RecordSeen const rollout = with_decisions({Doc::freeze(open)});
    auto const plan = decide_recovery(new_hub(), rebuild({{"oslo", stored(record_of(rollout, kNow))}}), kNow);
    Restored const& restored = of(plan, "rollout-web");
    ASSERT_EQ(restored.decisions.size(), 2u);
    Value const& targets = restored.decisions[0].body.at({"spec", "targets"});
    ASSERT_EQ(targets.size(), 1u) << json::write(targets);
    EXPECT_EQ(targets[0]["cluster"].as_string(), "oslo");
    Value const& rows = restored.decisions[1].body.at({"status", "clusters"});
    ASSERT_EQ(rows.size(), 1u) << json::write(rows);
    EXPECT_EQ(rows[0]["cluster"].as_string(), "oslo");
}

TEST(Recovery, RepeatedItHasNothingToDo) {
    RecordSeen const rollout = with_decisions({decision("a", "Pending")});
    Rebuilt const rebuilt = rebuild({{"beijing", stored(record_of(rollout, kNow))}});
    HubSide hub = new_hub();
    hub.bindings[{"demo", "rollout-web"}] = rollout.binding;
    hub.decisions = {decision("a", "Pending")};
    auto const plan = decide_recovery(hub, rebuilt, kNow);
    EXPECT_EQ(plan[0].outcome, Restored::Outcome::kSame);
    EXPECT_TRUE(plan[0].pins.empty() && plan[0].decisions.empty());
}

TEST(Recovery, AHubThatIsNotBehindIsLeftAlone) {
    Rebuilt const rebuilt = rebuild({{"beijing", stored(record_of(released(), kNow))}});
    HubSide hub = new_hub();
    hub.hub = "hub-1";
    hub.bindings[{"demo", "deployment-web"}] = binding(R"([{"name":"oslo","paused":true}])", "Deployment", 6);
    hub.sources[{"demo", "deployment-web"}] = deployment("v3", 4);
    auto const plan = decide_recovery(hub, rebuilt, kNow);
    EXPECT_EQ(plan[0].outcome, Restored::Outcome::kNewerHere);
    EXPECT_TRUE(plan[0].pins.empty() && plan[0].source.empty() && plan[0].revisions.empty());
    auto const begun = decide_recovery(hub, rebuilt, kNow, {{"demo", "deployment-web"}});
    EXPECT_EQ(begun[0].outcome, Restored::Outcome::kRestored) << "one that was begun is finished";
}

TEST(Recovery, WhatIsNotPlacedIsSaid) {
    Rebuilt const rebuilt = rebuild({{"beijing", stored(record_of(released(), kNow))}});
    HubSide hub;
    hub.hub = "hub-2";
    EXPECT_EQ(decide_recovery(hub, rebuilt, kNow)[0].outcome, Restored::Outcome::kNotBound);
}

}   // namespace
}   // namespace aviary::recovery
