// The RolloutHistory of each release of a Rollout: made when the release begins, its steps' pods noted at each pause,
// when it came to a step and who let it go on as it does, completed at its end.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apis/rollouts/approver.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "apis/rollouts/rollout_history.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "member/rollout/decide.h"

namespace aviary::rollout {

namespace {

using control::Write;
using json::Doc;
using json::Value;

// Of one Rollout; older ones go.
constexpr std::size_t kMostHistories = 10;
constexpr std::size_t kLongestName = 253;
constexpr std::size_t kHashLength = 6;
// Of one release, which may jump back as often as somebody likes; older ones go.
constexpr std::size_t kMostNotes = 200;

bool is_completed(Doc const& history) { return history.at({"status", "phase"}).as_string() == apis::kHistoryCompleted; }

apis::HistoryObject of(Doc const& object) { return {meta::name(object), object["spec"].thaw()}; }

class Historian {
public:
    explicit Historian(HistorySeen const& seen)
        : seen_(seen), rollout_(seen.rollout), status_(apis::release_status(seen.rollout)) {}

    control::Plan run() {
        bool const progressing = rollout_.at({"status", "phase"}).as_string() == apis::phase::kProgressing;
        std::string const id = status_["observedRolloutID"].string();
        bool const begun = progressing && !id.empty() && !status_["currentStepState"].as_string().empty();
        bool known = false;
        for (Doc const& each : seen_.histories) {
            bool const current = each.at({"spec", "rollout", "rolloutID"}).as_string() == id;
            known |= current;
            if (is_completed(each)) continue;
            if (current || !progressing || begun) note(each, progressing, current);
            if (!progressing || (current && at_rest())) update(each, id, !progressing);
        }
        if (begun && !known) {
            begin(id);
            prune();
        }
        return std::move(plan_);
    }

private:
    // The pods of the step are all there.
    bool at_rest() const {
        std::string_view const state = status_["currentStepState"].as_string();
        return state == apis::step::kPaused || state == apis::step::kReady || state == apis::step::kCompleted;
    }

    // With its last step done it ends; or waits for its group first, and may be taken back.
    bool ends() const {
        std::string_view const why = meta::condition(rollout_, apis::condition::kProgressing)["reason"].as_string();
        bool const may_go_back = why == apis::reason::kInRolling || why == apis::reason::kPaused ||
                                 why == apis::reason::kCancelling || why == apis::reason::kInitializing;
        return status_["currentStepState"].as_string() == apis::step::kCompleted && !may_go_back;
    }

    // Upstream's times are of the last change alone, so each is noted while it is there.
    std::vector<apis::StepNote> noted(std::vector<apis::StepNote> notes, bool progressing) const {
        std::string const state = status_["currentStepState"].string();
        std::string const at = status_["lastUpdateTime"].string();
        std::int64_t const step = status_["currentStepIndex"].as_int();
        bool const over = !progressing || ends();
        bool const same = !notes.empty() && notes.back().step == step && notes.back().passed.empty();
        bool const again = same && !notes.back().paused.empty() && state == apis::step::kUpgrade;
        if (over && !notes.empty() && notes.back().passed.empty()) {
            notes.back().passed =
                progressing ? at
                            : meta::condition(rollout_, apis::condition::kProgressing)["lastTransitionTime"].string();
        } else if (!over && step > 0 && !at.empty() && (!same || again)) {
            if (!notes.empty() && notes.back().passed.empty()) notes.back().passed = at;
            notes.push_back({.step = step, .began = at});
        }
        if (!notes.empty() && state == apis::step::kPaused && notes.back().paused.empty()) notes.back().paused = at;
        auto const named = json::parse(meta::annotation(rollout_, apis::kApprovedDirectly));
        for (apis::StepNote& each : notes) {
            if (each.by.empty() && !each.paused.empty()) each.by = approver_of(each.paused, named ? *named : Doc());
        }
        if (notes.size() > kMostNotes)
            notes.erase(notes.begin(), notes.end() - static_cast<std::ptrdiff_t>(kMostNotes));
        return notes;
    }

