// What makes a cluster a member, on whichever way it is reached: what the hub may do there, and how such objects are
// written.
#pragma once

#include <string>
#include <vector>

#include "core/async/task.h"
#include "core/json/value.h"
#include "kube/client/client.h"

namespace aviary::hub {

inline constexpr char kRole[] = "aviary:hub";
inline constexpr char kGranted[] = "aviary:hub-default";

// An object of that kind and name, and no more.
json::Value named(char const* api_version, char const* kind, std::string name);

json::Value named_in(std::string const& ns, char const* api_version, char const* kind, std::string name);

// What the hub may do in a member.
enum class Rights {
    kApprove,   // see Rollouts and approve them, no more
    kBring,     // bring what people propagate by default, and see what becomes of it
    kAdmin,     // that, and be the member's administrator for people who are the fleet's
};
inline Rights rights_of(bool admin, bool approves_only) {
    return admin ? Rights::kAdmin : approves_only ? Rights::kApprove : Rights::kBring;
}
// The roles for that, bound to this ServiceAccount; each also lets the hub ask as one of the users of people's
// requests. A cluster's owner grants more with roles of the label fleet.aviary.dev/aggregate-to-hub. With a namespace
// all goes that is in it, also what others brought there: deleting those is not among what is granted. The binding is
// marked as of the hub with that uid (identity_owner.h).
std::vector<json::Value> hub_identity(std::string const& account, std::string const& ns, Rights rights,
                                      std::string hub);

// Creates the object, or brings what is there in line with it.
Task<Status> ensure(Context ctx, client::Client client, meta::GroupVersionResource resource, json::Value object);
// Deletes it, if it is there.
Task<Status> forget(Context ctx, client::Client client, meta::GroupVersionResource resource, meta::ObjectKey key);

}   // namespace aviary::hub
