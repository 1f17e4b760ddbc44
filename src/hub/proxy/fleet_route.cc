#include "hub/proxy/fleet_route.h"

#include "apis/fleet/hold.h"
#include "hub/proxy/paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "hub/decision/decider.h"
#include "hub/proxy/answers.h"
#include "hub/proxy/attached.h"
#include "hub/proxy/explain.h"
#include "hub/proxy/internal/last_answers.h"
#include "hub/proxy/internal/released.h"
#include "kube/apiserver/error_response.h"
#include "kube/meta/names.h"

namespace aviary::proxy {

namespace {

using client::Request;
using client::Response;
using json::Doc;
using json::Value;

constexpr Duration kMemberTimeout = std::chrono::seconds(5);
constexpr Duration kStartTime = std::chrono::seconds(5);   // for the hub to have read its own objects
constexpr Duration kLookAgain = std::chrono::milliseconds(20);
constexpr std::size_t kMaxKeptBytes = 64u << 20;   // last answers of members, for when they are away

Response answer(Value body) {
    Response response;
    response.body = Doc::freeze(body);
    return response;
}

class FleetRoute final : public apiserver::Route {
public:
    FleetRoute(std::shared_ptr<propagation::Propagator> propagator, std::shared_ptr<control::AccessReviewer> reviewer)
        : kept_(std::move(propagator)), propagator_(*kept_), reviewer_(std::move(reviewer)) {}

    Task<Response> handle(Context ctx, control::UserInfo user, Request request) override {
        std::string const path = request.path;
        if (!path.starts_with(kRoot))
            co_return apiserver::error_response(
                Error(ErrorCode::kNotFound, fmt::format("nothing is served at {}", path)));
        std::string_view const rest = std::string_view(path).substr(kRoot.size());
        auto const parts = split(rest, '/');
        Result<Response> result = fail(ErrorCode::kNotFound, fmt::format("nothing is served at {}", path));
        if (parts.size() >= 3 && parts[0] == "clusters" && parts[2] == "proxy") {
            std::string const cluster(parts[1]);
            result = co_await proxy(ctx, std::move(user), cluster, std::move(request));
        } else if (request.method != "GET") {
            result = fail(ErrorCode::kMethodNotAllowed, "only GET is served here");
        } else if (rest == "resources") {
            result = co_await resources(ctx, std::move(user), std::move(request));
        } else if (parts.size() == 4 && parts[0] == "namespaces" && parts[2] == "rollouts") {
            meta::ObjectKey const key{std::string(parts[1]), std::string(parts[3])};
            result = co_await rollout(ctx, std::move(user), key, std::move(request));
        }
        if (!result) co_return apiserver::error_response(result.error());
        co_return std::move(*result);
    }

private:
    // Of what a hub has not read yet it would say that it is nowhere, and who asks would take some clusters for all.
    Task<Status> all_read(Context ctx) const {
        Context const limited = ctx.with_timeout(kStartTime);
        while (!propagator_.ready() || !propagator_.members().synced()) {
            if (!co_await async::sleep_for(limited, kLookAgain))
                co_return fail(ErrorCode::kUnavailable,
                               "the hub has only begun and is reading its objects: try again in a moment");
        }
        co_return Status{};
    }

    Result<std::vector<clusters::Member*>> choose(std::string_view list) const {
        if (list.empty()) return propagator_.members().all();
        std::vector<clusters::Member*> chosen;
        for (std::string_view name : split(list, ',')) {
            clusters::Member* const member = propagator_.members().find(std::string(name));
            if (member == nullptr) {
                return std::unexpected(
                    Error(ErrorCode::kNotFound,
                          fmt::format("managedclusters.cluster.open-cluster-management.io \"{}\" not found", name)));
            }
            if (std::ranges::find(chosen, member) == chosen.end()) chosen.push_back(member);
        }
        return chosen;
    }

    // ---- as whom the hub asks a member ----

    // "admin" for those who may everything in this cluster, else what is enough for the request.
    Task<std::string> level(Context ctx, control::UserInfo user, std::string cluster, std::string enough) const {
        control::Attributes const admin{.verb = "admin",
                                        .group = "cluster.open-cluster-management.io",
                                        .resource = "managedclusters",
                                        .subresource = "proxy",
                                        .name = std::move(cluster)};
        auto const allowed = co_await reviewer_->allowed(ctx, std::move(user), admin);
        co_return allowed.value_or(false) ? "admin" : std::move(enough);
    }

    // Never a name the caller chose: one of three fixed users (member_roles.h), and who it was in the extras.
    static client::Client as(clusters::Member const& member, std::string const& level, std::string person) {
        std::string const name = "aviary:" + level;
        return member.client().impersonating(name, {name}, {{"person", std::move(person)}});
    }

