#include "kube/simulator/internal/watching.h"

#include <iterator>

#include "kube/meta/object.h"

namespace aviary::simulator {

namespace {

using client::Informer;
using control::Key;
using control::Plan;
using json::Doc;

constexpr char kByController[] = "controller";

// Objects that nobody controls are found by their namespace.
std::string orphans_of(std::string const& ns) { return "orphans/" + ns; }

// A reconciler of one of the simulator's decisions.
class Decision final : public control::Reconciler {
public:
    Decision(client::Client client, DecideKey decide) : client_(std::move(client)), decide_(std::move(decide)) {}
    Plan decide(Key const& key, Time now) override { return decide_(key, now); }
    client::Client const& client_for(Key const&) override { return client_; }

private:
    client::Client client_;
    DecideKey decide_;
};

}   // namespace

std::unique_ptr<control::Controller> make_controller(client::Client const& client, std::string const& name,
                                                     DecideKey decide) {
    control::ControllerOptions options;
    options.name = name;
    return std::make_unique<control::Controller>(options,
                                                 std::make_unique<Decision>(client.named(name), std::move(decide)));
}

std::vector<Key> own_key(Doc const& object) { return {Key{"", meta::key_of(object)}}; }

std::vector<Key> owner_key(Doc const& object, meta::GroupVersionKind const& kind) {
    auto const owner = meta::controller_of(object);
    if (!owner || owner->kind != kind.kind || meta::parse_api_version(owner->api_version).first != kind.group)
        return {};
    return {Key{"", {meta::ns(object), owner->name}}};
}

std::vector<Key> takers(Doc const& object, meta::GroupVersionKind const& kind, Informer const& owners) {
    if (meta::controller_of(object)) return owner_key(object, kind);
    std::vector<Key> keys;
    for (Doc const& owner : owners.list(meta::ns(object))) {
        if (selects(owner, object)) keys.push_back(Key{"", meta::key_of(owner)});
    }
    return keys;
}

void index_by_controller(Informer& informer) {
    informer.add_index(kByController, [](Doc const& object) {
        std::string const owner = meta::controller_uid(object);
        return std::vector{owner.empty() ? orphans_of(meta::ns(object)) : owner};
    });
}

std::vector<Doc> controlled_by(Doc const& owner, Informer const& informer) {
    return informer.by_index(kByController, meta::uid(owner));
}

Claim claimed(Doc const& owner, meta::GroupVersionKind const& kind, meta::GroupVersionResource const& resource,
              Informer const& informer, std::function<bool(Doc const&)> const& also) {
    std::vector<Doc> candidates = controlled_by(owner, informer);
    std::ranges::move(informer.by_index(kByController, orphans_of(meta::ns(owner))), std::back_inserter(candidates));
    return claim(owner, kind, resource, candidates, also);
}

Plan after(std::vector<control::Write> writes, Plan plan) {
    plan.writes.insert(plan.writes.begin(), std::make_move_iterator(writes.begin()),
                       std::make_move_iterator(writes.end()));
    return plan;
}

}   // namespace aviary::simulator
