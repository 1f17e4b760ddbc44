#include "kube/simulator/internal/endpoint_slice.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

namespace {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

bool selected(Doc const& service, Doc const& pod) {
    for (auto const& [key, value] : service.at({"spec", "selector"}).members()) {
        if (meta::label(pod, key) != value.as_string()) return false;
    }
    return true;
}

// A port by number, or by the name that the pod's containers give it.
std::int64_t target_port(Doc const& port, std::vector<Doc> const& pods) {
    Doc const target = port["targetPort"];
    if (target.is_int()) return target.as_int();
    if (!target.is_string()) return port["port"].as_int();
    for (Doc const& pod : pods) {
        for (auto const& [key, container] : pod.at({"spec", "containers"}).elements()) {
            for (auto const& [index, each] : container["ports"].elements()) {
                if (each["name"].as_string() == target.as_string()) return each["containerPort"].as_int();
            }
        }
    }
    return 0;
}

}   // namespace

std::string endpoint_slice_name(std::string_view service) {
    return fmt::format("{}-{:05x}", service, fnv1a_32(service) & 0xfffff);
}

Plan decide_endpoint_slice(Doc const& service, std::vector<Doc> const& pods, Doc const& slice) {
    Plan plan;
    if (!service.exists() || meta::is_deleting(service) || service.at({"spec", "selector"}).size() == 0) return plan;
    if (service.at({"spec", "type"}).as_string() == "ExternalName") return plan;

    std::vector<Doc> members;
    for (Doc const& pod : pods) {
        std::string_view const phase = pod.at({"status", "phase"}).as_string();
        if (phase != "Failed" && phase != "Succeeded" && pod.at({"status", "podIP"}).exists() && selected(service, pod))
            members.push_back(pod);
    }
    json::Array endpoints;
    for (Doc const& pod : members) {
        bool const leaving = meta::is_deleting(pod);
        Value endpoint{json::Object{{"addresses", json::Array{pod.at({"status", "podIP"}).string()}}}};
        endpoint["conditions"] =
            json::Object{{"ready", is_ready(pod) && !leaving}, {"serving", is_ready(pod)}, {"terminating", leaving}};
        endpoint["targetRef"] = json::Object{
            {"kind", "Pod"}, {"namespace", meta::ns(pod)}, {"name", meta::name(pod)}, {"uid", meta::uid(pod)}};
        endpoint["nodeName"] = pod.at({"spec", "nodeName"}).string();
        endpoints.push_back(std::move(endpoint));
    }
    json::Array ports;
    for (auto const& [key, port] : service.at({"spec", "ports"}).elements()) {
        std::int64_t const number = target_port(port, members);
        if (number == 0) continue;
        ports.push_back(json::Object{
            {"name", port["name"].string()}, {"protocol", port["protocol"].as_string("TCP")}, {"port", number}});
    }

    Write write;
    write.resource = kEndpointSlices;
    write.key = {meta::ns(service), endpoint_slice_name(meta::name(service))};
    write.why = "endpoints";
    if (!slice.exists()) {
        write.verb = Write::Verb::kCreate;
        write.ignore_already_exists = true;
        write.body =
            json::Object{{"apiVersion", "discovery.k8s.io/v1"}, {"kind", "EndpointSlice"}, {"addressType", "IPv4"}};
        write.body.set({"metadata", "name"}, write.key.name);
        write.body.set({"metadata", "namespace"}, write.key.ns);
        write.body.set({"metadata", "labels"},
                       json::Object{{"kubernetes.io/service-name", meta::name(service)},
                                    {"endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"}});
        write.body.set({"metadata", "ownerReferences"}, json::Array{controller_reference(service, kService)});
        write.body["endpoints"] = std::move(endpoints);
        write.body["ports"] = std::move(ports);
        plan.writes.push_back(std::move(write));
        return plan;
    }
    Value changes{json::Object()};
    if (!(slice["endpoints"].thaw() == Value(endpoints)) && !(slice["endpoints"].size() == 0 && endpoints.empty()))
        changes["endpoints"] = std::move(endpoints);
    if (!(slice["ports"].thaw() == Value(ports)) && !(slice["ports"].size() == 0 && ports.empty()))
        changes["ports"] = std::move(ports);
    if (changes.size() == 0) return plan;
    write.body = std::move(changes);
    plan.writes.push_back(std::move(write));
    return plan;
}

}   // namespace aviary::simulator