    // A cluster need not let the hub be its administrator (`aviary join --admin`): then as what is enough.
    static Task<Result<Response>> ask(Context ctx, clusters::Member const& member, std::string as_level,
                                      std::string enough, std::string person, Request request) {
        if (as_level == "admin") {
            Result<Response> response = co_await as(member, as_level, person).raw(ctx, request);
            bool const unknown = !response && response.error().is(ErrorCode::kForbidden) &&
                                 response.error().message().contains("cannot impersonate");
            if (!unknown) co_return std::move(response);
        }
        Result<Response> response = co_await as(member, enough, std::move(person)).raw(ctx, std::move(request));
        if (as_level == "admin" && !response && response.error().is(ErrorCode::kForbidden)) {
            co_return std::unexpected(response.error().context(fmt::format(
                "{} has joined without --admin, so the hub asks there as aviary:{}", member.name(), enough)));
        }
        co_return std::move(response);
    }

    // ---- one resource in many members ----

    // What is put into a path is what was authorised.
    static Status well_formed(meta::GroupVersionResource const& resource, std::string_view ns, std::string_view name) {
        for (auto const& [what, text, optional] :
             {std::tuple("group", std::string_view(resource.group), true),
              std::tuple("version", std::string_view(resource.version), false),
              std::tuple("resource", std::string_view(resource.resource), false)}) {
            if (text.empty() && optional) continue;
            if (auto const problem = meta::dns1123_subdomain_problem(text))
                return fail(ErrorCode::kBadRequest, fmt::format("{} \"{}\": {}", what, text, *problem));
        }
        for (auto const& [what, text] : {std::pair("namespace", ns), std::pair("name", name)}) {
            if (auto const problem = meta::path_segment_problem(text))
                return fail(ErrorCode::kBadRequest, fmt::format("{} \"{}\" {}", what, text, *problem));
        }
        return {};
    }

    Task<void> fetch(Context ctx, clusters::Member& member, control::UserInfo user, Request request, bool table,
                     Value& row) {
        std::string const as_level = co_await level(ctx, user, member.name(), "view");
        // By what the member allows, not by person. Those with selectors are not kept: there is no end of them.
        std::string const kept_key = request.query.empty()
                                         ? fmt::format("{}|{}|{}|{}", member.name(), request.path, as_level, table)
                                         : std::string();
        row["name"] = member.name();
        row["reachable"] = member.reachable();
        row["since"] = format_rfc3339(member.since());
        Result<Response> got = fail(ErrorCode::kUnavailable, "unreachable");
        if (member.reachable())
            got =
                co_await ask(ctx.with_timeout(kMemberTimeout), member, as_level, "view", user.name, std::move(request));
        char const* const what = table ? "table" : "items";
        put_answer(row, got ? Result<Doc>(got->body) : Result<Doc>(std::unexpected(got.error())), table);
        if (got) {
            last_.put(kept_key, table ? got->body : Doc::freeze(row[what]));
        } else if (Doc const kept = last_.get(kept_key); client::no_answer(got.error()) && kept.exists()) {
            row[what] = kept.thaw();
        }
    }

    Task<Result<Response>> resources(Context ctx, control::UserInfo user, Request request) {
        auto const query = [&](std::string_view name) { return std::string(request.query_value(name)); };
        meta::GroupVersionResource const resource{query("group"), query("version"), query("resource")};
        if (resource.version.empty() || resource.resource.empty())
            co_return fail(ErrorCode::kBadRequest, "version and resource are needed");
        std::string const name = query("name");
        CO_TRY(co_await reviewer_->check(ctx, user,
                                         {.verb = name.empty() ? "list" : "get",
                                          .group = resource.group,
                                          .resource = resource.resource,
                                          .ns = query("namespace"),
                                          .name = name}));
        CO_TRY(well_formed(resource, query("namespace"), name));
        CO_TRY(co_await all_read(ctx));
        CO_TRY_ASSIGN(auto const chosen, choose(request.query_value("clusters")));
        bool const table = query("output") != "json";
        std::vector<Value> rows(chosen.size(), Value(json::Object()));
        async::Scope scope(ctx);
        for (std::size_t index = 0; index < chosen.size(); ++index) {
            Request asked;
            asked.path = client::resource_path(resource, query("namespace"), name);
            if (table) asked.accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
            for (char const* field : {"labelSelector", "fieldSelector"}) {
                if (std::string value = query(field); !value.empty()) asked.query.emplace_back(field, std::move(value));
            }
            scope.spawn(fetch(scope.context(), *chosen[index], user, std::move(asked), table, rows[index]));
        }
        co_await scope.join();
        Value body{json::Object{{"hub", propagator_.hub_id()}}};
        body["clusters"] = json::Array();
        for (Value& row : rows) body["clusters"].push_back(std::move(row));
        co_return answer(std::move(body));
    }

    // ---- one release ----

