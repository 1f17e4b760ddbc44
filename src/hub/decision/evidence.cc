#include "hub/decision/evidence.h"

#include <algorithm>

#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "hub/decision/carry_out.h"
#include "hub/decision/internal/limits.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::decision {

namespace {

using json::Doc;
using json::Value;

constexpr std::size_t kMostApprovals = 5;   // that are kept
constexpr std::size_t kLongestAnnotation = std::size_t{32} << 10;
constexpr std::size_t kDeepest = 4;   // the list, an entry, a value
constexpr std::size_t kLongestReason = 512;
constexpr Duration kSkew = std::chrono::minutes(5);   // of two clocks
// Shorter than finished Decisions are kept, by the day that one may be open and another: whatever records this pause,
// or asked for its end, is still there to be found.
constexpr Duration kCounts = std::chrono::hours(24 * 28);

// Of the pause a shortened word would name another one.
bool in_measure(DirectApproval const& each) {
    for (std::string const* word :
         {&each.target.rollout_uid, &each.target.revision, &each.target.paused_since, &each.plan, &each.at}) {
        if (word->size() > kLongestWord) return false;
    }
    return each.target.step && *each.target.step > 0 && parse_rfc3339(each.at).has_value();
}

DirectApproval read(Doc const& entry) {
    DirectApproval each;
    each.target = {"", entry["rolloutUID"].string(), entry["step"].as_int(), entry["revision"].string(),
                   entry["pausedSince"].string()};
    each.plan = entry["plan"].string();
    each.at = entry["at"].string();
    each.by = shortened(entry["by"].as_string(), kLongestWord);
    each.reason = shortened(entry["reason"].as_string(), kLongestReason);
    return each;
}

std::string write(std::vector<DirectApproval> const& approvals) {
    Value list{json::Array()};
    for (DirectApproval const& each : approvals) {
        list.push_back(json::Object{{"step", *each.target.step},
                                    {"revision", each.target.revision},
                                    {"pausedSince", each.target.paused_since},
                                    {"rolloutUID", each.target.rollout_uid},
                                    {"plan", each.plan},
                                    {"at", each.at},
                                    {"by", each.by},
                                    {"reason", each.reason}});
    }
    return json::write(list);
}

void keep_last(std::vector<DirectApproval>& approvals) {
    if (approvals.size() > kMostApprovals) approvals.erase(approvals.begin(), approvals.end() - kMostApprovals);
}

}   // namespace

DirectApproval direct_approval(Doc const& rollout, std::string at, std::string by, std::string reason) {
    return {pause_of("", rollout), apis::release_status(rollout)["rolloutHash"].string(), std::move(at),
            shortened(by, kLongestWord), shortened(reason, kLongestReason)};
}

std::vector<DirectApproval> direct_approvals(Doc const& rollout) {
    std::vector<DirectApproval> approvals;
    std::string const text = meta::annotation(rollout, propagation::kApprovedDirectly);
    if (text.empty()) return approvals;
    auto const list = json::parse(text, {.max_bytes = kLongestAnnotation, .max_depth = kDeepest});
    if (!list) return approvals;
    for (auto const& [index, entry] : list->elements()) {
        DirectApproval each = read(entry);
        if (in_measure(each)) approvals.push_back(std::move(each));
    }
    keep_last(approvals);
    return approvals;
}

std::string with_approval(Doc const& rollout, DirectApproval const& approval) {
    std::vector<DirectApproval> approvals = direct_approvals(rollout);
    // Whoever tries again says it once.
    std::erase_if(approvals,
                  [&](DirectApproval const& each) { return each.target == approval.target && each.by == approval.by; });
    approvals.push_back(approval);
    keep_last(approvals);
    return write(approvals);
}

std::string without_approval(Doc const& rollout, DirectApproval const& approval) {
    std::vector<DirectApproval> approvals = direct_approvals(rollout);
    std::erase(approvals, approval);
    return approvals.empty() ? std::string() : write(approvals);
}

std::vector<LeftStep> steps_left_by_word(std::string const& cluster, Doc const& rollout) {
    std::vector<LeftStep> steps;
    for (DirectApproval const& each : direct_approvals(rollout)) {
        auto left = left_since(each.target, each.plan, rollout);
        if (!left) continue;
        left->target.cluster = cluster;
        bool const known = std::ranges::count(steps, left->target, &LeftStep::target) > 0;
        if (known) continue;
        add_word(*left, rollout);
        steps.push_back(std::move(*left));
    }
    return steps;
}

// Of several about one pause the last: an earlier one did not end it.
void add_word(LeftStep& left, Doc const& rollout) {
    apis::DecisionTarget pause = left.target;
    pause.cluster.clear();
    for (DirectApproval const& each : direct_approvals(rollout)) {
        if (each.target == pause) left.word = Word{each.at, each.by, each.reason};
    }
}

bool word_counts(std::string_view at, Time now) {
    auto const said = parse_rfc3339(at);
    return said && *said <= now + kSkew && now < *said + kCounts;
}

}   // namespace aviary::decision
