#include "kube/meta/selector.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/meta/names.h"

namespace aviary::meta {

namespace {

std::unexpected<Error> unparsable(std::string_view text, std::string_view what) {
    return fail(ErrorCode::kBadRequest, fmt::format("unable to parse requirement: {} in \"{}\"", what, text));
}

// Splits at commas outside parentheses.
std::vector<std::string_view> requirements_of(std::string_view text) {
    std::vector<std::string_view> parts;
    int depth = 0;
    std::size_t start = 0;
    for (std::size_t index = 0; index <= text.size(); ++index) {
        if (index == text.size() || (text[index] == ',' && depth == 0)) {
            parts.push_back(trim(text.substr(start, index - start)));
            start = index + 1;
        } else if (text[index] == '(') {
            ++depth;
        } else if (text[index] == ')') {
            --depth;
        }
    }
    return parts;
}

}   // namespace

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
    LabelSelector selector;
    if (trim(text).empty()) return selector;
    for (std::string_view part : requirements_of(text)) {
        Requirement requirement;
        std::size_t const paren = part.find('(');
        if (paren != std::string_view::npos) {
            if (!part.ends_with(')')) return unparsable(text, "found '(' without ')'");
            std::string_view const values = part.substr(paren + 1, part.size() - paren - 2);
            std::string_view head = trim(part.substr(0, paren));
            if (head.ends_with(" notin")) {
                requirement.op = Operator::kNotIn;
                head.remove_suffix(6);
            } else if (head.ends_with(" in")) {
                requirement.op = Operator::kIn;
                head.remove_suffix(3);
            } else {
                return unparsable(text, "expected 'in' or 'notin'");
            }
            requirement.key = trim(head);
            for (std::string_view value : split(values, ',')) requirement.values.emplace_back(trim(value));
            if (requirement.values.empty()) requirement.values.emplace_back();
        } else if (std::size_t const sign = part.find_first_of("=!<>"); sign == std::string_view::npos) {
            requirement.key = part;
            requirement.op = Operator::kExists;
        } else if (sign == 0 && part[0] == '!') {
            requirement.key = trim(part.substr(1));
            requirement.op = Operator::kDoesNotExist;
        } else {
            requirement.key = trim(part.substr(0, sign));
            std::string_view rest = part.substr(sign);
            if (rest.starts_with("!=")) {
                requirement.op = Operator::kNotIn;
                rest.remove_prefix(2);
            } else if (rest.starts_with("==")) {
                requirement.op = Operator::kIn;
                rest.remove_prefix(2);
            } else if (rest.starts_with("=")) {
                requirement.op = Operator::kIn;
                rest.remove_prefix(1);
            } else if (rest.starts_with(">") || rest.starts_with("<")) {
                requirement.op = rest[0] == '>' ? Operator::kGreater : Operator::kLess;
                rest.remove_prefix(1);
                if (!parse_int(trim(rest)))
                    return unparsable(text, "for 'Gt', 'Lt' operators, the value must be an integer");
            } else {
                return unparsable(text, fmt::format("found '{}'", rest));
            }
            requirement.values.emplace_back(trim(rest));
        }
        if (auto const problem = label_key_problem(requirement.key)) return unparsable(text, *problem);
        for (std::string const& value : requirement.values) {
            if (auto const problem = label_value_problem(value)) return unparsable(text, *problem);
        }
        selector.requirements_.push_back(std::move(requirement));
    }
    return selector;
}

std::optional<std::string> LabelSelector::problem(json::Doc const& object) {
    if (object.is_null()) return std::nullopt;
    if (!object.is_object()) return "must be an object";
    for (auto const& [key, value] : object.members()) {
        if (key != "matchLabels" && key != "matchExpressions")
            return fmt::format("unknown field \"{}\": matchLabels and matchExpressions are known", key);
    }
    for (auto const& [key, value] : object["matchLabels"].members()) {
        if (auto wrong = label_key_problem(key)) return fmt::format("matchLabels: \"{}\": {}", key, *wrong);
        if (!value.is_string()) return fmt::format("matchLabels[{}]: must be a string", key);
        if (auto wrong = label_value_problem(value.as_string())) return fmt::format("matchLabels[{}]: {}", key, *wrong);
    }
    if (json::Doc const labels = object["matchLabels"]; !labels.is_null() && !labels.is_object())
        return "matchLabels: must be an object";
    json::Doc const expressions = object["matchExpressions"];
    if (!expressions.is_null() && !expressions.is_array()) return "matchExpressions: must be a list";
    for (auto const& [index, expression] : expressions.elements()) {
        if (auto wrong = label_key_problem(expression["key"].as_string()))
            return fmt::format("matchExpressions: key: {}", *wrong);
        std::string_view const op = expression["operator"].as_string();
        bool const listed = op == "In" || op == "NotIn";
        if (!listed && op != "Exists" && op != "DoesNotExist")
            return fmt::format("matchExpressions: operator: \"{}\" is not a valid label selector operator", op);
        if (listed != (expression["values"].size() > 0))
            return fmt::format("matchExpressions: values: {} for operator {}",
                               listed ? "must be given" : "may not be given", op);
    }
    return std::nullopt;
}

