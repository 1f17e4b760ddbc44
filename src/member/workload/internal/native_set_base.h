// What sets have in common as workloads: StatefulSets, DaemonSets, CloneSets.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "member/workload/internal/revisions.h"
#include "member/workload/json_patch.h"
#include "member/workload/native_set.h"
#include "member/workload/workload.h"

namespace aviary::workload {

class NativeSetBase : public Workload {
public:
    json::Doc const& object() const final { return inputs_.set; }
    Facts const& facts() const final { return facts_; }
    bool is_current(std::string_view revision) const final {
        return !revision.empty() && (revision == facts_.update_revision || revision == own_hash_);
    }
    std::int64_t share_of(meta::IntOrPercent const& step) const final;
    std::optional<control::Write> let_go() const final;
    std::optional<control::Write> catch_up(std::string_view rollout, std::string_view before) const final;
    std::vector<control::Write> tidy() const override { return {}; }
    std::vector<control::Write> clean() const final;
    Labelling label(std::string_view rollout_id, std::vector<std::int64_t> const& increments) const final;
    Labelling spare(std::string_view rollout_id) const final;

protected:
    // `marks`: the annotations that a release puts on a workload of this kind, and its controller on revisions.
    NativeSetBase(NativeSetInputs inputs, Time now, std::span<std::string_view const> marks)
        : inputs_(std::move(inputs)), marks_(marks), now_(now) {}

    // What pods of this revision are labelled with, under this key.
    virtual std::string label_of(json::Doc const& revision) const = 0;
    virtual std::string_view label_key() const { return kRevisionHashLabel; }
    // The one that is labelled last, with the latest batch, comes last.
    virtual void sort(std::vector<json::Doc>& units) const = 0;

    json::Doc const& doc() const { return inputs_.set; }
    std::string noted(std::string_view mark) const;
    bool observed() const;
    bool is_unit(json::Doc const& pod) const;
    std::vector<json::Doc> units() const;
    // Where a release was begun, or something of one was left.
    bool concerned() const { return !facts_.held_by.empty() || facts_.leftovers; }
    // What is the same of all of these kinds: replicas has to be known.
    void observe_common(std::int64_t replicas);
    // Once the pods are counted, and the stable revision is known, where there is one; whether it is noted there.
    void compare_revisions(bool noted);
    // Of the version whose pods have this label; null: there is none.
    json::Value template_with(std::string_view label) const;
    // The template of the stable version, to go back to.
    Result<json::Value> stable_template() const;

    NativeSetInputs inputs_;
    std::span<std::string_view const> marks_;
    Time now_;
    std::string own_hash_;
    Facts facts_;
};

}   // namespace aviary::workload
