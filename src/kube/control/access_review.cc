#include "kube/control/access_review.h"

#include <map>
#include <string>
#include <utility>

#include "core/json/write.h"

namespace aviary::control {

namespace {

using json::Array;
using json::Object;
using json::Value;

meta::GroupVersionResource const kReviews{"authorization.k8s.io", "v1", "subjectaccessreviews"};

class InProcess final : public AccessReviewer {
public:
    explicit InProcess(Authorizer const& authorizer) : authorizer_(authorizer) {}
    Task<Result<bool>> allowed(Context, UserInfo user, Attributes attributes) override {
        co_return authorizer_.allowed(user, attributes);
    }

private:
    Authorizer const& authorizer_;
};

Value review_of(UserInfo const& user, Attributes const& attributes) {
    Value spec{Object{{"user", user.name}}};
    Array groups(user.groups.begin(), user.groups.end());
    if (!groups.empty()) spec["groups"] = std::move(groups);
    for (auto const& [key, value] : user.extra) spec["extra"][key].push_back(value);
    Value& wanted = spec[attributes.path.empty() ? "resourceAttributes" : "nonResourceAttributes"];
    for (auto const& [key, value] : {std::pair<char const*, std::string const&>("verb", attributes.verb),
                                     {"group", attributes.group},
                                     {"resource", attributes.resource},
                                     {"subresource", attributes.subresource},
                                     {"namespace", attributes.ns},
                                     {"name", attributes.name},
                                     {"path", attributes.path}}) {
        if (!value.empty()) wanted[key] = value;
    }
    return Object{
        {"apiVersion", "authorization.k8s.io/v1"}, {"kind", "SubjectAccessReview"}, {"spec", std::move(spec)}};
}

class ByReview final : public AccessReviewer {
public:
    explicit ByReview(client::Client client) : client_(std::move(client)) {}

    Task<Result<bool>> allowed(Context ctx, UserInfo user, Attributes attributes) override {
        Value review = review_of(user, attributes);
        std::string const question = json::write_canonical(review["spec"]);
        if (auto const known = kept_.find(question); known != kept_.end() && known->second.until > ctx.monotonic())
            co_return known->second.allowed;
        auto const answer = co_await client_.create(ctx, kReviews, std::move(review));
        if (!answer) co_return std::unexpected(answer.error().context("asking who may do this"));
        bool const allowed = answer->at({"status", "allowed"}).as_bool();
        make_room(ctx.monotonic());
        kept_[question] = {ctx.monotonic() + kReviewKept, allowed};
        co_return allowed;
    }

private:
    struct Kept {
        MonotonicTime until;   // wall clocks are put back now and then
        bool allowed = false;
    };
    void make_room(MonotonicTime now) {
        if (kept_.size() < kReviewsKept) return;
        std::erase_if(kept_, [now](auto const& entry) { return entry.second.until <= now; });
        if (kept_.size() >= kReviewsKept) kept_.clear();
    }

    client::Client client_;
    std::map<std::string, Kept> kept_;
};

}   // namespace

Task<Status> AccessReviewer::check(Context ctx, UserInfo user, Attributes attributes) {
    CO_TRY_ASSIGN(bool const may, co_await allowed(ctx, user, attributes));
    if (may) co_return Status{};
    co_return std::unexpected(forbidden(user, attributes));
}

std::shared_ptr<AccessReviewer> make_reviewer(Authorizer const& authorizer) {
    return std::make_shared<InProcess>(authorizer);
}

std::shared_ptr<AccessReviewer> make_subject_access_reviewer(client::Client client) {
    return std::make_shared<ByReview>(std::move(client));
}

}   // namespace aviary::control