Result<LabelSelector> LabelSelector::from_object(json::Doc const& object) {
    LabelSelector selector;
    for (auto const& [key, value] : object["matchLabels"].members()) {
        selector.requirements_.push_back({std::string(key), Operator::kIn, {value.string()}});
    }
    for (auto const& [index, expression] : object["matchExpressions"].elements()) {
        Requirement requirement;
        requirement.key = expression["key"].string();
        for (auto const& [position, value] : expression["values"].elements())
            requirement.values.push_back(value.string());
        std::string_view const op = expression["operator"].as_string();
        if (op == "In") {
            requirement.op = Operator::kIn;
        } else if (op == "NotIn") {
            requirement.op = Operator::kNotIn;
        } else if (op == "Exists") {
            requirement.op = Operator::kExists;
        } else if (op == "DoesNotExist") {
            requirement.op = Operator::kDoesNotExist;
        } else {
            return fail(ErrorCode::kInvalid, fmt::format("\"{}\" is not a valid label selector operator", op));
        }
        selector.requirements_.push_back(std::move(requirement));
    }
    return selector;
}

bool LabelSelector::matches_labels(json::Doc const& labels) const {
    return std::ranges::all_of(requirements_, [&](Requirement const& requirement) {
        json::Doc const value = labels[requirement.key];
        bool const listed =
            value.exists() && std::ranges::find(requirement.values, value.as_string()) != requirement.values.end();
        switch (requirement.op) {
            case Operator::kIn: return listed;
            case Operator::kNotIn: return !listed;
            case Operator::kExists: return value.exists();
            case Operator::kDoesNotExist: return !value.exists();
            default: break;
        }
        auto const own = parse_int(value.as_string());
        auto const limit = parse_int(requirement.values.front());
        if (!own || !limit) return false;
        return requirement.op == Operator::kGreater ? *own > *limit : *own < *limit;
    });
}

std::string LabelSelector::to_string() const {
    std::string text;
    for (Requirement const& requirement : requirements_) {
        if (!text.empty()) text += ',';
        switch (requirement.op) {
            case Operator::kExists: text += requirement.key; break;
            case Operator::kDoesNotExist: text += "!" + requirement.key; break;
            case Operator::kGreater: text += requirement.key + ">" + requirement.values.front(); break;
            case Operator::kLess: text += requirement.key + "<" + requirement.values.front(); break;
            case Operator::kIn:
            case Operator::kNotIn: {
                bool const in = requirement.op == Operator::kIn;
                if (requirement.values.size() == 1) {
                    text += requirement.key + (in ? "=" : "!=") + requirement.values.front();
                } else {
                    text += requirement.key + (in ? " in (" : " notin (") + join(requirement.values, ",") + ")";
                }
            }
        }
    }
    return text;
}

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
    FieldSelector selector;
    if (trim(text).empty()) return selector;
    for (std::string_view part : split(text, ',')) {
        std::size_t const sign = part.find('=');
        if (sign == std::string_view::npos || sign == 0) {
            return fail(ErrorCode::kBadRequest,
                        fmt::format("invalid selector: '{}'; can't understand '{}'", text, part));
        }
        Requirement requirement;
        requirement.equal = part[sign - 1] != '!';
        requirement.field = trim(part.substr(0, requirement.equal ? sign : sign - 1));
        std::string_view value = part.substr(sign + 1);
        if (value.starts_with('=')) value.remove_prefix(1);
        requirement.value = trim(value);
        selector.requirements_.push_back(std::move(requirement));
    }
    return selector;
}

bool FieldSelector::matches(json::Doc const& object) const {
    return std::ranges::all_of(requirements_, [&](Requirement const& requirement) {
        json::Doc value = object;
        for (std::string_view part : split(requirement.field, '.')) value = value[part];
        std::string text = value.string();
        if (value.is_bool()) text = value.as_bool() ? "true" : "false";
        if (value.is_int()) text = std::to_string(value.as_int());
        return (text == requirement.value) == requirement.equal;
    });
}

std::string FieldSelector::required(std::string_view field) const {
    for (Requirement const& requirement : requirements_) {
        if (requirement.equal && requirement.field == field) return requirement.value;
    }
    return {};
}

std::vector<std::string> FieldSelector::fields() const {
    std::vector<std::string> result;
    for (Requirement const& requirement : requirements_) result.push_back(requirement.field);
    return result;
}

}   // namespace aviary::meta
