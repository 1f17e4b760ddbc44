#include "kube/control/plan.h"

#include "kube/meta/object.h"

namespace aviary::control {

Write deletion(meta::GroupVersionResource resource, json::Doc const& object, std::string why) {
    Write write;
    write.verb = Write::Verb::kDelete;
    write.resource = std::move(resource);
    write.key = meta::key_of(object);
    write.delete_options.uid = meta::uid(object);
    write.ignore_not_found = true;
    write.why = std::move(why);
    return write;
}

void Plan::requeue_at(Time at, std::string reason) {
    if (!requeue || at < requeue->at) requeue = Requeue{at, std::move(reason)};
}

}   // namespace aviary::control
