// The people of a simulation: they release, look, approve (sometimes what they saw a while ago), pause, change their
// minds, touch labels, jump, disable, scale, move Rollouts between clusters and delete them in the middle: through the
// hub's API, and now and then in a member.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "apis/fleet/decision.h"
#include "core/json/doc.h"
#include "extras.h"
#include "fleet.h"
#include "laws.h"
#include "users.h"

namespace aviary::sim {

class People final : public Users {
public:
    People(Context const& ctx, Fleet& fleet, Laws& laws, Extras& extras)
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
    struct View {
        std::string cluster;
        json::Doc rollout;
    };
    Task<void> push();
    Task<bool> waits_for_a_release();   // the Rollout that is deleted
    Task<void> look();
    Task<void> approve(std::vector<View> views);
    Task<void> leave_word(std::string cluster, json::Doc rollout);
    Task<void> approve_in_member();
    Task<void> intervene(std::string action, bool everywhere);
    // False: it was not made.
    Task<bool> decide(std::string action, std::vector<apis::DecisionTarget> targets,
                      std::optional<std::int64_t> to = {});
    Task<void> change_rollout(json::Value patch, std::string what);
    // What only some seeds have; false: nothing was done.
    Task<bool> act_extra();
    Task<void> jump();
    Task<void> disable();
    Task<void> enable();   // … or looks whether it is by now
    Task<void> pause_everywhere(bool paused);
    Task<void> put_back();
    Task<void> scale(std::string cluster);
    Task<void> bound(std::string cluster, std::int64_t replicas);
    // Nothing holds back what is there, or on its way.
    Task<void> let_through();
    std::string const& some_member();
    Task<void> place(std::string affinity);
    Task<void> touch();
    Task<void> to_zero(std::string cluster);   // or up from there
    Task<void> resize(std::string cluster, std::int64_t replicas);
    json::Value rollout();                                    // in one of the styles of its kind
    Task<std::vector<apis::DecisionTarget>> side_by_side();   // clusters in a blue-green release
    Task<void> take_back();                                   // what is released there
    Task<void> take_back_in_member(std::string cluster);
    Task<void> leave();
    Task<void> come_back();

    Context ctx_;
    Fleet& fleet_;
    Laws& laws_;
    Extras& extras_;
    WorkloadKind const* kind_ = nullptr;
    bool routed_ = false;    // a Service and an HTTPRoute lead to it
    bool ingress_ = false;   // … an Ingress instead
    int versions_ = 1;
    std::set<std::string> held_;   // clusters that were taken back by hand
    std::string version_ = "v1";
    bool leaving_ = false;      // the Rollout was deleted, and may be there still
    bool lets_go_ = false;      // where it is taken away what it releases goes through
    bool somewhere_ = false;    // it is placed in some clusters alone, or is being moved there
    bool disabled_ = false;     // it is, or was and is not known to be enabled everywhere
    std::vector<View> views_;   // what somebody saw last; acted upon later
};

}   // namespace aviary::sim
