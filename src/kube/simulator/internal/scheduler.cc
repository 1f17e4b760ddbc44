#include "kube/simulator/internal/scheduler.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "kube/meta/quantity.h"
#include "kube/simulator/internal/node_fit.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

namespace {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

Amounts const kNothing;

void add(Amounts& to, Doc const& quantities) {
    for (auto const& [name, quantity] : quantities.members()) to[std::string(name)] += meta::milli_value(quantity);
}

// Why the pod may not run on the node, whatever is free there; nothing when it may.
char const* refusal_of(Doc const& pod, std::vector<Doc> const& tolerations, Doc const& node) {
    static Doc const kCordon =
        Doc::freeze(json::Object{{"key", "node.kubernetes.io/unschedulable"}, {"effect", "NoSchedule"}});
    if (node.at({"spec", "unschedulable"}).as_bool() && !tolerates(tolerations, kCordon))
        return "node(s) were unschedulable";
    if (repels(node, tolerations, {"NoSchedule", "NoExecute"})) return "node(s) had untolerated taint(s)";
    return matches_node(pod["spec"], node) ? nullptr : "node(s) didn't match Pod's node affinity/selector";
}

}   // namespace

Amounts requests_of(Doc const& pod) {
    Amounts total;
    for (auto const& [key, container] : pod.at({"spec", "containers"}).elements()) {
        Doc const resources = container["resources"];
        Amounts own;
        add(own, resources["limits"]);   // a limit without a request is the request
        for (auto const& [name, quantity] : resources["requests"].members())
            own[std::string(name)] = meta::milli_value(quantity);
        for (auto const& [name, amount] : own) total[name] += amount;
    }
    for (auto const& [key, container] : pod.at({"spec", "initContainers"}).elements()) {
        Amounts own;
        add(own, container.at({"resources", "requests"}));
        for (auto const& [name, amount] : own) total[name] = std::max(total[name], amount);
    }
    total["pods"] = 1000;
    return total;
}

void NodeUsage::take(std::string const& key, std::string const& node, Amounts const& amounts) {
    release(key);
    for (auto const& [name, amount] : amounts) used_[node][name] += amount;
    pods_.emplace(key, Place{node, amounts});
}

void NodeUsage::release(std::string const& key) {
    auto const found = pods_.find(key);
    if (found == pods_.end()) return;
    for (auto const& [name, amount] : found->second.amounts) used_[found->second.node][name] -= amount;
    pods_.erase(found);
}

void NodeUsage::update(Doc const& before, Doc const& after) {
    std::string_view const phase = after.at({"status", "phase"}).as_string();
    if (!after.exists() || phase == "Succeeded" || phase == "Failed")
        return release(meta::uid(after.exists() ? after : before));
    std::string const node = after.at({"spec", "nodeName"}).string();
    if (!node.empty() && before.at({"spec", "nodeName"}).as_string() != node)
        take(meta::uid(after), node, requests_of(after));
}

void NodeUsage::assume(Doc const& pod, std::string const& node) { take(meta::uid(pod), node, requests_of(pod)); }

Amounts const& NodeUsage::used(std::string const& node) const {
    auto const found = used_.find(node);
    return found == used_.end() ? kNothing : found->second;
}

Plan decide_binding(Doc const& pod, std::vector<Doc> const& nodes, NodeUsage const& usage, Time now,
                    std::string& chosen) {
    Plan plan;
    chosen.clear();
    if (!pod.exists() || !is_active(pod) || pod.at({"spec", "nodeName"}).exists()) return plan;
    if (pod.at({"spec", "schedulingGates"}).size() > 0) return plan;

    Amounts const wanted = requests_of(pod);
    std::vector<Doc> const tolerations = elements_of(pod.at({"spec", "tolerations"}));
    std::map<std::string, int> lacking;   // resource → nodes that have too little of it
    std::int64_t least = 0;
    for (Doc const& node : nodes) {
        Amounts free;
        add(free, node.at({"status", "allocatable"}));
        Amounts const& used = usage.used(meta::name(node));
        char const* const refusal = refusal_of(pod, tolerations, node);
        bool fits = refusal == nullptr;
        if (!fits) ++lacking[refusal];
        for (auto const& [name, amount] : wanted) {
            auto const taken = used.find(name);
            if (amount > 0 && free[name] - (taken == used.end() ? 0 : taken->second) < amount) {
                ++lacking[name == "pods" ? "Too many pods" : "Insufficient " + name];
                fits = false;
            }
        }
        if (!fits) continue;
        auto const count = used.find("pods");
        std::int64_t const load = count == used.end() ? 0 : count->second;
        if (chosen.empty() || load < least) {
            chosen = meta::name(node);
            least = load;
        }
    }

    Value const self = reference_to(pod, kPod);
    if (!chosen.empty()) {
        Write write;
        write.verb = Write::Verb::kCreate;
        write.resource = kPods;
        write.key = meta::key_of(pod);
        write.subresource = "binding";
        write.body = json::Object{
            {"apiVersion", "v1"},
            {"kind", "Binding"},
            {"metadata",
             json::Object{{"name", meta::name(pod)}, {"namespace", meta::ns(pod)}, {"uid", meta::uid(pod)}}},
            {"target", json::Object{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", chosen}}}};
        write.why = "a node fits";
        plan.writes.push_back(std::move(write));
        plan.events.push_back(
            {self, "Normal", "Scheduled",
             fmt::format("Successfully assigned {}/{} to {}", meta::ns(pod), meta::name(pod), chosen)});
        return plan;
    }

    std::string message = fmt::format("0/{} nodes are available", nodes.size());
    std::string separator = ": ";
    for (auto const& [what, count] : lacking) {
        message += fmt::format("{}{} {}", separator, count, what);
        separator = ", ";
    }
    message += ".";
    for (auto const& [key, condition] : pod.at({"status", "conditions"}).elements()) {
        if (condition["type"].as_string() == "PodScheduled" && condition["message"].as_string() == message) return plan;
    }
    Write write;
    write.verb = Write::Verb::kStrategicMergePatch;
    write.resource = kPods;
    write.key = meta::key_of(pod);
    write.subresource = "status";
    write.body.set({"status", "conditions"}, json::Array{json::Object{{"type", "PodScheduled"},
                                                                      {"status", "False"},
                                                                      {"lastProbeTime", nullptr},
                                                                      {"lastTransitionTime", format_rfc3339(now)},
                                                                      {"reason", "Unschedulable"},
                                                                      {"message", message}}});
    write.why = "no node fits";
    plan.writes.push_back(std::move(write));
    plan.events.push_back({self, "Warning", "FailedScheduling", message});
    return plan;
}

}   // namespace aviary::simulator