    static Task<void> look_into(Context ctx, clusters::Member& member, ClusterView& view) {
        co_await read_workload(
            [&](Request request) { return member.client().raw(ctx.with_timeout(kMemberTimeout), std::move(request)); },
            view);
    }

    // One that has just gone silent is not known to be where it was last seen.
    static Task<void> look_at_pods(Context ctx, clusters::Member& member, ClusterView& view) {
        Status const looked = co_await read_pods(ctx, member, view);
        if (looked) co_return;
        Error const& why = looked.error();
        if (!why.is(ErrorCode::kTimeout) && !why.is(ErrorCode::kUnavailable)) {
            view.pods_unread = why.message();
            co_return;
        }
        view.reachable = false;
        view.reachable_since = Time();
        view.away_because = why.is(ErrorCode::kTimeout) ? clusters::no_answer_within(kMemberTimeout) : why.message();
    }

    // One that the hub has not brought: all that is known of it is in the members.
    Task<Response> attached(Context ctx, meta::ObjectKey key, std::vector<clusters::Member*> members) const {
        std::vector<ClusterView> views(members.size());
        async::Scope scope(ctx);
        for (std::size_t index = 0; index < members.size(); ++index) {
            clusters::Member& member = *members[index];
            ClusterView& view = views[index];
            view = attached_view_of(member, key);
            if (!view.reachable || !view.rollout.exists()) continue;
            scope.spawn(look_into(scope.context(), member, view));
            scope.spawn(read_controller(scope.context().with_timeout(kMemberTimeout), member,
                                        propagator_.members().controller_namespace(), view));
        }
        co_await scope.join();
        Release const release = release_among(views);
        co_return answer(explain(release, views));
    }

    Task<Result<Response>> rollout(Context ctx, control::UserInfo user, meta::ObjectKey key, Request request) {
        CO_TRY(co_await reviewer_->check(
            ctx, user,
            {.verb = "get", .group = "rollouts.kruise.io", .resource = "rollouts", .ns = key.ns, .name = key.name}));
        CO_TRY(co_await all_read(ctx));
        CO_TRY_ASSIGN(Released const found, released(propagator_, key));
        CO_TRY_ASSIGN(auto const members, choose(request.query_value("clusters")));
        if (found.attached) co_return co_await attached(ctx, key, members);
        std::vector<ClusterView> views;
        for (clusters::Member const* member : members) {
            views.push_back(view_of(propagator_, *member, found));
            views.back().rollout_held = apis::held_until(views.back().rollout, ctx.now()).has_value();
        }
        async::Scope scope(ctx);
        Context const limited = scope.context().with_timeout(kMemberTimeout);
        std::string const& ns = propagator_.members().controller_namespace();
        for (std::size_t index = 0; index < members.size(); ++index) {
            scope.spawn(look_at_pods(limited, *members[index], views[index]));
            scope.spawn(read_controller(limited, *members[index], ns, views[index]));
        }
        co_await scope.join();
        Release const release{found.rollout, found.workload, decision::release_digest(found.workload, found.rollout),
                              problem_of(propagator_, found)};
        co_return answer(explain(release, views));
    }

    // ---- a member through the hub ----

    Task<Result<Response>> proxy(Context ctx, control::UserInfo user, std::string cluster, Request request) {
        CO_TRY(co_await reviewer_->check(ctx, user,
                                         {.verb = request.method == "GET" ? "get" : "update",
                                          .group = "cluster.open-cluster-management.io",
                                          .resource = "managedclusters",
                                          .subresource = "proxy",
                                          .name = cluster}));
        clusters::Member* const member = propagator_.members().find(cluster);
        if (member == nullptr)
            co_return fail(ErrorCode::kNotFound,
                           fmt::format("managedclusters.cluster.open-cluster-management.io \"{}\" not found", cluster));
        std::string const prefix = fmt::format("{}clusters/{}/proxy", kRoot, cluster);
        request.path = request.path.substr(prefix.size());
        if (request.path.empty()) request.path = "/";
        std::string const enough = request.method == "GET" ? "view" : "release";
        std::string const as_level = co_await level(ctx, user, cluster, enough);
        std::erase_if(request.headers,
                      [](auto const& header) { return to_lower(header.first).starts_with("impersonate-"); });
        Result<Response> response = co_await ask(ctx, *member, as_level, enough, user.name, std::move(request));
        co_return std::move(response);
    }

    std::shared_ptr<propagation::Propagator> kept_;
    propagation::Propagator& propagator_;
    std::shared_ptr<control::AccessReviewer> reviewer_;
    LastAnswers last_{kMaxKeptBytes};
};

}   // namespace

std::shared_ptr<apiserver::Route> make_fleet_route(std::shared_ptr<propagation::Propagator> propagator,
                                                   std::shared_ptr<control::AccessReviewer> reviewer) {
    return std::make_shared<FleetRoute>(std::move(propagator), std::move(reviewer));
}

}   // namespace aviary::proxy
