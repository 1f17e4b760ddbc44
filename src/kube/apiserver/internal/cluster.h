// One logical cluster of the API server: its objects, what it serves, and the verbs on it. Lives on the server's loop.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/async/scope.h"
#include "kube/apiserver/error_response.h"
#include "kube/apiserver/internal/conversion.h"
#include "kube/apiserver/internal/rbac.h"
#include "kube/apiserver/internal/request_info.h"
#include "kube/apiserver/internal/served.h"
#include "kube/apiserver/internal/shared.h"
#include "kube/apiserver/internal/warnings.h"
#include "kube/apiserver/registry.h"
#include "kube/apiserver/server.h"
#include "kube/apiserver/store/store.h"
#include "kube/client/client.h"
#include "kube/control/admission.h"
#include "kube/patch/apply.h"

namespace aviary::apiserver {

class Cluster {
public:
    static Result<std::unique_ptr<Cluster>> open(storage::Engine& engine, std::string name, Shared& shared);

    // Namespaces and roles that every cluster starts with, when they are missing.
    Task<Status> bootstrap(Context ctx);
    Task<client::Response> handle(Context ctx, control::UserInfo user, client::Request request);
    // Namespace deletion, garbage collection and the end of definitions, until the context stops.
    Task<void> run_controllers(Context ctx);

    std::string const& name() const { return name_; }
    Rbac const& authorizer() const { return rbac_; }
    void add_admission(std::shared_ptr<control::Admission> admission) { admissions_.push_back(std::move(admission)); }
    void add_route(std::string prefix, std::shared_ptr<Route> route) {
        routes_.emplace_back(std::move(prefix), std::move(route));
    }

    void add_service(meta::ObjectKey service, std::shared_ptr<http::Handler> handler) {
        conversion_->add_service(std::move(service), std::move(handler));
    }

    // Everything one call carries.
    struct Call {
        Context ctx;
        control::UserInfo user;
        client::Request request;
        RequestInfo info;
        Info resource;
        Warnings warnings;
        bool dry_run = false;
        std::string manager;      // field manager
        std::string route = {};   // the prefix of the Route that answers, if any
    };

private:
    Cluster(std::string name, Shared& shared, std::unique_ptr<store::Store> store);

    // cluster.cc
    void learn(store::Event const& event);
    void relearn();

    // dispatch.cc
    Task<Result<client::Response>> dispatch(Call& call);
    Status impersonate(Call& call) const;
    Task<Result<client::Response>> non_resource(Call& call);
    Result<client::Response> discovery(Call& call) const;
    Status read_body(Call& call) const;
    Task<Result<client::Response>> resource_verb(Call& call);
    Task<Result<client::Response>> carry_out(Call& call);
    store::Key key_of(Call const& call) const;
    Error worded(Call const& call, Error const& error, std::string const& name) const;

    // read.cc
    Task<Result<client::Response>> get(Call& call);
    Task<Result<client::Response>> list(Call& call);
    Task<Result<client::Response>> watch(Call& call);
    // The object in the version that the call is of.
    Task<Result<json::Doc>> in_version(Call const& call, json::Doc object) const;
    Task<Result<client::Response>> object_response(Call const& call, json::Doc object, int status = 200) const;

    // admit.cc
    Status check_fields(Call& call, json::Value& object) const;
    Task<Status> admit(Call& call, control::Operation operation, json::Value& object, json::Doc const& old,
                       patch::Manager const* manager);
    Status lifecycle(Call const& call, control::Operation operation, std::string const& name) const;
    std::vector<FieldCause> problems(Call const& call, json::Value const& object, json::Doc const& old) const;
    Status escalation(Call const& call, json::Value const& object) const;

    // write.cc
    Task<Result<client::Response>> create(Call& call);
    Task<Result<client::Response>> update(Call& call);
    Task<Result<json::Doc>> create_object(Call& call, json::Value object, bool applied);
    Task<Result<json::Doc>> update_object(Call& call, json::Doc current, json::Doc old, json::Value next, bool applied);
    store::Key name_new(Call const& call, json::Value& metadata) const;
    Status carry_over(Call const& call, json::Value const& before, json::Value& next, bool applied) const;
    void finish_definition(Call& call, json::Value& definition) const;
    Task<Result<json::Value>> to_stored(Call const& call, json::Value object) const;

