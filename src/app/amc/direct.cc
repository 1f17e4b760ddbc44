// approve --direct: the hub's own patch, sent to one member without the hub, for when that is gone.
#include "app/amc/direct.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/rollout.h"
#include "app/amc/rows.h"
#include "app/amc/session.h"
#include "core/cli/terminal.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "hub/decision/carry_out.h"
#include "hub/decision/evidence.h"
#include "hub/propagation/names.h"
#include "hub/propagation/release_state.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using json::Doc;
using json::Value;

constexpr Duration kLookAgain = std::chrono::milliseconds(200);
constexpr int kAttempts = 5;
meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};

Doc canary(Doc const& rollout) { return rollout.at({"status", "canaryStatus"}); }
std::int64_t step_of_rollout(Doc const& rollout) { return canary(rollout)["currentStepIndex"].as_int(); }
std::size_t steps_of(Doc const& rollout) { return rollout.at({"spec", "strategy", "canary", "steps"}).size(); }

// How many pods the Deployment is to have there; 0: not known.
Task<std::int64_t> replicas_of(Session const& session, Doc rollout) {
    auto const [kind, key] = propagation::workload_of(rollout);
    if (kind.kind != "Deployment") co_return 0;
    auto const found = co_await session.hub().get(session.context(), kDeployments, {session.ns(), key.name});
    co_return found ? found->at({"spec", "replicas"}).as_int() : 0;
}

// "moving to 50% (5 of 10 pods)"
std::string ahead(Doc const& rollout, std::int64_t from, std::int64_t replicas) {
    if (from >= static_cast<std::int64_t>(steps_of(rollout))) return "completing";
    if (replicas == 0) return fmt::format("moving to step {}", from + 1);
    return "moving to " + decision::step_text(rollout, from + 1, replicas);
}

// What becomes of the pause that was approved: it is as it was, it is left, or the controller has not taken it up.
enum class After { kPaused, kStored, kLeft };
After after(Doc const& rollout, apis::DecisionTarget const& target) {
    if (decision::approvable(rollout) && decision::pause_of(target.cluster, rollout) == target) return After::kPaused;
    bool const there = meta::uid(rollout) == target.rollout_uid && step_of_rollout(rollout) == *target.step &&
                       canary(rollout)["canaryRevision"].as_string() == target.revision;
    return there && canary(rollout)["currentStepState"].as_string() == "StepReady" ? After::kStored : After::kLeft;
}

// Sends it; Invalid when the pause is another by now.
Task<Status> send(Session const& session, meta::ObjectKey key, Value patch) {
    client::WriteOptions options;
    options.subresource = "status";
    options.dry_run = session.flags().dry_run == "server";
    CO_TRY(co_await session.hub().patch(session.context(), apis::kRollouts, std::move(key), client::PatchType::kJson,
                                        std::move(patch), options));
    co_return Status{};
}

// It was not stored for certain.
bool refused(Error const& error) {
    return !error.is(ErrorCode::kUnavailable) && !error.is(ErrorCode::kTimeout) && !error.is(ErrorCode::kCancelled) &&
           !error.is(ErrorCode::kInternal);
}

// The pause was another when it arrived.
bool overtaken(Error const& error) { return error.is(ErrorCode::kInvalid) || error.is(ErrorCode::kConflict); }

// Whom the member takes the caller for; empty where it does not say.
Task<std::string> caller(Session const& session) {
    auto const who = co_await session.hub().who_am_i(session.context());
    co_return who ? (*who)["username"].string() : std::string();
}

// Writes the annotation, in the Rollout as it was read: two who approve at once do not lose each other's word.
Task<Status> annotate(Session const& session, Doc rollout, std::string text) {
    client::WriteOptions options;
    options.dry_run = session.flags().dry_run == "server";
    Value patch{json::Object()};
    patch.set({"metadata", "resourceVersion"}, meta::resource_version(rollout));
    patch.set({"metadata", "annotations", propagation::kApprovedDirectly},
              text.empty() ? Value(nullptr) : Value(std::move(text)));
    CO_TRY(co_await session.hub().patch(session.context(), apis::kRollouts, meta::key_of(rollout),
                                        client::PatchType::kMerge, std::move(patch), options));
    co_return Status{};
}

