// The informers of what traffic is routed by: Services, Ingresses, HTTPRoutes, GRPCRoutes, InferencePools where a route
// leads to any, custom objects as discovery knows them, and the ConfigMap of scripts. None is begun before a Rollout
// asks for it, and a cluster that does not have a kind is no error: it is asked again now and then. Lives on one loop.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apis/rollouts/rollout.h"
#include "core/async/event.h"
#include "core/async/scope.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "member/traffic/traffic.h"

namespace aviary::traffic {

class Sources {
public:
    // `ns` is the controller's own namespace, where the ConfigMap of scripts is.
    Sources(client::Client const& client, std::string const& ns);

    // Before run(), by each that decides of what is read here. `started` is called with each informer before it begins,
    // and with the kind of its objects; `changed` when it is known of a kind whether it is there.
    void on_start(std::function<void(client::Informer&, std::string const& kind)> started) {
        started_.push_back(std::move(started));
    }
    void on_change(std::function<void()> changed) { changed_.push_back(std::move(changed)); }

    // From now on what this entry names is read.
    void want(apis::TrafficRoutingRef const& routing);
    Task<void> run(Context ctx);

    // What is known of it; absent while it is still being found out.
    std::optional<Seen> see(apis::TrafficRoutingRef const& routing, std::string const& ns) const;

private:
    struct Source {
        Source(client::Client const& client, meta::GroupVersionResource const& resource, std::string kind,
               client::InformerOptions options = {});
        std::string kind;
        client::Informer informer;
        bool wanted = false, begun = false;
        bool failed = false;   // since it last was known

        bool known() const { return informer.synced() || informer.last_error().has_value(); }
        bool missing() const;
    };
    // A kind of custom objects, or of InferencePools.
    struct Custom {
        meta::GroupVersionKind kind;
        bool asked = false;         // somebody finds out
        bool answered = false;      // what follows is known
        Source* source = nullptr;   // null: it is not served, or
        std::string error;          // discovery does not say
    };
    void tell_changed() const;
    Source& add(meta::GroupVersionResource const& resource, std::string kind, client::InformerOptions options = {});
    void want(Source& source);
    void want(meta::GroupVersionKind const& kind);
    Task<void> begin(Context ctx, Source& source);
    // Until the kind is served.
    Task<void> find(Context ctx, Custom& custom);
    // The one that has the target's kind: the newest version that is served. Null: not known yet.
    Source const* source_of(Target const& target) const;
    static bool fill(Target& target, Source const* source);
    // Whether it is known.
    bool fill(Target& target) const;
    bool fill_discovered(Target& target) const;

    client::Client client_;
    std::deque<Source> sources_;
    std::map<meta::GroupVersionKind, Custom> customs_;
    Source& services_;
    Source& http_;
    Source& http_beta_;   // of clusters that have no v1
    Source& grpc_;
    Source& ingresses_;
    Source& scripts_;
    mutable ScriptRunner runner_;   // what it remembers is nobody's state
    async::Event wake_;
    std::vector<std::function<void(client::Informer&, std::string const&)>> started_;
    std::vector<std::function<void()>> changed_;
};

}   // namespace aviary::traffic
