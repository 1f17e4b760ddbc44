// One logical cluster of the API server: its objects, what it serves, and the verbs on it. Lives on the server's loop.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/async/scope.h"
#include "kube/client/client.h"
#include "kube/apiserver/builtin/openapi.h"
#include "kube/apiserver/internal/rbac.h"
#include "kube/apiserver/internal/request_info.h"
#include "kube/apiserver/registry.h"
#include "kube/apiserver/server.h"
#include "kube/apiserver/store/store.h"
#include "kube/control/admission.h"

namespace aviary::apiserver {

using Info = std::shared_ptr<ResourceInfo const>;

class Cluster {
public:
    static Result<std::unique_ptr<Cluster>> open(storage::Engine& engine, std::string name, Options const& options);

    // Namespaces and roles that every cluster starts with, when they are missing.
    Task<Status> bootstrap(Context ctx);
    Task<client::Response> handle(Context ctx, control::UserInfo user, client::Request request);
    // Namespace deletion and garbage collection, until the context stops.
    Task<void> run_controllers(Context ctx);

    std::string const& name() const { return name_; }
    store::Store& store() { return *store_; }
    Rbac const& authorizer() const { return rbac_; }
    std::vector<Info> const& resources() const { return resources_; }
    void add_admission(std::shared_ptr<control::Admission> admission) { admissions_.push_back(std::move(admission)); }
    void add_route(std::string prefix, std::shared_ptr<Route> route) { routes_.emplace_back(std::move(prefix), std::move(route)); }

    // Everything one call carries.
    struct Call {
        Context ctx;
        control::UserInfo user;
        client::Request request;
        RequestInfo info;
        Info resource;
        std::vector<std::string> warnings;
        bool dry_run = false;
        std::string manager;   // field manager
    };

private:
    Cluster(std::string name, Options const& options, std::unique_ptr<store::Store> store);

    // cluster.cc
    Task<Result<client::Response>> dispatch(Context ctx, control::UserInfo user, client::Request request);
    Result<control::UserInfo> impersonate(control::UserInfo user, client::Request const& request) const;
    Task<Result<client::Response>> non_resource(Call& call);
    Task<Result<client::Response>> resource_verb(Call& call);
    Info find(std::string_view group, std::string_view version, std::string_view resource) const;
    void learn(store::Event const& event);
    void relearn();

    // read.cc
    Result<client::Response> get(Call& call);
    Result<client::Response> list(Call& call);
    Task<Result<client::Response>> watch(Call& call);
    client::Response object_response(Call const& call, json::Doc const& object, int status = 200) const;
    json::Doc as_version(ResourceInfo const& info, json::Doc const& object) const;

    // write.cc
    Task<Result<client::Response>> create(Call& call);
    Task<Result<client::Response>> update(Call& call);
    Task<Result<client::Response>> patch(Call& call);
    Task<Result<client::Response>> remove(Call& call);
    Task<Result<client::Response>> remove_collection(Call& call);
    Task<Result<client::Response>> bind(Call& call);
    Task<Result<client::Response>> evict(Call& call);
    Task<Result<json::Doc>> create_object(Call& call, json::Value object, bool applied);
    Task<Result<json::Doc>> update_object(Call& call, json::Doc current, json::Value next, bool applied);
    Task<Result<json::Doc>> delete_object(Call& call, std::string name, json::Doc options);
    Result<json::Value> patched(Call& call, json::Doc const& current);
    Status check_fields(Call& call, json::Value& object);
    Task<Status> admit(Call& call, control::Operation operation, json::Value& object, json::Doc const& old);
    Status builtin_admission(Call& call, control::Operation operation, std::string const& ns);
    Status escalation(Call& call, json::Value const& object) const;
    Task<Result<json::Doc>> finish_deletion(Context ctx, store::Key key, json::Doc current);

    // review.cc
    Task<Result<client::Response>> review(Call& call);
    Result<client::Response> scale_get(Call& call);
    json::Value scale_of(ResourceInfo const& info, json::Doc const& object) const;

    // collector.cc
    void note_for_collection(store::Event const& event);
    Task<void> collect_garbage(Context ctx);
    Task<void> empty_namespaces(Context ctx);
    Task<Status> empty_namespace(Context ctx, json::Doc ns);
    bool owner_lives(std::string const& ns, json::Doc const& owner) const;
    Task<Status> collect(Context ctx, store::Key key);

    store::Key key_of(Call const& call) const;
    Error worded(Call const& call, Error const& error, std::string const& name) const;

    std::string name_;
    Options const& options_;
    std::unique_ptr<store::Store> store_;
    Rbac rbac_;
    std::vector<Info> resources_;
    std::map<std::string, Info, std::less<>> by_path_;      // "group/version/resource"
    std::shared_ptr<builtin::OpenApi> openapi_;             // made when asked; dropped when resources change
    std::vector<std::shared_ptr<control::Admission>> admissions_;
    std::vector<std::pair<std::string, std::shared_ptr<Route>>> routes_;
    std::map<std::string, Info, std::less<>> custom_;       // what each CRD's versions serve, by CRD name + version
    // Collection: who is owned by whom, and what is to look at.
    std::map<std::string, std::set<store::Key>> dependents_;   // owner uid → dependents
    std::map<std::string, store::Key> living_;                 // uid → object
    std::set<store::Key> to_collect_;
    std::set<std::string> to_empty_;
    async::Event garbage_, emptying_;

    friend class ApiWatch;
};

// Bodies of answers.
client::Response error_response(Error const& error);
client::Response json_response(json::Doc body, int status = 200);

}  // namespace aviary::apiserver
