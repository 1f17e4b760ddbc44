// What laws see of traffic: how much the new version gets, and whether there is somebody who answers.
#include <fmt/format.h>

#include <algorithm>

#include "core/json/write.h"
#include "kinds.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "laws.h"
#include "reading.h"
#include "routing.h"

namespace aviary::sim {

namespace {

using namespace std::chrono_literals;
using json::Doc;

constexpr Duration kUnseen = 5s;   // what just happened, by who reads through a slow network

// Of a Service that is narrowed to one version, which one; empty: it is not.
std::string version_behind(Doc const& service) {
    std::vector<std::string> const hashes = hashes_in(service.at({"spec", "selector"}));
    return hashes.empty() ? std::string() : hashes.front();
}

bool selects(Doc const& service, Doc const& pod) {
    for (auto const& [key, value] : service.at({"spec", "selector"}).members()) {
        if (meta::label(pod, key) != value.as_string()) return false;
    }
    return true;
}

}   // namespace

void Laws::ready_pod_went(Member& member, Doc const& pod) const {
    bool const others = std::ranges::any_of(member.ready, [image = image_of_pod(pod)](auto const& each) {
        return each.second.ready && each.second.image == image;
    });
    if (others) return;
    for (std::string const& hash : hashes_in(pod.at({"metadata", "labels"}))) member.ended[hash] = ctx_.monotonic();
}

std::string unit_of(Doc const& pod) {
    std::string const group = meta::label(pod, meta::kGroupIndexLabel);
    return group.empty() ? meta::name(pod) : "group " + group;
}

bool Laws::was_taken(Member const& member, Doc const& pod) const {
    auto const found = member.taken.find(unit_of(pod));
    return found != member.taken.end() && lately(found->second);
}

// … of what the Service leads to.
bool Laws::lost_of(Member const& member, Doc const& service) const {
    std::string const version = version_behind(service);
    if (version.empty()) return lately(member.lost_at);
    auto const found = member.lost_of.find(version);
    return found != member.lost_of.end() && lately(found->second);
}

std::map<std::string, std::int64_t> Laws::weights_in(std::string const& cluster) const {
    return weights_of(stored(cluster, kRoutes, kShop), stored(cluster, kIngresses, kShop),
                      stored(cluster, kIngresses, kShopCanary));
}

// That its release has come to; 0: to none.
std::int64_t Laws::step_of_version(Member const& member, std::string const& version) {
    auto const found = member.reached.find(version);
    return found == member.reached.end() ? 0 : found->second;
}

// The new version has a part of the requests that a step asks for, and its pods one of the rest, too: its Service leads
// to any version. In a step that says nothing of requests, or leaves no pod of another version, that is right; or where
// nobody of one could answer: of a group nobody does when one of it is taken.
bool Laws::shares_the_rest(std::string const& cluster) const {
    Member const& member = members_.at(cluster);
    std::map<std::string, std::int64_t> weights = weights_in(cluster);
    bool const taken = member.lost_at > MonotonicTime{} && ctx_.monotonic() - member.lost_at <= kUnseen;
    if (weights[kShopCanary] == 0 || weights[kShop] == 0 || member.ends_since || taken) return false;
    std::int64_t const step = step_of_version(member, version_behind(stored(cluster, kServices, kShopCanary)));
    if (step < 1 || step > std::ssize(member.traffic)) return false;
    auto const at = static_cast<std::size_t>(step - 1);
    std::int64_t const size = just(member.scaled_at) ? member.least : member.size;
    bool const asked = member.traffic[at] > 0 && pods_of_share(size, member.shares[at]) < size;
    std::set<std::string> others;   // of several those that are left may all be in between
    for (auto const& [name, pod] : member.ready) {
        if (pod.ready && pod.image != member.image) others.insert(pod.image);
    }
    return asked && others.size() == 1 && !member.narrowed;
}

// A Service or a route was changed. The new version has no more of the requests than the step asks for that it has come
// to: of the version that the canary Service leads to then.
void Laws::routing_changed(std::string const& cluster) {
    Doc const canary = stored(cluster, kServices, kShopCanary);
    std::map<std::string, std::int64_t> const weights = weights_in(cluster);
    std::int64_t all = 0;
    for (auto const& [name, weight] : weights) all += weight;
    auto const found = weights.find(kShopCanary);
    std::int64_t const weight = found == weights.end() ? 0 : found->second;
    Member& member = members_[cluster];
    member.routed = !weights.empty();
    std::string const version = version_behind(canary);
    if (verbose_) say(fmt::format("  {}: {} of {} requests go to {}", cluster, weight, all, version));
    if (weight > 0) {
        std::int64_t const step = step_of_version(member, version);
        std::int64_t const last = std::ssize(member.traffic);
        std::int64_t asked = step > last ? 100 : 0;
        for (std::int64_t each = 0; each < std::min(step, last); ++each)
            asked = std::max(asked, member.traffic[static_cast<std::size_t>(each)]);
        if (weight * 100 > all * asked)
            violate(fmt::format("{}: {} of {} requests go to {}, and its release has come to step {}", cluster, weight,
                                all, version, step));
    }
    bool const narrowed = !version_behind(stored(cluster, kServices, kShop)).empty();
    if (std::exchange(member.narrowed, narrowed) && shares_the_rest(cluster))
        violate(fmt::format("{}: {} of {} requests go to {}, and the rest to any version again", cluster, weight, all,
                            version));
    check_answered(cluster, {});
}

// Whose size was changed loses the pods that its own controller chooses. A Deployment in blue-green style that is put
// back to the version whose pods are all there loses those of the other at once, also where a newer one follows: the
// native controller scales them down, paused or not. And where a Rollout ends nothing holds a newer version back any
// more.
bool Laws::gone_natively(std::string const& cluster, Doc const& service) const {
    Member const& member = members_.at(cluster);
    auto const leads_to_it = [&](auto const& each) {
        return each.first.cluster == cluster && each.first.resource == "replicasets.apps" &&
               image_of(each.second) == member.put_back && own_hash(meta::name(each.second)) == version_behind(service);
    };
    bool const put_back = !member.set && (member.rolls || lately(member.rolled_at)) && lately(member.put_back_at) &&
                          std::ranges::none_of(objects_, leads_to_it);
    bool const let_go = member.ends_since && member.changed_at >= *member.ends_since && lately(member.changed_at);
    return lately(member.scaled_at) || lately(member.passed_at) || put_back || let_go;
}

bool Laws::just_gone(Member const& member, Doc const& service) const {
    auto const found = member.ended.find(version_behind(service));
    return found != member.ended.end() && ctx_.monotonic() - found->second <= kUnseen;
}

// Requests are not led where nobody answers, unless the world took away who did (`gone`: the pod that was changed just
// now, or was deleted).
void Laws::check_answered(std::string const& cluster, Doc const& gone) {
    Member& member = members_[cluster];
    if (!member.routed) return;
    std::map<std::string, std::int64_t> const weights = weights_in(cluster);
    std::erase_if(member.answered, [&](auto const& each) {
        auto const weight = weights.find(each.first);
        return weight == weights.end() || weight->second == 0;
    });
    for (auto const& [name, weight] : weights) {
        if (weight == 0) continue;
        Doc const service = stored(cluster, kServices, name);
        std::string const behind = json::write(service.at({"spec", "selector"}));
        bool const answers = service.exists() && std::ranges::any_of(member.ready, [&](auto const& pod) {
                                 return pod.second.ready && selects(service, stored(cluster, kPods, pod.first));
                             });
        auto const [state, fresh] = member.answered.try_emplace(name);
        bool const led_anew = fresh || state->second.behind != behind;
        bool const had = !led_anew && state->second.answers;
        MonotonicTime const excused = led_anew || answers ? MonotonicTime{} : state->second.excused_at;
        bool const overdue = excused > MonotonicTime{} && ctx_.monotonic() - excused > kUnseen;
        state->second = {behind, answers, excused};
        if (answers || !member.begun) continue;
        bool const taken = led_anew        ? lost_of(member, service)
                           : gone.exists() ? was_taken(member, gone)
                                           : lately(member.lost_at);
        if (taken || member.size == 0 || gone_natively(cluster, service)) continue;
        if (led_anew && just_gone(member, service)) {
            state->second.excused_at = ctx_.monotonic();
        } else if (led_anew || had || overdue) {
            violate(
                fmt::format("{}: requests are led to Service {}, and no pod of {} is ready", cluster, name, behind));
        }
    }
}

}   // namespace aviary::sim