    // Whoever approved by name is told by it, and the others by what they wrote with.
    std::string approver_of(std::string const& paused_since, Doc const& named) const {
        for (auto const& [index, each] : named.elements()) {
            if (each["pausedSince"].as_string() == paused_since) return each["by"].string();
        }
        return seen_.approval && seen_.approval->paused_since == paused_since ? seen_.approval->by : std::string();
    }

    static Write write_to(Doc const& history, std::string why) {
        Write write;
        write.resource = apis::kRolloutHistories;
        write.key = meta::key_of(history);
        write.why = std::move(why);
        return write;
    }

    // Of a release that is not the current one any more: its last step ended when the next release came to its first,
    // or with the one that took it back.
    std::vector<apis::StepNote> closed(std::vector<apis::StepNote> notes, bool progressing) const {
        if (notes.empty() || !notes.back().passed.empty()) return notes;
        notes.back().passed =
            progressing ? status_["lastUpdateTime"].string()
                        : meta::condition(rollout_, apis::condition::kProgressing)["lastTransitionTime"].string();
        return notes;
    }

    // Empty: it goes on, is completed, or nobody can say. `open`: nothing was noted of its end.
    std::string_view outcome(bool progressing, bool current, bool open) const {
        bool const failed = meta::condition(rollout_, apis::condition::kSucceeded)["status"].as_string() == "False";
        bool const in_batches = meta::condition_is_true(rollout_, apis::condition::kRolledBack);
        bool const back = in_batches || (!progressing && failed);
        if (current) return back && !progressing ? apis::kTakenBack : std::string_view();
        if (!open) return {};
        return back ? apis::kTakenBack : progressing ? apis::kReplaced : std::string_view();
    }

    void note(Doc const& history, bool progressing, bool current) {
        std::vector<apis::StepNote> const before = apis::read_step_notes(history);
        std::vector<apis::StepNote> const notes = current ? noted(before, progressing) : closed(before, progressing);
        bool const open = before.empty() || before.back().passed.empty();
        std::string_view const outcome = this->outcome(progressing, current, open);
        bool const known = outcome.empty() || !meta::annotation(history, apis::kHistoryOutcome).empty();
        if (notes == before && known) return;
        Write write = write_to(history, "how far a release is");
        if (notes != before)
            write.body.set({"metadata", "annotations", apis::kHistorySteps}, apis::write_step_notes(notes));
        if (!known) write.body.set({"metadata", "annotations", apis::kHistoryOutcome}, outcome);
        plan_.writes.push_back(std::move(write));
    }

    void begin(std::string const& id) {
        // The same for the same release: made twice there is still one.
        std::string hash = meta::template_hash(Doc::freeze(json::Object{{"uid", meta::uid(rollout_)}, {"id", id}}));
        if (hash.size() > kHashLength) hash = hash.substr(hash.size() - kHashLength);
        std::string const name = meta::name(rollout_);
        Write create;
        create.verb = Write::Verb::kCreate;
        create.resource = apis::kRolloutHistories;
        create.key = {meta::ns(rollout_), fmt::format("{}-{}", name.substr(0, kLongestName - kHashLength - 1), hash)};
        create.ignore_already_exists = true;
        create.why = "a release has begun";
        Value& object = create.body;
        object["apiVersion"] = apis::kRolloutHistories.api_version();
        object["kind"] = "RolloutHistory";
        object.set({"metadata", "name"}, create.key.name);
        object.set({"metadata", "namespace"}, create.key.ns);
        for (auto const& [label, text] : {std::pair(apis::kRolloutIdLabel, id), {apis::kRolloutNameLabel, name}}) {
            if (!meta::label_value_problem(text)) object.set({"metadata", "labels", label}, text);
        }
        object.set({"metadata", "ownerReferences"},
                   json::Array{json::Object{{"apiVersion", apis::kRollouts.api_version()},
                                            {"kind", "Rollout"},
                                            {"name", name},
                                            {"uid", meta::uid(rollout_)}}});
        object.set({"metadata", "annotations", apis::kHistorySteps}, apis::write_step_notes(noted({}, true)));
        object["spec"] = apis::write_rollout_history_spec(spec(id));
        plan_.writes.push_back(std::move(create));
    }

