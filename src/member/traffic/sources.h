// The informers of what traffic is routed by: Services, HTTPRoutes, GRPCRoutes. None is begun before a Rollout asks for
// it, and a cluster that does not have a kind is no error: it is asked again now and then. Lives on one loop.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "apis/rollouts/rollout.h"
#include "core/async/event.h"
#include "core/async/scope.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "member/traffic/traffic.h"

namespace aviary::traffic {

class Sources {
public:
    explicit Sources(client::Client const& client);

    // Before run(). `started` is called with each informer before it begins, and with the kind of its objects;
    // `changed` when it is known of a kind whether it is there.
    void on_start(std::function<void(client::Informer&, std::string const& kind)> started) {
        started_ = std::move(started);
    }
    void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

    // From now on what this entry names is read.
    void want(apis::TrafficRoutingRef const& routing);
    Task<void> run(Context ctx);

    // What is known of it; absent while it is still being found out.
    std::optional<Seen> see(apis::TrafficRoutingRef const& routing, std::string const& ns) const;

private:
    struct Source {
        Source(client::Client const& client, meta::GroupVersionResource const& resource, std::string kind);
        std::string kind;
        client::Informer informer;
        bool wanted = false, begun = false;
        bool failed = false;   // since it last was known

        bool known() const { return informer.synced() || informer.last_error().has_value(); }
        bool missing() const;
    };
    void want(Source& source);
    Task<void> begin(Context ctx, Source& source);
    // The one that has the target's kind: the newest version that is served. Null: not known yet.
    Source const* source_of(Target const& target) const;

    std::deque<Source> sources_;
    Source& services_;
    Source& http_;
    Source& http_beta_;   // of clusters that have no v1
    Source& grpc_;
    async::Event wake_;
    std::function<void(client::Informer&, std::string const&)> started_;
    std::function<void()> changed_;
};

}   // namespace aviary::traffic
