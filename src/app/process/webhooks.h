// The webhooks of a process, and what else its API server asks it: served under a certificate that is made anew in
// time, registered by the replica that leads, and tried now and then. Lives on one loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/process/process.h"
#include "core/http/server.h"
#include "core/json/value.h"
#include "core/net/stream.h"
#include "kube/webhook/certificate.h"
#include "kube/webhook/reach.h"
#include "kube/webhook/registration.h"

namespace aviary::process {

struct WebhookParts {
    std::shared_ptr<http::Handler> handler;
    std::string client_authority = {};   // PEM; clients may show a certificate under it
    // What makes the API server ask, when it is to trust these authorities (PEM).
    std::function<std::vector<json::Value>(std::string const& authorities)> registered;
};

class Webhooks {
public:
    // Listens at once. The certificate is for the cluster's address, and for the Service of the process's name.
    static Result<std::unique_ptr<Webhooks>> create(Context const& ctx, async::AsioExecutor& executor,
                                                    Cluster const& cluster, WebhookParts parts);

    // For connections from now on, where there was one; after an Error it is the one of before.
    Status replace_client_authority(std::string const& pem) { return tls_->replace_client_authority(pem); }

    // Answers until the context stops.
    Task<void> run(Context ctx);
    // Keeps what is registered, by this client, until the context stops.
    Task<void> lead(Context ctx, client::Client writer);
    // Waits until what was asked by now has been answered.
    Task<Status> drain(Context ctx);
    // What keeps the API server from asking this process; empty: nothing.
    std::string missing() const;

private:
    Webhooks() = default;

    struct Answering;
    bool by_service_ = false;   // the API server reaches them by a Service, not by an address
    std::shared_ptr<Answering> answering_;
    std::shared_ptr<net::TlsServer> tls_;
    std::unique_ptr<webhook::Certificate> certificate_;
    std::unique_ptr<webhook::Registration> registration_;
    std::unique_ptr<webhook::Reach> reach_;
    std::unique_ptr<http::Server> server_;
};

}   // namespace aviary::process
