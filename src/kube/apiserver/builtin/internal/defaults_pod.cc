// Defaults of pods and pod templates.
#include <array>

#include "kube/apiserver/builtin/internal/defaults.h"

namespace aviary::builtin::internal {

namespace {

// Without a tag the tag is latest, unless a digest names the image exactly.
bool pulls_always(std::string_view image) {
    std::size_t digest = image.find('@');
    std::string_view name = image.substr(0, digest);
    std::size_t slash = name.rfind('/');
    std::size_t colon = name.find(':', slash == std::string_view::npos ? 0 : slash);
    if (colon == std::string_view::npos) return digest == std::string_view::npos;
    return name.substr(colon + 1) == "latest";
}

void default_http_get(json::Value& action) {
    set_default(action, "path", "/");
    set_default(action, "scheme", "HTTP");
}

void default_handler(json::Value& handler) {
    if (json::Value* get = handler.find("httpGet")) default_http_get(*get);
    if (json::Value* grpc = handler.find("grpc")) set_default(*grpc, "service", "");
}

void default_probe(json::Value* probe) {
    if (!probe || !probe->is_object()) return;
    // Zero means the default too, as no probe can have it.
    constexpr std::array<std::pair<std::string_view, int>, 4> kFields{
        {{"timeoutSeconds", 1}, {"periodSeconds", 10}, {"successThreshold", 1}, {"failureThreshold", 3}}};
    for (auto [field, value] : kFields) {
        json::Value& present = (*probe)[field];
        if (present.is_null() || (present.is_int() && present.as_int() == 0)) present = value;
    }
    default_handler(*probe);
}

void default_container(json::Value& container) {
    if (!container.is_object()) return;
    json::Value const& read = container;
    set_default(container, "terminationMessagePath", "/dev/termination-log");
    set_default(container, "terminationMessagePolicy", "File");
    set_default(container, "imagePullPolicy", pulls_always(read["image"].as_string()) ? "Always" : "IfNotPresent");
    for (std::string_view name : {"livenessProbe", "readinessProbe", "startupProbe"})
        default_probe(container.find(name));
    if (json::Value* lifecycle = container.find("lifecycle")) {
        for (std::string_view hook : {"postStart", "preStop"}) {
            if (json::Value* handler = lifecycle->find(hook)) default_handler(*handler);
        }
    }
    if (json::Value* ports = container.find("ports")) {
        for (json::Value& port : ports->make_array()) set_default(port, "protocol", "TCP");
    }
    if (json::Value* env = container.find("env")) {
        for (json::Value& variable : env->make_array()) {
            json::Value* from = variable.find("valueFrom");
            json::Value* field = from ? from->find("fieldRef") : nullptr;
            if (field) set_default(*field, "apiVersion", "v1");
        }
    }
}

void default_downward_items(json::Value& source) {
    json::Value* items = source.find("items");
    if (!items) return;
    for (json::Value& item : items->make_array()) {
        if (json::Value* field = item.find("fieldRef")) set_default(*field, "apiVersion", "v1");
    }
}

void default_projected(json::Value& projected) {
    set_default(projected, "defaultMode", 0644);
    json::Value* sources = projected.find("sources");
    if (!sources) return;
    for (json::Value& source : sources->make_array()) {
        if (json::Value* token = source.find("serviceAccountToken")) set_default(*token, "expirationSeconds", 3600);
        if (json::Value* downward = source.find("downwardAPI")) default_downward_items(*downward);
    }
}

void default_volume(json::Value& volume) {
    if (!volume.is_object()) return;
    // A volume that names no source is an empty folder.
    if (volume.size() == (volume.contains("name") ? 1U : 0U)) volume["emptyDir"] = json::Object();
    for (std::string_view source : {"secret", "configMap", "downwardAPI"}) {
        if (json::Value* found = volume.find(source)) set_default(*found, "defaultMode", 0644);
    }
    if (json::Value* downward = volume.find("downwardAPI")) default_downward_items(*downward);
    if (json::Value* projected = volume.find("projected")) default_projected(*projected);
    if (json::Value* host_path = volume.find("hostPath")) {
        if (!host_path->contains("type")) (*host_path)["type"] = "";
    }
    if (json::Value* image = volume.find("image")) {
        json::Value const& read = *image;
        set_default(*image, "pullPolicy", pulls_always(read["reference"].as_string()) ? "Always" : "IfNotPresent");
    }
    json::Value* ephemeral = volume.find("ephemeral");
    json::Value* claim = ephemeral ? ephemeral->find("volumeClaimTemplate") : nullptr;
    if (json::Value* spec = claim ? claim->find("spec") : nullptr) set_default(*spec, "volumeMode", "Filesystem");
}

void requests_from_limits(json::Value& container) {
    json::Value* resources = container.find("resources");
    json::Value* limits = resources ? resources->find("limits") : nullptr;
    if (!limits || limits->size() == 0) return;
    json::Value& requests = (*resources)["requests"];
    for (auto const& [name, value] : resources->find("limits")->object()) {
        if (!requests.contains(name)) requests[std::string_view(name)] = value;
    }
}

void host_ports(json::Value& container) {
    json::Value* ports = container.find("ports");
    if (!ports) return;
    for (json::Value& port : ports->make_array()) {
        std::int64_t number = std::as_const(port)["containerPort"].as_int();
        if (std::as_const(port)["hostPort"].as_int() == 0) port["hostPort"] = number;
    }
}

}   // namespace

void set_default(json::Value& object, std::string_view member, json::Value value) {
    json::Value const* present = object.find(member);
    bool is_set = present && !present->is_null() && !(present->is_string() && present->as_string().empty());
    if (!is_set) object[member] = std::move(value);
}

void default_pod_spec(json::Value& spec) {
    json::Value const& read = spec;
    if (!read["serviceAccount"].as_string().empty()) set_default(spec, "serviceAccountName", read["serviceAccount"]);
    std::string account = read["serviceAccountName"].string();
    if (!account.empty()) spec["serviceAccount"] = account;
    set_default(spec, "dnsPolicy", "ClusterFirst");
    set_default(spec, "restartPolicy", "Always");
    set_default(spec, "securityContext", json::Object());
    set_default(spec, "terminationGracePeriodSeconds", 30);
    set_default(spec, "schedulerName", "default-scheduler");
    for (std::string_view list : {"containers", "initContainers", "ephemeralContainers"}) {
        json::Value* containers = spec.find(list);
        if (!containers || !containers->is_array()) continue;
        for (json::Value& container : containers->make_array()) default_container(container);
    }
    if (json::Value* volumes = spec.find("volumes"); volumes && volumes->is_array()) {
        for (json::Value& volume : volumes->make_array()) default_volume(volume);
    }
}

void default_pod(json::Value& pod) {
    json::Value& spec = pod["spec"];
    default_pod_spec(spec);
    set_default(spec, "enableServiceLinks", true);
    bool host_network = std::as_const(spec)["hostNetwork"].as_bool();
    for (std::string_view list : {"containers", "initContainers"}) {
        json::Value* containers = spec.find(list);
        if (!containers || !containers->is_array()) continue;
        for (json::Value& container : containers->make_array()) {
            requests_from_limits(container);
            if (host_network) host_ports(container);
        }
    }
}

}   // namespace aviary::builtin::internal
