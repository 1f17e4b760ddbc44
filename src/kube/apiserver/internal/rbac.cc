#include "kube/apiserver/internal/rbac.h"

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

bool lists(Doc const& list, std::string_view wanted) {
    for (auto const& [key, each] : list.elements()) {
        if (each.as_string() == wanted || each.as_string() == "*") return true;
    }
    return false;
}

bool path_matches(Doc const& list, std::string_view path) {
    for (auto const& [key, each] : list.elements()) {
        std::string_view const pattern = each.as_string();
        if (pattern == "*" || pattern == path) return true;
        if (pattern.ends_with('*') && path.starts_with(pattern.substr(0, pattern.size() - 1))) return true;
    }
    return false;
}

bool permits(Doc const& rule, Attributes const& wanted) {
    if (!lists(rule["verbs"], wanted.verb)) return false;
    if (!wanted.path.empty()) return path_matches(rule["nonResourceURLs"], wanted.path);
    if (!lists(rule["apiGroups"], wanted.group)) return false;
    std::string const resource = wanted.subresource.empty() ? wanted.resource : wanted.resource + "/" + wanted.subresource;
    bool const any_of_subresource = !wanted.subresource.empty() && lists(rule["resources"], "*/" + wanted.subresource);
    if (!lists(rule["resources"], resource) && !any_of_subresource) return false;
    if (rule["resourceNames"].size() == 0) return true;
    return !wanted.name.empty() && lists(rule["resourceNames"], wanted.name);
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

}  // namespace

Rbac::Rbac(store::Store& store) : store_(store) {
    store_.on_event([this](store::Event const& event) {
        if (event.key.group == kGroup) cache_.clear();
    });
}

Doc Rbac::rules_of(std::string const& kind, std::string const& ns, std::string const& name) const {
    bool const cluster = kind == "ClusterRole";
    Doc const role = store_.get({kGroup, cluster ? "clusterroles" : "roles", cluster ? "" : ns, name});
    if (!role.exists()) return {};
    Doc const selectors = role.at({"aggregationRule", "clusterRoleSelectors"});
    if (selectors.size() == 0) return role["rules"].exists() ? role["rules"] : Doc::freeze(json::Array());
    // Aggregated roles are put together when asked, not written.
    json::Array rules;
    store_.visit(kGroup, "clusterroles", "", std::nullopt, [&](store::Key const&, Doc const& other) {
        for (auto const& [key, selector] : selectors.elements()) {
            auto const labels = meta::LabelSelector::from_object(selector);
            if (!labels || !labels->matches(other)) continue;
            for (auto const& [index, rule] : other["rules"].elements()) rules.push_back(rule.thaw());
            break;
        }
        return true;
    });
    return Doc::freeze(rules);
}

std::vector<Rbac::Grant> const& Rbac::grants(UserInfo const& user) const {
    std::string identity = user.name;
    for (std::string const& group : user.groups) identity += "\n" + group;
    if (auto const found = cache_.find(identity); found != cache_.end()) return found->second;
    if (cache_.size() >= kMaxCachedUsers) cache_.clear();
    std::vector<Grant> result;
    auto const collect = [&](store::Key const& key, Doc const& binding) {
        for (auto const& [index, subject] : binding["subjects"].elements()) {
            if (!is_subject(subject, user)) continue;
            Doc const rules = rules_of(binding.at({"roleRef", "kind"}).string(), key.ns, binding.at({"roleRef", "name"}).string());
            if (rules.exists()) result.push_back({key.ns, rules});
            break;
        }
        return true;
    };
    store_.visit(kGroup, "clusterrolebindings", "", std::nullopt, collect);
    store_.visit(kGroup, "rolebindings", "", std::nullopt, collect);
    return cache_.emplace(std::move(identity), std::move(result)).first->second;
}

bool Rbac::allowed(UserInfo const& user, Attributes const& attributes) const {
    if (is_master(user)) return true;
    for (Grant const& grant : grants(user)) {
        if (!grant.ns.empty() && grant.ns != attributes.ns) continue;
        for (auto const& [index, rule] : grant.rules.elements()) {
            if (permits(rule, attributes)) return true;
        }
    }
    return false;
}

std::vector<Doc> Rbac::rules_for(UserInfo const& user, std::string const& ns) const {
    std::vector<Doc> result;
    if (is_master(user)) {
        result.push_back(Doc::freeze(json::Object{{"verbs", json::Array{"*"}}, {"apiGroups", json::Array{"*"}}, {"resources", json::Array{"*"}}}));
        result.push_back(Doc::freeze(json::Object{{"verbs", json::Array{"*"}}, {"nonResourceURLs", json::Array{"*"}}}));
    }
    for (Grant const& grant : grants(user)) {
        if (!grant.ns.empty() && grant.ns != ns) continue;
        for (auto const& [index, rule] : grant.rules.elements()) result.push_back(rule);
    }
    return result;
}

bool Rbac::covers(UserInfo const& user, std::string const& ns, Doc const& rules) const {
    if (is_master(user)) return true;
    std::vector<Doc> const own = rules_for(user, ns);
    auto const held = [&](Attributes const& wanted) { return std::ranges::any_of(own, [&](Doc const& rule) { return permits(rule, wanted); }); };
    for (auto const& [index, rule] : rules.elements()) {
        for (auto const& [verb_index, verb] : rule["verbs"].elements()) {
            for (auto const& [path_index, path] : rule["nonResourceURLs"].elements()) {
                if (!held({.verb = verb.string(), .path = path.string()})) return false;
            }
            for (auto const& [group_index, group] : rule["apiGroups"].elements()) {
                for (auto const& [resource_index, resource] : rule["resources"].elements()) {
                    Attributes wanted{.verb = verb.string(), .group = group.string(), .resource = resource.string(), .ns = ns};
                    std::size_t const slash = wanted.resource.find('/');
                    if (slash != std::string::npos) {
                        wanted.subresource = wanted.resource.substr(slash + 1);
                        wanted.resource.resize(slash);
                    }
                    if (rule["resourceNames"].size() == 0) {
                        if (!held(wanted)) return false;
                        continue;
                    }
                    for (auto const& [name_index, name] : rule["resourceNames"].elements()) {
                        wanted.name = name.string();
                        if (!held(wanted)) return false;
                    }
                }
            }
        }
    }
    return true;
}

}  // namespace aviary::apiserver
