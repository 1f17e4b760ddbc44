#include "hub/propagation/render.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/original.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"
#include "kube/patch/field_set.h"

namespace aviary::propagation {

namespace {

using json::Doc;
using json::Value;

// A write that brings a map back owns the map itself too, which an apply never does.
void own_maps(patch::FieldSet& fields) {
    fields.owned = true;
    for (auto& [element, child] : fields.children) own_maps(child);
}

// What the hub's own API server and its clients keep in metadata, and what must not travel.
Value travelling_metadata(Doc const& metadata) {
    Value result{json::Object()};
    for (char const* field : {"name", "namespace"}) {
        if (metadata[field].exists()) result[field] = metadata[field].string();
    }
    for (auto const& [key, value] : metadata["labels"].members()) {
        if (!is_own_label(key)) result.set({"labels", key}, value.string());
    }
    for (auto const& [key, value] : metadata["annotations"].members()) {
        bool const stays = key == "kubectl.kubernetes.io/last-applied-configuration" ||
                           key.starts_with("deployment.kubernetes.io/") ||
                           (key.starts_with("fleet.aviary.dev/") && key != kOnDelete) ||
                           key == "rollouts.kruise.io/hash" || key == kInProgressing;
        if (!stays) result.set({"annotations", key}, value.string());
    }
    return result;
}

// The member's own count: left out once somebody there owns it; until then said as it is, because an apply that leaves
// a field without an owner removes it.
void leave_replicas(Value& object, Doc const& live) {
    Doc const replicas = live.at({"spec", "replicas"});
    if (owned_by_other(live, kManager, {"spec", "replicas"})) {
        erase_at(object, {"spec", "replicas"});
    } else if (replicas.is_int()) {
        object.set({"spec", "replicas"}, replicas.as_int());
    }
}

// While a release in the member has switched an autoscaler off, so too: written back it would scale both versions.
void leave_switched_off(Value& object, Doc const& live) {
    std::string const wanted = object.at({"spec", "scaleTargetRef", "name"}).string();
    if (!apis::switched_off(live) || wanted != apis::scaled_name(live)) return;
    if (owned_by_other(live, kManager, {"spec", "scaleTargetRef", "name"})) {
        erase_at(object, {"spec", "scaleTargetRef", "name"});
    } else {
        object.set({"spec", "scaleTargetRef", "name"}, live.at({"spec", "scaleTargetRef", "name"}).string());
    }
}

// Fields that each cluster's API server fills in for itself.
void strip_allocated(Value& object, std::string_view kind) {
    if (kind == "Namespace") erase_at(object, {"spec"});
    if (kind == "Service") {
        if (object.at({"spec", "clusterIP"}).as_string() != "None") {
            for (std::string_view field : {"clusterIP", "clusterIPs"}) erase_at(object, {"spec", field});
        }
        for (std::string_view field : {"ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"})
            erase_at(object, {"spec", field});
        if (Value* spec = object.find("spec")) {
            if (Value* ports = spec->find("ports")) {
                for (Value& port : ports->make_array()) port.erase("nodePort");
            }
        }
    }
    if (kind == "ServiceAccount") object.erase("secrets");
}

Doc apply_fields(Doc const& live, std::string_view manager) {
    for (auto const& [key, entry] : live.at({"metadata", "managedFields"}).elements()) {
        if (entry["manager"].as_string() == manager && entry["operation"].as_string() == "Apply" &&
            entry["subresource"].as_string().empty()) {
            return entry["fieldsV1"];
        }
    }
    return {};
}

// metadata.managedFields with these fields taken from the entries that are `concerned`.
Value entries_without(Doc const& live, patch::FieldSet const& given_back, bool& claimed,
                      std::function<bool(Doc const& entry)> const& concerned) {
    Value entries{json::Array()};
    for (auto const& [index, entry] : live.at({"metadata", "managedFields"}).elements()) {
        Value kept = entry.thaw();
        if (concerned(entry)) {
            patch::FieldSet const before = patch::FieldSet::from_json(entry["fieldsV1"]);
            patch::FieldSet fields = before;
            fields.remove(given_back);
            fields.compact();
            if (!(fields.paths() == before.paths())) {
                claimed = true;
                if (fields.empty()) continue;
                kept["fieldsV1"] = fields.to_json();
            }
        }
        entries.push_back(std::move(kept));
    }
    return entries;
}

// Elements of a field's path in their FieldsV1 form.
using Path = std::vector<std::string>;

// Whether `fields` cover every leaf of `value`; otherwise `path` leads to the first that they do not.
bool covers(Doc const& fields, Value const& value, Path& path);

bool covers(std::string element, Doc const& fields, Value const& value, Path& path) {
    path.push_back(std::move(element));
    if (!covers(fields[path.back()], value, path)) return false;
    path.pop_back();
    return true;
}

// An element of a list-map is named by its keys, `k:{"name":"vllm"}`; one of a set by its value, `v:"a"`.
bool covers_element(Doc const& fields, Value const& element, Path& path) {
    for (auto const& [name, child] : fields.members()) {
        if (name.starts_with("k:") && element.is_object()) {
            auto const keys = json::parse_value(name.substr(2));
            if (!keys) continue;
            bool const same = std::ranges::all_of(keys->object(), [&](auto const& key) {
                Value const* own = element.find(key.key);
                return own == nullptr || *own == key.value;   // a key that was defaulted is not in the render
            });
            if (same) return covers(std::string(name), fields, element, path);
        } else if (name.starts_with("v:") && !element.is_object()) {
            auto const item = json::parse_value(name.substr(2));
            if (item && *item == element) return true;
        }
    }
    return false;
}

bool covers(Doc const& fields, Value const& value, Path& path) {
    if (!fields.exists()) return false;
    std::size_t members = fields.size();
    if (fields.contains(".")) --members;
    if (members == 0) return true;   // owned as a whole
    if (value.is_object()) {
        return std::ranges::all_of(value.object(), [&](auto const& member) {
            return member.value.is_null() || covers("f:" + member.key, fields, member.value, path);
        });
    }
    if (value.is_array()) {
        return std::ranges::all_of(value.array(),
                                   [&](Value const& element) { return covers_element(fields, element, path); });
    }
    return true;
}

std::string shown(Path const& path) {
    std::string text;
    for (std::string const& element : path) {
        if (element.starts_with("f:")) {
            text += (text.empty() ? "" : ".") + element.substr(2);
        } else {
            text += "[" + element.substr(2) + "]";
        }
    }
    return text;
}

// The entries of managedFields that own it.
std::vector<Doc> claims_on(Doc const& live, Path const& path) {
    std::vector<Doc> result;
    for (auto const& [key, entry] : live.at({"metadata", "managedFields"}).elements()) {
        if (entry["subresource"].as_string() == "status") continue;
        Doc fields = entry["fieldsV1"];
        for (std::string const& element : path) fields = fields[element];
        if (fields.exists()) result.push_back(entry);
    }
    return result;
}

std::vector<std::string> owners_of(Doc const& live, Path const& path) {
    std::vector<std::string> result;
    for (Doc const& entry : claims_on(live, path)) result.push_back(entry["manager"].string());
    return result;
}

Path path_of(std::vector<std::string_view> const& fields) {
    Path elements;
    for (std::string_view field : fields) elements.push_back("f:" + std::string(field));
    return elements;
}

// Every value that the merge patch `changes` puts to a custom object's spec, labels or annotations is left out.
void leave_routed_parts(Value& object, Doc const& live, Value const& changes, std::vector<std::string> path) {
    if (changes.is_object() && changes.size() > 0) {
        for (auto const& [key, each] : changes.object()) {
            std::vector<std::string> deeper = path;
            deeper.push_back(key);
            leave_routed_parts(object, live, each, std::move(deeper));
        }
        return;
    }
    if (path.empty()) return;
    if (path.front() != "spec") path.insert(path.begin(), "metadata");
    std::vector<std::string_view> const at(path.begin(), path.end());
    std::vector<std::string> const who = owners(live, at);
    if (!who.empty() && std::ranges::find(who, kManager) == who.end()) erase_at(object, at);
}

// Left out while a release there routes by them, once they are the member's alone.
void leave_routed(Value& object, Doc const& live) {
    if (std::string const changes = meta::annotation(live, apis::kRoutedChanges); !changes.empty()) {
        auto const parsed = json::parse_value(changes);
        if (parsed) leave_routed_parts(object, live, *parsed, {});
    }
    for (auto const& [annotation, field] : {std::pair(apis::kOriginalSelectorAnnotation, std::string_view("selector")),
                                            {apis::kOriginalRulesAnnotation, std::string_view("rules")}}) {
        if (meta::annotation(live, annotation).empty()) continue;
        std::vector<std::string> const who = owners(live, {"spec", field});
        bool const theirs = !who.empty() && std::ranges::find(who, kManager) == who.end();
        if (theirs) erase_at(object, {"spec", field});
    }
}

}   // namespace

// Those of another hub above, or of a copied object, say nothing here.
bool is_own_label(std::string_view key) { return std::ranges::find(kOwnLabels, key) != kOwnLabels.end(); }

std::string template_hash(Value const& pod_template) { return short_hash(json::write_canonical(pod_template)); }

Value pod_template(Doc const& workload) {
    Value result = template_in(workload).thaw();
    for (Value* each : {&result, result.find("leaderTemplate"), result.find("workerTemplate")}) {
        if (each == nullptr) continue;
        if (Value* metadata = each->find("metadata")) metadata->erase("creationTimestamp");
    }
    return result;
}

bool says(Value const& live, Value const& wanted) {
    if (wanted.is_object()) {
        return live.is_object() && std::ranges::all_of(wanted.object(), [&](auto const& member) {
                   return member.value.is_null() || says(live[member.key], member.value);
               });
    }
    if (wanted.is_array()) return live.is_array() && std::ranges::equal(live.array(), wanted.array(), says);
    return live == wanted;
}

std::vector<std::string> owners(Doc const& live, std::vector<std::string_view> const& path) {
    return owners_of(live, path_of(path));
}

bool owned_by_other(Doc const& live, std::string_view manager, std::vector<std::string_view> const& path) {
    return std::ranges::any_of(claims_on(live, path_of(path)), [&](Doc const& entry) {
        return entry["manager"].as_string() != manager || entry["operation"].as_string() == "Update";
    });
}

std::optional<Lost> first_lost(Doc const& live, std::string_view manager, Value const& rendered) {
    Doc const fields = apply_fields(live, manager);
    Path path;
    bool all = true;
    for (auto const& [key, value] : rendered.object()) {
        if (!all) break;
        if (key == "apiVersion" || key == "kind") continue;
        if (key == "metadata") {
            path = {"f:metadata"};
            for (char const* part : {"labels", "annotations"}) {
                if (all && value[part].size() > 0)
                    all = covers(std::string("f:") + part, fields["f:metadata"], value[part], path);
            }
            if (all) path.clear();
            continue;
        }
        if (value.is_object() && value.size() == 0) continue;
        all = covers("f:" + key, fields, value, path);
    }
    if (all && fields.exists()) return std::nullopt;
    Lost lost{shown(path), owners_of(live, path)};
    std::erase(lost.owners, manager);
    return lost;
}

std::optional<Value> without_claims_of_releases(Doc const& live, std::string_view manager) {
    patch::FieldSet const own = patch::FieldSet::from_json(apply_fields(live, manager));
    patch::FieldSet given_back;
    for (auto const& path : release_fields(live["kind"].as_string())) {
        patch::FieldSet const* from = &own;
        patch::FieldSet* to = &given_back;
        for (std::string_view element : path) {
            std::string const name = fmt::format("f:{}", element);
            from = from->find(name);
            if (from == nullptr) break;
            to = &to->children[name];
        }
        if (from == nullptr) continue;
        *to = *from;
        own_maps(*to);
    }
    bool claimed = false;
    Value entries = entries_without(live, given_back, claimed, [](Doc const& entry) {
        return entry["operation"].as_string() == "Update" && entry["subresource"].as_string().empty();
    });
    bool const freezes = std::erase_if(entries.make_array(), [](Value const& entry) {
                             return entry["manager"].as_string() == kFreezeManager;
                         }) > 0;
    if (!claimed && !freezes) return std::nullopt;
    return entries;
}

std::optional<Value> without_claims_of(Doc const& live, std::string_view manager,
                                       std::function<bool(std::string_view)> const& others) {
    patch::FieldSet own = patch::FieldSet::from_json(apply_fields(live, manager));
    own_maps(own);
    bool claimed = false;
    Value entries = entries_without(live, own, claimed, [&](Doc const& entry) {
        return entry["subresource"].as_string() != "status" && others(entry["manager"].as_string());
    });
    if (!claimed) return std::nullopt;
    return entries;
}

Value travelling(Doc const& source) {
    std::string const kind = source["kind"].string();
    Value object{json::Object{{"apiVersion", source["apiVersion"].string()}, {"kind", kind}}};
    object["metadata"] = travelling_metadata(source["metadata"]);
    for (auto const& [key, value] : source.members()) {
        if (key != "apiVersion" && key != "kind" && key != "metadata" && key != "status") object[key] = value.thaw();
    }
    strip_allocated(object, kind);
    if (template_in(source).exists()) set_template(object, pod_template(source));
    return object;
}

Value render(RenderInput const& input) {
    std::string const kind = input.source["kind"].string();
    Value object = travelling(input.source);
    bool const workload = template_in(input.source).exists();
    if (workload && input.pod_template) set_template(object, *input.pod_template);
    if (input.assignment.replicas) object.set({"spec", "replicas"}, *input.assignment.replicas);
    if (input.replicas_belong_to_member && input.live.exists()) leave_replicas(object, input.live);
    if (kind == "HorizontalPodAutoscaler") leave_switched_off(object, input.live);
    if (kind == "Rollout" && input.assignment.paused) object.set({"spec", "strategy", "paused"}, true);
    leave_routed(object, input.live);
    if (input.releasing) {
        for (auto const& path : release_fields(kind)) {
            if (owned_by_other(input.live, kManager, path)) erase_at(object, path);
        }
    }

    object.set({"metadata", "labels", kHubLabel}, input.hub_id);
    if (workload) {
        object.set({"metadata", "labels", kTemplateLabel}, template_hash(template_in(object)));
    }
    return object;
}

Generation generation_of(Doc const& live) {
    std::string const text = meta::label(live, kGenerationLabel);
    std::size_t const dot = text.find('.');
    if (dot == std::string::npos) return {0, 0};
    auto const epoch = parse_int(std::string_view(text).substr(0, dot));
    auto const version = parse_int(std::string_view(text).substr(dot + 1));
    bool const known = epoch && version && *epoch <= kMostEpoch;
    return known ? Generation{*epoch, *version} : Generation{0, 0};
}

std::string seal(Value& rendered, Generation generation) {
    std::string const hash = short_hash(json::write_canonical(rendered));
    rendered.set({"metadata", "labels", kRenderLabel}, hash);
    rendered.set({"metadata", "labels", kGenerationLabel}, fmt::format("{}.{}", generation.epoch, generation.version));
    return hash;
}

}   // namespace aviary::propagation
