// What laws see of a release: its steps, its pods, and who serves meanwhile.
#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "kinds.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "laws.h"
#include "reading.h"

namespace aviary::sim {

namespace {

using namespace std::chrono_literals;
using json::Doc;

constexpr Duration kHeals = 10s;   // what the native controller took by mistake is back by then
constexpr Duration kExcuse = 5s;   // for a pod that the world takes away to be seen going

// Of a group, its first pod; every other pod.
bool leads(Doc const& pod) {
    std::string const index = meta::label(pod, meta::kWorkerIndexLabel);
    return index.empty() || index == "0";
}

bool is_paused(Doc const& rollout) {
    return meta::condition(rollout, "Progressing")["reason"].as_string() == apis::reason::kPaused;
}

}   // namespace

// Its own controller may give each version a part of what is more, or take one from each.
bool Laws::scaled_natively(Member const& member) const {
    return (member.rolls || lately(member.rolled_at)) && lately(member.scaled_at);
}

int Laws::budget_of(Member const& member, std::int64_t size) { return member.set ? 1 : static_cast<int>(size / 4); }

void Laws::workload_changed(std::string const& cluster, Doc const& after) {
    Member& member = members_[cluster];
    if (image_of(after) != member.image) {
        member.changed_at = ctx_.monotonic();
        if (member.trusted.contains(image_of(after))) {
            member.put_back_at = member.changed_at;
            member.put_back = image_of(after);
        }
    }
    bool const another = image_of(after) != member.image;
    if (another) member.beyond.try_emplace(image_of(after), Beyond{member.granted});
    if (another && !member.image.empty())
        meets(cluster, member.trusted.contains(image_of(after)) ? event::kRollback : event::kNewVersion);
    member.image = image_of(after);
    member.set = after["kind"].as_string() != "Deployment";
    member.daemons = after["kind"].as_string() == "DaemonSet";
    member.by_what_is_left = after["kind"].as_string() == "StatefulSet" && meta::kind_of(after).group != "apps";
    member.group = after.at({"spec", "leaderWorkerTemplate", "size"}).as_int(1);
    // Whose controller chooses a hash of its own: a release that is quicker names the version by what is in it.
    if (member.group > 1)
        member.own_names[meta::template_hash(Doc::freeze(meta::groups_of(after["spec"])))] = member.image;
    member.held = !meta::annotation(after, apis::kControlInfoAnnotation).empty();
    if (member.rolls) member.rolled_at = ctx_.monotonic();                             // until now
    member.rolls = after.at({"spec", "strategy", "type"}).as_string() != "Recreate";   // paused or not
    std::int64_t const size =
        after[member.daemons ? "status" : "spec"][member.daemons ? "desiredNumberScheduled" : "replicas"].as_int();
    if (size != member.size) member.served = false;
    if (size != member.size) {
        bool const first = member.most == 0;
        member.most = std::max(size, lately(member.scaled_at) ? member.most : member.size);
        member.least = first ? size : std::min(size, just(member.scaled_at) ? member.least : member.size);
        if (!first) member.scaled_at = ctx_.monotonic();
        if (!first) member.granted.grown += std::max<std::int64_t>(0, size - member.size);
        member.fewest = static_cast<int>(size);
    }
    member.size = size;
    // There is nobody to hold back.
    bool const begun = !meta::annotation(after, apis::kInProgressingAnnotation).empty();
    if (another && !begun && (size == 0 || !has_pods(cluster))) trust(cluster, member.image);
}

bool Laws::has_pods(std::string const& cluster) const {
    return std::ranges::any_of(objects_, [&](auto const& each) {
        return each.first.cluster == cluster && each.first.resource == "pods" && !meta::is_deleting(each.second);
    });
}

// It is done with the first change of step, whichever that is to, unless it may come later.
bool Laws::jumped(std::string const& cluster, Doc const& before, Doc const& after) {
    bool const to_its_begin = state_of(after) == "BeforeStepUpgrade" || state_of(after) == "StepUpgrade";
    bool const begins = state_of(before) != state_of(after) &&
                        (to_its_begin || (state_of(before) == "StepReady" && state_of(after) != "Completed"));
    if (step_of(before) == step_of(after) && !begins) return false;
    auto& asked = jumps_[{cluster, meta::uid(after), revision_of(after)}];
    auto const seen = [&](Jump const& jump) { return jump.version < version_of(after); };
    auto const found =
        std::ranges::find_if(asked, [&](Jump const& jump) { return seen(jump) && jump.to == step_of(after); });
    bool const jumps = found != asked.end();
    if (jumps) asked.erase(found);
    std::erase_if(asked, [&](Jump const& jump) { return seen(jump) && !jump.later; });
    return jumps;
}

// No step is passed that nobody approved, or passed twice, no approval is taken back, and what is paused stays.
void Laws::rollout_changed(std::string const& cluster, Doc const& before, Doc const& after) {
    Member& member = members_[cluster];
    bool const beside = side_by_side(after);
    if (beside && !member.beside) member.served = false;   // it begins with what it finds
    member.beside = beside;
    bool const ends = !after.exists() || leaving(after) || phase_of(after) == "Disabled";
    if (!ends) member.ends_since.reset();
    if (ends && !member.ends_since) member.ends_since = ctx_.monotonic();
    if (before.exists() && after.exists()) {
        if (!is_paused(before) && is_paused(after)) meets(cluster, before, event::kPause);
        if (after.at({"spec", "disabled"}).as_bool()) meets(cluster, before, event::kDisable);
        if (meta::is_deleting(after)) meets(cluster, before, event::kDelete);
    }
    if (!after.exists()) return;
    member.shares.clear();
    member.traffic.clear();
    for (auto const& [index, each] : steps_of(after).elements()) {
        member.shares.push_back(percent_of(each["replicas"]));
        member.traffic.push_back(percent_of(each["traffic"]));
    }
    back_changed(cluster, before, after);
    std::string const revision = revision_of(after);
    std::int64_t const step = step_of(after);
    bool const passed_last =
        step == std::ssize(member.shares) && (state_of(after) == "StepReady" || state_of(after) == "Completed");
    if (phase_of(after) == "Progressing") {
        for (std::string const& hash : {revision, release_of(after)["podTemplateHash"].string()}) {
            if (hash.empty()) continue;
            auto const named = member.own_names.find(hash);
            for (std::string const& version :
                 {own_hash(hash), named == member.own_names.end() ? own_hash(hash) : named->second}) {
                std::int64_t& reached = member.reached[version];
                reached = std::max(reached, step + (passed_last ? 1 : 0));
            }
        }
    }
    // Where earlier steps had all pods none comes with the last one.
    if (passed_last && member.shares.back() == 100) trust_version(cluster, own_hash(revision));
    if (verbose_ &&
        (phase_of(before) != phase_of(after) || state_of(before) != state_of(after) || step_of(before) != step))
        say(fmt::format("  {}: {} {}/{} {} {}", cluster, phase_of(after), step, state_of(after), revision,
                        after.at({"status", "message"}).as_string()));
    bool const same = before.exists() && meta::uid(before) == meta::uid(after) && phase_of(before) == "Progressing" &&
                      phase_of(after) == "Progressing" && revision_of(before) == revision;
    if (!same) return;
    if (state_of(before) == "StepTrafficRouting" && state_of(after) == "StepPaused" && shares_the_rest(cluster))
        violate(fmt::format("{}: step {} has its part of the requests, and the rest go to any version", cluster, step));
    std::int64_t const from = step_of(before);
    bool const approves = state_of(before) == "StepPaused" && state_of(after) == "StepReady";
    if (is_paused(before) && is_paused(after) && (step != from || (state_of(before) != state_of(after) && !approves)))
        violate(fmt::format("{}: from {} of step {} to {} of step {} while it is paused", cluster, state_of(before),
                            from, state_of(after), step));
    if (jumped(cluster, before, after)) {
        meets(cluster, before, event::kJump);
        if (step > from) passed_.insert(pause_of(cluster, before));
        // Times are whole seconds: the pause that it leads to may have the name of one that is over.
        passed_.erase({cluster, meta::uid(after), revision, step, release_of(after)["lastUpdateTime"].string()});
        return;
    }
    bool const was_ready = state_of(before) == "StepReady";
    bool const goes_on = state_of(after) == "StepReady" || state_of(after) == "Completed";
    if (was_ready && step == from && !goes_on)
        violate(fmt::format("{}: the approval of step {} was taken back", cluster, step));
    if (step < from) violate(fmt::format("{}: from step {} back to step {}", cluster, from, step));
    bool const left = step > from || (step == from && goes_on);
    if (!left || was_ready) {
        if (was_ready && step > from + 1) violate(fmt::format("{}: from step {} to step {}", cluster, from, step));
        return;
    }
    if (step == from && state_of(before) == state_of(after)) return;
    if (from == std::ssize(member.shares) && !blue_green(after)) return;   // all pods: passes by itself
    Pause const pause = pause_of(cluster, before);
    if (pause.step == 0) {
        violate(fmt::format("{}: step {} was left from {} without a pause", cluster, from, state_of(before)));
    } else if (!approved_.contains(pause)) {
        violate(fmt::format("{}: {} was passed and nobody approved it", cluster, pause.text()));
    } else if (step > from + 1) {
        violate(fmt::format("{}: from step {} to step {}", cluster, from, step));
    }
    if (approved_.contains(pause)) meets(cluster, before, event::kApprove);
    if (!passed_.insert(pause).second && pause.step > 0)
        violate(fmt::format("{}: {} was passed twice", cluster, pause.text()));
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
    check_share(cluster, image, meta::label(after, "pod-template-hash"), size, grows, true);
}

std::int64_t Laws::pods_of(std::string const& cluster, std::string const& image, bool of_it) const {
    return std::ranges::count_if(objects_, [&](auto const& each) {
        return each.first.cluster == cluster && each.first.resource == "pods" && leads(each.second) &&
               !meta::is_deleting(each.second) && (image_of_pod(each.second) == image) == of_it;
    });
}

// Asked for by the Rollout, a set goes back through the steps: of the pods that had been changed, each step has its
// share.
void Laws::back_changed(std::string const& cluster, Doc const& before, Doc const& after) {
    Member& member = members_[cluster];
    bool const rolls = phase_of(after) == "Progressing" && !closing(after);
    bool const turns = rolls && phase_of(before) == "Progressing" && meta::uid(before) == meta::uid(after) &&
                       revision_of(before) != revision_of(after) && !revision_of(before).empty() &&
                       meta::annotation(after, apis::kRollbackInBatchAnnotation) == "true" &&
                       member.trusted.contains(member.image);
    if (turns) {
        // What is being replaced comes back in it.
        member.back = Back{member.image, std::max(pods_of(cluster, member.image) + member.lost,
                                                  member.size - pods_of(cluster, member.image, false))};
        say(fmt::format("  {}: goes back in batches, {} pods are spared", cluster, member.back->spared));
    }
    if (!member.back) return;
    bool const another = !turns && revision_of(before) != revision_of(after);
    if (!rolls || another || member.image != member.back->image) return member.back.reset();
    member.back->step = std::max(member.back->step, step_of(after));
}

// Of a set, each pod as it comes; of groups, each leader.
void Laws::pod_of_set_came(std::string const& cluster, Doc const& after) {
    if (!leads(after)) return;
    std::string const image = image_of_pod(after);
    std::int64_t const size = pods_of(cluster, image);
    std::string const group_revision = meta::label(after, meta::kGroupRevisionLabel);
    std::string const hash = group_revision.empty() ? meta::label(after, meta::kRevisionHashLabel) : group_revision;
    Member& member = members_[cluster];
    say(fmt::format("  {}: {} comes as the {}th of {} ({})", cluster, meta::name(after), size, image, hash));
    // Their controllers make these of the newest template: of a DaemonSet each pod that is missing; of a set that was
    // scaled, those above the size that it had, or a part of them.
    bool const scaled = scaled_natively(member);
    // Of a CloneSet in blue-green style a pod that was lost comes back in it, too.
    bool const replaced = (member.daemons || member.beside) && lately(member.lost_at);
    // Who does not hear that a pod was made makes it again, and ends one of both when it sees them.
    bool const native = scaled || replaced || reads_anew();
    check_share(cluster, image, hash, size, true, !reads_anew());
    if (!member.back || member.back->image != image || native || lately(member.scaled_at)) return;
    auto const at = std::clamp<std::int64_t>(member.back->step, 1, std::ssize(member.shares)) - 1;
    std::int64_t const spared = std::min(member.back->spared, member.size);
    std::int64_t const share = member.shares[static_cast<std::size_t>(at)];
    if (size <= spared + pods_of_share(member.size - spared, share)) return;
    // A pod that was lost comes back in the stable version below the partition, whatever it was.
    if (lately(member.lost_at))
        ++member.back->spared;
    else
        violate(fmt::format("{}: {} pods of {} are back, and the rollback has come to step {}", cluster, size, image,
                            member.back->step));
}

void Laws::check_share(std::string const& cluster, std::string const& image, std::string const& hash, std::int64_t size,
                       bool grows, bool judged) {
    Member& member = members_[cluster];
    Beyond& beyond = member.beyond.try_emplace(image, Beyond{member.granted}).first->second;
    if (member.trusted.contains(image)) return;
    std::int64_t const last = std::ssize(member.shares);
    std::int64_t const step = std::max(step_of_version(member, own_hash(hash)), step_of_version(member, image));
    std::int64_t const share = step <= 0 ? 0 : step > last ? 100 : member.shares[static_cast<std::size_t>(step - 1)];
    std::int64_t const all = lately(member.scaled_at) ? member.most : member.size;
    // Of a DaemonSet, what was told to go for the version before comes back in this one.
    bool const replaces = member.daemons && ctx_.monotonic() - member.changed_at <= kExcuse;
    std::int64_t const most = pods_of_share(all, share);
    // What came past the webhook is held from where a release finds it; its own controller hears of that a moment
    // later.
    auto const passed = member.passed.find(image);
    if (passed != member.passed.end()) {
        if (step > 0 && !passed->second) passed->second = ctx_.monotonic();
        if (!passed->second || just(*passed->second)) judged = false;
    }
    std::int64_t const replaced = replaces ? budget_of(member, member.size) : 0;
    beyond.beside |= member.beside;
    std::int64_t const lost = member.daemons || beyond.beside ? member.granted.lost - beyond.before.lost : 0;
    // Of a Deployment that no release holds, its own controller gives each version a part of the surge, too (a
    // quarter).
    bool const surges = !member.set && !member.held && lately(member.scaled_at);
    std::int64_t const more = member.granted.grown - beyond.before.grown + lost + (surges ? (all + 3) / 4 : 0);
    if (grows && judged && size > most + std::max(beyond.unjudged, replaced) + more)
        violate(fmt::format("{}: {} pods of {}, and its release has come to step {}", cluster, size, image, step));
    if (grows && !judged) beyond.unjudged = std::max(beyond.unjudged, size - most);
    // Beside the version before it is to be approved at the last step, too.
    bool const through = step > last || (step == last && !member.beside);
    bool const unheld = passed != member.passed.end() && !passed->second;
    if (((through && share == 100) || unheld) && size >= member.size) member.trusted.insert(image);
}

void Laws::trust_version(std::string const& cluster, std::string const& version) {
    for (auto const& [where, pod] : objects_) {
        if (where.cluster != cluster || where.resource != "pods") continue;
        for (std::string_view label :
             {std::string_view("pod-template-hash"), std::string_view(meta::kRevisionHashLabel)}) {
            if (!version.empty() && own_hash(meta::label(pod, label)) == version)
                members_[cluster].trusted.insert(image_of_pod(pod));
        }
    }
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
    bool const comes =
        !before.exists() || (after.exists() && image_of_pod(before) != image_of_pod(after));   // in place
    if (comes && !meta::label(after, meta::kRevisionHashLabel).empty()) pod_of_set_came(cluster, after);
    // The controller of groups takes one for ready once its leader is and its workers are there.
    bool const ready = meta::condition_is_true(after, "Ready");
    bool const was_ready = member.ready.contains(name);
    if (after.exists() && !meta::is_deleting(after) && (ready || !leads(after))) {
        member.ready[name] = {image_of_pod(after), meta::label(after, meta::kGroupIndexLabel), ready};
        member.begun = true;
    } else if (member.ready.erase(name) > 0) {
        ready_pod_went(member, before);
    } else if (!after.exists() || meta::is_deleting(after)) {
        bool const known = before.exists() && meta::is_deleting(before);
        std::erase_if(member.broken, [this](MonotonicTime when) { return !just(when); });
        if (!known && !was_ready && image_of_pod(after.exists() ? after : before) != member.image)
            member.broken.push_back(ctx_.monotonic());
    }
    check_serving(cluster);
    check_answered(cluster, after.exists() ? after : before);
}

// Pods that are ready, of the old version where that has to stay; groups of which every pod is.
int Laws::serving(Member const& member, bool old_alone) {
    int ready = 0;
    std::map<std::string, std::int64_t> groups;
    for (auto const& [name, pod] : member.ready) {
        if (member.beside && !member.trusted.contains(pod.image)) continue;
        if (old_alone && pod.image == member.image && member.let_through.contains(pod.image)) continue;
        if (member.group == 1 || ++groups[pod.group] == member.group) ++ready;
    }
    return ready;
}

// Pods of versions before that do not serve, or did not and are being replaced.
int Laws::broken_before(std::string const& cluster) const {
    Member const& member = members_.at(cluster);
    auto const replaced = std::ranges::count_if(member.broken, [this](MonotonicTime when) { return just(when); });
    return static_cast<int>(replaced + std::ranges::count_if(objects_, [&](auto const& each) {
                                return each.first.cluster == cluster && each.first.resource == "pods" &&
                                       !meta::is_deleting(each.second) &&
                                       !meta::condition_is_true(each.second, "Ready") &&
                                       image_of_pod(each.second) != member.image;
                            }));
}

// Enough pods serve, whoever moves them; all of the old version, where the new one is beside it: from when it was first
// so, as a release begins with what it finds. Where no release holds a Deployment its native controller, which counts
// by copies of its ReplicaSets that may be old, and divides a new size without looking who serves, can take too many
// away for a moment.
void Laws::check_serving(std::string const& cluster) {
    Member& member = members_[cluster];
    int const ready = serving(member);
    auto const all = static_cast<int>(member.size);
    auto const floor_of = [&](std::int64_t size) {
        bool const whole = member.beside && !scaled_natively(member);
        return static_cast<int>(size) - (whole ? 0 : budget_of(member, size));
    };
    int const floor = floor_of(member.size);
    bool const scaled = just(member.scaled_at);
    if (scaled) member.fewest = std::min(member.fewest, ready);
    if (!scaled && ready >= floor) member.fewest = all;
    // Who acted on a smaller size, and died then, has not given back what it took.
    int const seen = scaled                     ? floor_of(member.least)
                     : lately(member.scaled_at) ? std::min(floor, member.fewest)
                                                : floor;
    bool const excused = ctx_.monotonic() - member.lost_at <= kExcuse;
    bool const enough = ready >= (member.beside ? all : floor);
    if (enough && !excused) member.lost = 0;
    // Of a set that is made smaller those go that its controller chooses, and may be the ones that serve. What is let
    // through where nobody holds it back is no old version of the release that it is in.
    bool const of_old = !member.beside || serving(member, true) >= all;
    if (enough && of_old && !(member.set && scaled)) member.served = true;
    // Sets are rolled by their own controllers, whose copies are old for a while when the server comes back.
    bool const old = member.set && reads_anew();
    // Controllers of DaemonSets replace what does not serve beside the number that may be missing.
    int const broken = member.daemons && ready < seen ? broken_before(cluster) : 0;
    bool const enough_left = ready >= seen - member.lost - broken - (old ? 1 : 0);
    if (!member.served || enough_left) {
        member.short_since = MonotonicTime{};
        return;
    }
    if (member.short_since == MonotonicTime{}) member.short_since = ctx_.monotonic();
    bool const heals = !member.held && !member.set && ctx_.monotonic() - member.short_since <= kHeals;
    if (!heals)
        violate(fmt::format("{}: only {} of {} pods serve{}", cluster, ready, all,
                            member.beside ? ", of the old version" : ""));
}

}   // namespace aviary::sim
