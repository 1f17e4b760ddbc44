// For tests: one object in one member, with its managedFields; it carries plans out as an API server would. And the hub
// that wants a workload there, so that `run` decides until there is nothing more to do.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "hub/propagation/decide.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"
#include "kube/patch/apply.h"

namespace aviary::propagation {

class FakeMember {
public:
    json::Value object;    // null: there is none
    bool webhook = true;   // a changed template is stored frozen and marked in-progressing
    Time now = *parse_rfc3339("2026-11-23T14:00:00Z");

    json::Doc live() const { return object.is_null() ? json::Doc() : json::Doc::freeze(object); }

    Status perform(control::Write const& write) {
        using Verb = control::Write::Verb;
        json::Doc const before = live();
        std::string const version = write.body.at({"metadata", "resourceVersion"}).string();
        if (!version.empty() && version != meta::resource_version(before))
            return fail(ErrorCode::kConflict, "the object has been modified");
        if (write.verb == Verb::kDelete) {
            auto const& options = write.delete_options;
            bool const other =
                (!options.uid.empty() && options.uid != meta::uid(before)) ||
                (!options.resource_version.empty() && options.resource_version != meta::resource_version(before));
            if (other) return fail(ErrorCode::kConflict, "another object");
            object = {};
            return {};
        }
        json::Value next = object;
        if (write.verb == Verb::kApply) {
            json::Value body = write.body;
            if (json::Value* metadata = body.find("metadata")) metadata->erase("resourceVersion");
            auto merged =
                patch::apply(object, std::move(body), manager(write.field_manager), write.force, patch::untyped());
            if (!merged) return std::unexpected(merged.error());
            next = std::move(*merged);
        } else if (write.verb == Verb::kMergePatch) {
            json::apply_merge_patch(next, write.body);
            patch::track_update(object, next, manager(write.field_manager), patch::untyped());
        } else {
            return fail(ErrorCode::kUnsupported, "no such verb here");
        }
        admit(before, next);
        store(std::move(next));
        return {};
    }

    // A write of somebody in the member.
    void edit(std::string const& who, std::string const& merge_patch, std::string const& subresource = {}) {
        json::Value next = object;
        json::apply_merge_patch(next, *json::parse_value(merge_patch));
        patch::Manager writer = manager(who);
        writer.subresource = subresource;
        patch::track_update(object, next, writer, patch::untyped());
        store(std::move(next));
    }

    // What the rollout controller does at the end of a release.
    void finish_release() {
        json::Value patch{json::Object()};
        patch.set({"metadata", "annotations", kInProgressing}, nullptr);
        auto const freeze = freezing(live());
        set_at(patch, freeze->field, freeze->says.is_bool() ? json::Value(false) : json::Value(0));
        edit("rollout", json::write(patch));
    }
    bool held() const {
        auto const freeze = freezing(live());
        return freeze && value_at(live(), freeze->field).thaw() == freeze->says;
    }

private:
    patch::Manager manager(std::string const& name) const { return {name, "apps/v1", "", now}; }

    void admit(json::Doc const& before, json::Value& next) const {
        bool const changed = before.exists() && !(template_in(json::Doc::freeze(next)) == template_in(before));
        if (!webhook || !changed || next.at({"spec", "replicas"}).as_int() == 0) return;
        next.set({"metadata", "annotations", kInProgressing}, R"({"rolloutName":"web"})");
        if (auto const freeze = freezing(before)) set_at(next, freeze->field, freeze->says);
    }

    void store(json::Value next) {
        if (object.is_null()) next.set({"metadata", "uid"}, "uid-" + std::to_string(++uids_));
        bool const same = next == object;
        next.set({"metadata", "resourceVersion"},
                 same ? object.at({"metadata", "resourceVersion"}).string() : std::to_string(++version_));
        object = std::move(next);
    }