    apis::RolloutHistorySpec spec(std::string const& id) const {
        apis::RolloutHistorySpec spec;
        spec.rollout = apis::HistoryRollout{id, meta::name(rollout_), rollout_["spec"].thaw()};
        Doc const reference = rollout_.at({"spec", "workloadRef"});
        spec.workload = apis::HistoryWorkload{reference["apiVersion"].string(), reference["kind"].string(),
                                              reference["name"].string(), seen_.workload["spec"].thaw()};
        if (seen_.traffic.stable.exists()) spec.service = of(seen_.traffic.stable);
        for (traffic::Target const& each : seen_.traffic.targets) {
            if (!each.live.exists()) continue;
            if (!spec.traffic_routing) spec.traffic_routing.emplace();
            if (each.provider == traffic::Provider::kIngress) spec.traffic_routing->ingress = of(each.live);
            if (each.kind == "HTTPRoute") spec.traffic_routing->http_route = of(each.live);
        }
        return spec;
    }

    // Steps that are noted stay: in canary style their pods go with the release.
    void update(Doc const& history, std::string const& id, bool completes) {
        std::map<std::int64_t, Value> steps;
        for (auto const& [index, each] : history.at({"status", "canarySteps"}).elements())
            steps[each["canaryStepIndex"].as_int()] = each.thaw();
        bool const current = history.at({"spec", "rollout", "rolloutID"}).as_string() == id;
        if (current) {
            for (auto const& [step, pods] : pods_by_step(id))
                steps[step] = json::Object{{"canaryStepIndex", step}, {"pods", pods}};
        }
        Write write = write_to(history, "what a release has done");
        write.subresource = "status";
        Value list{json::Array()};
        for (auto& [step, each] : steps) list.push_back(std::move(each));
        bool const same = list == history.at({"status", "canarySteps"}).thaw() ||
                          (list.size() == 0 && history.at({"status", "canarySteps"}).size() == 0);
        if (same && !completes) return;
        write.body.set({"status", "canarySteps"}, std::move(list));
        if (completes) write.body.set({"status", "phase"}, apis::kHistoryCompleted);
        plan_.writes.push_back(std::move(write));
    }

    std::map<std::int64_t, json::Array> pods_by_step(std::string const& id) const {
        std::map<std::string, std::pair<std::int64_t, Doc>> sorted;
        for (Doc const& pod : seen_.pods) {
            auto const step = parse_int(meta::label(pod, apis::kRolloutBatchIdLabel));
            if (step && meta::label(pod, apis::kRolloutIdLabel) == id) sorted[meta::name(pod)] = {*step, pod};
        }
        std::map<std::int64_t, json::Array> steps;
        for (auto const& [name, each] : sorted) {
            Doc const& pod = each.second;
            steps[each.first].push_back(json::Object{{"name", name},
                                                     {"ip", pod.at({"status", "podIP"}).string()},
                                                     {"nodeName", pod.at({"spec", "nodeName"}).string()}});
        }
        return steps;
    }

    void prune() {
        std::vector<Doc> old;
        for (Doc const& each : seen_.histories) {
            if (is_completed(each)) old.push_back(each);
        }
        std::ranges::sort(old, {}, [](Doc const& each) {
            return each.at({"metadata", "creationTimestamp"}).string() + meta::name(each);
        });
        for (std::size_t index = 0; index + kMostHistories <= old.size(); ++index)
            plan_.writes.push_back(control::deletion(apis::kRolloutHistories, old[index], "older than the newest ten"));
    }

    HistorySeen const& seen_;
    Doc const& rollout_;
    Doc status_;
    control::Plan plan_;
};

}   // namespace

std::optional<Approval> approval_between(Doc const& before, Doc const& after) {
    Doc const paused = apis::release_status(before);
    if (paused["currentStepState"].as_string() != apis::step::kPaused ||
        apis::release_status(after)["currentStepState"].as_string() != apis::step::kReady)
        return std::nullopt;
    std::string const by = apis::step_writer(after)["manager"].string();
    if (by.empty() || by == apis::step_writer(before)["manager"].as_string()) return std::nullopt;
    return Approval{paused["lastUpdateTime"].string(), by};
}

control::Plan decide_history(HistorySeen const& seen) {
    if (!seen.rollout.exists() || meta::is_deleting(seen.rollout)) return {};
    return Historian(seen).run();
}

}   // namespace aviary::rollout
