#include "app/amc/direct.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/fleet/decision.h"
#include "apis/fleet/hold.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "app/amc/approve.h"
#include "app/amc/rows.h"
#include "app/amc/verdict.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/cli/terminal.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "hub/decision/carry_out.h"
#include "hub/propagation/names.h"
#include "hub/propagation/release_state.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"

namespace aviary::amc {

namespace {

using json::Doc;
using json::Value;

bool brought_by_hub(Doc const& object) { return !meta::label(object, propagation::kHubLabel).empty(); }

// Of spec: what versions of this workload differ in.
std::string_view template_field(Doc const& workload) {
    return meta::is_leader_worker_set(workload) ? meta::kGroupTemplate : "template";
}

// That of a ReplicaSet or of a ControllerRevision, as its workload had it.
Value template_of(Doc const& revision, std::string_view field) {
    Doc const data = revision["data"];
    Value pod_template = (data.exists() ? data : revision).at({"spec", field}).thaw();
    pod_template.erase("$patch");
    if (pod_template.at({"metadata", "labels"}).is_object())
        pod_template["metadata"]["labels"].erase(meta::kTemplateHashLabel);
    return pod_template;
}

std::int64_t number_of(Doc const& revision) {
    if (revision["revision"].exists()) return revision["revision"].as_int();
    return parse_int(meta::annotation(revision, "deployment.kubernetes.io/revision")).value_or(0);
}

// What a release came from, by the mark it has left; else the newest revision that is not what the workload says now.
Doc earlier(Doc const& workload, std::vector<Doc> const& revisions) {
    std::string const stable = propagation::releasing(workload)
                                   ? std::string(meta::label(workload, apis::kStableRevisionLabel))
                                   : std::string();
    std::string_view const field = template_field(workload);
    Value const now = workload.at({"spec", field}).thaw();
    Doc found;
    for (Doc const& each : revisions) {
        auto const owned = meta::owners(each);
        if (std::ranges::none_of(owned, [&](auto const& owner) { return owner.uid == meta::uid(workload); })) continue;
        // As pods are labelled: by a ReplicaSet's hash, a StatefulSet's revision's name, a DaemonSet's one's hash.
        bool const named = meta::label(each, meta::kTemplateHashLabel) == stable || meta::name(each) == stable ||
                           meta::label(each, meta::kRevisionHashLabel) == stable ||
                           meta::name(each) == fmt::format("{}-{}", meta::name(workload), stable) ||
                           meta::label(each, meta::kGroupRevisionLabel) == stable;
        if (!stable.empty() && named) return each;
        bool const groups = field == meta::kGroupTemplate;
        if (groups ? meta::groups_of(each.at({"data", "spec"})) == meta::groups_of(workload["spec"])
                   : template_of(each, field) == now) {
            continue;
        }
        if (!found.exists() || number_of(each) > number_of(found)) found = each;
    }
    return found;
}

Result<meta::GroupVersionResource> workload_resource(Doc const& workload) {
    std::string const kind = workload["kind"].string();
    if (meta::is_leader_worker_set(workload)) return meta::kLeaderWorkerSets;
    std::string const group = meta::kind_of(workload).group;
    bool const set = kind == "StatefulSet" || kind == "DaemonSet";
    bool const known = (group == "apps" && (kind == "Deployment" || set)) ||
                       (group == "apps.kruise.io" && (kind == "CloneSet" || set));
    if (known) return meta::resource_of(meta::kind_of(workload));
    return fail(ErrorCode::kUnsupported, fmt::format("its {} keeps no earlier versions that can be put back", kind));
}

Value hold_annotation(std::string const& hold) { return hold.empty() ? Value(nullptr) : Value(hold); }

DirectChange pause_or_resume(DirectAsked const& asked, Doc const& rollout) {
    bool const pause = asked.action == apis::action::kPause;
    DirectChange change{apis::kRollouts,           meta::key_of(rollout), "",
                        client::PatchType::kMerge, Value(json::Object()), pause ? "paused" : "resumed"};
    change.patch.set({"spec", "strategy", "paused"}, pause);
    if (brought_by_hub(rollout))
        change.patch.set({"metadata", "annotations", propagation::kHold}, hold_annotation(pause ? asked.hold : ""));
    return change;
}

Result<DirectChange> go_back(DirectAsked const& asked, Doc const& workload, std::vector<Doc> const& revisions) {
    if (!workload.exists()) return fail(ErrorCode::kNotFound, "its workload is not in this cluster");
    meta::GroupVersionResource const resource = TRY(workload_resource(workload));
    Doc const revision = earlier(workload, revisions);
    if (!revision.exists()) return fail(ErrorCode::kNotFound, "there is no earlier version to go back to");
    std::string const field(template_field(workload));
    Value const back = template_of(revision, field);
    Doc const pods = field == "template" ? Doc::freeze(back) : Doc::freeze(back)["workerTemplate"];
    DirectChange change{resource,
                        meta::key_of(workload),
                        "",
                        client::PatchType::kJson,
                        Value(json::Array()),
                        fmt::format("going back to {}", proxy::version_of(pods))};
    auto const add = [&](char const* verb, std::string path, Value value) {
        change.patch.push_back(json::Object{{"op", verb}, {"path", std::move(path)}, {"value", std::move(value)}});
    };
    add("test", "/metadata/uid", meta::uid(workload));
    add("test", "/metadata/generation", meta::generation(workload));
    add("replace", "/spec/" + field, back);
    if (field != "template") {
        Value network = revision.at({"data", "spec", meta::kGroupNetwork}).thaw();
        network.erase("$patch");
        if (network.is_object()) add("add", fmt::format("/spec/{}", meta::kGroupNetwork), std::move(network));
    }
    if (brought_by_hub(workload)) {
        // That one alone: the others are written beside this, and no generation tells.
        std::string const annotations = "/metadata/annotations";
        if (!workload.at({"metadata", "annotations"}).is_object()) add("add", annotations, json::Object());
        add("add", annotations + "/" + json::escape_pointer(propagation::kHold), asked.hold);
        // Else the hub would take what is put back for the version that it has brought.
        auto const says = [&](std::string_view label, std::string const& hash) {
            std::string const path = "/metadata/labels/" + json::escape_pointer(label);
            if (!hash.empty()) {
                add("add", path, hash);
            } else if (!meta::label(workload, label).empty()) {
                add("remove", path, nullptr);
            }
        };
        std::string stable = propagation::stable_template(workload);
        if (!propagation::releasing(workload)) {
            // What its release came from is what is put back, unless another one was taken back since: then nobody
            // knows.
            std::string const has(meta::label(workload, propagation::kTemplateLabel));
            if (stable == has) stable.clear();
            says(propagation::kStableLabel, has);
        }
        says(propagation::kTemplateLabel, stable);
    }
    return change;
}

DirectChange jump(DirectAsked const& asked, proxy::ClusterView const& view) {
    return {apis::kRollouts,
            meta::key_of(view.rollout),
            "status",
            client::PatchType::kJson,
            step_patch(view.rollout, asked.to),
            "moving to " + decision::step_text(view.rollout, asked.to, view.workload)};
}

}   // namespace

meta::GroupVersionResource revisions_of(Doc const& workload) {
    bool const sets = workload["kind"].as_string() == "Deployment";
    return {"apps", "v1", sets ? "replicasets" : "controllerrevisions"};
}

Result<DirectChange> direct_change(DirectAsked const& asked, proxy::ClusterView const& view,
                                   std::vector<Doc> const& revisions) {
    if (asked.action == apis::action::kJump) return jump(asked, view);
    if (asked.action == apis::action::kUndo || asked.action == apis::action::kAbort)
        return go_back(asked, view.workload, revisions);
    return pause_or_resume(asked, view.rollout);
}

namespace {

// One cluster's part of the command.
struct Part {
    client::Client client;
    proxy::ClusterView view;
    Row row;
    Result<DirectChange> change;
    bool late = false;   // stored, and not taken up in time
};

bool goes_back(std::string_view action) { return action == apis::action::kUndo || action == apis::action::kAbort; }

// What is to be written there.
Task<void> find_change(Context, Session const& session, DirectAsked asked, Part& part) {
    std::vector<Doc> revisions;
    if (goes_back(asked.action) && part.view.workload.exists()) {
        client::ListOptions options;
        options.ns = session.ns();
        auto const list = co_await part.client.list(session.context(), revisions_of(part.view.workload), options);
        if (!list) {
            part.change = std::unexpected(list.error());
            co_return;
        }
        for (auto const& [index, each] : (*list)["items"].elements()) revisions.push_back(each);
    }
    bool const holds = goes_back(asked.action)
                           ? brought_by_hub(part.view.workload)
                           : asked.action == apis::action::kPause && brought_by_hub(part.view.rollout);
    if (holds) {
        auto const who = co_await part.client.who_am_i(session.context());
        std::string const why = session.flags().reason.empty() ? "changed without the hub" : session.flags().reason;
        asked.hold = apis::hold_text(session.context().now() + apis::kHoldLasts,
                                     who ? (*who)["username"].string() : "somebody", why);
    }
    part.change = direct_change(asked, part.view, revisions);
}

Task<void> send_change(Context, Session const& session, std::string action, Part& part) {
    if (part.change) {
        client::WriteOptions options;
        options.subresource = part.change->subresource;
        options.dry_run = session.flags().dry_run == "server";
        auto const done = co_await part.client.patch(session.context(), part.change->resource, part.change->key,
                                                     part.change->type, part.change->patch, options);
        if (!done) part.change = std::unexpected(done.error());
    }
    part.row.result = past(action);
    if (part.change) {
        part.row.message = part.change->message;
        if (action != apis::action::kJump || session.flags().dry_run == "server" || !session.flags().wait) co_return;
        part.late = co_await taken_up_late(session, part.client, part.view.rollout, session.flags().to, part.row);
        co_return;
    }
    part.row.result = overtaken(part.change.error()) ? "stale" : "failed";
    part.row.message = overtaken(part.change.error()) ? std::string(kMovedOn) : part.change.error().message();
}

void print_changes(Session const& session, std::vector<Part> const& parts) {
    std::vector<std::pair<std::string, Value>> patches;
    for (Part const& part : parts) {
        if (part.change) patches.emplace_back(part.row.cluster, part.change->patch);
    }
    print_patches(session, patches);
}

}   // namespace

Task<int> decide_without_hub(Session session, std::string action, std::string rollout) {
    auto looked = co_await look_without_hub(session, action, rollout);
    if (looked && session.flags().fast) {
        auto const jump = as_jump(session.flags(), looked->rollout, looked->view, looked->chosen);
        if (!jump) {
            session.complain(jump.error());
            co_return kRefused;
        }
        session = session.with(*jump);
        action = apis::action::kJump;
        looked->asked.action = action;
        looked->asked.to = jump->to;
        looked->rows = rows_of(looked->view, looked->chosen, looked->asked, std::string(kNoRolloutThere));
    }
    if (!looked) co_return looked.error();
    std::vector<Row>& rows = looked->rows;
    std::vector<Part> parts;
    for (proxy::ClusterView const& each : looked->views) {
        auto const row = std::ranges::find(rows, each.cluster, &Row::cluster);
        client::Client const* const client = session.contexts().client(each.cluster);
        if (row == rows.end() || !row->target || client == nullptr || !each.rollout.exists()) continue;
        parts.push_back({*client, each, *row, DirectChange()});
    }
    if (parts.empty()) co_return conclude_nothing(session, rows, looked->asked, rollout);
    {
        async::Scope scope(Context(session.context().executor()));
        for (Part& part : parts)
            scope.spawn(find_change(scope.context(), session, {action, session.flags().to, ""}, part));
        co_await scope.join();
    }
    if (session.flags().dry_run == "client") {
        print_changes(session, parts);
        co_return kDone;
    }
    async::Scope scope(Context(session.context().executor()));
    for (Part& part : parts) scope.spawn(send_change(scope.context(), session, action, part));
    co_await scope.join();
    for (Part const& part : parts) *std::ranges::find(rows, part.row.cluster, &Row::cluster) = part.row;
    std::vector<Row> shown = rows;
    bool const dry = session.flags().dry_run == "server";
    for (Row& row : shown) row.result += dry && row.result == past(action) ? " (server dry run)" : "";
    print_rows(session, shown);
    int const code = conclude(session, rows, action);
    bool const late = std::ranges::find(parts, true, &Part::late) != parts.end();
    if (late && code == kDone) co_return kTimeout;
    co_return code;
}

}   // namespace aviary::amc
