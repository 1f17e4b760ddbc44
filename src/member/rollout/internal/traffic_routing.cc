// The state machine of one TrafficRouting: routed while a release holds it, put back after the last one.
#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/traffic_routing.h"
#include "apis/rollouts/validate.h"
#include "kube/control/events.h"
#include "kube/meta/object.h"
#include "member/rollout/decide.h"
#include "member/rollout/internal/status_write.h"
#include "member/workload/json_patch.h"

namespace aviary::rollout {

namespace {

using control::Write;
using json::Doc;
using json::Value;
using traffic::Outcome;

// What somebody else changes back is not argued about more often than that.
constexpr Duration kRepairInterval = std::chrono::seconds(10);

class RoutingMachine {
public:
    RoutingMachine(TrafficRoutingSeen const& seen, Time now)
        : seen_(seen), object_(seen.traffic_routing), now_(now), rests_since_(seen.rests_since) {}

    TrafficRoutingDecision run() {
        auto routing = apis::read_traffic_routing(object_);
        if (!routing) {
            wait("Invalid", routing.error().message(), "the TrafficRouting is put right");
            return {std::move(plan_), {}};
        }
        routing_ = std::move(*routing);
        status_ = routing_.status;
        status_.observed_generation = meta::generation(object_);
        if (meta::is_deleting(object_) && status_.phase != apis::phase::kTerminating)
            enter(apis::phase::kTerminating, apis::routing_message::kTerminating);
        while (transition()) {
        }
        if (!trouble_.empty()) report();
        if (status_ != routing_.status) {
            plan_.writes.push_back(
                status_write(object_, apis::kTrafficRoutings, apis::write_traffic_routing_status(routing_.status),
                             apis::write_traffic_routing_status(status_), {{"status", "phase"}, {"metadata", "uid"}}));
        }
        mark();
        for (Write& each : routes_) plan_.writes.push_back(std::move(each));
        return {std::move(plan_), rests_since_};
    }

private:
    // Whether another one may follow at once.
    bool transition() {
        std::string const& phase = status_.phase;
        if (phase == apis::phase::kTerminating) {
            done_ = put_back() && known_everywhere();
            return false;
        }
        if (phase == apis::phase::kProgressing) {
            if (held()) return route();
            return enter(apis::phase::kFinalizing, apis::routing_message::kFinalizing);
        }
        if (phase == apis::phase::kFinalizing)
            return put_back() && known_everywhere() && enter(apis::phase::kHealthy, apis::routing_message::kHealthy);
        if (phase == apis::phase::kHealthy)
            return held() && enter(apis::phase::kProgressing, apis::routing_message::kProgressing);
        if (phase == apis::phase::kInitial) {
            trouble_ = wanted().trouble;
            return trouble_.empty() && enter(apis::phase::kHealthy, apis::routing_message::kHealthy);
        }
        return enter(apis::phase::kInitial, apis::routing_message::kInitial);
    }

    bool enter(std::string_view phase, std::string_view message) {
        status_.phase = phase;
        status_.message = message;
        rests_since_.reset();
        return true;
    }

    bool held() const {
        return std::ranges::any_of(apis::holders_of(object_), [this](std::string const& name) {
            return std::ranges::find(seen_.strays, name) == seen_.strays.end();
        });
    }

    // Always false: it waits for its holders.
    bool route() {
        Outcome outcome = wanted();
        trouble_ = std::move(outcome.trouble);
        if (trouble_.empty()) status_.message = apis::routing_message::kProgressing;
        Time const repair = rests_since_.value_or(Time::min()) + kRepairInterval;
        if (outcome.writes.empty()) {
            if (trouble_.empty() && !rests_since_) rests_since_ = now_;
        } else if (rests_since_ && now_ < repair) {
            plan_.requeue_at(repair, "somebody has changed a route back");
        } else {
            rests_since_.reset();
            routes_ = std::move(outcome.writes);
        }
        return false;
    }

