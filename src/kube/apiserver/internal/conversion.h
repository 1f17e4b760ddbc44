// Objects of one cluster from version to version: built-in kinds and those whose versions have the same fields here,
// the others by the webhook that their definition names. Watches keep it: they may outlive the cluster. Lives on the
// server's loop.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "core/async/task.h"
#include "core/http/message.h"
#include "kube/apiserver/internal/served.h"
#include "kube/meta/gvk.h"

namespace aviary::apiserver {

class Conversion {
public:
    // Who answers for a Service that definitions name.
    void add_service(meta::ObjectKey service, std::shared_ptr<http::Handler> handler);

    // The objects as they are served, in order. Internal names the version and says why the webhook has not converted.
    Task<Result<std::vector<json::Doc>>> convert(Context ctx, Info info, std::vector<json::Doc> objects) const;
    Task<Result<json::Doc>> convert_one(Context ctx, Info info, json::Doc object) const;

private:
    Task<Result<json::Doc>> ask(Context ctx, Info info, json::Value review) const;

    std::map<meta::ObjectKey, std::shared_ptr<http::Handler>> services_;
};

// Whether the object is in the version that the resource is served in.
bool is_in_version(ResourceInfo const& info, json::Doc const& object);

// What is wrong in spec.conversion of a definition.
std::vector<FieldCause> validate_conversion(json::Value const& conversion);
void default_conversion(json::Value& definition);

}   // namespace aviary::apiserver
