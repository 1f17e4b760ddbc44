// Members: the clusters of the fleet as the hub reaches them: a client each, shared informers, and whether they answer.
// Registry objects are ManagedClusters. Lives on the hub's loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/async/scope.h"
#include "core/async/turns.h"
#include "core/json/doc.h"
#include "hub/clusters/controller.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"

namespace aviary::clusters {

// What is said of one that has taken a request and not answered for so long.
std::string no_answer_within(Duration duration);

class Member {
public:
    Member(std::string name, client::Client client, json::Doc configuration);

    std::string const& name() const { return name_; }
    client::Client const& client() const { return client_; }
    // Whether it answered last time it was asked, and since when that is so.
    bool reachable() const { return reachable_; }
    // Whether it has been asked at all.
    bool probed() const { return probed_; }
    Time since() const { return since_; }
    // Why it does not answer, as its conditions say, or will; empty when it does, or has not been asked.
    std::string const& problem() const { return problem_; }
    std::string const& version() const { return version_; }
    // The rollout controller there, when that one is known not to work with this hub: why.
    std::string controller_problem() const;

    // What is known of a resource there.
    enum class Serving { kUnknown, kServed, kNotServed };
    Serving serving(meta::GroupVersionResource const& resource) const;
    // Of a resource that is not served: the versions of its group that are, "v1alpha1, v1alpha2"; empty: none, or not
    // known yet.
    std::string other_versions(meta::GroupVersionResource const& resource) const;
    // The copy of a resource's objects; null until Members::want() was called for it.
    client::Informer* informer(meta::GroupVersionResource const& resource) const;
    // The copy of those of a resource's objects that have this label; null until Members::want_labelled() was called.
    client::Informer* labelled(meta::GroupVersionResource const& resource, std::string const& label) const;
    // An object of the copy; absent when there is none or the copy is not there yet.
    json::Doc get(meta::GroupVersionResource const& resource, meta::ObjectKey const& key) const;

private:
    friend class Members;
    struct Watched {
        std::unique_ptr<client::Informer> informer;
        Serving serving = Serving::kUnknown;
        std::string other_versions;
    };
    std::string name_;
    client::Client client_;
    json::Doc configuration_;   // how it is reached: spec.managedClusterClientConfigs
    bool by_link_ = false;      // or by its agent
    std::string uid_;           // which cluster that is; empty: not known
    bool connected_ = false;    // else nothing is asked of it, until its connection can be made
    bool reachable_ = false;
    bool probed_ = false;
    bool reported_ = false;   // this process has written its conditions
    std::string problem_;     // as they say it, or will
    MonotonicTime problem_told_{};
    Time since_{};
    std::string version_;
    std::optional<FoundController> controller_;   // none: it was not looked for yet
    MonotonicTime look_again_{};                  // for that
    std::map<meta::GroupVersionResource, Watched> watched_;
    // Copies of the objects with one label alone.
    std::map<std::pair<meta::GroupVersionResource, std::string>, std::unique_ptr<client::Informer>> labelled_;
};

class Members {
public:
    // Makes the transport to a member from its ManagedCluster; an Error is said in the cluster's conditions.
    using Connect = std::function<Result<std::shared_ptr<client::Transport>>(json::Doc const& managed_cluster)>;

    // `ns` is where `aviary member` says in its cluster who it is.
    Members(client::Client hub, Connect connect, std::string ns);
    ~Members();

    // Follows the registry, probes members and writes their conditions, until the context stops.
    Task<void> run(Context ctx);
    bool synced() const { return managed_clusters_.synced(); }

    Member* find(std::string const& name) const;
    std::vector<Member*> all() const;   // by name
    client::Informer& managed_clusters() { return managed_clusters_; }
    std::vector<json::Doc> objects() const;   // the ManagedClusters

    // In members, where `aviary member` keeps its own objects.
    std::string const& controller_namespace() const { return ns_; }

    // Something that its connection depends on has changed: it is tried at once.
    void wake(std::string const& name);

    // Keeps a copy of the resource in the member.
    void want(Member& member, meta::GroupVersionResource const& resource);
    // Keeps a copy of those of the resource's objects that have this label; `started` is told of it before it begins.
    void want_labelled(Member& member, meta::GroupVersionResource const& resource, std::string const& label,
                       std::function<void(client::Informer&)> const& started);
    // Called for each informer that want() makes, and each time a member's standing changes.
    void on_informer(std::function<void(Member&, client::Informer&)> started) {
        started_.push_back(std::move(started));
    }
    void on_standing(std::function<void(Member&)> changed) { standing_.push_back(std::move(changed)); }

private:
    // What is said of a cluster in its conditions and claims.
    struct Report {
        std::string name;
        bool available = false;
        std::string reason, message;
        std::string version;                         // empty: not known
        std::optional<FoundController> controller;   // none: nothing is said of it
        bool unless_said = false;                    // not when the registry's object says so already
    };
    static json::Value status_of(json::Doc const& object, Report const& report, Time now);
    Task<void> follow(Context ctx, Member& member);
    // True when another one was found than before.
    Task<bool> look_closer(Context ctx, Member& member);
    std::unique_ptr<client::Informer> copy_of(Member& member, meta::GroupVersionResource const& resource,
                                              std::string const& label);
    Task<void> settle(Context ctx, Member& member, meta::GroupVersionResource resource);
    static Task<std::string> versions_of(Context ctx, client::Client client, std::string group);
    void set_standing(Member& member, bool reachable, Time now);
    // Whether what is said of it may still be so: its agent has had no time to dial this hub.
    bool may_come(Context const& ctx, Member const& member, MonotonicTime since) const;
    // False when it could not be written.
    Task<bool> report(Context ctx, Report report);
    Task<void> try_again(Context ctx, std::string name);
    Task<void> rest(Context ctx, std::string const& name, Duration duration);
    void changed(json::Doc const& managed_cluster);
    void admit(json::Doc const& managed_cluster);
    Member& add(json::Doc const& managed_cluster, std::shared_ptr<client::Transport> transport);
    void leave(std::string const& name);
    Task<void> end(Member& member, async::Scope& scope);

    client::Client hub_;
    Connect connect_;
    std::string ns_;
    client::Informer managed_clusters_;
    async::Turns reports_;
    std::map<std::string, std::unique_ptr<Member>> members_;
    std::map<std::string, std::unique_ptr<async::Scope>> scopes_;
    std::vector<std::function<void(Member&, client::Informer&)>> started_;
    std::vector<std::function<void(Member&)>> standing_;
    // Members that have left: who still holds one may. Their tasks have ended, or end.
    struct Left {
        std::unique_ptr<Member> member;
        std::unique_ptr<async::Scope> scope;
    };
    std::vector<Left> left_;
    std::map<std::string, std::string> trying_;   // clusters that cannot be connected to, and why
    std::map<std::string, std::string> said_;     // by cluster: the version of the object with what was said last
    std::map<std::string, async::Event> wakes_;
    std::optional<Context> ctx_;
    async::Scope* scope_ = nullptr;
};

}   // namespace aviary::clusters
