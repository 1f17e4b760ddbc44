#include "apis/fleet/controller.h"

#include "core/base/strings.h"
#include "core/base/version.h"
#include "kube/meta/names.h"

namespace aviary::apis {

namespace {

// The value of a claim has 1024 bytes at most, a name 63.
constexpr std::size_t kMostCapabilities = 16;

}   // namespace

Controller this_controller() {
    return {std::string(controller::kAviary),
            std::string(program_version()),
            {std::string(capability::kApprovalGuard), std::string(capability::kScaleGuard)}};
}

std::string capabilities_text(Controller const& controller) { return join(controller.capabilities, ","); }

json::Value write_controller_record(std::string const& ns, Controller const& controller) {
    json::Value object{json::Object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}}};
    object.set({"metadata", "name"}, kControllerRecord);
    object.set({"metadata", "namespace"}, ns);
    object["data"] = json::Object{{"controller", controller.name},
                                  {"version", controller.version},
                                  {"capabilities", capabilities_text(controller)}};
    return object;
}

Controller read_controller_record(json::Doc const& config_map) {
    json::Doc const data = config_map["data"];
    Controller controller;
    std::string name = data["controller"].string();
    if (meta::dns1123_label_problem(name)) return controller;
    controller.name = std::move(name);
    std::string version = data["version"].string();
    if (version.size() <= kLongestControllerVersion && parse_version(version)) controller.version = std::move(version);
    for (std::string_view const each : split(data["capabilities"].as_string(), ',')) {
        bool const fits = controller.capabilities.size() < kMostCapabilities && !meta::dns1123_label_problem(each);
        if (fits) controller.capabilities.emplace_back(each);
    }
    return controller;
}

}   // namespace aviary::apis
