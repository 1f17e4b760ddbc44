#include "kube/control/controller.h"

namespace aviary::control {

Task<Result<json::Doc>> perform(Context ctx, client::Client client, Write write) {
    client::WriteOptions options;
    options.subresource = write.subresource;
    options.field_manager = write.field_manager;
    options.force = write.force;
    Result<json::Doc> result = json::Doc();
    switch (write.verb) {
        case Write::Verb::kCreate:
            write.body.set({"metadata", "name"}, write.key.name);
            if (!write.key.ns.empty()) write.body.set({"metadata", "namespace"}, write.key.ns);
            result = co_await client.create(ctx, write.resource, std::move(write.body), options);
            if (!result && write.ignore_already_exists && result.error().is(ErrorCode::kAlreadyExists))
                result = json::Doc();
            break;
        case Write::Verb::kUpdate:
            result = co_await client.update(ctx, write.resource, std::move(write.body), options);
            break;
        case Write::Verb::kApply:
            result = co_await client.apply(ctx, write.resource, std::move(write.body), options);
            break;
        case Write::Verb::kJsonPatch:
            result = co_await client.patch(ctx, write.resource, write.key, client::PatchType::kJson,
                                           std::move(write.body), options);
            break;
        case Write::Verb::kMergePatch:
            result = co_await client.patch(ctx, write.resource, write.key, client::PatchType::kMerge,
                                           std::move(write.body), options);
            break;
        case Write::Verb::kStrategicMergePatch:
            result = co_await client.patch(ctx, write.resource, write.key, client::PatchType::kStrategicMerge,
                                           std::move(write.body), options);
            break;
        case Write::Verb::kDelete: {
            Status const removed = co_await client.remove(ctx, write.resource, write.key, write.delete_options);
            if (!removed && !(write.ignore_not_found && removed.error().is(ErrorCode::kNotFound)))
                result = std::unexpected(removed.error());
            break;
        }
    }
    co_return result;
}

}   // namespace aviary::control
