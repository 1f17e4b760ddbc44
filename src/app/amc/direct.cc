#include "app/amc/direct.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "apis/fleet/decision.h"
#include "apis/fleet/hold.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "app/amc/approve.h"
#include "app/amc/group.h"
#include "app/amc/rows.h"
#include "app/amc/verdict.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/json/patch.h"
#include "hub/decision/carry_out.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "hub/propagation/release_state.h"
#include "hub/proxy/attached.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"

namespace aviary::amc {

namespace {

using json::Doc;
using json::Value;

bool brought_by_hub(Doc const& object) { return !meta::label(object, propagation::kHubLabel).empty(); }

// Of spec: what versions of this workload differ in.
std::string_view template_field(Doc const& workload) { return propagation::template_path(workload).back(); }

// That of a ReplicaSet or of a ControllerRevision, as its workload had it.
Value template_of(Doc const& revision, std::string_view field) {
    Doc const data = revision["data"];
    Value pod_template = (data.exists() ? data : revision).at({"spec", field}).thaw();
    pod_template.erase("$patch");
    if (pod_template.at({"metadata", "labels"}).is_object())
        pod_template["metadata"]["labels"].erase(meta::kTemplateHashLabel);
    return pod_template;
}

// Whether the workload has this version now.
bool has_version(Doc const& workload, Doc const& revision) {
    std::string_view const field = template_field(workload);
    if (field == meta::kGroupTemplate)
        return meta::groups_of(revision.at({"data", "spec"})) == meta::groups_of(workload["spec"]);
    return template_of(revision, field) == workload.at({"spec", field}).thaw();
}

// What a release came from, by the mark it has left; else the newest revision that is not what the workload says now.
Doc earlier(Doc const& workload, std::vector<Doc> const& revisions) {
    std::string const stable = propagation::releasing(workload)
                                   ? std::string(meta::label(workload, apis::kStableRevisionLabel))
                                   : std::string();
    Doc found;
    for (Doc const& each : revisions) {
        if (!stable.empty() && proxy::is_revision(each, workload, stable)) return each;
        if (!proxy::owned_by(each, workload) || has_version(workload, each)) continue;
        if (!found.exists() || proxy::revision_number(each) > proxy::revision_number(found)) found = each;
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

// These annotations alone, null for none: others are written beside this, and no generation tells.
void annotate(json::PatchBuilder& patch, Doc const& workload, std::map<std::string_view, Value> const& annotations) {
    std::string const path = "/metadata/annotations";
    bool there = workload.at({"metadata", "annotations"}).is_object();
    for (auto const& [name, value] : annotations) {
        std::string const whole = path + "/" + json::escape_pointer(name);
        if (value.is_null()) {
            if (!meta::annotation(workload, name).empty()) patch.remove(whole);
            continue;
        }
        if (!std::exchange(there, true)) patch.add(path, json::Object());
        patch.add(whole, value);
    }
}

// Else the hub would take what is put back for the version that it has brought.
void label_for_hub(json::PatchBuilder& patch, Doc const& workload) {
    auto const says = [&](std::string_view label, std::string const& hash) {
        std::string const path = "/metadata/labels/" + json::escape_pointer(label);
        if (!hash.empty()) {
            patch.add(path, hash);
        } else if (!meta::label(workload, label).empty()) {
            patch.remove(path);
        }
    };
    std::string stable = propagation::stable_template(workload);
    if (!propagation::releasing(workload)) {
        // What its release came from is what is put back, unless another one was taken back since: then nobody knows.
        std::string const has(meta::label(workload, propagation::kTemplateLabel));
        if (stable == has) stable.clear();
        says(propagation::kStableLabel, has);
    }
    says(propagation::kTemplateLabel, stable);
}

// A workload with the versions of this revision.
Value with_version(Doc const& workload, Doc const& revision) {
    std::string_view const field = template_field(workload);
    Value result = workload.thaw();
    result["spec"][field] = template_of(revision, field);
    if (field == meta::kGroupTemplate) {
        Value network = revision.at({"data", "spec", meta::kGroupNetwork}).thaw();
        network.erase("$patch");
        if (network.is_object()) result["spec"][meta::kGroupNetwork] = std::move(network);
    }
    return result;
}

Result<DirectChange> go_back(DirectAsked const& asked, Doc const& workload, std::vector<Doc> const& revisions) {
    if (!workload.exists()) return fail(ErrorCode::kNotFound, "its workload is not in this cluster");
    meta::GroupVersionResource const resource = TRY(workload_resource(workload));
    DirectChange change{resource, meta::key_of(workload), "", client::PatchType::kJson, Value(), ""};
    bool const undoes = asked.action == apis::action::kUndo;
    auto const on_the_way = [&] {
        change.message = fmt::format("goes back to {} already", proxy::version_of(meta::pod_template_of(workload)));
        return change;
    };
    if (undoes && !proxy::undone_version(workload).empty()) return on_the_way();
    Doc const revision = earlier(workload, revisions);
    if (!revision.exists()) return fail(ErrorCode::kNotFound, "there is no earlier version to go back to");
    if (has_version(workload, revision)) return on_the_way();
    Doc const back = Doc::freeze(with_version(workload, revision));
    json::PatchBuilder patch;
    patch.test("/metadata/uid", meta::uid(workload));
    patch.test("/metadata/generation", meta::generation(workload));
    std::string const field(template_field(workload));
    patch.replace("/spec/" + field, back["spec"][field].thaw());
    if (field == meta::kGroupTemplate && back["spec"][meta::kGroupNetwork].is_object())
        patch.add(fmt::format("/spec/{}", meta::kGroupNetwork), back["spec"][meta::kGroupNetwork].thaw());
    std::map<std::string_view, Value> annotations{{proxy::kUndone, Value()}};
    if (undoes && !propagation::releasing(workload)) {
        annotations[proxy::kUndone] =
            fmt::format("{};{}", proxy::template_mark(back), proxy::version_of(meta::pod_template_of(workload)));
    }
    if (brought_by_hub(workload)) annotations[propagation::kHold] = asked.hold;
    annotate(patch, workload, annotations);
    if (brought_by_hub(workload)) label_for_hub(patch, workload);
    change.patch = patch.take();
    change.message = fmt::format("going back to {}", proxy::version_of(meta::pod_template_of(back)));
    return change;
}

DirectChange jump(DirectAsked const& asked, proxy::ClusterView const& view) {
    return {apis::kRollouts,
            meta::key_of(view.rollout),
            "status",
            client::PatchType::kJson,
            step_patch(view.rollout, asked.to),
            decision::move_text(view.rollout, apis::release_status(view.rollout)["currentStepIndex"].as_int(), asked.to,
                                view.workload)};
}

}   // namespace

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

// Nothing was sent yet: what does not answer is away, and nothing else.
void keep_from(Part& part, Error why) {
    not_read(part.row, why);
    part.change = std::unexpected(std::move(why));
}

// What is to be written there, or in its row why nothing can be.
Task<void> find_change(Context, Session const& session, DirectAsked asked, Part& part) {
    std::vector<Doc> revisions;
    if (goes_back(asked.action) && part.view.workload.exists()) {
        client::ListOptions options;
        options.ns = session.ns();
        auto const list =
            co_await part.client.list(session.context(), proxy::revisions_of(part.view.workload), options);
        if (!list) {
            keep_from(part, list.error());
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
    if (!part.change) keep_from(part, part.change.error());
}

Task<Status> send(Session const& session, client::Client const& client, DirectChange change) {
    client::WriteOptions options;
    options.subresource = change.subresource;
    options.dry_run = session.flags().dry_run == "server";
    CO_TRY(co_await client.patch(session.context(), change.resource, std::move(change.key), change.type,
                                 std::move(change.patch), options));
    co_return Status{};
}

// Into its row.
Task<void> send_change(Context, Session const& session, std::string action, Part& part) {
    Row& row = part.row;
    if (!part.change) co_return;
    Status const done = co_await send(session, part.client, *part.change);
    if (!done) {
        not_written(row, done.error());
        co_return;
    }
    row.result = past(action);
    row.message = part.change->message;
    if (action != apis::action::kJump || session.flags().dry_run == "server" || !session.flags().wait) co_return;
    part.late = co_await taken_up_late(session, part.client, part.view.rollout, session.flags().to, row);
}

// Of one that was taken back a moment ago, and does not say so yet.
Row already(Part const& part) {
    Row row = part.row;
    row.target = false;
    row.result = "done";
    row.why = Row::Why::kTakenBack;
    row.message = part.change->message;
    return row;
}

std::vector<std::pair<std::string, Value>> patches_of(std::vector<Part> const& parts) {
    std::vector<std::pair<std::string, Value>> patches;
    for (Part const& part : parts) {
        if (part.change) patches.emplace_back(part.row.cluster, part.change->patch);
    }
    return patches;
}

// A hold keeps it, of what a hub has brought; nothing else does.
void say_where_reason_goes(Session const& session, std::string_view action, std::vector<Part> const& parts) {
    if (session.flags().reason.empty()) return;
    if (!goes_back(action) && action != apis::action::kPause) {
        session.note(fmt::format("without a hub {} keeps --reason nowhere", to_lower(action)));
        return;
    }
    bool const kept = std::ranges::all_of(parts, [&](Part const& part) {
        return brought_by_hub(goes_back(action) ? part.view.workload : part.view.rollout);
    });
    if (!kept)
        session.note(fmt::format("--reason is kept nowhere where no hub has brought the {}",
                                 goes_back(action) ? "workload" : "Rollout"));
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
        looked->asked.fast = true;
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
    {
        async::Scope scope(Context(session.context().executor()));
        for (Part& part : parts)
            scope.spawn(find_change(scope.context(), session, {action, session.flags().to, ""}, part));
        co_await scope.join();
    }
    std::erase_if(parts, [&](Part const& part) {
        bool const nothing = part.change && part.change->patch.is_null();
        if (nothing) *std::ranges::find(rows, part.row.cluster, &Row::cluster) = already(part);
        return nothing;
    });
    if (parts.empty()) {
        int const code = conclude_nothing(session, rows, looked->asked, rollout);
        co_await tell_of_group(session, action, rollout);
        co_return code;
    }
    warn(rows);
    say_where_reason_goes(session, action, parts);
    auto const keep_rows = [&] {
        for (Part const& part : parts) *std::ranges::find(rows, part.row.cluster, &Row::cluster) = part.row;
    };
    if (session.flags().dry_run == "client") {
        keep_rows();
        co_return conclude_printed(session, rows, action, patches_of(parts));
    }
    async::Scope scope(Context(session.context().executor()));
    for (Part& part : parts) scope.spawn(send_change(scope.context(), session, action, part));
    co_await scope.join();
    keep_rows();
    bool const late = std::ranges::find(parts, true, &Part::late) != parts.end();
    int const code = conclude_sent(session, rows, action, late);
    co_await tell_of_group(session, action, rollout);
    co_return code;
}

}   // namespace aviary::amc
