// What must hold at every moment of a simulation, whatever goes wrong. Laws sees every change of every object in the
// order in which the API server made them, and every message; it never asks the code under test.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/json/doc.h"
#include "fleet.h"
#include "kinds.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::sim {

// One pause of one release in one cluster, as a person sees it.
struct Pause {
    std::string cluster, uid, revision;
    std::int64_t step = 0;
    std::string since;
    auto operator<=>(Pause const&) const = default;
    std::string text() const;
};
// An informer has this long to show a process its own write.
inline constexpr Duration kShortly = std::chrono::seconds(8);

// What can come in the middle of a release.
namespace event {
inline constexpr std::string_view kApprove = "approve", kJump = "jump", kNewVersion = "new version",
                                  kRollback = "rollback", kScale = "scale", kAutoscale = "autoscale", kPause = "pause",
                                  kDisable = "disable", kDelete = "delete", kRestart = "restart",
                                  kWebhookDown = "webhook down";
inline constexpr std::string_view kAll[] = {kApprove, kJump,    kNewVersion, kRollback, kScale,      kAutoscale,
                                            kPause,   kDisable, kDelete,     kRestart,  kWebhookDown};
}   // namespace event

// As `met` of Laws has it.
std::string cell(WorkloadKind const& kind, std::string_view style, std::string_view event);

std::uint64_t version_of(json::Doc const& object);
// What comes and goes as one: a pod, or its group.
std::string unit_of(json::Doc const& pod);

// The pause that the Rollout is in; a step of 0 when it is in none.
Pause pause_of(std::string const& cluster, json::Doc const& rollout);

class Laws final : public Witness {
public:
    Laws(Context const& ctx, bool with_hub, bool verbose);

    // Somebody is about to approve this pause.
    void approving(Pause const& pause) { approved_.insert(pause); }
    // … in the member itself.
    void approving_in_member(Pause const& pause) { approving(pause), direct_.insert(pause); }
    // Somebody is about to send the release that this Rollout has to another step; and was refused. `later`: by a word
    // that may be carried out when other steps have been gone.
    void jumping(std::string const& cluster, json::Doc const& rollout, std::int64_t to, bool later = false);
    void jump_refused(std::string const& cluster, json::Doc const& rollout, std::int64_t to);
    // Nothing holds this version back there any more.
    void trust(std::string const& cluster, std::string const& image) { members_[cluster].trusted.insert(image); }
    // Nobody is to hold this one back from now on, be it released to the end or not.
    void let_through(std::string const& cluster, std::string const& image) {
        trust(cluster, image);
        members_[cluster].let_through.insert(image);
    }
    // A pod is about to be taken away by the world: availability has an excuse.
    void pod_lost(std::string const& cluster, json::Doc const& pod);
    // From now on until `counting_ends` nobody has a reason to write: the processes' writes are counted.
    void counting_begins() { writes_.clear(), counting_ = true; }
    std::map<std::string, int> counting_ends() { return counting_ = false, std::exchange(writes_, {}); }

    void say(std::string const& text) const;
    void violate(std::string text);
    std::string const& violation() const { return violation_; }
    std::uint64_t digest() const { return digest_; }
    // What came in the middle of which release: "Deployment (deployments.apps), canary: scale".
    std::set<std::string> const& met() const { return met_; }

