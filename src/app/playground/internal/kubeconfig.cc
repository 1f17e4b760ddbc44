#include "app/playground/internal/kubeconfig.h"

#include <algorithm>
#include <set>
#include <string>

namespace aviary::playground {

namespace {

using json::Value;

Value const* find(Value const& list, std::string_view name) {
    for (Value const& each : list.array()) {
        if (each["name"].as_string() == name) return &each;
    }
    return nullptr;
}

bool ours(Value const& cluster) {
    std::string_view const server = cluster.at({"cluster", "server"}).as_string();
    std::string const path = "/clusters/" + cluster["name"].string();
    return server.starts_with("https://127.0.0.1:") && server.ends_with(path);
}

// Entries of `before` that `fresh` has none of that name of, behind those of `fresh`.
void keep_others(Value const& before, Value& fresh, std::set<std::string> const& gone) {
    for (Value const& each : before.array()) {
        bool const known = find(fresh, each["name"].as_string()) != nullptr;
        if (!known && !gone.contains(each["name"].string())) fresh.push_back(each);
    }
}

void keep_settings(Value const& before, Value& context, Value const& users) {
    Value merged = before;
    for (auto const& [key, value] : context.object()) {
        bool const chosen_user = key == "user" && find(users, before["user"].as_string()) != nullptr;
        if (!chosen_user) merged[key] = value;
    }
    context = std::move(merged);
}

}   // namespace

Value merge_kubeconfig(Value const& before, Value fresh) {
    if (!before.is_object()) return fresh;
    std::set<std::string> gone;
    for (Value const& cluster : before["clusters"].array()) {
        if (ours(cluster) && find(fresh["clusters"], cluster["name"].as_string()) == nullptr)
            gone.insert(cluster["name"].string());
    }
    keep_others(before["clusters"], fresh["clusters"], gone);
    keep_others(before["users"], fresh["users"], {});
    Value contexts{json::Array()};
    for (Value context : fresh["contexts"].array()) {
        if (Value const* const old = find(before["contexts"], context["name"].as_string());
            old != nullptr && old->at({"context", "cluster"}) == context.at({"context", "cluster"}))
            keep_settings((*old)["context"], context["context"], fresh["users"]);
        contexts.push_back(std::move(context));
    }
    for (Value const& old : before["contexts"].array()) {
        bool const known = find(contexts, old["name"].as_string()) != nullptr;
        if (!known && !gone.contains(old.at({"context", "cluster"}).string())) contexts.push_back(old);
    }
    fresh["contexts"] = std::move(contexts);
    if (find(fresh["contexts"], before["current-context"].as_string()) != nullptr)
        fresh["current-context"] = before["current-context"].string();
    return fresh;
}

}   // namespace aviary::playground
