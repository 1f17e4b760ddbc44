#include "app/amc/set_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "apis/fleet/hold.h"
#include "apis/rollouts/rollout.h"
#include "app/amc/approve.h"
#include "app/amc/resources.h"
#include "app/amc/rows.h"
#include "app/amc/verdict.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/json/patch.h"
#include "hub/propagation/names.h"
#include "hub/propagation/release_state.h"
#include "hub/proxy/attached.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using json::Doc;
using json::Value;
using Images = std::vector<std::pair<std::string, std::string>>;

constexpr char kSet[] = "Set";   // as the rows call it

constexpr char const* kLists[] = {"containers", "initContainers"};

// One container that gets another image.
struct Change {
    std::size_t index = 0;   // in its list
    std::string name, image;
};

std::vector<Change> changed(Doc const& containers, Images const& images, std::vector<bool>& found) {
    std::vector<Change> changes;
    std::size_t position = 0;
    for (auto const& [index, container] : containers.elements()) {
        for (std::size_t each = 0; each < images.size(); ++each) {
            auto const& [name, image] = images[each];
            if (name != "*" && container["name"].as_string() != name) continue;
            found[each] = true;
            if (container["image"].as_string() != image)
                changes.push_back({position, container["name"].string(), image});
        }
        ++position;
    }
    return changes;
}

Value template_patch(Doc const& workload, Images const& images, std::vector<bool>& found) {
    Value patch{json::Object()};
    for (char const* field : kLists) {
        Value list{json::Array()};
        for (Change const& each : changed(workload.at({"spec", "template", "spec", field}), images, found))
            list.push_back(json::Object{{"name", each.name}, {"image", each.image}});
        if (list.size() > 0) patch.set({"spec", "template", "spec", field}, std::move(list));
    }
    return patch.size() > 0 ? std::move(patch) : Value();
}

// The server knows no strategic merge patch of such kinds, and a merge patch would replace a list as a whole.
Value json_patch(Doc const& workload, Images const& images, std::vector<bool>& found) {
    json::PatchBuilder patch;
    std::vector<std::string> templates{"template"};
    if (meta::is_leader_worker_set(workload))
        templates = {fmt::format("{}/leaderTemplate", meta::kGroupTemplate),
                     fmt::format("{}/workerTemplate", meta::kGroupTemplate)};
    for (std::string const& each : templates) {
        Doc spec = workload["spec"];
        for (std::string_view part : split(each, '/')) spec = spec[part];
        for (char const* field : kLists) {
            for (Change const& change : changed(spec["spec"][field], images, found)) {
                std::string const path = fmt::format("/spec/{}/spec/{}/{}", each, field, change.index);
                patch.test(path + "/name", change.name);
                patch.add(path + "/image", change.image);
            }
        }
    }
    return patch.empty() ? Value() : patch.take();
}

// Of Kubernetes' own kinds those with pods are in groups without a dot.
bool is_builtin(Doc const& workload) { return !meta::kind_of(workload).group.contains('.'); }

}   // namespace

