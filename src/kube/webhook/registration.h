// Registration: keeps what makes an API server ask this process as it is wanted (webhook configurations, APIServices):
// made where it is missing, put right where somebody changed it. Lives on one loop.
#pragma once

#include <memory>
#include <vector>

#include "core/async/task.h"
#include "core/json/value.h"
#include "kube/client/client.h"

namespace aviary::webhook {

class Registration {
public:
    // Each is a MutatingWebhookConfiguration, a ValidatingWebhookConfiguration (admissionregistration.k8s.io/v1) or an
    // APIService (apiregistration.k8s.io/v1), with every field of its lists that the server would default, or it never
    // looks right.
    Registration(client::Client client, std::vector<json::Value> wanted);
    ~Registration();

    Task<void> run(Context ctx);
    // They are all there, as last read.
    bool in_force() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::webhook
