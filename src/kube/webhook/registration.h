// Registration: keeps what makes an API server ask this process as it is wanted (webhook configurations, APIServices):
// made where it is missing, put right where somebody changed it. Of several replicas the one that leads does; what the
// others want may differ, as versions and addresses do. Lives on one loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/async/task.h"
#include "core/json/value.h"
#include "kube/client/client.h"

namespace aviary::webhook {

class Registration {
public:
    // Each is a MutatingWebhookConfiguration, a ValidatingWebhookConfiguration (admissionregistration.k8s.io/v1) or an
    // APIService (apiregistration.k8s.io/v1), with every field of its lists that the server would default, or it never
    // looks right; or a CustomResourceDefinition, which is never made: its conversion is kept and missing versions are
    // added (definition.h), unless others convert it.
    Registration(client::Client client, std::vector<json::Value> wanted);
    ~Registration();

    // From now on they are to be like this; the same ones by kind and name.
    void want(std::vector<json::Value> wanted);
    // Whether they all, as last read, have API servers trust the authority (PEM). One that is not there asks nobody.
    bool trusts(std::string_view authority_pem) const;

    // Called when any has changed; before run().
    void on_change(std::function<void()> changed);

    // Watches them.
    Task<void> run(Context ctx);
    // Keeps them, by this client, until the context stops.
    Task<void> lead(Context ctx, client::Client writer);
    // What is not there or, while leading, not as wanted, as last read, and why; empty: nothing.
    std::string missing() const;
    // What the API server finds not available of them, and why; empty: nothing.
    std::string unavailable() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::webhook
