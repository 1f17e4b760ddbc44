#include "core/json/path.h"

#include <fmt/format.h>

#include "core/json/internal/path_template.h"
#include "core/json/write.h"

namespace aviary::json {

namespace {

using internal::PathSegment;
using internal::PathStep;
using internal::PathSteps;
using Docs = std::vector<Doc>;

constexpr std::size_t kMaxResults = 100'000;

std::unexpected<Error> problem(std::string_view what) {
    return fail(ErrorCode::kBadRequest, fmt::format("JSONPath: {}", what));
}

// One evaluation; counts what it has found, since ".." after ".." multiplies.
class Search {
public:
    Result<Docs> run(PathSteps const& steps, Doc const& from) {
        Docs current{from};
        for (PathStep const& step : steps) current = TRY(follow(step, current));
        return current;
    }

private:
    Result<Docs> follow(PathStep const& step, Docs const& from) {
        Docs result;
        if (step.kind == PathStep::Kind::kLiteral) {
            result.assign(from.size(), step.literal);
            return result;
        }
        if (step.kind == PathStep::Kind::kUnion) {
            for (PathSteps const& branch : step.branches) {
                for (Doc const& each : from) {
                    for (Doc& found : TRY(run(branch, each))) result.push_back(std::move(found));
                }
            }
            return result;
        }
        for (Doc const& each : from) {
            if (each.is_null()) continue;
            std::size_t const before = result.size();
            TRY(from_one(step, each, result));
            found_ += result.size() - before + 1;
            if (found_ > kMaxResults * 10 || result.size() > kMaxResults)
                return problem(fmt::format("finds more than {} values", kMaxResults));
        }
        return result;
    }

    Status from_one(PathStep const& step, Doc const& value, Docs& result) {
        switch (step.kind) {
            case PathStep::Kind::kField:
                if (Doc found = value[step.name]; found.exists()) result.push_back(std::move(found));
                return {};
            case PathStep::Kind::kWildcard:
                for (auto const& [key, each] : value.is_object() ? value.members() : value.elements())
                    result.push_back(each);
                return {};
            case PathStep::Kind::kRecursive: descend(value, result); return {};
            case PathStep::Kind::kSlice: return slice(step, value, result);
            case PathStep::Kind::kFilter: return filter(step, value, result);
            default: return {};
        }
    }

    // The value and all containers in it that are not empty, each before what it holds.
    static void descend(Doc const& value, Docs& result) {
        if (value.size() == 0 || result.size() > kMaxResults) return;
        result.push_back(value);
        for (auto const& [key, each] : value.is_object() ? value.members() : value.elements()) descend(each, result);
    }

    static Status slice(PathStep const& step, Doc const& value, Docs& result) {
        if (!value.is_array()) return problem(fmt::format("a value of type {} is no list", to_string(value.type())));
        auto const size = static_cast<std::int64_t>(value.size());
        std::int64_t first = step.first.value_or(0);
        std::int64_t last = step.last.value_or(size);
        if (first < 0) first += size;
        if (step.single) {
            last = first + 1;
        } else if (last < 0) {
            last += size;
        }
        if (first == last) return {};
        auto const outside = [&](std::int64_t index) {
            return problem(fmt::format("array index out of bounds: index {}, length {}", index, size));
        };
        if (first < 0 || first >= size) return outside(first);
        if (last < 0 || last > size) return outside(last - 1);
        if (first > last) return problem(fmt::format("starting index {} is greater than ending index {}", first, last));
        std::int64_t const every = step.every.value_or(1);
        std::int64_t index = 0;
        for (auto const& [key, each] : value.elements()) {
            if (index >= first && index < last && (index - first) % every == 0) result.push_back(each);
            ++index;
        }
        return {};
    }

