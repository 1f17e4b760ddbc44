#include "kube/patch/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "core/base/strings.h"
#include "core/json/doc.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/patch/field_set.h"

namespace aviary::patch {

namespace {

using json::Array;
using json::Value;
using Kind = TypeNode::Kind;

constexpr std::size_t kMaxUpdateManagers = 10;   // older ones are folded into ancient-changes

struct Entry {
    std::string manager, operation, api_version, subresource, time;
    FieldSet fields;

    bool is(Manager const& other, std::string_view wanted_operation) const {
        return manager == other.name && operation == wanted_operation && subresource == other.subresource &&
               (operation == "Apply" || api_version == other.api_version);
    }
};

std::vector<Entry> read_entries(Value const& object) {
    std::vector<Entry> entries;
    for (Value const& each : object.at({"metadata", "managedFields"}).array()) {
        Entry entry{each["manager"].string(),     each["operation"].string(), each["apiVersion"].string(),
                    each["subresource"].string(), each["time"].string(),      {}};
        entry.fields = FieldSet::from_json(json::Doc::freeze(each["fieldsV1"]));
        if (!entry.manager.empty() || !entry.fields.empty()) entries.push_back(std::move(entry));
    }
    return entries;
}

void write_entries(Value& object, std::vector<Entry> entries) {
    std::erase_if(entries, [](Entry const& entry) { return entry.fields.empty(); });
    // Applies first, then updates by time: the order upstream keeps.
    std::ranges::sort(entries, {}, [](Entry const& entry) {
        return std::tuple(entry.operation != "Apply", entry.time, entry.manager, entry.api_version, entry.subresource);
    });
    Array list;
    for (Entry const& entry : entries) {
        Value value{json::Object{
            {"manager", entry.manager}, {"operation", entry.operation}, {"apiVersion", entry.api_version}}};
        if (!entry.time.empty()) value["time"] = entry.time;
        value["fieldsType"] = "FieldsV1";
        value["fieldsV1"] = entry.fields.to_json();
        if (!entry.subresource.empty()) value["subresource"] = entry.subresource;
        list.push_back(std::move(value));
    }
    Value& metadata = object["metadata"];
    if (list.empty()) {
        metadata.erase("managedFields");
    } else {
        metadata["managedFields"] = std::move(list);
    }
}

void fold_ancient(std::vector<Entry>& entries) {
    std::vector<Entry*> updates;
    for (Entry& entry : entries) {
        if (entry.operation == "Update" && entry.subresource.empty() && entry.manager != "ancient-changes")
            updates.push_back(&entry);
    }
    if (updates.size() <= kMaxUpdateManagers) return;
    std::ranges::sort(updates, {}, [](Entry const* entry) { return entry->time; });
    Entry ancient{"ancient-changes", "Update", updates.front()->api_version, "", updates.front()->time, {}};
    for (std::size_t index = 0; index + kMaxUpdateManagers < updates.size(); ++index) {
        ancient.fields.insert(updates[index]->fields);
        updates[index]->fields = {};
    }
    for (Entry& entry : entries) {
        if (entry.manager == "ancient-changes") {
            ancient.fields.insert(entry.fields);
            entry.fields = {};
        }
    }
    entries.push_back(std::move(ancient));
}

TypeNode const& element_type(TypeNode const& list) { return list.element != nullptr ? *list.element : untyped(); }

bool granular_object(TypeNode const& type, Value const& left, Value const& right) {
    return left.is_object() && right.is_object() && type.kind != Kind::kAtomicMap && type.kind != Kind::kScalar;
}
bool granular_list(TypeNode const& type, Value const& left, Value const& right) {
    return left.is_array() && right.is_array() && (type.kind == Kind::kMapList || type.kind == Kind::kSetList);
}

// Elements that could not be told apart, as structured-merge-diff words them.
void check_elements(Value const& value, TypeNode const& type, std::string const& path,
                    std::vector<std::string>& errors) {
    if (value.is_object() && type.kind != Kind::kAtomicMap && type.kind != Kind::kScalar) {
        for (auto const& [key, child] : value.object())
            check_elements(child, type.field(key), path + "." + key, errors);
        return;
    }
    bool const map_list = type.kind == Kind::kMapList;
    if (!value.is_array() || (!map_list && type.kind != Kind::kSetList)) return;
    std::set<std::string> seen;
    for (std::size_t index = 0; index < value.size(); ++index) {
        Value const& element = value[index];
        bool named = true;
        if (map_list && !element.is_object()) {
            errors.push_back(fmt::format("{}: element {}: must be a map", path, index));
            named = false;
        }
        for (auto const& [key, fallback] : type.keys) {
            if (!named || element.contains(key) || !fallback.is_null()) continue;
            errors.push_back(
                fmt::format("{}: element {}: associative list with keys has an element that omits key field "
                            "\"{}\" (and doesn't have default value)",
                            path, index, key));
            named = false;
        }
        if (!named) continue;
        std::string const key = element_key(element, type);
        if (!seen.insert(key).second)
            errors.push_back(fmt::format("{}: duplicate entries for key [{}]", path, key.substr(2)));
        if (map_list) check_elements(element, element_type(type), fmt::format("{}[{}]", path, key.substr(2)), errors);
    }
}

Value merge(Value const& live, Value const& applied, TypeNode const& type) {
    if (granular_object(type, live, applied)) {
        Value result = live;
        for (auto const& [key, value] : applied.object()) {
            Value const* own = live.find(key);
            result[key] = own == nullptr ? value : merge(*own, value, type.field(key));
        }
        return result;
    }
    if (granular_list(type, live, applied)) {
        // The applied order leads; elements that only others have keep their place behind the one they followed.
        ElementIndex const own(live, type);
        ElementIndex const wanted(applied, type);
        Array result;
        std::vector<bool> taken(applied.size(), false);
        std::size_t next = 0;
        auto const take = [&](std::size_t index) {
            if (taken[index]) return;
            taken[index] = true;
            Value const& element = applied[index];
            auto const place = own.find(element_key(element, type));
            result.push_back(!place || type.kind == Kind::kSetList ? element
                                                                   : merge(live[*place], element, element_type(type)));
        };
        for (Value const& element : live.array()) {
            auto const index = wanted.find(element_key(element, type));
            if (!index) {
                result.push_back(element);
                continue;
            }
            for (; next <= *index; ++next) take(next);
        }
        for (std::size_t index = 0; index < applied.size(); ++index) take(index);
        return result;
    }
    return applied;
}

void prune(Value& value, FieldSet const& gone, TypeNode const& type);

void prune_object(Value& value, FieldSet const& gone, TypeNode const& type) {
    std::set<std::string_view> names;
    for (auto const& [key, below] : gone.children) {
        if (!key.starts_with("f:")) continue;
        std::string_view const name = std::string_view(key).substr(2);
        Value* child = value.find(name);
        if (child == nullptr) continue;
        bool const had = child->size() > 0;
        if (!below.owned) prune(*child, below, type.field(name));
        bool const emptied = had && child->size() == 0 && (child->is_object() || child->is_array());
        if (below.owned || emptied) names.insert(name);
    }
    if (!names.empty())
        value.make_object().erase_if([&](std::string const& key, Value const&) { return names.contains(key); });
}

void prune_list(Value& value, FieldSet const& gone, TypeNode const& type) {
    Array& list = value.make_array();
    ElementIndex const by_key(value, type, ElementIndex::By::kKey);
    ElementIndex const by_value(value, type, ElementIndex::By::kValue);
    std::vector<bool> goes(list.size(), false);
    for (auto const& [key, below] : gone.children) {
        if (key.starts_with("f:")) continue;
        auto const place = (key.starts_with("v:") ? by_value : by_key).find(key);
        if (!place) continue;
        goes[*place] = below.owned;
        if (below.owned) continue;
        // The element stays for somebody's sake, and so do the keys that name it.
        FieldSet rest = below;
        for (auto const& [name, fallback] : type.keys) rest.children.erase("f:" + name);
        prune(list[*place], rest, element_type(type));
    }
    std::size_t index = 0;
    std::erase_if(list, [&](Value const&) { return goes[index++]; });
}

// Removes the paths of `gone` from the value; a list element or object that is left with nothing of its own goes with
// them.
void prune(Value& value, FieldSet const& gone, TypeNode const& type) {
    if (value.is_object()) prune_object(value, gone, type);
    if (value.is_array()) prune_list(value, gone, type);
}

// What is in `before` and not in `now`, nor owned by anybody in `others`; an element stays while somebody owns part of
// it.
FieldSet given_up(FieldSet before, FieldSet const& now, FieldSet const& others) {
    before.remove(now);
    before.remove(others);
    auto const keep_parents = [](auto const& self, FieldSet& gone, FieldSet const& kept) -> void {
        for (auto& [key, child] : gone.children) {
            FieldSet const* still = kept.find(key);
            if (still == nullptr) continue;
            if (!still->empty()) child.owned = false;
            self(self, child, *still);
        }
    };
    keep_parents(keep_parents, before, others);
    keep_parents(keep_parents, before, now);
    before.compact();
    return before;
}

// Paths of `mine` whose value differs from the live one and that `theirs` also owns.
void find_conflicts(Value const* live, Value const& applied, FieldSet const& mine, FieldSet const& theirs,
                    TypeNode const& type, FieldSet& conflicts) {
    if (mine.owned && theirs.owned && live != nullptr && !(*live == applied)) {
        bool const container = granular_object(type, *live, applied) || granular_list(type, *live, applied);
        if (!container) conflicts.owned = true;
    }
    bool const list = live != nullptr && live->is_array() && applied.is_array();
    static Value const kNothing;
    ElementIndex const own_places(list ? *live : kNothing, type, ElementIndex::By::kKey);
    ElementIndex const wanted_places(list ? applied : kNothing, type, ElementIndex::By::kKey);
    for (auto const& [key, child] : mine.children) {
        FieldSet const* other = theirs.find(key);
        if (other == nullptr) continue;
        if (key.starts_with("f:")) {
            std::string_view const name = std::string_view(key).substr(2);
            find_conflicts(live == nullptr ? nullptr : live->find(name), applied[name], child, *other, type.field(name),
                           conflicts.children[key]);
        } else if (key.starts_with("k:")) {
            auto const wanted = wanted_places.find(key);
            auto const own = own_places.find(key);
            if (!wanted || !own) continue;
            find_conflicts(&(*live)[*own], applied[*wanted], child, *other, element_type(type),
                           conflicts.children[key]);
        }
    }
}

Error conflict_error(std::vector<std::pair<Entry const*, FieldSet>> const& conflicts) {
    std::vector<FieldCause> causes;
    std::string text;
    for (auto const& [entry, fields] : conflicts) {
        std::string const who =
            fmt::format("conflict with \"{}\"{} using {}", entry->manager,
                        entry->subresource.empty() ? "" : fmt::format(" with subresource \"{}\"", entry->subresource),
                        entry->api_version);
        for (std::string const& path : fields.paths()) {
            causes.push_back({"FieldManagerConflict", path, who});
        }
        auto const paths = fields.paths();
        text += fmt::format("{}{}", text.empty() ? "" : "\n", who);
        if (paths.size() == 1) {
            text += ": " + paths.front();
        } else {
            text += ":";
            for (std::string const& path : paths) text += "\n- " + path;
        }
    }
    bool const one = causes.size() == 1;
    std::string const message = one ? fmt::format("Apply failed with 1 conflict: {}", text)
                                    : fmt::format("Apply failed with {} conflicts: {}", causes.size(), text);
    return Error(ErrorCode::kConflict, message).with_causes(std::move(causes));
}

bool reset_asked(Value const& list) { return list.size() == 1 && list[0].is_object() && list[0].size() == 0; }

bool well_formed(Value const& list) {
    return list.is_array() && list.size() > 0 && std::ranges::all_of(list.array(), [](Value const& each) {
               std::string_view const operation = each["operation"].as_string();
               return (operation == "Apply" || operation == "Update") && each["fieldsV1"].is_object() &&
                      each["fieldsType"].as_string() == "FieldsV1";
           });
}

// What is owned before this write. A writer may rewrite that too, as clients do who hand fields from one manager to
// another; one that leaves it out or garbles it means nothing by that. A sub-resource cannot.
std::vector<Entry> entries_of(Value const& before, Value const& after, Manager const& manager) {
    if (!before.is_object()) return read_entries(after);
    Value const& given = after.at({"metadata", "managedFields"});
    if (!manager.subresource.empty()) return read_entries(before);
    if (reset_asked(given)) return {};
    return read_entries(well_formed(given) ? after : before);
}

}   // namespace

Result<Value> apply(Value const& live, Value applied, Manager const& manager, bool force, TypeNode const& type) {
    json::drop_nulls(applied);
    std::vector<std::string> errors;
    check_elements(applied, type, "", errors);
    if (!errors.empty()) {
        return fail(ErrorCode::kBadRequest,
                    fmt::format("failed to create typed patch object: errors:\n  {}", join(errors, "\n  ")));
    }
    FieldSet const mine = fields_of(applied, type);
    std::vector<Entry> entries = live.is_object() ? read_entries(live) : std::vector<Entry>();
    Entry* own = nullptr;
    std::vector<std::pair<Entry const*, FieldSet>> conflicts;
    FieldSet others;
    for (Entry& entry : entries) {
        if (entry.is(manager, "Apply")) {
            own = &entry;
            continue;
        }
        FieldSet fields;
        find_conflicts(&live, applied, mine, entry.fields, type, fields);
        fields.compact();
        if (!fields.empty()) {
            // A manager's own updates give way to its apply. Upstream counts them as another manager's: kubectl hands
            // them over before it applies.
            if (force || entry.manager == manager.name) {
                entry.fields.remove(fields);
            } else {
                conflicts.emplace_back(&entry, std::move(fields));
            }
        }
        others.insert(entry.fields);
    }
    if (!conflicts.empty()) return std::unexpected(conflict_error(conflicts));

    Value merged = live.is_object() ? merge(live, applied, type) : applied;
    if (own != nullptr) prune(merged, given_up(own->fields, mine, others), type);
    if (own == nullptr) {
        entries.push_back({manager.name, "Apply", manager.api_version, manager.subresource, "", {}});
        own = &entries.back();
    }
    if (!(own->fields == mine) || own->time.empty() || own->api_version != manager.api_version)
        own->time = format_rfc3339(manager.now);
    own->fields = mine;
    own->api_version = manager.api_version;
    write_entries(merged, std::move(entries));
    return merged;
}

void track_update(Value const& before, Value& after, Manager const& manager, TypeNode const& type) {
    std::vector<Entry> entries = entries_of(before, after, manager);
    FieldSet removed;
    FieldSet touched;
    if (before.is_object()) {
        touched = changed_fields(before, after, type, removed);
    } else {
        touched = fields_of(after, type);
    }
    if (touched.empty() && removed.empty()) {
        write_entries(after, std::move(entries));
        return;
    }
    Entry* own = nullptr;
    for (Entry& entry : entries) {
        if (entry.is(manager, "Update")) {
            own = &entry;
        } else {
            entry.fields.remove(touched);
        }
        entry.fields.remove(removed);
    }
    if (!touched.empty()) {
        if (own == nullptr) {
            entries.push_back({manager.name, "Update", manager.api_version, manager.subresource, "", {}});
            own = &entries.back();
        }
        own->fields.insert(touched);
        own->time = format_rfc3339(manager.now);
    }
    fold_ancient(entries);
    write_entries(after, std::move(entries));
}

}   // namespace aviary::patch
