// approve, pause, resume, undo, abort and jump: one Decision a command, and what became of it in each cluster.
#include <fmt/format.h>

#include <algorithm>
#include <expected>
#include <optional>
#include <span>

#include "apis/fleet/decision.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "app/amc/group.h"
#include "app/amc/patience.h"
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
// A connection may be dead, and nobody says so: a watch is looked past after so long, and the last look, which begins
// when --timeout is over, takes no longer than that.
constexpr Duration kMostSilent = std::chrono::seconds(30);
constexpr Duration kLastLook = std::chrono::seconds(5);
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

// A Decision as its watch shows it, until it is settled or the watch ends. An Error: nobody answers.
Task<Status> follow(Context ctx, Session const& session, Doc& decision) {
    client::WatchOptions options{.ns = session.ns()};
    options.field_selector = "metadata.name=" + meta::name(decision);
    options.resource_version = meta::resource_version(decision);
    CO_TRY_ASSIGN(auto const stream, co_await session.hub().watch(ctx, apis::kDecisions, options));
    while (!settled(decision)) {
        CO_TRY_ASSIGN(auto const event, co_await stream->next(ctx));
        // So end those of a server that is stopped in good order.
        if (!event) co_return fail(ErrorCode::kUnavailable, "the watch has ended");
        std::string_view const type = (*event)["type"].as_string();
        if (type != "ADDED" && type != "MODIFIED") break;
        decision = (*event)["object"].detach();
    }
    co_return Status{};
}

