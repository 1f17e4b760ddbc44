#include "kube/apiserver/internal/rbac.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/meta/object.h"
#include "kube/meta/selector.h"

namespace aviary::apiserver {

namespace {

using control::Attributes;
using control::UserInfo;
using json::Doc;

constexpr char kGroup[] = "rbac.authorization.k8s.io";
constexpr std::size_t kMaxCachedUsers = 1000;

bool lists(std::vector<std::string> const& list, std::string_view wanted) {
    return std::ranges::any_of(list, [&](std::string const& each) { return each == wanted || each == "*"; });
}

bool lists_resource(std::vector<std::string> const& list, Attributes const& wanted) {
    for (std::string_view each : list) {
        if (each == "*") return true;
        if (wanted.subresource.empty()) {
            if (each == wanted.resource) return true;
            continue;
        }
        std::size_t const slash = each.find('/');
        if (slash == std::string_view::npos || each.substr(slash + 1) != wanted.subresource) continue;
        if (each.substr(0, slash) == wanted.resource || each.substr(0, slash) == "*") return true;
    }
    return false;
}

bool lists_path(std::vector<std::string> const& list, std::string_view path) {
    for (std::string_view pattern : list) {
        if (pattern == "*" || pattern == path) return true;
        if (pattern.ends_with('*') && path.starts_with(pattern.substr(0, pattern.size() - 1))) return true;
    }
    return false;
}

bool is_subject(Doc const& subject, UserInfo const& user) {
    std::string_view const kind = subject["kind"].as_string();
    std::string_view const name = subject["name"].as_string();
    if (kind == "User") return user.name == name;
    if (kind == "Group") return std::ranges::find(user.groups, name) != user.groups.end();
    if (kind != "ServiceAccount") return false;
    return user.name == "system:serviceaccount:" + subject["namespace"].string() + ":" + std::string(name);
}

bool is_master(UserInfo const& user) { return std::ranges::find(user.groups, "system:masters") != user.groups.end(); }

// A name may hold any letter, in reviews too: lengths tell where each ends.
std::string identity_of(UserInfo const& user) {
    std::string identity = fmt::format("{}:{}", user.name.size(), user.name);
    for (std::string const& group : user.groups) identity += fmt::format(",{}:{}", group.size(), group);
    return identity;
}

std::vector<std::string> texts(Doc const& list) {
    std::vector<std::string> result;
    for (auto const& [index, each] : list.elements()) result.push_back(each.string());
    return result;
}

json::Array to_array(std::vector<std::string> const& list) {
    json::Array result;
    for (std::string const& each : list) result.emplace_back(each);
    return result;
}

}   // namespace

Rule Rule::from(Doc const& rule) {
    return {texts(rule["verbs"]), texts(rule["apiGroups"]), texts(rule["resources"]), texts(rule["resourceNames"]),
            texts(rule["nonResourceURLs"])};
}

bool Rule::permits(Attributes const& wanted) const {
    if (!lists(verbs, wanted.verb)) return false;
    if (!wanted.path.empty()) return lists_path(paths, wanted.path);
    if (!lists(groups, wanted.group) || !lists_resource(resources, wanted)) return false;
    return names.empty() || (!wanted.name.empty() && std::ranges::find(names, wanted.name) != names.end());
}

json::Value Rule::to_value() const {
    json::Object result{{"verbs", to_array(verbs)}};
    if (!paths.empty()) {
        result["nonResourceURLs"] = to_array(paths);
        return result;
    }
    result["apiGroups"] = to_array(groups);
    result["resources"] = to_array(resources);
    if (!names.empty()) result["resourceNames"] = to_array(names);
    return result;
}

std::string Rule::to_string() const {
    auto const part = [](std::string_view name, std::vector<std::string> const& list) {
        std::string text;
        for (std::string const& each : list) text += fmt::format("{}\"{}\"", text.empty() ? "" : " ", each);
        return fmt::format("{}:[{}]", name, text);
    };
    std::vector<std::string> parts;
    if (!groups.empty()) parts.push_back(part("APIGroups", groups));
    if (!resources.empty()) parts.push_back(part("Resources", resources));
    if (!names.empty()) parts.push_back(part("ResourceNames", names));
    if (!paths.empty()) parts.push_back(part("NonResourceURLs", paths));
    parts.push_back(part("Verbs", verbs));
    return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

Rules rules_from(Doc const& list) {
    Rules result;
    for (auto const& [index, rule] : list.elements()) result.push_back(Rule::from(rule));
    return result;
}

Rbac::Rbac(store::Store& store) : store_(store) {
    store_.on_event([this](store::Event const& event) {
        if (event.key.group != kGroup) return;
        grants_.clear();
        roles_.clear();
    });
}

std::shared_ptr<Rules const> Rbac::rules_of(std::string_view kind, std::string const& ns,
                                            std::string const& name) const {
    bool const cluster = kind == "ClusterRole";
    std::string id = fmt::format("{}/{}", cluster ? "" : ns, name);
    if (auto const found = roles_.find(id); found != roles_.end()) return found->second;
    Doc const role = store_.get({kGroup, cluster ? "clusterroles" : "roles", cluster ? "" : ns, name});
    if (!role.exists()) return nullptr;
    auto rules = std::make_shared<Rules>();
    roles_.emplace(std::move(id), rules);   // before its parts: roles that aggregate each other end here
    Doc const selectors = role.at({"aggregationRule", "clusterRoleSelectors"});
    if (selectors.size() == 0) *rules = rules_from(role["rules"]);
    // Aggregated roles are put together when asked, not written.
    for (auto const& [index, selector] : selectors.elements()) {
        auto const labels = meta::LabelSelector::from_object(selector);
        if (!labels) continue;
        store_.visit(kGroup, "clusterroles", "", std::nullopt, [&](store::Key const& key, Doc const& other) {
            if (key.name == name || !labels->matches(other)) return true;
            auto const inner = rules_of("ClusterRole", "", key.name);
            if (inner) rules->insert(rules->end(), inner->begin(), inner->end());
            return true;
        });
    }
    return rules;
}

std::vector<Rbac::Grant> const& Rbac::grants(UserInfo const& user) const {
    std::string const identity = identity_of(user);
    if (auto const found = grants_.find(identity); found != grants_.end()) return found->second;
    if (grants_.size() >= kMaxCachedUsers) grants_.clear();
    std::vector<Grant> result;
    auto const collect = [&](store::Key const& key, Doc const& binding) {
        for (auto const& [index, subject] : binding["subjects"].elements()) {
            if (!is_subject(subject, user)) continue;
            auto rules =
                rules_of(binding.at({"roleRef", "kind"}).as_string(), key.ns, binding.at({"roleRef", "name"}).string());
            if (rules) result.push_back({key.ns, std::move(rules)});
            break;
        }
        return true;
    };
    store_.visit(kGroup, "clusterrolebindings", "", std::nullopt, collect);
    store_.visit(kGroup, "rolebindings", "", std::nullopt, collect);
    return grants_.emplace(identity, std::move(result)).first->second;
}

bool Rbac::allowed(UserInfo const& user, Attributes const& attributes) const {
    if (is_master(user)) return true;
    for (Grant const& grant : grants(user)) {
        if (!grant.ns.empty() && (grant.ns != attributes.ns || !attributes.path.empty())) continue;
        if (std::ranges::any_of(*grant.rules, [&](Rule const& rule) { return rule.permits(attributes); })) return true;
    }
    return false;
}

Rules Rbac::rules_for(UserInfo const& user, std::string const& ns) const {
    Rules result;
    if (is_master(user)) {
        result.push_back({.verbs = {"*"}, .groups = {"*"}, .resources = {"*"}});
        result.push_back({.verbs = {"*"}, .paths = {"*"}});
    }
    for (Grant const& grant : grants(user)) {
        if (grant.ns.empty() || grant.ns == ns) result.insert(result.end(), grant.rules->begin(), grant.rules->end());
    }
    return result;
}

Rules Rbac::missing(UserInfo const& user, std::string const& ns, Rules const& rules) const {
    if (is_master(user)) return {};
    Rules const own = rules_for(user, ns);
    Rules result;
    // Asks for every verb of one target; what is not held comes back as one rule.
    auto const ask = [&](Rule const& rule, Attributes wanted, Rule target) {
        for (std::string const& verb : rule.verbs) {
            wanted.verb = verb;
            if (!std::ranges::any_of(own, [&](Rule const& each) { return each.permits(wanted); }))
                target.verbs.push_back(verb);
        }
        if (!target.verbs.empty()) result.push_back(std::move(target));
    };
    for (Rule const& rule : rules) {
        for (std::string const& path : rule.paths) ask(rule, {.path = path}, {.paths = {path}});
        for (std::string const& group : rule.groups) {
            for (std::string const& resource : rule.resources) {
                Attributes wanted{.group = group, .resource = resource, .ns = ns};
                if (std::size_t const slash = resource.find('/'); slash != std::string::npos) {
                    wanted.subresource = resource.substr(slash + 1);
                    wanted.resource.resize(slash);
                }
                if (rule.names.empty()) ask(rule, wanted, {.groups = {group}, .resources = {resource}});
                for (std::string const& name : rule.names) {
                    wanted.name = name;
                    ask(rule, wanted, {.groups = {group}, .resources = {resource}, .names = {name}});
                }
            }
        }
    }
    return result;
}

}   // namespace aviary::apiserver
