// How a cluster stands in the engine:
//   o/<cluster>/<key>              the object as it is
//   l/<cluster>/<revision>         the event with both its objects; compaction drops the oldest
//   m/<cluster>                    the revision up to which the log was dropped; there as long as the cluster is
//   r/<cluster>                    the end of the reserved revisions; outlives the cluster
// A key is <group>/<resource>/<namespace>/<name>: the order of etcd's keys.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "kube/apiserver/store/store.h"

namespace aviary::store::layout {

// Parts with a slash can name nothing.
bool valid(Key const& key);
std::string key_text(Key const& key);
Key parse_key(std::string_view text);
// Reuses the strings of `key`.
void parse_key(std::string_view text, Key& key);
// "<group>/<resource>/", or with "<namespace>/".
std::string prefix(std::string_view group, std::string_view resource, std::string_view ns = {});
// The end of all keys that begin with a text that ends in a slash.
std::string end_of(std::string prefix);

std::string objects(std::string_view cluster);
std::string log(std::string_view cluster);
std::string log_key(std::string_view cluster, Revision revision);
Revision revision_of_log_key(std::string_view key);
std::string meta(std::string_view cluster);
std::string reserved(std::string_view cluster);
inline constexpr std::string_view kMetas = "m/";

std::string encode_object(Revision revision, std::string_view json);
struct StoredObject {
    Revision revision = 0;
    std::string_view json;
};
Result<StoredObject> decode_object(std::string_view bytes);

std::string encode_event(EventType type, std::string_view key, std::string_view object_json,
                         std::string_view previous_json);
struct StoredEvent {
    EventType type = EventType::kAdded;
    std::string_view key, object_json, previous_json;
};
Result<StoredEvent> decode_event(std::string_view bytes);

}   // namespace aviary::store::layout
