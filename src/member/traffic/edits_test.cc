// Whatever somebody does to a VirtualService at any step of a release, restoring it gives what the same would have made
// of the original.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/traffic/custom.h"
#include "member/traffic/scripts.h"

namespace aviary::traffic {
namespace {

using json::Array;
using json::Object;
using json::Value;

Value rule_named(std::string const& name, std::string const& host) {
    return Object{{"name", name}, {"route", Array{Object{{"destination", Object{{"host", host}}}}}}};
}

struct Edit {
    int what = 0;
    std::string rule;
    int number = 0;

    // The release's rules have no name.
    void apply(Value& object) const {
        Array& rules = object["spec"]["http"].make_array();
        auto const found =
            std::ranges::find_if(rules, [&](Value const& each) { return each["name"].as_string() == rule; });
        if (what == 0) rules.push_back(rule_named(fmt::format("new-{}", number), number % 2 == 0 ? "web" : "api"));
        if (what == 1) object.set({"metadata", "annotations", fmt::format("note-{}", number % 3)}, "x");
        if (what == 2) object["spec"]["hosts"].push_back(fmt::format("{}.io", number));
        if (found == rules.end()) return;
        if (what == 3) (*found)["timeout"] = fmt::format("{}s", number);
        if (what == 4) (*found)["match"] = Array{Object{{"uri", Object{{"prefix", fmt::format("/{}", number)}}}}};
        if (what == 5) rules.erase(found);
        if (what == 6) std::rotate(found, found + 1, rules.end());
    }
};

Edit any_edit() {
    return {*rc::gen::inRange(0, 7), fmt::format("rule-{}", *rc::gen::inRange(0, 4)), *rc::gen::inRange(1, 100)};
}

Route any_route() {
    Route route{"web", "web-canary", *rc::gen::inRange(0, 101), {}, {}};
    if (*rc::gen::inRange(0, 3) == 0) {
        Value const header = Object{{"name", "user"}, {"value", fmt::format("{}", *rc::gen::inRange(0, 3))}};
        route.weight = std::nullopt;
        route.matches = json::Doc::freeze(Array{Object{{"headers", Array{header}}}});
    }
    return route;
}

RC_GTEST_PROP(Edits, AreWhatIsLeft, ()) {
    lua::Script const script = *custom_script("networking.istio.io", "VirtualService", {});
    // One rule leads to the Service whatever happens to the others.
    Value expected = Object{{"kind", "VirtualService"}, {"metadata", Object{{"name", "web"}}}};
    expected["spec"] = Object{{"hosts", Array{"x"}}, {"http", Array{rule_named("first", "web")}}};
    for (int each = 0, count = *rc::gen::inRange(0, 4); each < count; ++each)
        expected["spec"]["http"].push_back(rule_named(fmt::format("rule-{}", each), each % 2 == 0 ? "web" : "api"));
    json::Doc live = json::Doc::freeze(expected);
    for (int step = 0, steps = *rc::gen::inRange(1, 5); step < steps; ++step) {
        auto const next = routed_custom(live, any_route(), script);
        RC_ASSERT(next.has_value());
        Value edited = next->thaw();
        for (int each = 0, count = *rc::gen::inRange(0, 3); each < count; ++each) {
            Edit const edit = any_edit();
            edit.apply(edited);
            edit.apply(expected);
        }
        live = json::Doc::freeze(edited);
        Value const restored = restored_custom(live)->thaw();
        RC_LOG() << "live " << json::write(live) << "\n";
        RC_ASSERT(json::write_canonical(restored) == json::write_canonical(expected));
    }
}

}   // namespace
}   // namespace aviary::traffic
