// Whether an API server reaches our webhooks: a write of which nothing is kept is sent through them now and then. Lives
// on one loop.
#pragma once

#include <string>

#include "core/async/task.h"
#include "core/json/value.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::webhook {

class Reach {
public:
    // Creating the object, dry, has to be something that a required webhook is asked about; it may well refuse.
    Reach(client::Client client, meta::GroupVersionResource resource, json::Value object);

    Task<void> run(Context ctx);
    // Why it does not, or that nobody has tried yet; empty: it does.
    std::string const& missing() const { return missing_; }

private:
    client::Client client_;
    meta::GroupVersionResource resource_;
    json::Value object_;
    std::string missing_ = "whether the API server reaches the webhooks is being tried";
};

}   // namespace aviary::webhook
