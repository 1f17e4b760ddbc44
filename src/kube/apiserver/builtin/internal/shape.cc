#include "kube/apiserver/builtin/internal/shape.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "kube/apiserver/builtin/internal/facts.h"
#include "kube/meta/quantity.h"

namespace aviary::builtin::internal {

struct Shape {
    enum class Kind { kAny, kObject, kList, kMap, kTextMap, kQuantity, kTime, kMicroTime };
    struct Field {
        std::string_view name;
        Shape const* shape = nullptr;   // null: kept as it is
        bool vanishes = false;          // when empty
        json::Doc always;               // present: written even when the client says nothing
    };

    Kind kind = Kind::kAny;
    std::vector<Field> fields;        // sorted by name; of kObject
    Shape const* element = nullptr;   // of kList and kMap

    Field const* find(std::string_view name) const {
        auto found = std::ranges::lower_bound(fields, name, {}, &Field::name);
        return found != fields.end() && found->name == name ? &*found : nullptr;
    }
};

namespace {

class ShapeTable {
public:
    ShapeTable() {
        for (auto [name, schema] : facts()["types"].members()) types_.emplace(name, schema);
        for (auto [name, fields] : facts()["empties"].members()) empties_.emplace(name, fields);
    }

    Shape const* get(std::string_view type) {
        std::lock_guard lock(mutex_);
        return of_type(type);
    }

private:
    Shape const* of_type(std::string_view type) {
        if (auto found = shapes_.find(type); found != shapes_.end()) return found->second.get();
        auto schema = types_.find(type);
        if (schema == types_.end()) return nullptr;
        // Registered before its fields are known: types may contain themselves.
        Shape& shape = *shapes_.emplace(type, std::make_unique<Shape>()).first->second;
        if (type.ends_with("api.resource.Quantity")) {
            shape.kind = Shape::Kind::kQuantity;
        } else if (type.ends_with("meta.v1.Time")) {
            shape.kind = Shape::Kind::kTime;
        } else if (type.ends_with("meta.v1.MicroTime")) {
            shape.kind = Shape::Kind::kMicroTime;
        } else if (schema->second["properties"].is_object()) {
            shape.kind = Shape::Kind::kObject;
            auto empties = empties_.find(type);
            add_fields(shape, schema->second["properties"], empties == empties_.end() ? json::Doc() : empties->second);
        } else if (schema->second["additionalProperties"].is_object()) {
            fill_map(shape, schema->second["additionalProperties"]);
        }
        return &shape;
    }

    void add_fields(Shape& shape, json::Doc const& properties, json::Doc const& empties) {
        std::set<std::string_view> vanishing;
        for (auto [_, name] : empties.elements()) vanishing.insert(name.as_string());
        std::vector<Shape::Field> fields;
        for (auto [name, property] : properties.members()) {
            Shape::Field field{name, of_schema(property), vanishing.contains(name), property["default"]};
            bool hollow = field.always.is_object() && (!field.shape || field.shape->kind != Shape::Kind::kObject);
            if (hollow) field.always = {};
            fields.push_back(std::move(field));
        }
        std::ranges::sort(fields, {}, &Shape::Field::name);
        shape.fields = std::move(fields);
    }

    void fill_map(Shape& shape, json::Doc const& element) {
        bool text = element["type"].as_string() == "string" && !element["format"].exists();
        shape.kind = text ? Shape::Kind::kTextMap : Shape::Kind::kMap;
        shape.element = text ? nullptr : of_schema(element);
    }

    Shape const* of_schema(json::Doc const& schema) {
        if (std::string_view name = reference_of(schema); !name.empty()) return of_type(name);
        Shape made;
        if (schema["type"].as_string() == "array") {
            made.kind = Shape::Kind::kList;
            made.element = of_schema(schema["items"]);
        } else if (schema["additionalProperties"].is_object()) {
            fill_map(made, schema["additionalProperties"]);
        } else {
            return nullptr;
        }
        return nameless_.emplace_back(std::make_unique<Shape>(std::move(made))).get();
    }

    std::mutex mutex_;
    std::map<std::string_view, json::Doc> types_;
    std::map<std::string_view, json::Doc> empties_;
    std::map<std::string, std::unique_ptr<Shape>, std::less<>> shapes_;
    std::vector<std::unique_ptr<Shape>> nameless_;
};

bool is_empty(json::Value const& value) {
    switch (value.type()) {
        case json::Type::kNull: return true;
        case json::Type::kBool: return !value.as_bool();
        case json::Type::kInt:
        case json::Type::kDouble: return value.as_double() == 0;
        case json::Type::kString: return value.as_string().empty();
        case json::Type::kArray:
        case json::Type::kObject: break;
    }
    return value.size() == 0;
}

void canonicalise_object(json::Value& value, Shape const& shape) {
    json::Object& object = value.make_object();
    std::vector<std::string> gone;
    for (auto& [key, member] : object) {
        Shape::Field const* field = shape.find(key);
        if (field && field->shape && !member.is_null()) canonicalise(member, field->shape);
        // An empty object is a struct behind a pointer unless the shape says it is a map.
        bool gone_now = member.is_null() ? field != nullptr : field && field->vanishes && is_empty(member);
        if (gone_now) gone.push_back(key);
    }
    for (std::string const& key : gone) object.erase(key);
    for (Shape::Field const& field : shape.fields) {
        if (!field.always.exists() || object.contains(field.name)) continue;
        json::Value& added = object[field.name];
        added = field.always.thaw();
        if (field.shape) canonicalise(added, field.shape);
    }
}

void canonicalise_time(json::Value& value, bool micro) {
    auto time = parse_rfc3339(value.as_string());
    if (!time || *time == kEarliestTime || *time == kLatestTime) return;   // further away than we can say
    value = micro ? format_rfc3339_micro(*time) : format_rfc3339(*time);
}

void canonicalise_quantity(json::Value& value) {
    // Most quantities arrive in canonical form; 1 and "1" are the same.
    auto quantity =
        value.is_string() ? meta::Quantity::parse(value.as_string()) : meta::Quantity::from(json::Doc::freeze(value));
    if (quantity) value = quantity->to_string();
}

}   // namespace

Shape const* shape_of(std::string_view type) {
    static ShapeTable table;
    return table.get(type);
}

void canonicalise(json::Value& value, Shape const* shape) {
    if (!shape) return;
    switch (shape->kind) {
        case Shape::Kind::kAny: return;
        case Shape::Kind::kObject:
            if (value.is_object()) canonicalise_object(value, *shape);
            return;
        case Shape::Kind::kList:
            if (!value.is_array() || !shape->element) return;
            for (json::Value& element : value.make_array()) canonicalise(element, shape->element);
            return;
        case Shape::Kind::kMap:
            if (!value.is_object() || !shape->element) return;
            for (auto& [_, member] : value.make_object()) canonicalise(member, shape->element);
            return;
        case Shape::Kind::kTextMap:
            if (!value.is_object()) return;
            for (auto& [_, member] : value.make_object()) {
                if (member.is_null()) member = "";
            }
            return;
        case Shape::Kind::kQuantity: canonicalise_quantity(value); return;
        case Shape::Kind::kTime: canonicalise_time(value, false); return;
        case Shape::Kind::kMicroTime: canonicalise_time(value, true); return;
    }
}

}   // namespace aviary::builtin::internal
