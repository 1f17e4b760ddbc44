#include "kube/apiserver/builtin/table.h"

#include <cmath>

#include "core/json/write.h"
#include "kube/apiserver/builtin/internal/cells.h"
#include "kube/apiserver/builtin/internal/simple_path.h"

namespace aviary::builtin {

namespace {

using apiserver::Column;
using apiserver::ResourceInfo;

// What kinds without columns of their own show.
std::vector<Column> const& default_columns() {
    static std::vector<Column> const columns = {
        Column{.name = "Name", .type = "string", .format = "name", .json_path = ".metadata.name"},
        Column{.name = "Created At", .type = "date", .json_path = ".metadata.creationTimestamp"}};
    return columns;
}

std::vector<Column> const& columns_of(ResourceInfo const& info) {
    return info.columns.empty() ? default_columns() : info.columns;
}

json::Value date_cell(json::Doc const& value, Column const& column, bool custom, Time now) {
    if (!value.is_string()) return {};
    if (!custom && column.name == "Created At") return value.as_string();
    auto time = parse_rfc3339(value.as_string());
    return time ? json::Value(format_age(now - *time)) : json::Value("<invalid>");
}

json::Value path_cell(json::Doc const& object, Column const& column, bool custom, Time now) {
    json::Doc value = internal::first_at(object, column.json_path);
    if (!value.exists() || value.is_null()) return {};
    if (column.type == "date") return date_cell(value, column, custom, now);
    if (column.type == "integer") {
        if (!value.is_number()) return {};
        return value.is_int() ? value.as_int() : static_cast<std::int64_t>(std::trunc(value.as_double()));
    }
    if (column.type == "number") return value.is_number() ? json::Value(value.as_double()) : json::Value();
    if (column.type == "boolean") return value.is_bool() ? json::Value(value.as_bool()) : json::Value();
    return internal::scalar_text(value);
}

json::Array cells_of(ResourceInfo const& info, json::Doc const& object, Time now) {
    if (info.row) return info.row(object, now);
    json::Array cells;
    for (Column const& column : columns_of(info)) cells.push_back(path_cell(object, column, info.custom, now));
    return cells;
}

json::Array column_definitions(ResourceInfo const& info) {
    json::Array out;
    for (Column const& column : columns_of(info)) {
        out.push_back(json::Object{{"name", column.name},
                                   {"type", column.type},
                                   {"format", column.format},
                                   {"description", column.description},
                                   {"priority", column.priority}});
    }
    return out;
}

// Pods that have ended are told to `kubectl get` as conditions of their row.
json::Value row_conditions(ResourceInfo const& info, json::Doc const& object) {
    if (info.custom || info.kind != "Pod") return {};
    std::string_view phase = object.at({"status", "phase"}).as_string();
    if (phase != "Succeeded" && phase != "Failed") return {};
    json::Array conditions;
    conditions.push_back(
        json::Object{{"type", "Completed"},
                     {"status", "True"},
                     {"reason", phase},
                     {"message", phase == "Succeeded" ? "The pod has completed successfully." : "The pod failed."}});
    return conditions;
}

}   // namespace

IncludeObject include_object_from(std::string_view text) {
    if (text == "None") return IncludeObject::kNone;
    if (text == "Object") return IncludeObject::kObject;
    return IncludeObject::kMetadata;
}

json::Value partial_object_metadata(json::Doc const& object, std::string_view api_version) {
    return json::Object{
        {"kind", "PartialObjectMetadata"}, {"apiVersion", api_version}, {"metadata", object["metadata"].thaw()}};
}

json::Value make_table(ResourceInfo const& info, std::span<json::Doc const> objects, json::Doc const& list_metadata,
                       TableOptions const& options, Time now) {
    json::Array rows;
    for (json::Doc const& object : objects) {
        json::Object row{{"cells", cells_of(info, object, now)}};
        if (json::Value conditions = row_conditions(info, object); !conditions.is_null())
            row["conditions"] = std::move(conditions);
        if (options.include == IncludeObject::kMetadata)
            row["object"] = partial_object_metadata(object, options.api_version);
        if (options.include == IncludeObject::kObject) row["object"] = object.thaw();
        if (options.include == IncludeObject::kNone) row["object"] = json::Value();
        rows.push_back(std::move(row));
    }
    json::Value metadata = list_metadata.is_object() ? list_metadata.thaw() : json::Value(json::Object());
    return json::Object{{"kind", "Table"},
                        {"apiVersion", options.api_version},
                        {"metadata", std::move(metadata)},
                        {"columnDefinitions", options.headers ? json::Value(column_definitions(info)) : json::Value()},
                        {"rows", std::move(rows)}};
}

std::vector<Column> custom_columns(json::Doc const& additional_printer_columns) {
    std::vector<Column> out = {
        Column{.name = "Name", .type = "string", .format = "name", .json_path = ".metadata.name"}};
    for (auto [_, column] : additional_printer_columns.elements()) {
        out.push_back(Column{.name = column["name"].string(),
                             .type = column["type"].string(),
                             .format = column["format"].string(),
                             .description = column["description"].string(),
                             .priority = static_cast<int>(column["priority"].as_int()),
                             .json_path = column["jsonPath"].string()});
    }
    if (out.size() == 1)
        out.push_back(Column{.name = "Age", .type = "date", .json_path = ".metadata.creationTimestamp"});
    return out;
}

}   // namespace aviary::builtin
