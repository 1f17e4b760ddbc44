// What sets have in common that are held by their partition, and rolled by a controller that is not ours.
#pragma once

#include "member/workload/internal/native_set_base.h"
#include "member/workload/internal/partition.h"
#include "member/workload/internal/pods.h"

namespace aviary::workload {

class PartitionedSet : public NativeSetBase {
public:
    meta::GroupVersionResource const& resource() const final { return inputs_.resource; }
    std::vector<control::Write> hold(json::Doc const& batch_release, meta::IntOrPercent const& share) const override;
    std::int64_t stable_left(std::int64_t share) const final;
    std::optional<control::Write> restore(Restore const& how) const final;
    Result<control::Write> take_back(std::string_view hold) const override;
    Result<std::vector<control::Write>> leave(Leaving how) const override;

protected:
    PartitionedSet(NativeSetInputs inputs, Time now, PartitionFields const& fields,
                   std::span<std::string_view const> marks = kPartitionAnnotations)
        : NativeSetBase(std::move(inputs), now, marks), fields_(fields) {}

    // With this partition no more pods have the new version than the share, as long as they are not more already.
    virtual json::Value partition_for(meta::IntOrPercent const& share) const = 0;
    // As its controller says in the status: the version that it has everywhere or goes back to, and the template's.
    virtual std::string current_revision() const { return doc().at({"status", "currentRevision"}).string(); }
    virtual std::string newest_revision() const { return doc().at({"status", "updateRevision"}).string(); }
    virtual Duration min_ready() const { return std::chrono::seconds(doc().at({"spec", "minReadySeconds"}).as_int()); }
    // In the order in which its controller replaces them.
    virtual void sort_old(std::vector<json::Doc>& pods) const { sort(pods); }
    // What a release has changed beside the partition is as it was.
    virtual void restore_settings(JsonPatch&) const {}

    void observe(std::int64_t replicas);
    void count();
    void take(JsonPatch& patch, json::Doc const& batch_release) const;
    std::vector<control::Write> held(JsonPatch patch, json::Doc const& batch_release) const;
    void restore_partition(JsonPatch& patch) const;

    Present present_;

private:
    void drop_marks(JsonPatch& patch, std::initializer_list<std::string_view> kept = {}) const;

    PartitionFields const& fields_;
};

}   // namespace aviary::workload