// Until it is settled; `decision` is what was seen last. Timeout: not in time; any other Error: it cannot be seen.
Task<Status> wait_settled(Session const& session, Doc& decision) {
    Context const ctx = Context(session.context().executor()).with_timeout(session.timeout());
    Patience patience;
    patience.answered();   // it is recorded
    while (true) {
        Status const followed = co_await follow(ctx.with_timeout(kMostSilent), session, decision);
        if (settled(decision)) co_return Status{};
        // The outage may be over by the next look.
        if (!followed) (void)patience.lasts(followed.error(), ctx.monotonic());
        Status const in_time = co_await async::sleep_for(ctx, kMostBetween);
        // The watch may have been silent until the end.
        Context const brief = session.context().with_deadline(in_time ? *ctx.deadline() : ctx.monotonic() + kLastLook);
        auto const now = co_await session.hub().get(brief, apis::kDecisions, meta::key_of(decision));
        if (now) {
            decision = *now;
            if (settled(decision)) co_return Status{};
            patience.answered();
        } else if (!patience.lasts(now.error(), ctx.monotonic())) {
            co_return std::unexpected(now.error());
        }
        CO_TRY(in_time);
    }
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

std::string how_to_look(Session const& session, std::string const& name) {
    return fmt::format("kubectl -n {} get decision {}", session.ns(), name);
}

// Where no answer came to its creation it may be recorded all the same: under the name that it was to have.
Task<Result<Doc>> record(Session const& session, Value object) {
    client::WriteOptions options;
    options.dry_run = session.flags().dry_run == "server";
    meta::ObjectKey const key{session.ns(), object.at({"metadata", "name"}).string()};
    Result<Doc> created =
        co_await session.hub().create(session.context(), apis::kDecisions, std::move(object), options);
    if (created || options.dry_run || !client::no_answer(created.error())) co_return std::move(created);
    Result<Doc> found = co_await session.hub().get(session.context(), apis::kDecisions, key);
    if (found) co_return std::move(found);
    co_return std::unexpected(
        Error(created.error().code(), fmt::format("decision/{} may be recorded or not ({}): {}", key.name,
                                                  created.error().message(), how_to_look(session, key.name))));
}

// Says why what becomes of it is not known; the exit code.
int conclude_unsettled(Session const& session, Error const& why, std::string const& name) {
    if (why.is(ErrorCode::kTimeout)) {
        session.complain(
            fmt::format("not settled within {}; it goes on: {}", session.flags().timeout, how_to_look(session, name)));
        return kTimeout;
    }
    session.complain(
        fmt::format("recorded as decision/{}, and what becomes of it cannot be seen: {}", name, why.message()));
    return kFailed;
}

// Records the Decision, waits for what becomes of it and prints that; the exit code.
Task<int> submit(Session session, std::string action, std::string rollout, Value object, std::vector<Row> rows) {
    auto const recorded = co_await record(session, std::move(object));
    if (!recorded) {
        session.complain(recorded.error());
        co_return kFailed;
    }
    if (session.flags().dry_run == "server") {
        for (Row& row : rows) {
            if (row.target) row.result = past(action);
        }
        int const code = conclude_sent(session, rows, action, false);
        co_await tell_of_group(session, action, rollout);
        co_return code;
    }
    Doc decision = *recorded;
    Status waited;
    if (session.flags().wait) waited = co_await wait_settled(session, decision);
    fill_rows(rows, decision, action);
    std::string const name = meta::name(decision);
    bool const printed = print_rows(session, rows, name);
    co_await tell_of_group(session, action, rollout);
    if (!waited) co_return conclude_unsettled(session, waited.error(), name);
    int const code = conclude(session, rows, action, name);
    co_return code == kDone && !printed ? kFailed : code;
}

// The Decision that would be recorded, and what would not be sent with it; the exit code.
int print_unsent(Session const& session, std::string_view action, Value const& object, std::vector<Row> rows) {
    Result<bool> printed = true;
    if (session.flags().output == "name") {
        print_rows(session, rows, object.at({"metadata", "name"}).string());
    } else {
        printed = session.print_document(object);
        if (printed && !*printed) session.print(yaml::write(object));
    }
    if (!printed) session.complain(printed.error());
    for (Row& row : rows) {
        if (row.target) row.result = past(action);
    }
    int const code = conclude_unsent(session, rows, action);
    return printed ? code : kFailed;
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

// Why no chosen cluster shows where undo --fast goes; the exit code.
int conclude_without_plan(Session const& session, Doc const& answer) {
    std::vector<Trouble> found = troubles(session, answer, session.context().now());
    std::erase_if(found, [](Trouble const& each) { return each.what == Trouble::What::kNone; });
    if (found.empty()) {
        session.complain("no release is in progress in any chosen cluster");
        return kRefused;
    }
    std::vector<std::string> texts;
    for (Trouble const& each : found) texts.push_back(fmt::format("{}: {}", each.cluster, cli::one_line(each.text)));
    std::string const text =
        fmt::format("where to is not known ({}): `jump --to` says the step by hand", some_of(texts));
    bool const away = std::ranges::count(found, Trouble::What::kAway, &Trouble::what) == std::ssize(found);
    if (away && session.flags().allow_unreachable) {
        session.note(text);
        return kDone;
    }
    session.complain(text);
    return away ? kUnreachable : kFailed;
}

// The Rollout with the steps: the hub's; what others have brought is in its clusters alone, and of several that are in
// a release there the first one's counts. Else an exit code, and it has been said why.
Task<std::expected<Doc, int>> plan_of(Session const& session, std::string rollout, bool attached,
                                      std::vector<std::string> chosen) {
    Result<Doc> found;
    if (attached) {
        Question question{.resource = apis::kRollouts, .ns = session.ns(), .name = rollout};
        question.clusters = std::move(chosen);
        found = co_await session.ask(std::move(question));
    } else {
        found = co_await session.hub().get(session.context(), apis::kRollouts, {session.ns(), rollout});
    }
    if (!found) {
        session.complain(found.error());
        co_return std::unexpected(kFailed);
    }
    if (!attached) co_return *found;
    std::vector<Doc> const rollouts = items_of(*found);
    auto const releasing = std::ranges::find_if(rollouts, [](Doc const& each) {
        return each.at({"status", "phase"}).as_string() == apis::phase::kProgressing;
    });
    if (releasing != rollouts.end()) co_return *releasing;
    co_return std::unexpected(conclude_without_plan(session, *found));
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
            "{} was brought to its clusters by something else than this hub, which only approves it and jumps{}: "
            "{} it where it comes from (Argo CD, kubectl …)",
            rollout, action == apis::action::kUndo ? " (undo --fast is a jump)" : "", to_lower(action)));
        co_return kRefused;
    }
    if (fast) {
        auto const object = co_await plan_of(session, rollout, attached, *chosen);
        if (!object) co_return object.error();
        auto const jump = as_jump(session.flags(), *object, *view, *chosen);
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
    if (targets.empty()) {
        int const code = conclude_nothing(session, rows, asked, rollout);
        co_await tell_of_group(session, action, rollout);
        co_return code;
    }
    warn(rows);
    Value const object = decision_object(session, action, rollout, (*view)["digest"].string(), targets);
    if (session.flags().dry_run == "client") co_return print_unsent(session, action, object, std::move(rows));
    int const code = co_await submit(session, action, rollout, object, std::move(rows));
    co_return code;
}

}   // namespace aviary::amc
