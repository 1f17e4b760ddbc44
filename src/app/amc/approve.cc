#include "app/amc/approve.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apis/fleet/decision.h"
#include "apis/rollouts/rollout.h"
#include "app/amc/rows.h"
#include "app/amc/verdict.h"
#include "core/async/scope.h"
#include "core/cli/terminal.h"
#include "hub/decision/carry_out.h"
#include "hub/decision/evidence.h"
#include "hub/propagation/names.h"
#include "hub/proxy/attached.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using json::Doc;
using json::Value;

constexpr Duration kLookAgain = std::chrono::milliseconds(200);
constexpr int kAttempts = 5;

std::int64_t step_of_rollout(Doc const& rollout) { return apis::release_status(rollout)["currentStepIndex"].as_int(); }
std::size_t steps_of(Doc const& rollout) { return apis::release_steps(rollout).size(); }

std::string ahead(Doc const& rollout, std::int64_t from, Doc const& workload) {
    if (from >= static_cast<std::int64_t>(steps_of(rollout))) return "completing";
    return "moving to " + decision::step_text(rollout, from + 1, workload);
}

// Whether it is still the step, of the release, that was looked at.
bool at_target(Doc const& rollout, apis::DecisionTarget const& target) {
    return meta::uid(rollout) == target.rollout_uid && step_of_rollout(rollout) == *target.step &&
           apis::release_revision(rollout) == target.revision;
}

// What becomes of a status that was written: it is as it was looked at, what was written is there and the controller
// has not taken it up, the step is left, or somebody has changed it.
enum class After { kAsBefore, kStored, kLeft, kChanged };

After after_approval(Doc const& rollout, apis::DecisionTarget const& target) {
    if (decision::approvable(rollout) && decision::pause_of(target.cluster, rollout) == target) return After::kAsBefore;
    bool const ready = apis::release_status(rollout)["currentStepState"].as_string() == "StepReady";
    return at_target(rollout, target) && ready ? After::kStored : After::kLeft;
}

After after_jump(Doc const& rollout, Doc const& before, std::int64_t to) {
    apis::DecisionTarget const target = decision::pause_of("", before);
    bool const releasing =
        rollout.at({"status", "phase"}).as_string() == "Progressing" && !propagation::rollout_closing(rollout);
    if (!at_target(rollout, target) || !releasing) return After::kLeft;
    Doc const now = apis::release_status(rollout);
    if (now["nextStepIndex"].as_int() == to) return After::kStored;
    bool const resumable = !rollout.at({"spec", "strategy", "paused"}).as_bool();
    bool const as_seen = to < *target.step || now["lastUpdateTime"].as_string() == target.paused_since;
    bool const same = now["nextStepIndex"].as_int() == apis::release_status(before)["nextStepIndex"].as_int();
    return resumable && as_seen && same ? After::kAsBefore : After::kChanged;
}

// The next step is no jump.
bool approves(Doc const& rollout, std::int64_t to) { return to == step_of_rollout(rollout) + 1; }

// One cluster's part of an approval.
struct Part {
    client::Client client;
    Doc rollout;   // as it was looked at
    Doc workload;
    apis::DecisionTarget target;
    Row row;
    bool late = false;   // stored, and not taken up in time
};

// Sends it; Invalid when the pause is another by now.
Task<Status> send(Session const& session, client::Client const& client, meta::ObjectKey key, Value patch) {
    client::WriteOptions options;
    options.subresource = "status";
    options.dry_run = session.flags().dry_run == "server";
    CO_TRY(co_await client.patch(session.context(), apis::kRollouts, std::move(key), client::PatchType::kJson,
                                 std::move(patch), options));
    co_return Status{};
}

// It was not stored for certain.
bool refused(Error const& error) {
    return !client::no_answer(error) && !error.is(ErrorCode::kCancelled) && !error.is(ErrorCode::kInternal);
}

// Whom the member takes the caller for; empty where it does not say.
Task<std::string> caller(Session const& session, client::Client const& client) {
    auto const who = co_await client.who_am_i(session.context());
    co_return who ? (*who)["username"].string() : std::string();
}

// Writes the annotation, in the Rollout as it was read: two who approve at once do not lose each other's word.
Task<Status> annotate(Session const& session, client::Client const& client, Doc rollout, std::string text) {
    client::WriteOptions options;
    options.dry_run = session.flags().dry_run == "server";
    Value patch{json::Object()};
    patch.set({"metadata", "resourceVersion"}, meta::resource_version(rollout));
    patch.set({"metadata", "annotations", propagation::kApprovedDirectly},
              text.empty() ? Value(nullptr) : Value(std::move(text)));
    CO_TRY(co_await client.patch(session.context(), apis::kRollouts, meta::key_of(rollout), client::PatchType::kMerge,
                                 std::move(patch), options));
    co_return Status{};
}