    // patch.cc
    Task<Result<client::Response>> patch(Call& call);
    Task<Result<json::Doc>> apply(Call& call, json::Doc current, bool& retry);
    Result<json::Value> patched(Call& call, json::Doc const& shown) const;

    // remove.cc
    Task<Result<client::Response>> remove(Call& call);
    Task<Result<client::Response>> remove_collection(Call& call);
    Task<Result<json::Doc>> delete_object(Call& call, std::string name, json::Doc options);
    Task<Result<client::Response>> bind(Call& call);
    Task<Result<client::Response>> evict(Call& call);

    // review.cc
    Result<client::Response> review(Call& call) const;
    Task<Result<client::Response>> scale_get(Call& call) const;

    // collector.cc
    void note_for_collection(store::Event const& event);
    void note_owners(store::Event const& event);
    void note_waiting_owners(store::Event const& event);
    Task<void> collect_garbage(Context ctx);
    Task<void> collect_one(Context ctx, store::Key key);
    Task<Status> collect(Context ctx, store::Key key);
    Task<Status> finish_owner(Context ctx, store::Key key, json::Doc object);
    Task<Status> judge(Context ctx, store::Key key, json::Doc object);
    Task<Status> drop_owners(Context ctx, store::Key key, std::set<std::string> uids);
    Task<Status> unblock_owners(Context ctx, store::Key key);
    std::set<store::Key> dependents_of(json::Doc const& owner) const;
    // What is known of the object that a reference names. Nothing of a kind that is not served.
    struct Owner {
        enum class State { kUnknown, kAbsent, kFound } state = State::kUnknown;
        store::Key key = {};
        json::Doc object = {};
    };
    Owner owner_of(store::Key const& dependent, json::Doc const& reference) const;
    // As one of the server's own controllers.
    Task<client::Response> remove_as(Context ctx, std::string controller, store::Key key, json::Value options);

    // events.cc
    void note_event(store::Event const& event);
    Task<void> expire_events(Context ctx);
    Task<void> expire_one(Context ctx, store::Key key, store::Revision revision);

    // namespaces.cc
    Task<void> finish_terminations(Context ctx);
    Task<Status> empty_namespace(Context ctx, json::Doc ns);
    Task<Status> empty_definition(Context ctx, json::Doc definition);
    struct Remains;
    Task<void> remove_all(Context ctx, Info info, std::string ns, Remains& remains);
    Task<void> remove_counted(Context ctx, store::Key key, Remains& remains);

    std::string name_;
    Shared& shared_;
    std::unique_ptr<store::Store> store_;
    Rbac rbac_;
    std::shared_ptr<Served const> served_;
    std::shared_ptr<Conversion> conversion_ = std::make_shared<Conversion>();
    std::vector<std::shared_ptr<control::Admission>> admissions_;
    std::vector<std::pair<std::string, std::shared_ptr<Route>>> routes_;
    // Collection: who is owned by whom, and what is to look at.
    std::map<std::string, std::set<store::Key>, std::less<>> dependents_;   // owner uid → dependents
    std::map<std::string, store::Key, std::less<>> gone_owners_;   // uid → where it was, while it has dependents
    std::set<store::Key> to_collect_;
    std::set<store::Key> unjudged_;      // with an owner of which nothing is known: until other kinds are served
    std::set<store::Key> terminating_;   // namespaces and definitions whose contents changed
    async::Event garbage_, termination_, expiry_;
    std::map<store::Key, store::Revision> fresh_events_;   // Events that changed since expiry last looked; 0: gone
};

// Bodies of answers.
client::Response json_response(json::Doc body, int status = 200);
client::Response success_response(json::Object details = {}, int status = 200);

}   // namespace aviary::apiserver