    int version_ = 1000;
    int uids_ = 0;
};

// A hub with Deployment, StatefulSet, CloneSet, LeaderWorkerSet or GameSet (which says that it is like a StatefulSet)
// demo/web and, when told so, Rollout demo/web, both placed in the member.
class FakeHub {
public:
    FakeMember member;
    json::Value source = *json::parse_value(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo","uid":"hub-uid",
        "labels":{"app":"web"}},"spec":{"replicas":10,"strategy":{"type":"RollingUpdate"},
        "selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
        "spec":{"containers":[{"name":"main","image":"v1"}]}}}})");
    json::Value rollout = *json::parse_value(
        R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web","namespace":"demo",
        "resourceVersion":"5"},"spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},
        "strategy":{"canary":{"steps":[{"replicas":"10%"},{"replicas":"100%"}]}}}})");
    json::Value member_rollout;   // null: there is none
    std::map<std::string, json::Value, std::less<>> revisions;
    Assignment assignment{.cluster = "beijing"};
    // Changes what is observed, just before deciding.
    std::function<void(Observed&)> change;

    explicit FakeHub(bool with_rollout = true, std::string const& kind = "Deployment") : with_rollout_(with_rollout) {
        source["kind"] = kind;
        rollout.set({"spec", "workloadRef", "kind"}, kind);
        if (kind == "CloneSet") {
            for (json::Value* at : {&source, rollout.find("spec")->find("workloadRef")})
                (*at)["apiVersion"] = "apps.kruise.io/v1alpha1";
        }
        if (kind == "LeaderWorkerSet") {
            for (json::Value* at : {&source, rollout.find("spec")->find("workloadRef")})
                (*at)["apiVersion"] = meta::kLeaderWorkerSets.api_version();
            json::Value groups{json::Object()};
            groups["workerTemplate"] = source.at({"spec", "template"});
            source["spec"].erase("template");
            source["spec"].erase("strategy");
            set_template(source, std::move(groups));
        }
        if (kind == "GameSet") {
            for (json::Value* at : {&source, rollout.find("spec")->find("workloadRef")})
                (*at)["apiVersion"] = "example.org/v1";
            source.set({"metadata", "labels", apis::kWorkloadTypeLabel}, "statefulset");
        }
        if (kind == "StatefulSet" || kind == "GameSet") {
            source["spec"].erase("strategy");
            source.set({"spec", "updateStrategy"},
                       *json::parse_value(R"({"type":"RollingUpdate","rollingUpdate":{"partition":0}})"));
        }
        set_image("v1");
        member_rollout = render({.source = json::Doc::freeze(rollout), .assignment = {}, .hub_id = "fleet"});
        seal(member_rollout, {1, 5});
        phase("Healthy");
    }

    // A new version of the hub's object; its template is kept.
    void set_image(std::string const& image) {
        json::Array containers{json::Object{{"name", "main"}, {"image", image}}};
        edit([&](json::Value& object) {
            json::Value pod_template = template_in(object);
            json::Value& pods = pod_template.contains("workerTemplate") ? pod_template["workerTemplate"] : pod_template;
            pods.set({"spec", "containers"}, containers);
            set_template(object, std::move(pod_template));
        });
    }
    void edit(std::function<void(json::Value&)> const& change_object) {
        change_object(source);
        source.set({"metadata", "resourceVersion"}, std::to_string(++version_));
        revisions[hash()] = pod_template(json::Doc::freeze(source));
    }
    std::string hash() const { return template_hash(pod_template(json::Doc::freeze(source))); }

    void phase(std::string const& name, std::string const& reason = {}) {
        member_rollout["status"] = json::Object{{"phase", name}, {"observedGeneration", 0}};
        if (reason.empty()) return;
        member_rollout["status"]["conditions"] = json::Array{json::Object{{"type", "Progressing"}, {"reason", reason}}};
    }

    Observed observe() const {
        Observed seen;
        seen.hub_id = "fleet";
        seen.source = json::Doc::freeze(source);
        seen.content_version =
            std::max<std::int64_t>(parse_int(meta::resource_version(seen.source)).value_or(0), version_);
        seen.resource = meta::resource_of(source);
        seen.key = {"demo", "web"};
        seen.assignment = assignment;
        seen.live = member.live();
        seen.revision = [this](std::string_view wanted) {
            auto const found = revisions.find(wanted);
            return found == revisions.end() ? std::nullopt : std::optional(found->second);
        };
        seen.put_right = put_right;
        seen.not_before = not_before;
        if (with_rollout_) {
            seen.hub_rollout = json::Doc::freeze(rollout);
            seen.rollout_placed = true;
            if (!member_rollout.is_null()) seen.member_rollout = json::Doc::freeze(member_rollout);
            seen.hub_rollout_render = meta::label(seen.member_rollout, kRenderLabel);
        }
        if (change) change(seen);
        return seen;
    }

    Decision decide_now() const { return decide(observe(), member.now); }

    // Decides and acts once; the reasons of the writes, "" when there was nothing to do.
    std::string step() {
        Decision decision = decide_now();
        std::string done;
        for (control::Write const& write : decision.plan.writes) {
            done += (done.empty() ? "" : "; ") + write.why;
            if (Status const status = member.perform(write); !status) {
                done += " (" + std::string(to_string(status.error().code())) + ")";
                break;
            }
        }
        if (decision.put_right) put_right.push_back(member.now);
        if (decision.taken_back) not_before = member.now + std::chrono::seconds(30);
        last = std::move(decision);
        return done;
    }
    // Until there is nothing to do.
    std::string run() {
        std::string all;
        for (int count = 0; count < 20; ++count) {
            std::string const done = step();
            if (done.empty()) return all;
            all += (all.empty() ? "" : "; ") + done;
        }
        return all + "; and so on";
    }
    // "Guarded/RolloutMissing", with the image in the member: "v1".
    std::string state() const {
        return std::string(to_string(last.state)) + (last.reason.empty() ? "" : "/" + last.reason);
    }
    std::string image() const {
        return meta::pod_template_of(member.live()).at({"spec", "containers"})[0]["image"].string();
    }
    // No pod of a new template comes.
    bool held() const { return member.held(); }

    Decision last;
    std::vector<Time> put_right;
    std::optional<Time> not_before;

private:
    bool with_rollout_;
    int version_ = 10;
};

}   // namespace aviary::propagation