    void server_started(Context const& ctx, std::function<client::Client(std::string const&)> const& clients) override;
    Task<void> server_ended() override;
    void passes_by(std::string const& cluster, std::string const& image) override;
    void unanswered(std::string const& cluster) override { meets(cluster, event::kWebhookDown); }
    void member_dies(std::string const& cluster) override { meets(cluster, event::kRestart); }
    void sent(Process const&, std::string const& cluster, client::Request const&) override;
    void arrived(Process const&, std::string const& cluster, client::Request const&, bool again) override;
    void answered(Process const&, std::string const& cluster, client::Request const&, client::Response const&) override;
    void delivered(Process const&, std::string const& cluster, std::string const& path,
                   json::Doc const& event) override;

private:
    struct Object {
        std::string cluster, resource, ns, name;
        auto operator<=>(Object const&) const = default;
    };
    struct Change {
        Object object;
        json::Doc after;   // absent: deleted
        std::uint64_t version = 0;
        MonotonicTime at{};
    };
    // A pod that counts as serving.
    struct ReadyPod {
        std::string image, group;
        bool ready = false;   // so that requests can be led to it
    };
    // A Service that requests are led to.
    struct Answered {
        std::string behind;   // its selector
        bool answers = false;
        MonotonicTime excused_at{};   // led by what was there a moment before
    };
    // A release that goes back in batches.
    struct Back {
        std::string image;         // of the version before
        std::int64_t spared = 0;   // pods that had it still
        std::int64_t step = 0;     // that it has come to
    };
    // Pods of any version that native controllers may have made by themselves: for a workload that has grown, and for
    // pods that were lost, where these come back in the newest.
    struct Granted {
        std::int64_t grown = 0, lost = 0;
    };
    // Pods of a version past its share: they stay when the step moves on.
    struct Beyond {
        Granted before;              // what was granted before it came
        std::int64_t unjudged = 0;   // made when nobody could be judged
        bool beside = false;         // it was set beside the version before
    };
    struct Member {
        // Hash of a version, or its image → the highest step; past the last, one more.
        std::map<std::string, std::int64_t> reached;
        std::vector<std::int64_t> shares;        // percent of the pods, of the new version, at each step
        std::set<std::string> trusted;           // images that were released to the end, or were there first, and …
        std::set<std::string> let_through;       // … of them, those that may be in a release still
        std::map<std::string, ReadyPod> ready;   // by name
        std::map<std::string, std::string> own_names;   // hash that a release names a version of groups by → image
        std::map<std::string, Beyond> beyond;           // by image
        bool beside = false;   // its Rollout has both versions side by side, and is not being ended: the old one stays
        bool held = false;     // by a release
        MonotonicTime short_since{};   // too few serve
        bool served = false;   // enough, since that was last another number, or one version was set beside the other
        std::string image;     // of its workload
        MonotonicTime changed_at{};    // when that changed
        MonotonicTime put_back_at{};   // … to one that was released to the end
        std::string put_back;          // … which
        bool set = false;              // it is no Deployment
        bool daemons = false;          // its workload is a DaemonSet
        bool by_what_is_left =
            false;                   // … a StatefulSet of Kruise's, whose update is complete when no other pod is left
        bool rolls = false;          // its own controller scales each version
        MonotonicTime rolled_at{};   // … and last might
        std::int64_t group = 1;      // pods that come and go together
        std::int64_t size = 0;       // pods, or groups, that it wants
        std::int64_t most = 0;       // … and wanted lately
        Granted granted;             // in all
        std::int64_t least = 0;      // … as somebody may still see it
        int fewest = 0;              // that served while somebody might
        MonotonicTime scaled_at{};   // when that changed
        int lost = 0;                // pods that the world took away, until all are back
        MonotonicTime lost_at{};
        std::map<std::string, MonotonicTime> taken;     // pods, or groups, that it took, and when
        std::vector<MonotonicTime> broken;              // when pods of versions before went that were not ready
        std::map<std::string, MonotonicTime> lost_of;   // version → when it last took a pod of it
        std::vector<std::int64_t> traffic;              // percent of the requests, for the new version, at each step
        std::map<std::string, Answered> answered;       // by Service
        std::map<std::string, MonotonicTime> ended;     // version → when the last ready pod of it went
        std::optional<MonotonicTime> ends_since;        // its Rollout is being deleted or disabled, or is not there
        bool begun = false;                             // some pod was ready
        bool routed = false;                            // a route leads to its workload
        bool narrowed = false;                          // its Service leads to one version
        std::optional<Back> back;
        // Image that came past the webhook → since when a release holds it, or not yet.
        std::map<std::string, std::optional<MonotonicTime>> passed;
        MonotonicTime passed_at{};   // the last of them
    };
    struct Sent {
        std::uint64_t version = 0;
        MonotonicTime at{};
    };
    // Asked for of a Rollout that was at this version.
    struct Jump {
        std::int64_t to = 0;
        std::uint64_t version = 0;
        bool later = false;
    };
    // What a process was shown of a Rollout or a workload.
    struct Shown {
        std::string image, selects;   // of a workload; the workload that a Rollout selects
        bool empty = false;           // a workload that has no pods, and is to have none
        bool closing = false;         // a Rollout that ends a release
        MonotonicTime since{};        // … from when on
    };

