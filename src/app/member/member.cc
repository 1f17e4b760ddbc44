#include "app/member/member.h"

#include <algorithm>

#include "apis/fleet/controller.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/release_pods.h"
#include "apis/rollouts/rollout.h"
#include "core/async/scope.h"
#include "kube/control/controller.h"
#include "member/rollout/controllers.h"
#include "member/rollout/validation.h"
#include "member/workload/freeze.h"

namespace aviary::member {

namespace {

constexpr std::size_t kMostSeries = 20'000;   // of one name

using Admissions = std::vector<std::shared_ptr<control::Admission>>;

Admissions admissions_over(client::Client const& client, rollout::Sources& sources, std::string user) {
    bool const labelled = sources.features.labelled_kinds;
    apis::WorkloadKinds const kinds = labelled ? apis::WorkloadKinds::kLabelled : apis::WorkloadKinds::kKnown;
    return {std::make_shared<rollout::Validation>(&sources.rollouts, kinds), std::make_shared<rollout::Approvals>(user),
            std::make_shared<rollout::TrafficRoutingValidation>(),
            std::make_shared<workload::Freeze>(client, sources.rollouts, sources.workloads.replica_sets(),
                                               std::move(user), labelled)};
}

}   // namespace

struct Guards::Impl {
    Impl(client::Client const& client, std::string user, rollout::Features features)
        : sources(client, {}, features), admissions(admissions_over(client, sources, std::move(user))) {}

    rollout::Sources sources;
    Admissions admissions;
};

Guards::Guards(client::Client client, std::string user, rollout::Features features)
    : impl_(std::make_unique<Impl>(client, std::move(user), features)) {}
Guards::~Guards() = default;

Admissions const& Guards::admissions() const { return impl_->admissions; }

Task<void> Guards::run(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(impl_->sources.rollouts.run(scope.context()));
    scope.spawn(impl_->sources.workloads.replica_sets().run(scope.context()));
    co_await scope.join();
}

bool Guards::ready() const {
    return impl_->sources.rollouts.synced() && impl_->sources.workloads.replica_sets().synced();
}

struct Member::Impl {
    Impl(client::Client const& client, std::string user, std::string const& ns, rollout::Features features)
        : sources(client, ns, features),
          rollouts(rollout::make_rollout_controller(client, sources)),
          batch_releases(rollout::make_batch_release_controller(client, sources)),
          traffic_routings(rollout::make_traffic_routing_controller(client, sources)),
          histories(features.rollout_history ? rollout::make_history_controller(client, sources) : nullptr),
          roller(rollout::make_roller(client, sources)),
          admissions(admissions_over(client, sources, std::move(user))) {}

    rollout::Sources sources;
    std::unique_ptr<control::Controller> rollouts;
    std::unique_ptr<control::Controller> batch_releases;
    std::unique_ptr<control::Controller> traffic_routings;
    std::unique_ptr<control::Controller> histories;   // null: they are not kept
    std::unique_ptr<control::Controller> roller;
    Admissions admissions;
};

Member::Member(client::Client client, std::string user, std::string const& ns, rollout::Features features)
    : impl_(std::make_unique<Impl>(client, std::move(user), ns, features)) {}
Member::~Member() = default;

Admissions const& Member::admissions() const { return impl_->admissions; }

Task<void> Member::run(Context ctx) {
    async::Scope scope(ctx);
    impl_->sources.run(scope);
    scope.spawn(impl_->rollouts->run(scope.context()));
    scope.spawn(impl_->batch_releases->run(scope.context()));
    scope.spawn(impl_->traffic_routings->run(scope.context()));
    if (impl_->histories != nullptr) scope.spawn(impl_->histories->run(scope.context()));
    scope.spawn(impl_->roller->run(scope.context()));
    co_await scope.join();
}

bool Member::ready() const { return impl_->sources.synced(); }

std::vector<observe::Gauges> Member::gauges(Time now) const {
    observe::Gauges steps{"aviary_rollout_step", "The step that a release is in, 0 when there is none under way.", {}};
    observe::Gauges waited{"aviary_rollout_wait_seconds",
                           "How long a release has waited; the reason is that of kubectl amc rollout explain.",
                           {}};
    observe::Gauges pods{
        "aviary_rollout_pods", "Pods of the new version of a release under way: updated, and ready of these.", {}};
    observe::Gauges left_out{
        "aviary_rollout_series_left_out", "Rollouts that have no series, because there are too many.", {{{}, 0}}};
    for (auto const& [key, rollout] : impl_->sources.rollouts.objects()) {
        if (steps.samples.size() == kMostSeries) {
            ++left_out.samples.front().value;
            continue;
        }
        observe::Labels labels{{"namespace", key.ns}, {"rollout", key.name}};
        json::Doc const status = rollout["status"];
        bool const releasing = status["phase"].as_string() == apis::phase::kProgressing;
        std::int64_t const step = releasing ? apis::release_status(rollout)["currentStepIndex"].as_int() : 0;
        steps.samples.push_back({labels, static_cast<double>(step)});
        if (releasing) {
            for (auto const& [state, count] : apis::release_pods(rollout)) {
                pods.samples.push_back({labels, static_cast<double>(count)});
                pods.samples.back().labels["state"] = state;
            }
        }
        auto const waits = this->waits(key);
        if (waits.empty()) continue;
        control::Wait const& worst = waits.front();
        labels["reason"] = worst.reason;
        std::chrono::duration<double> const since = now - worst.since.value_or(now);
        waited.samples.push_back({std::move(labels), std::max(since.count(), 0.0)});
    }
    return {std::move(steps), std::move(waited), std::move(pods), std::move(left_out)};
}

Task<Status> announce(Context ctx, client::Client client, std::string ns) {
    meta::GroupVersionResource const maps{"", "v1", "configmaps"};
    meta::ObjectKey const key{ns, std::string(apis::kControllerRecord)};
    json::Value record = apis::write_controller_record(ns, apis::this_controller());
    CO_TRY_ASSIGN(json::Doc const there, co_await client.find(ctx, maps, key));
    if (there["data"].thaw() == record["data"]) co_return Status{};
    Result<json::Doc> written = fail(ErrorCode::kInternal, "not sent");
    if (there.exists()) {
        written = co_await client.patch(ctx, maps, key, client::PatchType::kMerge, std::move(record));
    } else {
        written = co_await client.create(ctx, maps, std::move(record));
    }
    if (!written) co_return std::unexpected(written.error());
    co_return Status{};
}

std::vector<control::Wait> Member::waits(meta::ObjectKey const& rollout) const {
    return impl_->rollouts->waits({"", rollout});
}

}   // namespace aviary::member