    // Whether everything is as it was.
    bool put_back() {
        Outcome outcome = routing_.spec.object_ref.empty() ? Outcome() : traffic().restore_routes();
        trouble_ = std::move(outcome.trouble);
        routes_ = std::move(outcome.writes);
        bool const rests = trouble_.empty() && routes_.empty();
        if (!rests) rests_since_.reset();
        if (rests && !rests_since_) rests_since_ = now_;
        if (trouble_.empty()) {
            bool const deleting = status_.phase == apis::phase::kTerminating;
            status_.message = deleting ? apis::routing_message::kTerminating : apis::routing_message::kFinalizing;
        }
        return rests;
    }

    bool known_everywhere() {
        if (routing_.status.phase != status_.phase) return false;   // on record first
        Time const until = rests_since_.value_or(now_) + traffic().grace();
        if (until <= now_) return true;
        plan_.requeue_at(until, "gracePeriodSeconds");
        return false;
    }

    traffic::Traffic traffic() const {
        traffic::Setup setup;
        if (!routing_.spec.object_ref.empty()) setup.routing = routing_.spec.object_ref.front();
        setup.owner = meta::key_of(object_);
        setup.reference = json::Object{{"apiVersion", apis::kTrafficRoutings.api_version()},
                                       {"kind", "TrafficRouting"},
                                       {"name", meta::name(object_)},
                                       {"uid", meta::uid(object_)},
                                       {"controller", true},
                                       {"blockOwnerDeletion", true}};
        setup.generates = false;
        return {std::move(setup), seen_.traffic, now_};
    }

    Outcome wanted() const {
        Doc const spec = object_["spec"];
        auto const causes = apis::validate_traffic_routing(object_.thaw(), {});
        if (!causes.empty())
            return {.writes = {}, .trouble = fmt::format("{}: {}", causes.front().field, causes.front().message)};
        Doc const strategy = spec["strategy"];
        if (!routing_.spec.strategy.weight && strategy["matches"].size() == 0) return {};
        return traffic().route(routing_.spec.strategy.weight, strategy["matches"], strategy["requestHeaderModifier"]);
    }

    void report() {
        status_.message = fmt::format("{}{}", apis::kNotRouted, trouble_);
        wait("TrafficNotRouted", trouble_, "it is put right");
        if (status_.message != routing_.status.message)
            plan_.events.push_back(
                control::event_about(object_, control::kWarning, "TrafficNotRouted", status_.message));
    }

    // The finalizers: its own until everything is put back, and those of holders that there are.
    void mark() {
        bool const keeps = !meta::is_deleting(object_) || !done_;
        Value list{json::Array()};
        bool there = false;
        for (auto const& [index, each] : object_.at({"metadata", "finalizers"}).elements()) {
            std::string_view const text = each.as_string();
            bool const stray = std::ranges::any_of(seen_.strays, [&](std::string const& name) {
                return text == fmt::format("{}{}", apis::kHolderFinalizers, name);
            });
            bool const own = text == apis::kTrafficRoutingFinalizer;
            there |= own;
            if (!stray && (keeps || !own)) list.push_back(text);
        }
        // None can be put on what is being deleted.
        if (!there && !meta::is_deleting(object_)) list.push_back(apis::kTrafficRoutingFinalizer);
        workload::JsonPatch patch(object_);
        patch.test({"metadata", "finalizers"});
        patch.test({"metadata", "uid"});
        if (list == object_.at({"metadata", "finalizers"}).thaw()) return;
        patch.set({"metadata", "finalizers"}, std::move(list));
        plan_.writes.push_back(workload::as_write(std::move(patch), apis::kTrafficRoutings, "finalizers"));
    }

    void wait(std::string reason, std::string message, std::string ends_when) {
        plan_.waits.push_back(
            {std::move(reason), std::move(message), std::nullopt, std::move(ends_when), "release owner"});
    }

    TrafficRoutingSeen const& seen_;
    Doc const& object_;
    Time now_;
    apis::TrafficRouting routing_;
    apis::TrafficRoutingStatus status_;
    control::Plan plan_;
    std::vector<Write> routes_;
    std::string trouble_;
    bool done_ = false;   // of a deleted one: nothing is left to put back
    std::optional<Time> rests_since_;
};

}   // namespace

TrafficRoutingDecision decide_traffic_routing(TrafficRoutingSeen const& seen, Time now) {
    if (!seen.traffic_routing.exists()) return {};
    return RoutingMachine(seen, now).run();
}

}   // namespace aviary::rollout