    Task<void> follow(Context ctx, client::Client client, std::string cluster, meta::GroupVersionResource resource);
    Task<void> judge(Context ctx);
    void check_acknowledged(std::string const& cluster, std::string const& resource,
                            std::map<Object, std::uint64_t> const& there);
    void take(Change const& change);
    void rollout_changed(std::string const& cluster, json::Doc const& before, json::Doc const& after);
    // To the release in this cluster, if it is in the middle of one.
    void meets(std::string const& cluster, std::string_view event);
    void meets(std::string const& cluster, json::Doc const& rollout, std::string_view event);
    void back_changed(std::string const& cluster, json::Doc const& before, json::Doc const& after);
    void set_changed(std::string const& cluster, json::Doc const& before, json::Doc const& after);
    void pod_of_set_came(std::string const& cluster, json::Doc const& after);
    // `grows`: one has come. `judged`: else any number may have.
    void check_share(std::string const& cluster, std::string const& image, std::string const& hash, std::int64_t size,
                     bool grows, bool judged);
    // Whether somebody has sent it to the step that it goes to now.
    bool jumped(std::string const& cluster, json::Doc const& before, json::Doc const& after);
    bool lately(MonotonicTime when) const;   // so that somebody may still act on what was before
    bool just(MonotonicTime when) const;     // … who is shown what there is
    bool reads_anew() const { return ctx_.monotonic() - restarted_at_ <= kShortly; }   // everybody, from the server
    bool scaled_natively(Member const& member) const;
    static int budget_of(Member const& member, std::int64_t size);   // how many may be missing
    void workload_changed(std::string const& cluster, json::Doc const& after);
    bool has_pods(std::string const& cluster) const;
    // Those that lead; or those of all other images.
    std::int64_t pods_of(std::string const& cluster, std::string const& image, bool of_it = true) const;
    // Of what has this hash.
    void trust_version(std::string const& cluster, std::string const& version);
    void tell_workload(std::string const& cluster, json::Doc const& before, json::Doc const& after) const;
    void pod_changed(std::string const& cluster, std::string const& name, json::Doc const& before,
                     json::Doc const& after);
    static int serving(Member const& member, bool old_alone = false);
    int broken_before(std::string const& cluster) const;
    void check_serving(std::string const& cluster);
    json::Doc stored(std::string const& cluster, meta::GroupVersionResource const& resource,
                     std::string const& name) const;
    std::map<std::string, std::int64_t> weights_in(std::string const& cluster) const;
    void routing_changed(std::string const& cluster);
    static std::int64_t step_of_version(Member const& member, std::string const& version);
    bool shares_the_rest(std::string const& cluster) const;
    void check_answered(std::string const& cluster, json::Doc const& gone);
    bool gone_natively(std::string const& cluster, json::Doc const& service) const;
    void ready_pod_went(Member& member, json::Doc const& pod) const;
    // Whether a pod of what it is narrowed to went so lately that who leads requests there may not have seen it.
    bool just_gone(Member const& member, json::Doc const& service) const;
    bool was_taken(Member const& member, json::Doc const& pod) const;
    bool lost_of(Member const& member, json::Doc const& service) const;
    void decision_changed(json::Doc const& after);
    void lease_changed(Change const& change);
    void shown(std::string const& process, Object const& object, json::Doc const& content);
    void check_template(Process const& process, Object const& object, client::Request const& request);
    void check_leaders();
    static std::optional<Object> object_of(std::string const& cluster, client::Request const& request);

    Context ctx_;
    bool with_hub_, verbose_;
    std::unique_ptr<async::Scope> scope_;   // of one life of the server
    std::map<std::tuple<MonotonicTime, std::string, std::uint64_t, Object>, Change>
        heard_;   // in the order of the server's revisions
    async::Event something_;

    std::map<Object, json::Doc> objects_;
    std::map<Object, std::uint64_t> deleted_;
    std::map<Object, std::uint64_t> acknowledged_;   // what somebody was told is stored
    MonotonicTime restarted_at_{};                   // of the server
    std::map<std::string, Member> members_;
    std::set<Pause> approved_, direct_, passed_;
    // Cluster, uid of the Rollout, revision → not done yet.
    std::map<std::tuple<std::string, std::string, std::string>, std::vector<Jump>> jumps_;
    std::set<std::pair<std::string, std::string>> settled_jumps_;   // Decision, cluster
    std::map<std::string, std::map<std::string, Sent>> sent_;       // process → write → when it was acknowledged
    std::map<std::string, std::map<Object, std::uint64_t>> seen_;   // process → object → version that its watch showed
    std::map<std::string, std::map<Object, Shown>> shown_;          // process → object
    std::map<std::string, int> writes_;
    std::vector<std::pair<MonotonicTime, std::string>> leaders_;             // who held the hub's lease from when on
    std::vector<std::tuple<MonotonicTime, std::string, std::string>> led_;   // writes of the hub, not judged yet
    bool counting_ = false;
    std::set<std::string> met_;
    std::string violation_;
    std::uint64_t digest_ = 14695981039346656037U;
};

}   // namespace aviary::sim
