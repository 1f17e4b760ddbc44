// What `aviary adopt` writes on the hub, and what becomes of each object in each cluster. Pure: it places and renders
// as the hub does, so that what it says is what the hub will do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "hub/propagation/adopt.h"
#include "kube/meta/gvk.h"

namespace aviary::adopt {

// One object that was named, as it was found.
struct Found {
    meta::GroupVersionResource resource;
    std::string kind;
    meta::ObjectKey key;
    json::Doc on_hub;   // absent: the hub has none of this name
    struct There {
        std::string cluster;
        std::string unreachable;           // why it does not answer; empty: it does
        json::Doc live;                    // absent: none of this name
        std::vector<json::Doc> scalers;    // HorizontalPodAutoscalers of the namespace
        std::vector<json::Doc> rollouts;   // Rollouts of the namespace
    };
    std::vector<There> there;   // in the order of --clusters
};

struct Fleet {
    std::string hub_id;
    std::vector<json::Doc> policies;   // of the namespace and of the whole cluster
    std::vector<json::Doc> clusters;   // ManagedClusters
    std::string from;                  // the word of --from
    propagation::Origin origin = propagation::Origin::kKubectl;
};

enum class Outcome { kUnchanged, kLabelsOnly, kDiffers, kRefused, kUnreachable };
std::string_view to_string(Outcome outcome);

struct Row {
    std::string cluster, object;
    Outcome outcome = Outcome::kUnchanged;
    std::string message;
};

// In the order in which they are carried out: a policy stands before its object does, so that no other one claims it.
struct HubWrite {
    meta::GroupVersionResource resource;
    meta::ObjectKey key;
    bool create = true;   // else the body is a merge patch
    json::Value body;
};

struct Plan {
    std::vector<HubWrite> writes;
    std::vector<Row> rows;
    bool goes() const;   // nothing stands against any of it
};

Plan plan(std::vector<Found> const& objects, Fleet const& fleet);

}   // namespace aviary::adopt