    Status filter(PathStep const& step, Doc const& value, Docs& result) {
        if (!value.is_array())
            return problem(
                fmt::format("a value of type {} is no list and cannot be filtered", to_string(value.type())));
        for (auto const& [key, each] : value.elements()) {
            Docs const left = TRY(run(step.branches[0], each));
            if (step.comparison.empty()) {
                if (!left.empty()) result.push_back(each);
                continue;
            }
            Docs const right = TRY(run(step.branches[1], each));
            if (left.empty() || right.empty()) continue;
            if (left.size() > 1 || right.size() > 1) return problem("can only compare one element at a time");
            if (TRY(compare(left[0], step.comparison, right[0]))) result.push_back(each);
        }
        return {};
    }

    static Result<bool> compare(Doc const& left, std::string_view how, Doc const& right) {
        if (left.is_number() && right.is_number()) {
            if (left.is_int() && right.is_int()) return holds(left.as_int(), how, right.as_int());
            return holds(left.as_double(), how, right.as_double());
        }
        if (left.is_string() && right.is_string()) return holds(left.as_string(), how, right.as_string());
        bool const equality = how == "==" || how == "!=";
        if (left.is_bool() && right.is_bool() && equality) return holds(left.as_bool(), how, right.as_bool());
        if (left.is_null() || right.is_null()) return how == "!=" ? left.type() != right.type() : false;
        return problem(fmt::format("incompatible types for comparison: {} and {}", to_string(left.type()),
                                   to_string(right.type())));
    }

    static bool holds(auto const& left, std::string_view how, auto const& right) {
        if (how == "==") return left == right;
        if (how == "!=") return left != right;
        if (how == "<") return left < right;
        if (how == "<=") return left <= right;
        if (how == ">") return left > right;
        return left >= right;
    }

    std::size_t found_ = 0;
};

void append_text(std::string& out, Doc const& value) {
    if (value.is_string()) {
        out += value.as_string();
    } else if (value.is_object() || value.is_array()) {
        out += write_canonical(value.thaw());
    } else {
        append(out, value);
    }
}

Status print_segments(std::vector<PathSegment> const& segments, Doc const& document, Search& search, std::string& out) {
    for (PathSegment const& segment : segments) {
        if (segment.kind == PathSegment::Kind::kText) {
            out += segment.text;
            continue;
        }
        Docs const found = TRY(search.run(segment.steps, document));
        for (std::size_t index = 0; index < found.size(); ++index) {
            if (segment.kind == PathSegment::Kind::kRange) {
                TRY(print_segments(segment.body, found[index], search, out));
                continue;
            }
            if (index > 0) out += ' ';
            append_text(out, found[index]);
        }
    }
    return {};
}

Status find_in_segments(std::vector<PathSegment> const& segments, Doc const& document, Search& search, Docs& result) {
    for (PathSegment const& segment : segments) {
        if (segment.kind == PathSegment::Kind::kText) continue;
        for (Doc& found : TRY(search.run(segment.steps, document))) {
            if (segment.kind == PathSegment::Kind::kRange) {
                TRY(find_in_segments(segment.body, found, search, result));
            } else {
                result.push_back(std::move(found));
            }
        }
    }
    return {};
}

}   // namespace

Result<Path> Path::parse_template(std::string_view text) {
    return Path(std::make_shared<internal::PathTemplate const>(TRY(internal::parse_path_template(text))));
}

Result<Path> Path::parse(std::string_view text) {
    if (text.starts_with('{')) return parse_template(text);
    bool const bare = !text.empty() && !text.starts_with('.') && !text.starts_with('[') && !text.starts_with('$') &&
                      !text.starts_with('@');
    return parse_template(fmt::format("{{{}{}}}", bare ? "." : "", text));
}

Result<std::string> Path::print(Doc const& document) const {
    std::string out;
    Search search;
    TRY(print_segments(compiled_->segments, document, search, out));
    return out;
}

Result<std::vector<Doc>> Path::find(Doc const& document) const {
    Docs result;
    Search search;
    TRY(find_in_segments(compiled_->segments, document, search, result));
    return result;
}

}   // namespace aviary::json
