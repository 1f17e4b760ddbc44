// approve, pause, resume, undo, abort and jump: one Decision a command, and what became of it in each cluster.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "apis/fleet/decision.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "app/amc/release_text.h"
#include "app/amc/resources.h"
#include "app/amc/rows.h"
#include "app/amc/session.h"
#include "app/amc/verdict.h"
#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using json::Doc;
using json::Value;

constexpr Duration kExpires = std::chrono::hours(1);
// So long a command waits for clusters that have only just come back.
constexpr Duration kBackWithin = std::chrono::seconds(10);
constexpr Duration kLookAgain = std::chrono::milliseconds(200);   // at first; then less and less often, up to
constexpr Duration kMostBetween = std::chrono::seconds(1);
// What is printed is carried out when it has been committed, and something else has applied it; a day is the most.
constexpr Duration kExpiresPrinted = std::chrono::hours(23);

// The hub alone deletes Decisions, so what applies them from Git must not try, nor wait for that.
void keep_from_pruning(Value& object) {
    Value& annotations = object["metadata"]["annotations"];
    annotations["argocd.argoproj.io/compare-options"] = "IgnoreExtraneous";
    annotations["argocd.argoproj.io/sync-options"] = "Prune=false";
    annotations["kustomize.toolkit.fluxcd.io/prune"] = "disabled";
}

Value decision_object(Session const& session, std::string const& action, std::string const& rollout,
                      std::string const& digest, std::vector<Doc> const& targets) {
    apis::DecisionSpec spec;
    spec.rollout_ref = {"rollouts.kruise.io/v1beta1", "Rollout", rollout};
    if (!digest.empty()) spec.release = apis::ReleaseReference{digest};
    spec.action = action;
    if (action == apis::action::kJump) spec.to_step = session.flags().to;
    spec.selection = session.flags().all_members ? (action == apis::action::kApprove ? "AllPaused" : "All")
                     : session.flags().cluster_selector.empty() ? "Named"
                                                                : "Selector";
    for (Doc const& view : targets) {
        apis::DecisionTarget target;
        target.cluster = view["cluster"].string();
        target.rollout_uid = view["rolloutUID"].string();
        if (action == apis::action::kApprove || action == apis::action::kJump) {
            target.step = view["step"].as_int();
            target.revision = view["revision"].string();
            target.paused_since = view["pausedSince"].string();
        }
        spec.targets.push_back(std::move(target));
    }
    spec.reason = session.flags().reason;
    bool const printed = session.flags().dry_run == "client";
    spec.expires_at = format_rfc3339(session.context().now() + (printed ? kExpiresPrinted : kExpires));
    std::string const noise = crypto::random_bytes(8);
    spec.nonce = hex(std::span(reinterpret_cast<unsigned char const*>(noise.data()), noise.size()));
    Value const written = apis::write_decision_spec(spec);
    Value object{json::Object{{"apiVersion", "fleet.aviary.dev/v1alpha1"}, {"kind", "Decision"}}};
    object.set({"metadata", "name"}, fmt::format("{}-{:016x}", rollout, fnv1a_64(json::write_canonical(written))));
    object.set({"metadata", "namespace"}, session.ns());
    if (printed) keep_from_pruning(object);
    object["spec"] = written;
    return object;
}

bool settled(Doc const& decision) {
    if (apis::settled(decision.at({"status", "outcome"}).as_string())) return true;
    // Clusters that are away are not waited for.
    std::size_t known = 0;
    for (auto const& [index, row] : decision.at({"status", "clusters"}).elements())
        known += row["outcome"].as_string().empty() ? 0 : 1;
    return known == decision.at({"spec", "targets"}).size() && known > 0;
}

Task<Result<Doc>> wait_settled(Session const& session, Doc decision) {
    Context const ctx = session.context().with_timeout(session.timeout());
    while (!settled(decision)) {
        client::WatchOptions options{.ns = session.ns()};
        options.field_selector = "metadata.name=" + meta::name(decision);
        options.resource_version = meta::resource_version(decision);
        CO_TRY_ASSIGN(auto stream, co_await session.hub().watch(ctx, apis::kDecisions, options));
        while (!settled(decision)) {
            CO_TRY_ASSIGN(std::optional<Doc> event, co_await stream->next(ctx));
            if (!event) break;
            std::string_view const type = (*event)["type"].as_string();
            if (type == "ADDED" || type == "MODIFIED") decision = (*event)["object"].detach();
        }
    }
    co_return decision;
}

