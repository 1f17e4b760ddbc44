// Plan: what a decision found out and wants done, as data. Deciding fills it, acting applies it, explaining prints it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::control {

// One write, carried out in order; neighbours that may go alongside are carried out together. A precondition that does
// not hold (Conflict, Invalid from a JSON Patch test, NotFound where `ignore_not_found` is off) ends the plan: the key
// is observed and decided again.
struct Write {
    enum class Verb { kCreate, kUpdate, kJsonPatch, kMergePatch, kStrategicMergePatch, kApply, kDelete };

    Verb verb = Verb::kMergePatch;
    meta::GroupVersionResource resource;
    meta::ObjectKey key;
    std::string subresource;
    json::Value body;                     // object or patch; unused by kDelete
    std::string field_manager;            // empty: the client's name
    bool force = false;                   // kApply
    bool ignore_not_found = false;        // kDelete
    bool ignore_already_exists = false;   // kCreate of objects with deterministic names
    bool alongside = false;               // at the same time as its neighbours that may too
    client::DeleteOptions delete_options;
    std::string why;   // for the log, in a few words: "freeze the workload"
};

// Deletes the object that was seen, and no other of its name; nothing where it is gone.
Write deletion(meta::GroupVersionResource resource, json::Doc const& object, std::string why);

// An Event to record; counted and aggregated by the recorder.
struct EventNote {
    json::Value regarding;   // an ObjectReference {apiVersion, kind, namespace, name, uid}
    std::string type;        // Normal | Warning
    std::string reason;
    std::string message;
    bool regardless = false;   // recorded also where a write of the plan fails
};

// What a key waits for, in the words that `explain` prints. Reason codes are an API (design section 10).
struct Wait {
    std::string reason;   // AwaitingApproval, InsufficientGPU …
    std::string message;
    std::optional<Time> since;   // absent: since it was first decided
    std::string ends_when;
    std::string who;
};

struct Requeue {
    Time at;
    std::string reason;   // "pause.duration of step 2"
};

struct Plan {
    std::vector<Write> writes;
    std::vector<EventNote> events;
    std::vector<Wait> waits;
    std::optional<Requeue> requeue;

    bool empty() const { return writes.empty() && events.empty(); }
    // The earlier of both timers holds.
    void requeue_at(Time at, std::string reason);
};

}   // namespace aviary::control
