// Workload: what a release needs of a workload, whatever its kind: counts, revisions, and the writes that hold it at a
// share, promote it or put it back. One kind, one file. Pure: made from what was listed at one moment, it answers and
// plans, nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/json/doc.h"
#include "kube/control/plan.h"
#include "kube/meta/gvk.h"
#include "kube/meta/int_or_percent.h"

namespace aviary::workload {

// Counts are in units (counting.h).
struct Facts {
    std::int64_t replicas = 0;   // wanted
    std::int64_t generation = 0;
    std::string stable_revision;   // noted when the release began; empty: none
    std::string update_revision;   // of the workload's template; what units of it are labelled with, once there are any
    std::string unit_revision;     // that label's value; empty until there is one
    std::int64_t updated = 0;      // units of the workload's template
    std::int64_t updated_ready = 0;
    std::int64_t updated_available = 0;
    std::int64_t outdated = 0;   // units of other templates; those told to go a moment ago count
    std::int64_t stable = 0;     // of these, units of stable_revision that are there
    std::int64_t stable_ready = 0;
    json::Doc stable_pod;     // one of these, or the leader of one, ready if any is; absent: none
    std::int64_t asked = 0;   // units that are to have the workload's template, as it is held in partition style
    std::int64_t max_unavailable = 0;   // of the workload's own strategy
    bool settled = false;               // nothing is being scaled or replaced at this moment
    std::optional<Time> settles_at;     // when waiting for a unit to go ends
    bool rolled_back = false;           // in a release, and the template is the stable one
    bool unnamed = false;               // in a release, and nothing tells yet whether the template is the stable one
    bool in_batches = false;            // may go back batch by batch, where its Rollout asks for that
    std::string rollout_id;             // the user's own id of the release; empty: none
    std::string held_by;                // the Rollout named by in-progressing
    std::string controller_uid;         // of the BatchRelease that holds it
    bool loses_released = false;        // frozen for a newer template, its released pods go first
    bool restarts = true;               // a newer template in the middle begins again; else this one goes back first
    bool leftovers = false;             // carries marks of a release that are not in-progressing itself
    bool unread = false;                // not all that this style needs can be read; obstacles() say what
};

// What is left to count when a release ends.
struct Restore {
    bool keep_frozen = false;      // a newer template came: drop the old release's control, stay held and in progress …
    std::string stable_revision;   // … from this revision on; empty: as it was
    bool unmarked = false;         // free it, too, where another controller has taken the marks off and no more
};

// What becomes of a release that nobody is there to lead any more.
enum class Leaving {
    kHold,       // paused as it stands; resumed, it goes on as the workload's own strategy has it
    kRollback,   // the stable version comes back, by that strategy
    kRelease,    // the new version goes on to all units, by that strategy
};

struct Labelling {
    std::vector<control::Write> writes;
    std::int64_t labelled = 0;     // once they are done
    std::optional<Time> more_at;   // when units that are only just starting are to be labelled at the latest
};

class Workload {
public:
    virtual ~Workload() = default;

    virtual json::Doc const& object() const = 0;
    virtual meta::GroupVersionResource const& resource() const = 0;
    virtual std::string_view type_label() const = 0;   // "deployment"
    virtual Facts const& facts() const = 0;
    // Whether the revision, as some status noted it, is the workload's template's.
    virtual bool is_current(std::string_view revision) const = 0;
    // Whether anything here says which version the revision is. Not of what another controller has hashed in its own
    // way and put on no object yet.
    virtual bool is_known(std::string_view revision) const { return !revision.empty(); }
    virtual std::int64_t share_of(meta::IntOrPercent const& step) const = 0;
    // How many units of the stable version are left once `share` units are of the workload's template, in partition
    // style. Those of versions in between go first, unless another controller chooses which ones do.
    virtual std::int64_t stable_left(std::int64_t /*share*/) const { return facts().stable; }

    // Puts the workload under the BatchRelease's control at this share; raises it when it is. In order, and safe to
    // break off after each; empty when nothing changes.
    virtual std::vector<control::Write> hold(json::Doc const& batch_release, meta::IntOrPercent const& share) const = 0;
    // While a version newer than the `released` one is refused: the stable one has the pods that are its own, and the
    // released one no more than the step's share, however the workload was scaled meanwhile.
    virtual std::vector<control::Write> keep_stable(std::string_view /*released*/,
                                                    meta::IntOrPercent const& /*share*/) const {
        return {};
    }
    // Gives up control; the workload stays frozen for whoever comes next.
    virtual std::optional<control::Write> let_go() const = 0;
    // Ends the release: the workload's own strategy is back, every mark is gone. Absent when there is nothing to do.
    virtual std::optional<control::Write> restore(Restore const& how) const = 0;
    // Takes the release back as its owner would: the stable template is put in, and the release's controller sees to
    // the rest. What is not empty of `hold` says so to the hub (apis/fleet/hold.h). An Error where there is no version
    // to go back to.
    virtual Result<control::Write> take_back(std::string_view hold) const = 0;
    // Holds back a version that came past the freeze, as that would have, for this Rollout; what units of it are there
    // stay. Absent where it cannot be held, or no unit of the version `before` is known here.
    virtual std::optional<control::Write> catch_up(std::string_view rollout, std::string_view before) const = 0;
    // Ends control for good, in the middle of a release too: in order, and safe to break off after each. Nothing of a
    // workload without marks. An Error where there is no version to go back to.
    virtual Result<std::vector<control::Write>> leave(Leaving how) const = 0;
    // Takes away what releases have made beside the workload, and gives back what they have switched off there, once
    // nobody controls it. Empty when nothing of that is left.
    virtual std::vector<control::Write> tidy() const = 0;
    // And their marks from the objects under the workload, where its own controller has copied them.
    virtual std::vector<control::Write> clean() const = 0;
    // Labels units of the current template; increments[i] units belong to batch i.
    virtual Labelling label(std::string_view rollout_id, std::vector<std::int64_t> const& increments) const = 0;
    // Labels units of the current template as those that a rollback in batches leaves as they are, but for what the
    // release with this id has labelled as its own. Of what cannot go back in batches there are none.
    virtual Labelling spare(std::string_view /*rollout_id*/) const { return {}; }
    // What keeps units of the current template from being ready.
    virtual std::vector<control::Wait> obstacles() const = 0;

    meta::ObjectKey key() const;
};

// Names a workload whatever its kind and version: "demo/CloneSet.apps.kruise.io/web".
std::string workload_id(meta::ObjectKey const& key, std::string_view api_version, std::string_view kind);
std::string deployment_id(meta::ObjectKey const& key);
// The same of what a HorizontalPodAutoscaler scales, or would were it not switched off; empty: nothing.
std::string scaled_workload(json::Doc const& autoscaler);
// The label by which pods of two versions of a workload are told apart; by the kind alone, as the workload may be gone.
std::string_view revision_label(json::Doc const& workload_ref);

}   // namespace aviary::workload
