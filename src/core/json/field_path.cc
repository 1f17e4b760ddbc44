#include "core/json/field_path.h"

#include <fmt/format.h>

namespace aviary::json {

std::string FieldPath::text() const {
    if (parent == nullptr) return std::string(name);
    std::string text = parent->text();
    if (name.data() == nullptr) return text + fmt::format("[{}]", index);
    if (!text.empty()) text += '.';
    text += name;
    return text;
}

}   // namespace aviary::json
