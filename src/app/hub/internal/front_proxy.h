// How the hub's API server passes on what it is asked of an aggregated API: who its front proxy is, as it says by now
// in kube-system/extension-apiserver-authentication. Lives on the hub's loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/async/task.h"
#include "kube/apiserver/aggregated.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"

namespace aviary::hub {

class FrontProxy {
public:
    // As it is now; an Error when the API server does not aggregate.
    static Task<Result<std::unique_ptr<FrontProxy>>> read(Context ctx, client::Client client);

    apiserver::FrontProxy const& proxy() const { return proxy_; }
    std::string const& authority() const { return authority_; }   // PEM

    // Follows it until the context stops. Another authority has to be trusted before its proxy counts; what cannot be
    // read or trusted changes nothing.
    Task<void> run(Context ctx, std::function<Status(std::string const& authority)> trust);

private:
    explicit FrontProxy(client::Client client);
    Status take(json::Doc const& map);

    client::Informer informer_;
    apiserver::FrontProxy proxy_;
    std::string authority_;
    std::function<Status(std::string const&)> trust_;
};

}   // namespace aviary::hub