// Keeps who approves and why in the Rollout, while it is in that pause.
Task<Status> keep_word(Session const& session, Doc rollout, decision::DirectApproval approval) {
    for (int attempt = 1;; ++attempt) {
        Status const done = co_await annotate(session, rollout, decision::with_approval(rollout, approval));
        if (done || !done.error().is(ErrorCode::kConflict) || attempt == kAttempts) co_return done;
        CO_TRY_ASSIGN(rollout, co_await session.hub().get(session.context(), apis::kRollouts, meta::key_of(rollout)));
        bool const there = decision::approvable(rollout) && decision::pause_of("", rollout) == approval.target;
        if (!there) co_return Status{};   // the approval finds out
    }
}

// Takes it back when the approval was refused, as well as that goes.
Task<void> take_back_word(Session const& session, meta::ObjectKey key, decision::DirectApproval approval) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        auto const rollout = co_await session.hub().get(session.context(), apis::kRollouts, key);
        if (!rollout || std::ranges::count(decision::direct_approvals(*rollout), approval) == 0) co_return;
        Status const done = co_await annotate(session, *rollout, decision::without_approval(*rollout, approval));
        if (done || !done.error().is(ErrorCode::kConflict)) co_return;
    }
}

// Until the cluster has moved on. A controller that writes status from an older copy may undo the approval: it is sent
// again, as the hub does.
Task<Status> wait_left(Session const& session, meta::ObjectKey key, apis::DecisionTarget target) {
    Context const ctx = Context(session.context().executor()).with_timeout(session.timeout());
    while (true) {
        auto const rollout = co_await session.hub().get(session.context(), apis::kRollouts, key);
        if (rollout) {
            After const now = after(*rollout, target);
            if (now == After::kLeft) co_return Status{};
            if (now == After::kPaused) {
                Status const again = co_await send(session, key, decision::approval_patch(*rollout, target));
                if (!again && !overtaken(again.error())) co_return again;
            }
        } else if (!rollout.error().is(ErrorCode::kUnavailable)) {
            co_return std::unexpected(rollout.error());
        }
        CO_TRY(co_await async::sleep_for(ctx, kLookAgain));
    }
}

void print_row(Session const& session, Row const& row) {
    cli::TableStyle style = session.style();
    style.gutter = 2;
    style.min_width = 0;
    cli::Table table({"CLUSTER", "STEP", "RESULT", "MESSAGE"}, style);
    table.add({row.cluster, row.step, row.result, row.message});
    session.print(table);
}

// The member's Rollout. An Error says what is wrong with the cluster, too.
Task<Result<Doc>> read_member(Session const& session, std::string rollout) {
    auto const fleet = co_await session.read("/apis/fleet.aviary.dev");
    if (fleet)
        co_return fail(ErrorCode::kInvalid,
                       fmt::format("context {} is a hub: leave --direct out, or name a member's context",
                                   session.flags().context));
    if (!fleet.error().is(ErrorCode::kNotFound)) co_return std::unexpected(fleet.error());
    auto found = co_await session.hub().get(session.context(), apis::kRollouts, {session.ns(), rollout});
    if (!found && found.error().message() == "the server could not find the requested resource")
        co_return fail(ErrorCode::kNotFound, fmt::format("context {} serves no Rollouts: it is no member that releases",
                                                         session.flags().context));
    co_return std::move(found);
}

// Who and why first, then the approval: what is not stored is known to nobody else.
Task<Status> keep_and_send(Session const& session, Doc rollout, apis::DecisionTarget target) {
    std::string by = co_await caller(session);
    decision::DirectApproval const approval = decision::direct_approval(
        rollout, format_rfc3339(session.context().now()), std::move(by), session.flags().reason);
    Status const kept = co_await keep_word(session, rollout, approval);
    if (!kept)
        fmt::print(
            stderr,
            "warning: who approves and why is not kept in the cluster ({}): a hub that is down now will not find "
            "this approval on return\n",
            cli::one_line(kept.error().message()));
    meta::ObjectKey const key = meta::key_of(rollout);
    Status done = co_await send(session, key, decision::approval_patch(rollout, target));
    bool const dry = session.flags().dry_run == "server";
    if (!done && kept && !dry && refused(done.error())) co_await take_back_word(session, key, approval);
    co_return done;
}

