#include "laws.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/fleet/decision.h"
#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "kube/meta/object.h"

namespace aviary::sim {

namespace {

using namespace std::chrono_literals;
using json::Doc;

constexpr std::int64_t kShares[] = {0, 10, 50, 100};   // percent of the pods, of the new version, at each step
constexpr std::int64_t kLastStep = 3;
constexpr Duration kExcuse = 5s;    // for a pod that the world takes away to be seen going
constexpr Duration kShortly = 8s;   // an informer has this long to show a process its own write
constexpr Duration kStale = 60s;    // what somebody still writes who saw another size
constexpr Duration kHeeded = 1s;    // what a process was shown so long ago, it has decided with

meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
meta::GroupVersionResource const kStatefulSets{"apps", "v1", "statefulsets"};
meta::GroupVersionResource const kDaemonSets{"apps", "v1", "daemonsets"};
meta::GroupVersionResource const kCloneSets{"apps.kruise.io", "v1alpha1", "clonesets"};
meta::GroupVersionResource const kReplicaSets{"apps", "v1", "replicasets"};
meta::GroupVersionResource const kPods{"", "v1", "pods"};
meta::GroupVersionResource const kLeases{"coordination.k8s.io", "v1", "leases"};
meta::GroupVersionResource const kWatched[] = {kDeployments, kStatefulSets, kDaemonSets,     kCloneSets,
                                               kReplicaSets, kPods,         apis::kRollouts, apis::kBatchReleases};

std::uint64_t version_of(Doc const& object) {
    return static_cast<std::uint64_t>(parse_int(meta::resource_version(object)).value_or(0));
}
std::string image_of(Doc const& object) {
    return object.at({"spec", "template", "spec", "containers"})[0]["image"].string();
}
std::string_view phase_of(Doc const& rollout) { return rollout.at({"status", "phase"}).as_string(); }
bool blue_green(Doc const& rollout) { return rollout.at({"spec", "strategy", "blueGreen"}).is_object(); }
Doc release_of(Doc const& rollout) {
    return rollout["status"][blue_green(rollout) ? "blueGreenStatus" : "canaryStatus"];
}
std::string_view state_of(Doc const& rollout) { return release_of(rollout)["currentStepState"].as_string(); }
std::int64_t step_of(Doc const& rollout) { return release_of(rollout)["currentStepIndex"].as_int(); }
std::string revision_of(Doc const& rollout) {
    return release_of(rollout)[blue_green(rollout) ? "updatedRevision" : "canaryRevision"].string();
}
// In the middle of a release in a style that has both versions side by side.
bool side_by_side(Doc const& rollout) {
    std::string_view const reason = meta::condition(rollout, "Progressing")["reason"].as_string();
    bool const rolling = phase_of(rollout) == "Progressing" && !meta::is_deleting(rollout) &&
                         (reason == apis::reason::kInRolling || reason == apis::reason::kPaused);
    return rolling && (blue_green(rollout) ||
                       rollout.at({"spec", "strategy", "canary", "enableExtraWorkloadForCanary"}).as_bool());
}
std::string text_of(client::Request const& request) {
    return request.method + request.path + json::write(request.body) + request.raw_body;
}
// A release of this Rollout is being ended: until that is done a new template would find nothing that holds it.
bool closing(Doc const& rollout) {
    std::string_view const phase = phase_of(rollout);
    if (phase == "Terminating" || phase == "Disabling" || meta::is_deleting(rollout)) return true;
    std::string_view const reason = meta::condition(rollout, "Progressing")["reason"].as_string();
    return phase == "Progressing" && (reason == apis::reason::kFinalising || reason == apis::reason::kCancelling ||
                                      reason == apis::reason::kCompleted);
}
// Of "web-57f9ccb744", a ControllerRevision, which a release that is quicker than it names by the hash alone.
std::string own_hash(std::string const& revision) { return revision.substr(revision.rfind('-') + 1); }
bool is_workload(std::string const& resource) {
    return resource == kDeployments.group_resource() || resource == kStatefulSets.group_resource() ||
           resource == kDaemonSets.group_resource() || resource == kCloneSets.group_resource();
}
bool controls(Process const& process) { return process.name.starts_with("hub") || process.name.starts_with("member"); }

}   // namespace

std::string Pause::text() const { return fmt::format("step {} of {} in {} since {}", step, revision, cluster, since); }

Pause pause_of(std::string const& cluster, Doc const& rollout) {
    // A release that is being taken back leaves StepPaused behind.
    std::string const reason = meta::condition(rollout, "Progressing")["reason"].string();
    bool const rolling = reason == apis::reason::kInRolling || reason == apis::reason::kPaused;
    if (phase_of(rollout) != "Progressing" || state_of(rollout) != "StepPaused" || !rolling) return {};
    return {cluster, meta::uid(rollout), revision_of(rollout), step_of(rollout),
            release_of(rollout)["lastUpdateTime"].string()};
}

Laws::Laws(Context const& ctx, bool with_hub, bool verbose) : ctx_(ctx), with_hub_(with_hub), verbose_(verbose) {}

void Laws::jumping(std::string const& cluster, Doc const& rollout, std::int64_t to) {
    jumps_.emplace(cluster, revision_of(rollout), to);
}

void Laws::say(std::string const& text) const {
    if (verbose_) fmt::print("{} {}\n", format_rfc3339_micro(ctx_.now()), text);
}

void Laws::violate(std::string text) {
    say("VIOLATION " + text);
    if (violation_.empty()) violation_ = std::move(text);
}

void Laws::pod_lost(std::string const& cluster) {
    Member& member = members_[cluster];
    ++member.lost;
    member.lost_at = ctx_.monotonic();
}

// ---- objects ----

void Laws::server_started(Context const& ctx, std::function<client::Client(std::string const&)> const& clients) {
    scope_ = std::make_unique<async::Scope>(ctx.without_stop());
    restarted_at_ = ctx_.monotonic();
    for (char const* cluster : {"beijing", "hangzhou", "shanghai"}) {
        for (auto const& resource : kWatched)
            scope_->spawn(follow(scope_->context(), clients(cluster), cluster, resource));
    }
    scope_->spawn(judge(scope_->context()));
    if (!with_hub_) return;
    scope_->spawn(follow(scope_->context(), clients(kHubCluster), kHubCluster, apis::kDecisions));
    for (auto const& resource : {kDeployments, kStatefulSets, kCloneSets})
        scope_->spawn(follow(scope_->context(), clients(kHubCluster), kHubCluster, resource));
    scope_->spawn(follow(scope_->context(), clients(kHubCluster), kHubCluster, kLeases));
}

Task<void> Laws::server_ended() {
    if (!scope_) co_return;
    co_await scope_->cancel_and_join();
    scope_.reset();
    for (auto const& [when, change] : std::exchange(heard_, {})) take(change);
}

Task<void> Laws::follow(Context ctx, client::Client client, std::string cluster, meta::GroupVersionResource resource) {
    std::string const kind = resource.group_resource();
    auto const hear = [this, &ctx, &cluster, &kind](Doc const& object, bool gone) {
        Change change{{cluster, kind, meta::ns(object), meta::name(object)},
                      gone ? Doc() : object.detach(),
                      version_of(object),
                      ctx.monotonic()};
        auto const at = std::tuple(change.at, cluster, change.version, change.object);
        heard_[at] = std::move(change);
        something_.notify();
    };
    std::string version;
    while (ctx.check()) {
        if (version.empty()) {
            auto const list = co_await client.list(ctx, resource);
            if (!list) {   // a kind that is not defined yet
                (void)co_await async::sleep_for(ctx, 20ms);
                continue;
            }
            version = list->at({"metadata", "resourceVersion"}).string();
            std::map<Object, std::uint64_t> there;
            for (auto const& [index, object] : (*list)["items"].elements()) {
                hear(object, false);
                there[{cluster, kind, meta::ns(object), meta::name(object)}] = version_of(object);
            }
            check_acknowledged(cluster, kind, there);
        }
        auto stream = co_await client.watch(ctx, resource, {.resource_version = version});
        while (stream) {
            auto event = co_await (*stream)->next(ctx);
            if (!event || !*event) break;
            Doc const object = (**event)["object"];
            std::string_view const type = (**event)["type"].as_string();
            if (type == "ERROR") {
                violate("the witness fell behind");
                break;
            }
            version = meta::resource_version(object);
            if (type != "BOOKMARK") hear(object, type == "DELETED");
        }
    }
}

// Whatever was acknowledged before a restart is there after it.
void Laws::check_acknowledged(std::string const& cluster, std::string const& resource,
                              std::map<Object, std::uint64_t> const& there) {
    for (auto const& [object, told] : acknowledged_) {
        if (object.cluster != cluster || object.resource != resource) continue;
        auto const found = there.find(object);
        auto const gone = deleted_.find(object);
        bool const kept = found != there.end() ? found->second >= told : gone != deleted_.end() && gone->second >= told;
        if (!kept)
            violate(fmt::format("{} {}/{} of {}: revision {} was acknowledged and is lost", resource, object.ns,
                                object.name, cluster, told));
    }
}

// Changes of one instant are taken once it has passed: until then they come in the order of the watches, not of the
// server.
Task<void> Laws::judge(Context ctx) {
    while (ctx.check()) {
        if (heard_.empty()) {
            if (!co_await something_.wait(ctx)) break;
        }
        if (!co_await async::sleep_for(ctx, 1us)) break;
        while (!heard_.empty() && std::get<0>(heard_.begin()->first) < ctx.monotonic()) {
            Change const change = std::move(heard_.begin()->second);
            heard_.erase(heard_.begin());
            take(change);
        }
        check_leaders();
    }
}

void Laws::take(Change const& change) {
    digest_ =
        digest_ * 1099511628211U ^ fnv1a_64(fmt::format("{}/{}/{} {}", change.object.cluster, change.object.resource,
                                                        change.object.name, change.version));
    Doc& known = objects_[change.object];
    Doc const before = known;
    if (before.exists() && change.after.exists() && version_of(before) == version_of(change.after)) return;
    known = change.after;
    if (!change.after.exists()) {
        objects_.erase(change.object);
        deleted_[change.object] = change.version;
    }
    std::string const& cluster = change.object.cluster;
    if (cluster == kHubCluster) {
        if (change.object.resource == apis::kDecisions.group_resource()) decision_changed(change.after);
        if (change.object.resource == kLeases.group_resource()) lease_changed(change);
        return;
    }
    if (change.object.resource == apis::kRollouts.group_resource()) rollout_changed(cluster, before, change.after);
    if (change.object.resource == kReplicaSets.group_resource()) set_changed(cluster, before, change.after);
    if (is_workload(change.object.resource) && change.object.name == "web") workload_changed(cluster, change.after);
    if (is_workload(change.object.resource)) tell_workload(cluster, before, change.after);
    if (change.object.resource == kPods.group_resource())
        pod_changed(cluster, change.object.name, before, change.after);
}

bool Laws::lately(MonotonicTime when) const { return when > MonotonicTime{} && ctx_.monotonic() - when <= kStale; }

// Its own controller may give each version a part of what is more, or take one from each.
bool Laws::scaled_natively(Member const& member) const {
    return (member.rolls || lately(member.rolled_at)) && lately(member.scaled_at);
}

void Laws::workload_changed(std::string const& cluster, Doc const& after) {
    Member& member = members_[cluster];
    if (image_of(after) != member.image) member.changed_at = ctx_.monotonic();
    member.image = image_of(after);
    member.set = after["kind"].as_string() != "Deployment";
    member.daemons = after["kind"].as_string() == "DaemonSet";
    if (member.rolls) member.rolled_at = ctx_.monotonic();                             // until now
    member.rolls = after.at({"spec", "strategy", "type"}).as_string() != "Recreate";   // paused or not
    bool const held = !meta::annotation(after, apis::kControlInfoAnnotation).empty();
    std::int64_t const size =
        after[member.daemons ? "status" : "spec"][member.daemons ? "desiredNumberScheduled" : "replicas"].as_int();
    if (held != member.held || size != member.size) member.served = false;
    if (size != member.size) {
        member.most = std::max(size, lately(member.scaled_at) ? member.most : member.size);
        member.scaled_at = ctx_.monotonic();
    }
    member.held = held;
    member.size = size;
    member.budget = after["kind"].as_string() == "Deployment" ? static_cast<int>(size / 4) : 1;
}

// No step is passed that nobody approved, and no approval is taken back.
void Laws::rollout_changed(std::string const& cluster, Doc const& before, Doc const& after) {
    Member& member = members_[cluster];
    member.beside = side_by_side(after);
    if (!after.exists()) return;
    std::string const revision = revision_of(after);
    std::int64_t const step = step_of(after);
    if (phase_of(after) == "Progressing") {
        for (std::string const& hash : {revision, release_of(after)["podTemplateHash"].string()}) {
            if (!hash.empty()) member.reached[own_hash(hash)] = std::max(member.reached[own_hash(hash)], step);
        }
    }
    if (verbose_ &&
        (phase_of(before) != phase_of(after) || state_of(before) != state_of(after) || step_of(before) != step))
        say(fmt::format("  {}: {} {}/{} {} {}", cluster, phase_of(after), step, state_of(after), revision,
                        after.at({"status", "message"}).as_string()));
    bool const same = before.exists() && meta::uid(before) == meta::uid(after) && phase_of(before) == "Progressing" &&
                      phase_of(after) == "Progressing" && revision_of(before) == revision;
    if (!same || jumps_.contains({cluster, revision, step})) return;
    std::int64_t const from = step_of(before);
    bool const was_ready = state_of(before) == "StepReady";
    if (was_ready && step == from && state_of(after) == "StepPaused")
        violate(fmt::format("{}: the approval of step {} was taken back", cluster, step));
    bool const left =
        step > from || (step == from && (state_of(after) == "StepReady" || state_of(after) == "Completed"));
    if (!left || was_ready) {
        if (was_ready && step > from + 1) violate(fmt::format("{}: from step {} to step {}", cluster, from, step));
        return;
    }
    if (step == from && state_of(before) == state_of(after)) return;
    if (from == kLastStep && !blue_green(after)) return;   // all pods: passes by itself
    Pause const pause = pause_of(cluster, before);
    if (pause.step == 0) {
        violate(fmt::format("{}: step {} was left from {} without a pause", cluster, from, state_of(before)));
    } else if (!approved_.contains(pause)) {
        violate(fmt::format("{}: {} was passed and nobody approved it", cluster, pause.text()));
    } else if (step > from + 1) {
        violate(fmt::format("{}: from step {} to step {}", cluster, from, step));
    }
    passed_.insert(pause);
}

// Pods of a version that is being released are never more than its step has.
void Laws::set_changed(std::string const& cluster, Doc const& before, Doc const& after) {
    if (!after.exists()) return;
    std::string const image = image_of(after);
    std::int64_t const size = after.at({"spec", "replicas"}).as_int();
    auto const status = [](Doc const& set) {
        return fmt::format("{} ready, {} available", set.at({"status", "readyReplicas"}).as_int(),
                           set.at({"status", "availableReplicas"}).as_int());
    };
    if (verbose_ && status(before) != status(after)) say(fmt::format("  {}: {} has {}", cluster, image, status(after)));
    if (!before.exists() || before.at({"spec", "replicas"}).as_int() != size)
        say(fmt::format("  {}: {} pods of {} ({})", cluster, size, image, meta::label(after, "pod-template-hash")));
    bool const grows = !before.exists() || before.at({"spec", "replicas"}).as_int() < size;
    // Scaled, the native controller gives each version a part of what is new.
    Member const& member = members_[cluster];
    bool const native = scaled_natively(member);
    check_share(cluster, image, meta::label(after, "pod-template-hash"), size, grows && !native);
}

// Of a StatefulSet, each pod as it comes.
void Laws::pod_of_set_came(std::string const& cluster, Doc const& after) {
    auto const of = [](Doc const& pod) { return pod.at({"spec", "containers"})[0]["image"].string(); };
    auto const size = std::ranges::count_if(objects_, [&](auto const& each) {
        return each.first.cluster == cluster && each.first.resource == kPods.group_resource() &&
               !meta::is_deleting(each.second) && of(each.second) == of(after);
    });
    std::string const hash = meta::label(after, "controller-revision-hash");
    Member const& member = members_[cluster];
    say(fmt::format("  {}: {} comes as the {}th of {} ({})", cluster, meta::name(after), size, of(after), hash));
    // Their controllers make these of the newest template: of a DaemonSet each pod that is missing; of a set that was
    // scaled, those above the size that it had, or a part of them.
    bool const scaled = scaled_natively(member);
    bool const native = scaled || (member.daemons && lately(member.lost_at));
    check_share(cluster, of(after), hash, size, !native);
}

void Laws::check_share(std::string const& cluster, std::string const& image, std::string const& hash, std::int64_t size,
                       bool judged) {
    Member& member = members_[cluster];
    if (member.trusted.contains(image)) return;
    auto const found = member.reached.find(own_hash(hash));
    std::int64_t const step = found == member.reached.end() ? 0 : std::clamp<std::int64_t>(found->second, 0, kLastStep);
    std::int64_t const all = lately(member.scaled_at) ? member.most : member.size;
    // Of a DaemonSet, what was told to go for the version before comes back in this one.
    bool const replaces = member.daemons && ctx_.monotonic() - member.changed_at <= kExcuse;
    if (judged && size > (all * kShares[step] + 99) / 100 + (replaces ? member.budget : 0))
        violate(fmt::format("{}: {} pods of {}, and its release has come to step {}", cluster, size, image, step));
    if (step == kLastStep && size >= member.size) member.trusted.insert(image);
}

void Laws::tell_workload(std::string const& cluster, Doc const& before, Doc const& after) const {
    auto const text = [](Doc const& workload) {
        return fmt::format("{} paused={} {} partition={} held={} control={} strategy={} stable={}", image_of(workload),
                           workload.at({"spec", "paused"}).as_bool(),
                           workload.at({"spec", "strategy", "type"}).as_string(),
                           workload.at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int(),
                           meta::annotation(workload, apis::kInProgressingAnnotation),
                           !meta::annotation(workload, apis::kControlInfoAnnotation).empty(),
                           meta::annotation(workload, apis::kDeploymentStrategyAnnotation),
                           meta::label(workload, apis::kStableRevisionLabel));
    };
    if (verbose_ && text(before) != text(after)) say(fmt::format("  {}: workload {}", cluster, text(after)));
}

void Laws::pod_changed(std::string const& cluster, std::string const& name, Doc const& before, Doc const& after) {
    Member& member = members_[cluster];
    if (!before.exists() && !meta::label(after, "controller-revision-hash").empty()) pod_of_set_came(cluster, after);
    if (after.exists() && !meta::is_deleting(after) && meta::condition_is_true(after, "Ready")) {
        member.ready[name] = after.at({"spec", "containers"})[0]["image"].string();
    } else {
        member.ready.erase(name);
    }
    check_serving(cluster);
}

// Enough pods serve while the release moves them; all of the old version, where the new one is beside it. The native
// controller, which moves them else, reads of its ReplicaSets what may be old, and can take too many away for a moment;
// a release that follows begins with what it finds.
void Laws::check_serving(std::string const& cluster) {
    Member& member = members_[cluster];
    auto const counts = [&](auto const& pod) { return !member.beside || member.trusted.contains(pod.second); };
    auto const ready = static_cast<int>(std::ranges::count_if(member.ready, counts));
    auto const all = static_cast<int>(member.size);
    int const floor = member.beside && !scaled_natively(member) ? all : all - member.budget;
    bool const excused = ctx_.monotonic() - member.lost_at <= kExcuse;
    if (ready >= all && !excused) member.lost = 0;
    if (ready >= floor) member.served = true;
    // Sets are rolled by their own controllers, whose copies are old for a while when the server comes back.
    bool const old = member.set && ctx_.monotonic() - restarted_at_ <= kShortly;
    if (member.held && member.served && !old && ready < floor - member.lost)
        violate(fmt::format("{}: only {} of {} pods serve{}", cluster, ready, all,
                            member.beside ? ", of the old version" : ""));
}

void Laws::lease_changed(Change const& change) {
    std::string const holder = change.after.at({"spec", "holderIdentity"}).string();
    if (!leaders_.empty() && leaders_.back().second == holder) return;
    leaders_.emplace_back(change.at, holder);
    say("the hub is led by " + holder);
}

// A leader that was deposed writes nothing more. Of one instant nobody can say what came first.
void Laws::check_leaders() {
    for (auto const& [at, process, what] : std::exchange(led_, {})) {
        bool led = leaders_.empty();
        for (auto each = leaders_.rbegin(); each != leaders_.rend() && !led; ++each) {
            led = each->first <= at && (each->second.starts_with(process + "_") || each->second.empty());
            if (each->first < at) break;
        }
        if (!led) violate(fmt::format("{} writes and does not lead: {}", process, what));
    }
}

// What is reported applied has happened; and what is recorded as approved in the member itself was approved there.
void Laws::decision_changed(Doc const& after) {
    auto const decision = apis::read_decision(after);
    if (!after.exists() || !decision || decision->spec.action != apis::action::kApprove) return;
    for (apis::DecisionClusterStatus const& row : decision->status.clusters) {
        auto const target = std::ranges::find(decision->spec.targets, row.cluster, &apis::DecisionTarget::cluster);
        if (row.outcome != apis::outcome::kApplied || target == decision->spec.targets.end()) continue;
        Pause const pause{target->cluster, target->rollout_uid, target->revision, target->step.value_or(0),
                          target->paused_since};
        if (decision->status.origin == apis::kOriginMember && !direct_.contains(pause))
            violate(fmt::format("{} is on record as approved in the member, and nobody did", pause.text()));
        if (!passed_.contains(pause))
            violate(
                fmt::format("the approval of {} is reported as applied, and the pause was not passed", pause.text()));
    }
}

// ---- messages ----

// "/apis/apps/v1/namespaces/demo/deployments/web/status"
std::optional<Laws::Object> Laws::object_of(std::string const& cluster, client::Request const& request) {
    auto parts = split(std::string_view(request.path).substr(1), '/');
    std::size_t at = 0;
    std::string group;
    if (parts.size() > 2 && parts[0] == "api") {
        at = 2;
    } else if (parts.size() > 3 && parts[0] == "apis") {
        group = parts[1];
        at = 3;
    } else {
        return std::nullopt;
    }
    Object object{cluster, "", "", ""};
    if (parts[at] == "namespaces" && parts.size() > at + 2) {
        object.ns = parts[at + 1];
        at += 2;
    }
    object.resource = meta::GroupVersionResource{group, "", std::string(parts[at])}.group_resource();
    object.name = parts.size() > at + 1 ? std::string(parts[at + 1]) : meta::name(request.body);
    return object;
}

void Laws::shown(std::string const& process, Object const& object, Doc const& content) {
    if (is_workload(object.resource)) {
        shown_[process][object].image = image_of(content);
    } else if (object.resource == apis::kRollouts.group_resource()) {
        Shown& known = shown_[process][object];
        known.selects = content.at({"spec", "workloadRef", "name"}).string();
        bool const now = closing(content);
        if (now != known.closing) known.since = ctx_.monotonic();
        known.closing = now;
    }
}

// The hub keeps a new template back while a release that it knows of is being ended. What that comes from, or is, may
// come: somebody takes it back.
void Laws::check_template(Process const& process, Object const& object, client::Request const& request) {
    std::string const image = image_of(request.body);
    auto const& known = shown_[process.name];
    auto const live = known.find(object);
    bool const taken_back = members_[object.cluster].trusted.contains(image);
    if (image.empty() || taken_back || live == known.end() || live->second.image == image) return;
    for (auto const& [rollout, what] : known) {
        bool const selects = rollout.cluster == object.cluster && rollout.ns == object.ns &&
                             rollout.resource == apis::kRollouts.group_resource() && what.selects == object.name;
        Object on_hub = rollout;
        on_hub.cluster = kHubCluster;
        if (!selects || !what.closing || ctx_.monotonic() - what.since < kHeeded || !known.contains(on_hub)) continue;
        violate(fmt::format("{} sends {} to {} while it ends the release before", process.name, image, object.cluster));
    }
}

void Laws::sent(Process const& process, std::string const& cluster, client::Request const& request) {
    if (!controls(process) || request.method == "GET" || request.method == "DELETE") return;
    auto const object = object_of(cluster, request);
    if (!object || object->resource == "events") return;
    if (process.name.starts_with("hub") && cluster != kHubCluster && is_workload(object->resource) &&
        request.query_value("dryRun").empty())
        check_template(process, *object, request);
    // Two decisions may say the same in the same words: what they write is bound to what they saw.
    bool const bound = request.body.at({"metadata", "resourceVersion"}).exists() ||
                       object->resource == apis::kRollouts.group_resource();
    if (process.name.starts_with("hub") && bound) return;
    // A process that was told of its write waits until it sees it, before it decides about the object again.
    auto const& mine = sent_[process.name];
    auto const before = mine.find(cluster + text_of(request));
    if (before == mine.end() || ctx_.monotonic() - before->second.at > kShortly) return;
    auto const& seen = seen_[process.name];
    auto const shown = seen.find(*object);
    if (shown != seen.end() && shown->second < before->second.version)
        violate(fmt::format("{} repeats a write of {} {} before it has seen the first: {} {}", process.name,
                            object->resource, object->name, request.method, json::write(request.body)));
}

void Laws::arrived(Process const& process, std::string const& cluster, client::Request const& request, bool) {
    if (!controls(process) || request.method == "GET") return;
    if (request.path.find("/leases") != std::string::npos) return;
    if (process.name.starts_with("hub"))
        led_.emplace_back(ctx_.monotonic(), process.name,
                          fmt::format("{} {}{}", request.method, cluster, request.path));
    if (!counting_) return;
    ++writes_[fmt::format("{}: {} {}{} {}", process.name, request.method, cluster, request.path,
                          json::write(request.body))];
}

void Laws::answered(Process const& process, std::string const& cluster, client::Request const& request,
                    client::Response const& response) {
    if (!response.ok()) return;
    if (request.method == "GET") {
        if (!controls(process)) return;
        for (auto const& [index, item] : response.body["items"].elements()) {
            client::Request const one{.path = request.path + "/" + meta::name(item)};
            auto object = object_of(cluster, one);
            if (!object) continue;
            object->ns = meta::ns(item);
            seen_[process.name][*object] = version_of(item);
            shown(process.name, *object, item);
        }
        return;
    }
    auto const object = object_of(cluster, request);
    std::uint64_t const version = version_of(response.body);
    if (!object || version == 0 || request.method == "DELETE" || !request.query_value("dryRun").empty()) return;
    std::uint64_t& told = acknowledged_[*object];
    told = std::max(told, version);
    if (controls(process)) sent_[process.name][cluster + text_of(request)] = {version, ctx_.monotonic()};
}

void Laws::delivered(Process const& process, std::string const& cluster, std::string const& path, Doc const& event) {
    if (!controls(process) || event["type"].as_string() == "BOOKMARK" || event["type"].as_string() == "ERROR") return;
    client::Request const one{.path = path + "/" + meta::name(event["object"])};
    auto object = object_of(cluster, one);
    if (!object) return;
    object->ns = meta::ns(event["object"]);
    seen_[process.name][*object] = version_of(event["object"]);
    if (event["type"].as_string() == "DELETED") {
        shown_[process.name].erase(*object);
    } else {
        shown(process.name, *object, event["object"]);
    }
}

}   // namespace aviary::sim