void fill_rows(std::vector<Row>& rows, Doc const& decision, std::string_view action) {
    for (Row& row : rows) {
        if (!row.target) continue;
        row.result = "sent";
        for (auto const& [index, each] : decision.at({"status", "clusters"}).elements()) {
            if (each["cluster"].as_string() != row.cluster) continue;
            std::string const outcome = each["outcome"].string();
            row.result = outcome == apis::outcome::kApplied ? past(action) : to_lower(outcome);
            row.message = each["message"].string();
        }
    }
}

// Whether this would take back a Rollout in any of the clusters; so it counts where nobody can tell.
Task<bool> could_go_back(Session const& session, std::string const& action, std::string const& rollout) {
    auto const chosen = co_await session.members(true);
    auto const view = co_await session.release(rollout, {});
    if (!chosen || !view) co_return true;
    Asked const asked{.action = action, .chosen = !chosen->empty(), .now = session.context().now()};
    std::vector<Row> const rows = rows_of(*view, *chosen, asked, "");
    co_return std::ranges::any_of(rows, [](Row const& row) { return row.target || row.result == "unreachable"; });
}

// Others of a group stay at their step with a version that this one does not run any more.
Task<void> tell_of_group(Session const& session, std::string const& action, std::string const& rollout) {
    auto const list = co_await session.hub().list(session.context(), apis::kRollouts, {.ns = session.ns()});
    if (!list) co_return;   // who may decide need not see all
    std::string group;
    for (auto const& [index, each] : (*list)["items"].elements()) {
        if (meta::name(each) == rollout) group = meta::annotation(each, apis::kGroupAnnotation);
    }
    if (group.empty()) co_return;
    Flags const& flags = session.flags();
    std::string const where = !flags.members.empty()           ? "-m " + join(flags.members, ",")
                              : flags.cluster_selector.empty() ? "-M"
                                                               : "--cluster-selector " + flags.cluster_selector;
    for (auto const& [index, each] : (*list)["items"].elements()) {
        std::string const name = meta::name(each);
        if (name == rollout || meta::annotation(each, apis::kGroupAnnotation) != group) continue;
        if (!co_await could_go_back(session, action, name)) continue;
        fmt::print(
            stderr,
            "{0} is of the same group, {1}, and not taken back by this: kubectl amc rollout {2} {0} -n {3} {4}\n", name,
            group, to_lower(action), session.ns(), where);
    }
}

// Records the Decision, waits for what becomes of it and prints that; the exit code.
Task<int> submit(Session session, std::string action, Value object, std::vector<Row> rows) {
    client::WriteOptions options;
    options.dry_run = session.flags().dry_run == "server";
    auto const created = co_await session.hub().create(session.context(), apis::kDecisions, object, options);
    if (!created) {
        session.complain(created.error());
        co_return kFailed;
    }
    Doc decision = *created;
    bool late = false;
    if (session.flags().wait && !options.dry_run) {
        auto const waited = co_await wait_settled(session, decision);
        late = !waited;
        if (waited) {
            decision = *waited;
        } else {
            auto const last = co_await session.hub().get(session.context(), apis::kDecisions, meta::key_of(decision));
            if (last) decision = *last;
        }
    }
    fill_rows(rows, decision, action);
    if (options.dry_run) {
        for (Row& row : rows) {
            if (row.target) row.result = fmt::format("{} (server dry run)", past(action));
        }
    }
    bool const printed = print_rows(session, rows, options.dry_run ? "" : meta::name(decision));
    if (action == apis::action::kAbort || action == apis::action::kUndo)
        co_await tell_of_group(session, action, decision.at({"spec", "rolloutRef", "name"}).string());
    if (options.dry_run) co_return printed ? kDone : kFailed;
    if (late) {
        session.complain(fmt::format("not settled within {}; it goes on: kubectl -n {} get decision {}",
                                     session.flags().timeout, session.ns(), meta::name(decision)));
        co_return kTimeout;
    }
    int const code = conclude(session, rows, action, meta::name(decision));
    co_return code == kDone && !printed ? kFailed : code;
}