// Keeps who approves and why in the Rollout, while it is in that pause.
Task<Status> keep_word(Session const& session, client::Client const& client, Doc rollout,
                       decision::DirectApproval approval) {
    for (int attempt = 1;; ++attempt) {
        Status const done = co_await annotate(session, client, rollout, decision::with_approval(rollout, approval));
        if (done || !done.error().is(ErrorCode::kConflict) || attempt == kAttempts) co_return done;
        CO_TRY_ASSIGN(rollout, co_await client.get(session.context(), apis::kRollouts, meta::key_of(rollout)));
        bool const there = decision::approvable(rollout) && decision::pause_of("", rollout) == approval.target;
        if (!there) co_return Status{};   // the approval finds out
    }
}

// Takes it back when the approval was refused, as well as that goes.
Task<void> take_back_word(Session const& session, client::Client const& client, meta::ObjectKey key,
                          decision::DirectApproval approval) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        auto const rollout = co_await client.get(session.context(), apis::kRollouts, key);
        if (!rollout || std::ranges::count(decision::direct_approvals(*rollout), approval) == 0) co_return;
        Status const done =
            co_await annotate(session, client, *rollout, decision::without_approval(*rollout, approval));
        if (done || !done.error().is(ErrorCode::kConflict)) co_return;
    }
}

// Until the cluster has moved on. A controller that writes status from an older copy may undo what was written: it is
// sent again, as the hub does.
Task<Status> wait_left(Session const& session, client::Client const& client, Doc before, std::int64_t to) {
    Context const ctx = Context(session.context().executor()).with_timeout(session.timeout());
    apis::DecisionTarget const target = decision::pause_of("", before);
    bool const approval = approves(before, to);
    meta::ObjectKey const key = meta::key_of(before);
    while (true) {
        auto const rollout = co_await client.get(session.context(), apis::kRollouts, key);
        if (rollout) {
            After const now = approval ? after_approval(*rollout, target) : after_jump(*rollout, before, to);
            if (now == After::kLeft) co_return Status{};
            if (now == After::kChanged) co_return fail(ErrorCode::kConflict, std::string(kMovedOn));
            if (now == After::kAsBefore) {
                Status const again = co_await send(session, client, key, step_patch(*rollout, to));
                if (!again && !overtaken(again.error())) co_return again;
            }
        } else if (!client::no_answer(rollout.error())) {
            co_return std::unexpected(rollout.error());
        }
        CO_TRY(co_await async::sleep_for(ctx, kLookAgain));
    }
}

// Who and why first, then the approval: what is not stored is known to nobody else.
Task<Status> keep_and_send(Session const& session, Part const& part) {
    std::string by = co_await caller(session, part.client);
    decision::DirectApproval const approval = decision::direct_approval(
        part.rollout, format_rfc3339(session.context().now()), std::move(by), session.flags().reason);
    Status const kept = co_await keep_word(session, part.client, part.rollout, approval);
    if (!kept)
        fmt::print(stderr,
                   "warning: {}: who approves and why is not kept in the cluster ({}): a hub that is down now will not "
                   "find this approval on return\n",
                   part.row.cluster, cli::one_line(kept.error().message()));
    meta::ObjectKey const key = meta::key_of(part.rollout);
    Status done = co_await send(session, part.client, key, step_patch(part.rollout, *part.target.step + 1));
    bool const dry = session.flags().dry_run == "server";
    if (!done && kept && !dry && refused(done.error())) co_await take_back_word(session, part.client, key, approval);
    co_return done;
}

// Into its row.
Task<void> approve_one(Context, Session const& session, Part& part) {
    Row& row = part.row;
    Status done = co_await keep_and_send(session, part);
    bool const dry = session.flags().dry_run == "server";
    if (!done) {
        not_written(row, done.error());
        co_return;
    }
    row.result = past(apis::action::kApprove);
    row.message = ahead(part.rollout, *part.target.step, part.workload);
    if (dry || !session.flags().wait) co_return;
    part.late = co_await taken_up_late(session, part.client, part.rollout, *part.target.step + 1, row);
}

// All at once: no cluster waits for another.
Task<int> approve_parts(Session session, std::string rollout, std::vector<Part> parts, std::vector<Row> rows) {
    async::Scope scope(Context(session.context().executor()));
    for (Part& part : parts) scope.spawn(approve_one(scope.context(), session, part));
    co_await scope.join();
    bool const dry = session.flags().dry_run == "server";
    for (Part const& part : parts) *std::ranges::find(rows, part.row.cluster, &Row::cluster) = part.row;
    if (!dry && count(rows, apis::action::kApprove).done > 0)
        fmt::print(stderr,
                   "note: sent without a hub; one that follows the clusters has it on record when it sees it "
                   "(kubectl amc rollout history {})\n",
                   rollout);
    bool const late = std::ranges::find(parts, true, &Part::late) != parts.end();
    co_return conclude_sent(session, rows, apis::action::kApprove, late);
}

}   // namespace

