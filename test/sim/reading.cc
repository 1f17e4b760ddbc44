#include "reading.h"

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"

namespace aviary::sim {

using json::Doc;

namespace {

// A Service that is narrowed names one of them: the first that it has.
constexpr std::string_view kVersionLabels[] = {meta::kGroupRevisionLabel, meta::kTemplateHashLabel,
                                               meta::kRevisionHashLabel};

}   // namespace

std::string image_of(Doc const& workload) {
    Doc const groups = workload.at({"spec", "leaderWorkerTemplate", "workerTemplate"});
    Doc const pods = groups.exists() ? groups : workload.at({"spec", "template"});
    return pods.at({"spec", "containers"})[0]["image"].string();
}

std::string image_of_pod(Doc const& pod) { return pod.at({"spec", "containers"})[0]["image"].string(); }

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

Doc steps_of(Doc const& rollout) {
    return rollout.at({"spec", "strategy", blue_green(rollout) ? "blueGreen" : "canary", "steps"});
}

std::string_view style_of(Doc const& rollout) {
    if (blue_green(rollout)) return "blue-green";
    bool const extra = rollout.at({"spec", "strategy", "canary", "enableExtraWorkloadForCanary"}).as_bool();
    return extra ? "canary" : "partition";
}

bool rolling(Doc const& rollout) {
    std::string_view const reason = meta::condition(rollout, "Progressing")["reason"].as_string();
    bool const leaves = meta::is_deleting(rollout) || rollout.at({"spec", "disabled"}).as_bool();
    return phase_of(rollout) == "Progressing" && !leaves &&
           (reason == apis::reason::kInRolling || reason == apis::reason::kPaused);
}

bool side_by_side(Doc const& rollout) { return rolling(rollout) && style_of(rollout) != "partition"; }

bool leaving(Doc const& rollout) {
    std::string_view const phase = phase_of(rollout);
    return phase == "Terminating" || phase == "Disabling" || meta::is_deleting(rollout);
}

bool closing(Doc const& rollout) {
    if (leaving(rollout)) return true;
    std::string_view const phase = phase_of(rollout);
    std::string_view const reason = meta::condition(rollout, "Progressing")["reason"].as_string();
    return phase == "Progressing" && (reason == apis::reason::kFinalising || reason == apis::reason::kCancelling ||
                                      reason == apis::reason::kCompleted);
}

std::int64_t percent_of(Doc const& text) {
    std::string_view const digits = text.as_string();
    return parse_int(digits.substr(0, digits.find('%'))).value_or(0);
}

std::string version_of_revision(Doc const& revisions, std::string_view name) {
    for (auto const& [index, each] : revisions["items"].elements()) {
        bool named = meta::name(each) == name || own_hash(meta::name(each)) == name;
        for (std::string_view label : kVersionLabels) named = named || meta::label(each, label) == name;
        if (named && !name.empty()) return image_of(each["data"].exists() ? each["data"] : each);
    }
    return {};
}

std::string own_hash(std::string const& revision) { return revision.substr(revision.rfind('-') + 1); }

std::vector<std::string> hashes_in(Doc const& labels) {
    std::vector<std::string> hashes;
    for (std::string_view key : kVersionLabels) {
        std::string const hash = labels[key].string();
        if (!hash.empty()) hashes.push_back(own_hash(hash));
    }
    return hashes;
}

}   // namespace aviary::sim
