#include "hub/placement/bindings.h"

#include <gtest/gtest.h>

#include "kube/meta/names.h"

namespace aviary::placement {
namespace {

meta::GroupVersionKind const kRollout{"rollouts.kruise.io", "v1beta1", "Rollout"};
meta::GroupVersionKind const kWidget{"example.org", "v1", "Widget"};

TEST(BindingKey, IsTheKindAndTheName) {
    EXPECT_EQ(binding_key(kRollout, {"demo", "web"}).name, "rollout-web");
    EXPECT_EQ(binding_key(kWidget, {"demo", "web"}).name, "widget.example.org-web");
}

// An object may have a name to which no kind can be added.
TEST(BindingKey, OfALongNameIsANameAndNoOther) {
    std::string const dots = std::string(225, 'e') + ".a.a.a.a.a.a.a.a.a.a.a.a.a.a";
    for (std::string const& name : {std::string(245, 'e'), std::string(246, 'e'), std::string(253, 'e'), dots}) {
        for (meta::GroupVersionKind const& kind : {kRollout, kWidget}) {
            meta::ObjectKey const key = binding_key(kind, {"demo", name});
            EXPECT_FALSE(meta::dns1123_subdomain_problem(key.name)) << key.name;
            EXPECT_NE(key.name, binding_key(kind, {"demo", name.substr(0, name.size() - 1) + "f"}).name);
        }
    }
}

}   // namespace
}   // namespace aviary::placement
