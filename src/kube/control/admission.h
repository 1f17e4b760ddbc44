// Admission: what looks at a write before it is stored. The same function runs inside the embedded API server and
// behind a webhook; neither knows which. Lives on the loop of whoever hosts it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/async/context.h"
#include "core/async/task.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/client/transport.h"
#include "kube/meta/gvk.h"

namespace aviary::control {

struct UserInfo {
    std::string name;   // "system:anonymous", "alice" …
    std::vector<std::string> groups;
    client::NameValues extra;
};

enum class Operation { kCreate, kUpdate, kDelete };

struct AdmissionRequest {
    Operation operation = Operation::kCreate;
    meta::GroupVersionResource resource;
    std::string kind;
    std::string subresource;   // empty for the main resource
    meta::ObjectKey key;
    json::Value object;     // as it would be stored; null for deletions; mutate() may change it
    json::Doc old_object;   // absent for creations
    UserInfo user;
    bool dry_run = false;
    std::vector<std::string> warnings;   // sent to the client
};

class Admission {
public:
    virtual ~Admission() = default;
    virtual std::string_view name() const = 0;
    // Cheap; decides whether mutate and validate are called at all.
    virtual bool matches(AdmissionRequest const& request) const = 0;
    // May change request.object. An Error refuses the write with its code and message.
    virtual Task<Status> mutate(Context ctx, AdmissionRequest& request);
    virtual Task<Status> validate(Context ctx, AdmissionRequest const& request);
};

}   // namespace aviary::control
