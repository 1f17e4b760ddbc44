#include "hub/decision/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "apis/fleet/decision.h"
#include "core/async/scope.h"
#include "core/base/strings.h"

namespace aviary::decision {

namespace {

constexpr Duration kExpires = std::chrono::hours(1);
constexpr std::size_t kAskedAtOnce = 32;   // within the five seconds that API servers give a webhook
constexpr Duration kExpiresAtMost = std::chrono::hours(24);
// What ends objects in a Kubernetes; other accounts of kube-system are people's.
constexpr std::string_view kControllers[] = {"system:serviceaccount:kube-system:generic-garbage-collector",
                                             "system:serviceaccount:kube-system:namespace-controller"};

class DecisionAdmission final : public control::Admission {
public:
    DecisionAdmission(std::shared_ptr<control::AccessReviewer> reviewer, std::string hub_user)
        : reviewer_(std::move(reviewer)), hub_user_(std::move(hub_user)) {}

    std::string_view name() const override { return "decisions"; }
    bool matches(control::AdmissionRequest const& request) const override {
        return request.resource.resource == "decisions" && request.resource.group == apis::kDecisions.group;
    }

    Task<Status> mutate(Context ctx, control::AdmissionRequest& request) override {
        if (request.operation == control::Operation::kUpdate) keep_stamps(request);
        if (request.operation != control::Operation::kCreate) co_return Status{};
        if (json::Value const& spec = request.object["spec"]; spec["expiresAt"].as_string().empty())
            request.object.set({"spec", "expiresAt"}, format_rfc3339(ctx.now() + kExpires));
        // A hub that is recovered brings back what it once had from people.
        if (by_hub(request) && restoring(request)) co_return Status{};
        // Who did it in the member, the hub cannot know.
        if (by_hub(request) && recording(request)) {
            request.object["spec"].erase("requester");
            co_return Status{};
        }
        json::Array groups;
        for (std::string const& group : request.user.groups) groups.push_back(group);
        request.object.set({"spec", "requester"}, json::Object{{"username", request.user.name}, {"groups", groups}});
        co_return Status{};
    }

    Task<Status> validate(Context ctx, control::AdmissionRequest const& request) override {
        bool const machinery = by_hub(request) || std::ranges::count(kControllers, request.user.name) > 0;
        if (request.operation == control::Operation::kUpdate) {
            if (!machinery && !says_the_same(request))
                co_return fail(ErrorCode::kForbidden,
                               "decisions are written once and carried out by the hub: create a new one instead");
            if (!(request.object["spec"] == request.old_object["spec"].thaw()))
                co_return fail(ErrorCode::kForbidden, "spec of a Decision is immutable");
            co_return Status{};
        }
        if (request.operation == control::Operation::kDelete) {
            if (machinery) co_return Status{};
            co_return fail(ErrorCode::kForbidden,
                           "decisions are kept for the record: the hub deletes finished ones after 30 days");
        }
        CO_TRY(check_words(request.object["spec"], ctx.now()));
        if (recording(request)) {
            if (by_hub(request)) co_return Status{};
            co_return fail(
                ErrorCode::kForbidden,
                fmt::format("spec.selection: {} is for the hub, which records by it what it has seen in a member",
                            apis::kInMember));
        }
        if (by_hub(request) && restoring(request)) {
            json::Value const requester = std::as_const(request.object).at({"spec", "requester"});
            control::UserInfo person{requester["username"].string(), {}, {}};
            for (json::Value const& group : requester["groups"].array()) person.groups.push_back(group.string());
            co_return co_await check_user(ctx, request, std::move(person));
        }
        co_return co_await check_user(ctx, request, request.user);
    }

private:
    static bool restoring(control::AdmissionRequest const& request) {
        return !recording(request) &&
               !std::as_const(request.object).at({"spec", "requester", "username"}).as_string().empty();
    }
    bool by_hub(control::AdmissionRequest const& request) const { return request.user.name == hub_user_; }
    static bool recording(control::AdmissionRequest const& request) {
        return std::as_const(request.object).at({"spec", "selection"}).as_string() == apis::kInMember;
    }

    // What was stamped is in no manifest: who applies that again must not take it away by leaving it out.
    static void keep_stamps(control::AdmissionRequest& request) {
        json::Value& spec = request.object["spec"];
        for (char const* field : {"requester", "expiresAt"}) {
            json::Doc const stamped = request.old_object.at({"spec", field});
            if (stamped.exists() && std::as_const(spec)[field].is_null()) spec[field] = stamped.thaw();
        }
    }

    // What applies a Decision from Git does so again and again.
    static bool says_the_same(control::AdmissionRequest const& request) {
        json::Value const& now = request.object;
        json::Value const before = request.old_object.thaw();
        auto const kept = [&](std::string_view field) {
            return now.at({"metadata", field}) == before.at({"metadata", field});
        };
        return now["spec"] == before["spec"] && now["status"] == before["status"] && kept("finalizers") &&
               kept("ownerReferences");
    }

