// The cells of kinds that lead traffic.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/internal/cells.h"
#include "kube/apiserver/builtin/internal/rows.h"

namespace aviary::builtin::internal {

namespace {

constexpr int kShown = 3;   // endpoints, ports and hosts before "+ n more..."

std::string load_balancer_addresses(json::Doc const& status) {
    std::vector<std::string> addresses;
    for (auto [_, ingress] : status["ingress"].elements()) {
        std::string address = text_or(ingress["ip"], ingress["hostname"].as_string());
        if (!address.empty()) addresses.push_back(std::move(address));
    }
    std::ranges::sort(addresses);
    auto repeated = std::ranges::unique(addresses);
    addresses.erase(repeated.begin(), repeated.end());
    return join(addresses, ",");
}

std::string joined(json::Doc const& list) {
    std::vector<std::string> parts;
    for (auto [_, element] : list.elements()) parts.push_back(element.string());
    return join(parts, ",");
}

std::string external_ip(json::Doc const& service) {
    std::string_view type = service.at({"spec", "type"}).as_string();
    std::string external = joined(service.at({"spec", "externalIPs"}));
    if (type == "ClusterIP" || type == "NodePort") return external.empty() ? "<none>" : external;
    if (type == "ExternalName") return service.at({"spec", "externalName"}).string();
    if (type != "LoadBalancer") return "<unknown>";
    std::string balancer = load_balancer_addresses(service.at({"status", "loadBalancer"}));
    if (external.empty()) return balancer.empty() ? "<pending>" : balancer;
    return balancer.empty() ? external : balancer + "," + external;
}

std::string service_ports(json::Doc const& ports) {
    std::vector<std::string> parts;
    for (auto [_, port] : ports.elements()) {
        std::int64_t node_port = port["nodePort"].as_int();
        std::string number = std::to_string(port["port"].as_int());
        if (node_port > 0) number += fmt::format(":{}", node_port);
        parts.push_back(fmt::format("{}/{}", number, port["protocol"].as_string()));
    }
    return parts.empty() ? "<none>" : join(parts, ",");
}

std::string host_port(std::string_view address, std::int64_t port) {
    bool is_v6 = address.find(':') != std::string_view::npos;
    return is_v6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

// Lists of which only the first few are shown.
struct ShortList {
    std::vector<std::string> shown;
    int count = 0;
    void add(std::string text) {
        if (count++ < kShown) shown.push_back(std::move(text));
    }
    std::string text() const {
        if (count == 0) return "<none>";
        return with_more(join(shown, ","), count > kShown, count, kShown);
    }
};

std::string hosts(json::Doc const& rules) {
    std::vector<std::string> list;
    for (auto [_, rule] : rules.elements()) {
        std::string_view host = rule["host"].as_string();
        if (!host.empty() && list.size() < kShown) list.emplace_back(host);
    }
    if (list.empty()) return "*";
    // Upstream counts rules, not hosts, once the list is full and another rule follows.
    bool more = list.size() == kShown && rules.size() > kShown;
    return with_more(join(list, ","), more, static_cast<int>(rules.size()), kShown);
}

}   // namespace

json::Array service_row(json::Doc const& object, Time now) {
    return {name_of(object),
            object.at({"spec", "type"}).as_string(),
            text_or(object.at({"spec", "clusterIPs"})[0], "<none>"),
            external_ip(object),
            service_ports(object.at({"spec", "ports"})),
            age_of(object, now),
            format_labels(object.at({"spec", "selector"}))};
}

json::Array endpoints_row(json::Doc const& object, Time now) {
    ShortList list;
    for (auto [_, subset] : object["subsets"].elements()) {
        json::Doc ports = subset["ports"];
        if (ports.size() == 0) {
            for (auto [__, address] : subset["addresses"].elements()) list.add(address["ip"].string());
        }
        for (auto [__, port] : ports.elements()) {
            for (auto [___, address] : subset["addresses"].elements()) {
                list.add(host_port(address["ip"].as_string(), port["port"].as_int()));
            }
        }
    }
    // Subsets without ready addresses show as nothing; no subsets at all as <none>.
    std::string text = list.count == 0 && object["subsets"].size() > 0 ? "" : list.text();
    return {name_of(object), text, age_of(object, now)};
}

json::Array endpoint_slice_row(json::Doc const& object, Time now) {
    ShortList ports;
    for (auto [_, port] : object["ports"].elements()) {
        std::string fallback = text_or(port["name"], "*");
        ports.add(text_or(port["port"], fallback));
    }
    ShortList addresses;
    for (auto [_, endpoint] : object["endpoints"].elements()) {
        for (auto [__, address] : endpoint["addresses"].elements()) addresses.add(address.string());
    }
    auto text = [](ShortList const& list) { return list.count == 0 ? "<unset>" : list.text(); };
    return {name_of(object), object["addressType"].as_string(), text(ports), text(addresses), age_of(object, now)};
}

json::Array ingress_row(json::Doc const& object, Time now) {
    return {name_of(object),
            text_or(object.at({"spec", "ingressClassName"}), "<none>"),
            hosts(object.at({"spec", "rules"})),
            load_balancer_addresses(object.at({"status", "loadBalancer"})),
            object.at({"spec", "tls"}).size() > 0 ? "80, 443" : "80",
            age_of(object, now)};
}

json::Array ingress_class_row(json::Doc const& object, Time now) {
    std::string name(name_of(object));
    if (object.at({"metadata", "annotations", "ingressclass.kubernetes.io/is-default-class"}).as_string() == "true") {
        name += " (default)";
    }
    std::string text = "<none>";
    json::Doc parameters = object.at({"spec", "parameters"});
    if (parameters.is_object()) {
        text = parameters["kind"].string();
        if (parameters["apiGroup"].is_string()) text += fmt::format(".{}", parameters["apiGroup"].as_string());
        text += fmt::format("/{}", parameters["name"].as_string());
    }
    return {name, object.at({"spec", "controller"}).as_string(), text, age_of(object, now)};
}

json::Array network_policy_row(json::Doc const& object, Time now) {
    return {name_of(object), format_selector(object.at({"spec", "podSelector"})), age_of(object, now)};
}

}   // namespace aviary::builtin::internal
