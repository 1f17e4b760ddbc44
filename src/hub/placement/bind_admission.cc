#include "hub/placement/bind_admission.h"

#include <utility>

#include "apis/cluster/managed_cluster_set.h"
#include "apis/rollouts/validate.h"

namespace aviary::placement {

namespace {

using control::AdmissionRequest;
using control::Operation;

class BindAdmission final : public control::Admission {
public:
    explicit BindAdmission(std::shared_ptr<control::AccessReviewer> reviewer) : reviewer_(std::move(reviewer)) {}

    std::string_view name() const override { return "cluster-sets"; }

    bool matches(AdmissionRequest const& request) const override {
        return request.subresource.empty() && request.operation != Operation::kDelete &&
               apis::is_of_cluster_sets(request.resource);
    }

    Task<Status> validate(Context ctx, AdmissionRequest const& request) override {
        CO_TRY(apis::refuse(is_set(request) ? apis::validate_cluster_set(request.object)
                                            : apis::validate_cluster_set_binding(request.object),
                            request.resource.group, request.kind, request.key.name));
        std::string const set = request.object.at({"spec", "clusterSet"}).string();
        if (is_set(request) || request.old_object.at({"spec", "clusterSet"}).as_string() == set) co_return Status{};
        co_return co_await reviewer_->check(ctx, request.user,
                                            {.verb = "create",
                                             .group = apis::kManagedClusterSets.group,
                                             .resource = apis::kManagedClusterSets.resource,
                                             .subresource = "bind",
                                             .name = set});
    }

private:
    static bool is_set(AdmissionRequest const& request) {
        return request.resource.resource == apis::kManagedClusterSets.resource;
    }

    std::shared_ptr<control::AccessReviewer> reviewer_;
};

}   // namespace

std::shared_ptr<control::Admission> make_bind_admission(std::shared_ptr<control::AccessReviewer> reviewer) {
    return std::make_shared<BindAdmission>(std::move(reviewer));
}

}   // namespace aviary::placement