    // Bound to what the person saw: what is not said cannot be compared.
    static Status check_words(json::Value const& spec, Time now) {
        std::string const action = spec["action"].string();
        if (action == apis::action::kReject)
            return fail(ErrorCode::kUnsupported, "spec.action: Reject is not supported: Abort takes a release back");
        if (action == apis::action::kRetry)
            return fail(ErrorCode::kUnsupported,
                        "spec.action: Retry is not supported: what failed is tried again by itself");
        if (spec["targets"].size() == 0)
            return fail(ErrorCode::kInvalid, "spec.targets: Required value: name at least one cluster");
        auto const expires = parse_rfc3339(spec["expiresAt"].as_string());
        if (!expires || *expires > now + kExpiresAtMost)
            return fail(ErrorCode::kInvalid, "spec.expiresAt: Invalid value: a time within the next 24 hours");
        bool const goes_back = action == apis::action::kUndo || action == apis::action::kAbort;
        if (goes_back && spec.at({"release", "digest"}).as_string().empty())
            return fail(ErrorCode::kInvalid, "spec.release.digest: Required value: which release this is about");
        bool const jumps = action == apis::action::kJump;
        if (jumps && spec["toStep"].as_int() < 1)
            return fail(ErrorCode::kInvalid, "spec.toStep: Required value: the step to jump to; they count from 1");
        if (!jumps && !spec["toStep"].is_null())
            return fail(ErrorCode::kInvalid, fmt::format("spec.toStep: Forbidden: {} goes to no step", action));
        std::set<std::string_view> named;
        for (std::size_t index = 0; index < spec["targets"].size(); ++index) {
            json::Value const& target = spec["targets"][index];
            if (!named.insert(target["cluster"].as_string()).second)
                return fail(ErrorCode::kInvalid, fmt::format("spec.targets[{}].cluster: Duplicate value", index));
            if (action != apis::action::kApprove && !jumps) continue;
            for (char const* field : {"rolloutUID", "step", "revision"}) {
                if (target[field].is_null() || (target[field].is_string() && target[field].as_string().empty())) {
                    return fail(ErrorCode::kInvalid,
                                fmt::format("spec.targets[{}].{}: Required value: {}", index, field,
                                            jumps ? "a jump says from where" : "an approval says what it approves"));
                }
            }
        }
        return {};
    }

    // Whether it is a jump past pauses that somebody would have to approve.
    static bool leads_on(json::Value const& spec) {
        if (spec["action"].as_string() != apis::action::kJump) return false;
        return std::ranges::any_of(spec["targets"].array(), [&spec](json::Value const& target) {
            return target["step"].as_int() < spec["toStep"].as_int();
        });
    }

    Task<Status> check_user(Context ctx, control::AdmissionRequest const& request, control::UserInfo person) const {
        json::Value const& spec = request.object["spec"];
        control::Attributes const on_rollout{.verb = to_lower(spec["action"].as_string()),
                                             .group = "rollouts.kruise.io",
                                             .resource = "rollouts",
                                             .ns = request.key.ns,
                                             .name = spec.at({"rolloutRef", "name"}).string()};
        CO_TRY(co_await reviewer_->check(ctx, person, on_rollout));
        if (leads_on(spec)) {   // as an approval does
            control::Attributes approval = on_rollout;
            approval.verb = to_lower(apis::action::kApprove);
            CO_TRY(co_await reviewer_->check(ctx, person, approval));
        }
        // Most who may act in one cluster may in all: one question instead of hundreds.
        json::Array const& targets = spec["targets"].array();
        if (targets.size() > 1) {
            auto const everywhere = co_await reviewer_->allowed(ctx, person, on_cluster({}));
            if (everywhere.value_or(false)) co_return Status{};
        }
        for (std::size_t begin = 0; begin < targets.size(); begin += kAskedAtOnce) {
            std::size_t const count = std::min(kAskedAtOnce, targets.size() - begin);
            std::vector<Status> answers(count);
            async::Scope scope(ctx);
            for (std::size_t index = 0; index < count; ++index) {
                std::string cluster = targets[begin + index]["cluster"].string();
                scope.spawn(check_cluster(scope.context(), person, std::move(cluster), answers[index]));
            }
            co_await scope.join();
            for (Status const& answer : answers) CO_TRY(answer);
        }
        co_return Status{};
    }

    // Without a name: in every cluster.
    static control::Attributes on_cluster(std::string name) {
        return {.verb = "act",
                .group = "cluster.open-cluster-management.io",
                .resource = "managedclusters",
                .name = std::move(name)};
    }

    Task<void> check_cluster(Context ctx, control::UserInfo user, std::string cluster, Status& answer) const {
        answer = co_await reviewer_->check(ctx, std::move(user), on_cluster(std::move(cluster)));
    }

    std::shared_ptr<control::AccessReviewer> reviewer_;
    std::string hub_user_;
};

}   // namespace

std::shared_ptr<control::Admission> make_decision_admission(std::shared_ptr<control::AccessReviewer> reviewer,
                                                            std::string hub_user) {
    return std::make_shared<DecisionAdmission>(std::move(reviewer), std::move(hub_user));
}

}   // namespace aviary::decision