// What each cluster is at. Those that have just come back, and cannot be read yet, are looked at again, and they alone:
// the others are approved at the step that they were seen at.
Task<Result<Doc>> look_at_release(Session const& session, std::string rollout, std::vector<std::string> chosen) {
    Context const ctx(session.context().executor());
    MonotonicTime const until = ctx.monotonic() + kBackWithin;
    CO_TRY_ASSIGN(Doc view, co_await session.release(rollout, {}));
    std::vector<std::string> awaited = just_come_back(view, chosen, ctx.now());
    for (Duration pause = kLookAgain; !awaited.empty() && ctx.monotonic() + pause <= until;) {
        (void)co_await async::sleep_for(ctx, pause);
        pause = std::min(2 * pause, kMostBetween);
        auto const later = co_await session.release(rollout, awaited);
        if (!later) break;
        view = with_rows_of(view, *later);
        awaited = just_come_back(view, chosen, ctx.now());
    }
    co_return view;
}

// The Rollout with the steps: the hub's; what others have brought is in its clusters alone, and of several that are in
// a release there the first one's counts.
Task<Result<Doc>> plan_of(Session const& session, std::string rollout, bool attached, std::vector<std::string> chosen) {
    if (!attached) co_return co_await session.hub().get(session.context(), apis::kRollouts, {session.ns(), rollout});
    Question question{.resource = apis::kRollouts, .ns = session.ns(), .name = rollout};
    question.clusters = std::move(chosen);
    CO_TRY_ASSIGN(Doc const answer, co_await session.ask(std::move(question)));
    std::vector<Doc> const found = items_of(answer);
    auto const releasing = std::ranges::find_if(
        found, [](Doc const& each) { return each.at({"status", "phase"}).as_string() == apis::phase::kProgressing; });
    if (releasing != found.end()) co_return *releasing;
    co_return fail(ErrorCode::kInvalid, "no release is in progress in any chosen cluster");
}

}   // namespace

Task<int> decide(Session session, std::string action, std::string rollout) {
    for (Status const& fit : {session.one_namespace(), session.document_form(true)}) {
        if (fit) continue;
        session.complain(fit.error());
        co_return kFailed;
    }
    auto const chosen = co_await session.members(true);
    if (!chosen) {
        session.complain(chosen.error());
        co_return kFailed;
    }
    auto const view = co_await look_at_release(session, rollout, *chosen);
    if (!view) {
        session.complain(view.error());
        co_return kFailed;
    }
    bool const attached = (*view)["attached"].as_bool();
    bool const fast = session.flags().fast;
    if (attached && !fast && action != apis::action::kApprove && action != apis::action::kJump) {
        session.complain(fmt::format(
            "{} was brought to its clusters by something else than this hub, which only approves it and jumps: "
            "{} it where it comes from (Argo CD, kubectl …)",
            rollout, to_lower(action)));
        co_return kRefused;
    }
    if (fast) {
        auto const object = co_await plan_of(session, rollout, attached, *chosen);
        auto const jump = object ? as_jump(session.flags(), *object, *view, *chosen) : std::unexpected(object.error());
        if (!jump) {
            session.complain(jump.error());
            co_return kRefused;
        }
        session = session.with(*jump);
        action = apis::action::kJump;
    }
    Asked const asked{action,
                      !chosen->empty(),
                      !session.flags().members.empty(),
                      session.flags().step,
                      session.flags().to,
                      session.context().now(),
                      unpause_command(*view),
                      false,
                      fast};
    std::vector<Row> rows = rows_of(*view, *chosen, asked, "neither the Rollout nor its workload is placed here");
    std::vector<Doc> targets;
    for (auto const& [index, cluster] : (*view)["clusters"].elements()) {
        auto const row = std::ranges::find(rows, cluster["cluster"].as_string(), &Row::cluster);
        if (row != rows.end() && row->target) targets.push_back(cluster);
    }
    if (targets.empty()) co_return conclude_nothing(session, rows, asked, rollout);
    warn(rows);
    Value const object = decision_object(session, action, rollout, (*view)["digest"].string(), targets);
    if (session.flags().dry_run == "client") {
        if (session.flags().output == "name") {
            print_rows(session, rows, object.at({"metadata", "name"}).string());
            co_return kDone;
        }
        Result<bool> const printed = session.print_document(object);
        if (!printed) session.complain(printed.error());
        if (printed && !*printed) session.print(yaml::write(object));
        co_return printed ? kDone : kFailed;
    }
    int const code = co_await submit(std::move(session), std::move(action), object, std::move(rows));
    co_return code;
}

}   // namespace aviary::amc