std::string problem_without_hub(Flags const& flags) {
    if (!flags.direct && flags.contexts.empty()) return {};
    std::string const flag = flags.direct ? "--direct" : "--contexts";
    if (flags.direct && !flags.contexts.empty()) return "--direct is for one --context; leave it out with --contexts";
    if (!flags.direct && !flags.context.empty())
        return "--context names a hub, and --contexts clusters without one: one of both";
    if (!flags.cluster_selector.empty() && !flags.direct)
        return "--cluster-selector is not supported without a hub, which knows the labels: choose contexts by -m";
    if (!flags.direct) return {};
    if (!flags.members.empty() || flags.all_members || !flags.cluster_selector.empty())
        return "--direct speaks to one member without the hub: name its context by --context, not -m, -M or "
               "--cluster-selector; several are reached by --contexts";
    if (flags.context.empty()) return "--direct: say which member by --context; see `kubectl config get-contexts`";
    return {};
}

std::string write_problem(Error const& error) {
    return refused(error) ? error.message() : "it may be stored or not: " + error.message();
}

void not_written(Row& row, Error const& error) {
    bool const stale = overtaken(error);
    row.result = stale ? "stale" : "failed";
    row.message = stale ? std::string(kMovedOn) : write_problem(error);
}

void not_read(Row& row, Error const& error) {
    row.result = client::no_answer(error) ? "unreachable" : "failed";
    row.message = error.message();
}

bool overtaken(Error const& error) { return error.is(ErrorCode::kInvalid) || error.is(ErrorCode::kConflict); }

Value step_patch(Doc const& rollout, std::int64_t to) {
    apis::DecisionTarget const from = decision::pause_of("", rollout);
    return approves(rollout, to) ? decision::approval_patch(rollout, from) : decision::jump_patch(rollout, from, to);
}

Task<bool> taken_up_late(Session const& session, client::Client const& client, Doc before, std::int64_t to, Row& row) {
    Status const done = co_await wait_left(session, client, before, to);
    if (done) co_return false;
    bool const late = done.error().is(ErrorCode::kTimeout);
    if (overtaken(done.error())) row.result = "stale";
    row.message = late ? fmt::format("stored; the rollout controller there has not taken it up within {}",
                                     session.flags().timeout)
                       : "stored; then: " + done.error().message();
    co_return late;
}

Task<std::expected<Looked, int>> look_without_hub(Session const& session, std::string action, std::string rollout) {
    Status fit = session.one_namespace();
    if (fit) fit = session.document_form(true);
    auto const chosen = co_await session.members(true);
    if (!fit || !chosen) {
        session.complain(fit ? chosen.error() : fit.error());
        co_return std::unexpected(kFailed);
    }
    auto views =
        co_await session.contexts().look(Context(session.context().executor()), {session.ns(), rollout}, *chosen);
    if (!views) {
        session.complain(views.error());
        co_return std::unexpected(session.failure(views.error()));
    }
    Looked looked;
    proxy::Release const release = proxy::release_among(*views);
    Doc const view = Doc::freeze(proxy::explain(release, *views));
    Flags const& flags = session.flags();
    looked.asked = {std::move(action),
                    !chosen->empty(),
                    flags.direct || !flags.members.empty(),
                    flags.step,
                    flags.to,
                    session.context().now(),
                    {},
                    true};
    looked.rows = rows_of(view, *chosen, looked.asked, std::string(kNoRolloutThere));
    looked.rollout = release.rollout;
    looked.view = view;
    looked.chosen = *chosen;
    looked.views = std::move(*views);
    co_return looked;
}

Task<int> approve_without_hub(Session session, std::string rollout) {
    auto looked = co_await look_without_hub(session, std::string(apis::action::kApprove), rollout);
    if (!looked) co_return looked.error();
    std::vector<Row>& rows = looked->rows;
    std::vector<Part> parts;
    for (proxy::ClusterView const& each : looked->views) {
        auto const row = std::ranges::find(rows, each.cluster, &Row::cluster);
        client::Client const* const client = session.contexts().client(each.cluster);
        if (row == rows.end() || !row->target || client == nullptr) continue;
        parts.push_back({*client, each.rollout, each.workload, decision::pause_of(each.cluster, each.rollout), *row});
    }
    if (parts.empty()) co_return conclude_nothing(session, rows, looked->asked, rollout);
    warn(rows);
    if (session.flags().dry_run == "client") {
        std::vector<std::pair<std::string, Value>> patches;
        for (Part const& part : parts)
            patches.emplace_back(part.row.cluster, step_patch(part.rollout, *part.target.step + 1));
        co_return conclude_printed(session, rows, apis::action::kApprove, patches);
    }
    int const code = co_await approve_parts(session, rollout, std::move(parts), std::move(rows));
    co_return code;
}

}   // namespace aviary::amc