// Stored, or refused because the pause is another by now; prints the row. The exit code.
Task<int> send_and_tell(Session session, Doc rollout, apis::DecisionTarget target, Row row) {
    meta::ObjectKey const key = meta::key_of(rollout);
    Status done = co_await keep_and_send(session, rollout, target);
    if (!done && overtaken(done.error())) {
        row.result = "stale";
        row.message = "the cluster has moved on since it was looked at";
        print_row(session, row);
        session.complain("1 refused");
        co_return kRefused;
    }
    if (!done) {
        session.complain(done.error());
        co_return kFailed;
    }
    bool const dry = session.flags().dry_run == "server";
    std::int64_t const replicas = co_await replicas_of(session, rollout);
    row.result = dry ? "approved (server dry run)" : "approved";
    row.message = ahead(rollout, *target.step, replicas);
    if (!dry && session.flags().wait) done = co_await wait_left(session, key, target);
    print_row(session, row);
    if (!dry)
        fmt::print(stderr,
                   "note: sent without the hub, which files it when it is there (kubectl amc rollout history {})\n",
                   key.name);
    if (done) co_return kDone;
    if (!done.error().is(ErrorCode::kTimeout)) {
        session.complain(done.error());
        co_return kFailed;
    }
    session.complain(fmt::format("the rollout controller there has not taken it up within {}; it is stored",
                                 session.flags().timeout));
    co_return kTimeout;
}

}   // namespace

std::string direct_problem(std::string_view action, Flags const& flags, std::string const& rollout) {
    std::string const where =
        fmt::format("kubectl --context {} -n {}", flags.context.empty() ? "MEMBER" : flags.context,
                    flags.ns.empty() ? "NAMESPACE" : flags.ns);
    std::string const until =
        "; the hub, when it is back, puts its own there again unless the object is annotated "
        "fleet.aviary.dev/hold=<until>;<who>;<why>";
    if (action == apis::action::kPause || action == apis::action::kResume) {
        return fmt::format(
            "--direct is for approve. In a member itself: {} patch rollouts.rollouts.kruise.io {} --type=merge -p "
            "'{{\"spec\":{{\"strategy\":{{\"paused\":{}}}}}}}'{}",
            where, Session::object_name(rollout), action == apis::action::kPause, until);
    }
    if (action != apis::action::kApprove) {
        return fmt::format(
            "--direct is for approve. In a member itself the old version is put back into the workload: {} set image "
            "deployment/NAME CONTAINER=IMAGE{}",
            where, until);
    }
    if (!flags.members.empty() || flags.all_members || !flags.cluster_selector.empty())
        return "--direct speaks to one member without the hub: name its context by --context, not -m, -M or "
               "--cluster-selector";
    if (flags.context.empty()) return "--direct: say which member by --context; see `kubectl config get-contexts`";
    return {};
}

Row look_directly(std::string const& cluster, Doc const& rollout, std::int64_t step) {
    Row row{cluster, "-", "not-yet", "", false};
    std::int64_t const at = step_of_rollout(rollout);
    std::string_view const phase = rollout.at({"status", "phase"}).as_string();
    std::string_view const state = canary(rollout)["currentStepState"].as_string();
    if (at > 0) row.step = fmt::format("{}/{}", at, steps_of(rollout));
    if (rollout.at({"spec", "strategy", "paused"}).as_bool()) {
        row.message = "paused by somebody: spec.strategy.paused is to be false first";
        row.why = Row::Why::kStopped;
    } else if (!decision::approvable(rollout)) {
        std::string_view const why = phase.empty()            ? "it has no status yet"
                                     : phase != "Progressing" ? phase
                                     : state == "StepPaused"  ? "it is being ended"
                                                              : state;
        row.message = fmt::format("not paused: {}", why);
    } else if (step > 0 && at != step) {
        row.result = "refused";
        row.message = fmt::format("it is at step {}, not {}", at, step);
    } else {
        row.target = true;
    }
    return row;
}

Task<int> approve_directly(Session session, std::string rollout) {
    Status const one = session.one_namespace();
    if (!one) {
        session.complain(one.error());
        co_return kFailed;
    }
    auto const found = co_await read_member(session, Session::object_name(rollout));
    if (!found) {
        session.complain(found.error());
        co_return kFailed;
    }
    Flags const& flags = session.flags();
    Row row = look_directly(flags.context, *found, flags.step);
    if (!row.target) {
        print_row(session, row);
        session.complain(row.result == "refused" ? "1 refused" : "nothing is paused at a step there");
        co_return kRefused;
    }
    apis::DecisionTarget const target = decision::pause_of(flags.context, *found);
    if (flags.dry_run == "client") {
        Value const patch = decision::approval_patch(*found, target);
        session.print(flags.output == "json" ? json::write_pretty(patch) + "\n" : yaml::write(patch));
        co_return kDone;
    }
    int const code = co_await send_and_tell(session, *found, target, std::move(row));
    co_return code;
}

}   // namespace aviary::amc