Result<Images> parse_images(std::vector<std::string> const& words) {
    Images images;
    for (std::string const& word : words) {
        std::size_t const equals = word.find('=');
        if (equals == 0 || equals == std::string::npos || equals + 1 == word.size())
            return fail(ErrorCode::kInvalid, fmt::format("\"{}\" is not CONTAINER=IMAGE", word));
        images.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    if (images.empty()) return fail(ErrorCode::kInvalid, "say what is to change: CONTAINER=IMAGE");
    return images;
}

Result<ImagePatch> image_patch(Doc const& workload, Images const& images) {
    std::vector<bool> found(images.size(), false);
    ImagePatch result;
    if (is_builtin(workload)) {
        result.patch = template_patch(workload, images, found);
    } else {
        result = {client::PatchType::kJson, json_patch(workload, images, found)};
    }
    Doc const spec = meta::pod_template_of(workload)["spec"];
    for (std::size_t index = 0; index < images.size(); ++index) {
        if (found[index]) continue;
        std::vector<std::string> names;
        for (auto const& [position, container] : spec["containers"].elements())
            names.push_back(container["name"].string());
        if (names.empty())
            return fail(
                ErrorCode::kInvalid,
                fmt::format("a {} has no pod template with containers: name a workload, such as deployment/NAME",
                            workload["kind"].as_string()));
        return fail(ErrorCode::kNotFound,
                    fmt::format("it has no container \"{}\", but {}", images[index].first, join(names, ", ")));
    }
    return result;
}

namespace {

// That it is what a hub has brought, or what was put back here, is true no more.
void remove_marks(ImagePatch& change, Doc const& workload) {
    auto const remove = [&](char const* where, std::string_view name) {
        if (change.type == client::PatchType::kJson) {
            change.patch.push_back(json::Object{
                {"op", "remove"}, {"path", fmt::format("/metadata/{}/{}", where, json::escape_pointer(name))}});
        } else {
            change.patch.set({"metadata", where, name}, nullptr);
        }
    };
    if (!meta::label(workload, propagation::kTemplateLabel).empty()) remove("labels", propagation::kTemplateLabel);
    if (!meta::annotation(workload, proxy::kUndone).empty()) remove("annotations", proxy::kUndone);
}

// In one cluster, or on the hub.
struct Target {
    std::optional<client::Client> client;   // absent: its row says why
    Row row;
};

// What is to be sent; no patch: it is there already.
struct Wanted {
    meta::GroupVersionResource resource;
    meta::ObjectKey key;
    std::string kind;
    ImagePatch change;
};

// The workload that a Rollout points at, or itself.
Task<Result<std::pair<meta::GroupVersionResource, meta::ObjectKey>>> workload_key(Session const& session,
                                                                                  client::Client const& client,
                                                                                  Served served, std::string name) {
    meta::ObjectKey const key{session.ns(), std::move(name)};
    if (served.resource.group_resource() != apis::kRollouts.group_resource()) co_return std::pair(served.resource, key);
    Result<Doc> found = co_await client.get(session.context(), apis::kRollouts, key);
    CO_TRY_ASSIGN(Doc const rollout, not_found_in(std::move(found), session.ns()));
    auto const [kind, workload] = propagation::workload_of(rollout);
    co_return std::pair(meta::resource_of(kind), meta::ObjectKey{session.ns(), workload.name});
}

Task<Result<Wanted>> find_wanted(Session const& session, client::Client const& client, Served served, std::string name,
                                 Images images) {
    CO_TRY_ASSIGN(auto const where, co_await workload_key(session, client, std::move(served), std::move(name)));
    CO_TRY_ASSIGN(Doc const workload, co_await client.get(session.context(), where.first, where.second));
    CO_TRY_ASSIGN(ImagePatch change, image_patch(workload, images));
    if (session.without_hub() && !change.patch.is_null()) {
        CO_TRY(may_change_there(workload, session.context().now()));
        remove_marks(change, workload);
    }
    co_return Wanted{where.first, where.second, to_lower(workload["kind"].as_string()), std::move(change)};
}

// Into its row.
Task<void> change_one(Context, Session const& session, Target& target, Served served, std::string name, Images images) {
    Row& row = target.row;
    client::WriteOptions options;
    options.dry_run = session.flags().dry_run == "server";
    std::string const dry = options.dry_run ? " (server dry run)" : "";
    auto wanted = co_await find_wanted(session, *target.client, std::move(served), std::move(name), std::move(images));
    if (!wanted) {
        not_read(row, wanted.error());
        co_return;
    }
    if (wanted->change.patch.is_null()) {
        row.result = "done";
        row.message = "it has that image already" + dry;
        co_return;
    }
    auto const done = co_await target.client->patch(session.context(), wanted->resource, wanted->key,
                                                    wanted->change.type, std::move(wanted->change.patch), options);
    row.result = done ? past(kSet) : "failed";
    row.message =
        done ? fmt::format("image of {}/{} set{}", wanted->kind, wanted->key.name, dry) : write_problem(done.error());
}

// Those that are meant. One whose context cannot be used, or that does not answer, has its row as well.
Task<Result<std::vector<Target>>> find_targets(Session const& session) {
    std::vector<Target> targets;
    if (!session.without_hub()) {
        targets.push_back({session.hub(), {"(hub)", "-", "", ""}});
        co_return std::move(targets);
    }
    CO_TRY_ASSIGN(std::vector<std::string> chosen, co_await session.members(true));
    Contexts& contexts = session.contexts();
    CO_TRY_ASSIGN(std::vector<std::string> const members,
                  co_await contexts.members(Context(session.context().executor()), std::move(chosen)));
    for (std::string const& cluster : members) {
        client::Client const* const client = contexts.client(cluster);
        if (Error const* const away = contexts.away(cluster)) {
            targets.push_back({std::nullopt, {cluster, "-", "unreachable", away->message()}});
        } else if (client != nullptr) {
            targets.push_back({*client, {cluster, "-", "", ""}});
        }
    }
    co_return std::move(targets);
}

// Where this version of a workload on the hub, or of that of a Rollout, was taken back: these clusters are pinned
// against it until another one comes.
Task<std::string> taken_back_in(Session const& session, Served served, std::string name) {
    client::ListOptions options;
    options.ns = session.ns();
    auto const rollouts = co_await session.hub().list(session.context(), apis::kRollouts, options);
    if (!rollouts) co_return std::string();
    bool const of_rollout = served.resource.group_resource() == apis::kRollouts.group_resource();
    for (auto const& [index, rollout] : (*rollouts)["items"].elements()) {
        auto const [kind, workload] = propagation::workload_of(rollout);
        bool const same = of_rollout ? meta::name(rollout) == name
                                     : workload.name == name &&
                                           meta::resource_of(kind).group_resource() == served.resource.group_resource();
        if (!same) continue;
        auto const view = co_await session.release(meta::name(rollout), {});
        if (!view) co_return std::string();
        std::vector<std::string> clusters;
        for (auto const& [position, cluster] : (*view)["clusters"].elements()) {
            if (cluster["rejected"].exists()) clusters.push_back(cluster["cluster"].string());
        }
        co_return clusters.empty() ? std::string() : some_of(clusters);
    }
    co_return std::string();
}

}   // namespace

Status may_change_there(Doc const& workload, Time now) {
    std::string const hub(meta::label(workload, propagation::kHubLabel));
    if (hub.empty() || apis::held_until(workload, now)) return {};
    return fail(ErrorCode::kForbidden,
                fmt::format("hub {} has brought it, and would put its own version back: release there, or annotate it "
                            "here first with {}='<until when>;<who>;<why>'",
                            hub, propagation::kHold));
}

Task<int> set_image(Session session, std::string what, std::vector<std::string> words) {
    std::string name;
    Status one = split_name(what, name);
    auto const images = parse_images(words);
    if (one) one = session.one_namespace();
    if (!images || !one || name.empty()) {
        session.complain(!one           ? one.error()
                         : name.empty() ? Error(ErrorCode::kInvalid, "say of what: KIND/NAME")
                                        : images.error());
        co_return kFailed;
    }
    if (!session.without_hub() && !session.flags().members.empty()) {
        session.complain(
            "on a hub a release goes to all clusters of the policy: leave -m out, or name the clusters without a hub "
            "by --contexts");
        co_return kFailed;
    }
    auto const served = co_await find_resource(session, what);
    if (!served) {
        session.complain(served.error());
        co_return session.failure(served.error());
    }
    auto targets = co_await find_targets(session);
    if (!targets) {
        session.complain(targets.error());
        co_return kFailed;
    }
    async::Scope scope(Context(session.context().executor()));
    for (Target& each : *targets) {
        if (each.client) scope.spawn(change_one(scope.context(), session, each, *served, name, *images));
    }
    co_await scope.join();
    std::vector<Row> rows;
    for (Target const& each : *targets) rows.push_back(each.row);
    if (session.without_hub()) {
        print_rows(session, rows);
        co_return conclude(session, rows, kSet);
    }
    bool const done = rows.front().result == "done" || rows.front().result == past(kSet);
    if (!done) {
        session.complain(rows.front().message);
        co_return kFailed;
    }
    session.print(rows.front().message + "\n");
    if (rows.front().result == "done") {
        if (std::string const clusters = co_await taken_back_in(session, *served, name); !clusters.empty()) {
            session.note(
                fmt::format("it was taken back in {}, and stays so until the template changes: another image, or "
                            "`kubectl rollout restart` to release this one again",
                            clusters));
        }
    }
    co_return kDone;
}

}   // namespace aviary::amc
