// Who may do what: asked by the API server for every request, and by admission for verbs that no request carries
// ("approve").
#pragma once

#include <string>

#include "core/base/result.h"
#include "kube/control/admission.h"

namespace aviary::control {

struct Attributes {
    std::string verb;
    std::string group, resource, subresource, ns, name;
    std::string path;   // of a non-resource request; then the others but the verb are empty
};

class Authorizer {
public:
    virtual ~Authorizer() = default;
    virtual bool allowed(UserInfo const& user, Attributes const& attributes) const = 0;
};

// The refusal, in Kubernetes' words: decisions.fleet.aviary.dev "x" is forbidden: User "guest" cannot create resource …
Error forbidden(UserInfo const& user, Attributes const& attributes);

}   // namespace aviary::control
