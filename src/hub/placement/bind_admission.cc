#include "hub/placement/bind_admission.h"

#include <fmt/format.h>

#include <utility>

#include "apis/cluster/managed_cluster_set.h"
#include "apis/rollouts/validate.h"
#include "kube/meta/object.h"

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
               (apis::is_of_cluster_sets(request.resource) || is_cluster(request));
    }

    Task<Status> validate(Context ctx, AdmissionRequest const& request) override {
        if (is_cluster(request)) co_return co_await validate_cluster(ctx, request);
        CO_TRY(apis::refuse(is_set(request) ? apis::validate_cluster_set(request.object)
                                            : apis::validate_cluster_set_binding(request.object),
                            request.resource.group, request.kind, request.key.name));
        std::string const set = request.object.at({"spec", "clusterSet"}).string();
        if (is_set(request) || request.old_object.at({"spec", "clusterSet"}).as_string() == set) co_return Status{};
        co_return co_await may(ctx, request, "bind", set);
    }

private:
    // Out of the set that it is in, and into that which it is to be in.
    Task<Status> validate_cluster(Context ctx, AdmissionRequest const& request) {
        std::string const from(meta::label(request.old_object, apis::kClusterSetLabel));
        std::string const to(request.object.at({"metadata", "labels", apis::kClusterSetLabel}).as_string());
        if (from == to) co_return Status{};
        if (!from.empty()) CO_TRY(co_await may(ctx, request, "join", from));
        if (!to.empty()) CO_TRY(co_await may(ctx, request, "join", to));
        co_return Status{};
    }

    Task<Status> may(Context ctx, AdmissionRequest const& request, std::string what, std::string set) {
        co_return co_await reviewer_->check(ctx, request.user,
                                            {.verb = "create",
                                             .group = apis::kManagedClusterSets.group,
                                             .resource = apis::kManagedClusterSets.resource,
                                             .subresource = std::move(what),
                                             .name = std::move(set)});
    }

    static bool is_cluster(AdmissionRequest const& request) {
        return request.resource.group == apis::kManagedClusters.group &&
               request.resource.resource == apis::kManagedClusters.resource;
    }
    static bool is_set(AdmissionRequest const& request) {
        return request.resource.resource == apis::kManagedClusterSets.resource;
    }

    std::shared_ptr<control::AccessReviewer> reviewer_;
};

// The set that a ManagedCluster is in by its label, in CEL; '' for none, and where there is no object.
std::string labelled_set(std::string_view object) {
    return fmt::format(
        "({0} != null && has({0}.metadata.labels) && '{1}' in {0}.metadata.labels ? "
        "{0}.metadata.labels['{1}'] : '')",
        object, apis::kClusterSetLabel);
}

}   // namespace

std::string moves_to_another_set() { return labelled_set("object") + " != " + labelled_set("oldObject"); }

std::shared_ptr<control::Admission> make_bind_admission(std::shared_ptr<control::AccessReviewer> reviewer) {
    return std::make_shared<BindAdmission>(std::move(reviewer));
}

}   // namespace aviary::placement
