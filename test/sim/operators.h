// Operators: the people of a simulation without a hub. Each cluster has a workload of its own kind, in its own style,
// and they work in it with what a cluster's API offers: new versions and old ones, approvals, jumps, pauses, sizes,
// disabling and deleting the Rollout in the middle.
#pragma once

#include <map>
#include <string>

#include "extras.h"
#include "fleet.h"
#include "laws.h"
#include "users.h"

namespace aviary::sim {

class Operators final : public Users {
public:
    Operators(Context const& ctx, Fleet& fleet, Laws& laws, Extras& extras)
        : ctx_(ctx), fleet_(fleet), laws_(laws), extras_(extras) {}

    Task<Status> begin() override;
    Task<Status> autoscale() override;
    Task<void> act() override;
    Task<void> tidy() override;
    Task<void> go_on() override;
    Task<std::string> differs() override;
    Task<std::string> leftovers() override;
    int versions() const override { return versions_; }

private:
    struct Site {
        std::string cluster;
        WorkloadKind const* kind = nullptr;
        bool routed = false;    // a Service and an HTTPRoute lead to it
        bool ingress = false;   // … an Ingress instead
        std::string version = "v1";
        bool unguarded = false;   // its Rollout is disabled, or gone: whatever comes is let through
    };
    Task<void> act_in(Site& site);
    // What is not told to anybody who waits: a refusal is shown, and that is it.
    Task<bool> change_workload(Site const& site, json::Value patch, std::string what);
    Task<Status> change_rollout(Site const& site, json::Value patch, std::string what, std::string subresource = {});
    Task<void> release(Site& site, std::string version);
    Task<void> take_back(Site& site);
    Task<void> approve(Site const& site);
    Task<void> jump(Site const& site);
    Task<void> scale(Site const& site);
    Task<void> resize(Site const& site, std::int64_t replicas);
    Task<void> to_zero(Site const& site);   // or up from there
    Task<void> bound(Site const& site, std::int64_t least, std::int64_t most);
    Task<bool> let_through(Site& site);   // is about to; false: nobody can tell what
    Task<void> disable(Site& site);
    Task<void> remove(Site& site);
    Task<void> restore_guard(Site& site);
    json::Value rollout(Site const& site);

    Context ctx_;
    Fleet& fleet_;
    Laws& laws_;
    Extras& extras_;
    std::vector<Site> sites_;
    int versions_ = 1;
    bool tidying_ = false;
};

}   // namespace aviary::sim
