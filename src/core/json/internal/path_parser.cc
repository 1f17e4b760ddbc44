#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/strings.h"
#include "core/json/internal/path_template.h"

namespace aviary::json::internal {

namespace {

constexpr std::size_t kMaxLength = 64 << 10;
constexpr int kMaxNesting = 16;
constexpr std::int64_t kMaxIndex = 1 << 30;

std::unexpected<Error> problem(std::string_view what) {
    return fail(ErrorCode::kBadRequest, fmt::format("invalid JSONPath: {}", what));
}

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
bool is_word(char letter) {
    return letter == '_' || is_digit(letter) || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           static_cast<unsigned char>(letter) >= 0x80;
}
bool ends_name(char letter) { return std::string_view(" \t\r\n.,[]$@{}").contains(letter); }

PathStep step(PathStep::Kind kind) {
    PathStep made;
    made.kind = kind;
    return made;
}

PathStep literal(Value const& value) {
    PathStep made = step(PathStep::Kind::kLiteral);
    made.literal = Doc::freeze(value);
    return made;
}

std::string unescape(std::string_view text) {
    std::string result;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        result += text[at];
    }
    return result;
}

std::string unquote(std::string_view inside) {
    std::string result;
    for (std::size_t at = 0; at < inside.size(); ++at) {
        if (inside[at] != '\\' || at + 1 == inside.size()) {
            result += inside[at];
            continue;
        }
        char const letter = inside[++at];
        result += letter == 'n' ? '\n' : letter == 't' ? '\t' : letter == 'r' ? '\r' : letter;
    }
    return result;
}

// Where `wanted` stands outside of quotes, and outside of round and square brackets opened on the way.
std::size_t find_outside(std::string_view text, std::size_t from, std::string_view wanted) {
    char quote = 0;
    int open = 0;
    for (std::size_t at = from; at < text.size(); ++at) {
        char const letter = text[at];
        if (quote != 0) {
            if (letter == '\\') ++at;
            if (letter == quote) quote = 0;
            continue;
        }
        if (open == 0 && wanted.contains(letter)) return at;
        if (letter == '"' || letter == '\'') quote = letter;
        if (letter == '(' || letter == '[') ++open;
        if ((letter == ')' || letter == ']') && open > 0) --open;
    }
    return std::string_view::npos;
}

// Reads what stands between two braces.
class Expression {
public:
    Expression(std::string_view text, int nesting) : text_(text), nesting_(nesting) {}

    Result<PathSteps> steps() {
        if (nesting_ > kMaxNesting) return problem(fmt::format("nested deeper than {} levels", kMaxNesting));
        while (at_ < text_.size()) TRY(next());
        return std::move(steps_);
    }

private:
    Status next() {
        char const letter = text_[at_];
        if (letter == ' ' || letter == '@' || letter == '$') {
            ++at_;
            return {};
        }
        if (text_.substr(at_).starts_with("..")) return recursive();
        if (letter == '.') {
            ++at_;
            return field();
        }
        if (letter == '[') return brackets();
        if (letter == '"' || letter == '\'') return quoted();
        if (letter == '+' || letter == '-' || is_digit(letter)) return number();
        if (is_word(letter)) return word();
        return problem(fmt::format("unexpected character '{}' in {{{}}}", letter, text_));
    }

    Status recursive() {
        if (!steps_.empty() && steps_.back().kind == PathStep::Kind::kRecursive)
            return problem("one \"..\" directly after another");
        at_ += 2;
        steps_.push_back(step(PathStep::Kind::kRecursive));
        if (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '*')) return field();
        return {};
    }

    Status field() {
        std::size_t const start = at_;
        while (at_ < text_.size() && !ends_name(text_[at_])) at_ += text_[at_] == '\\' ? 2 : 1;
        at_ = std::min(at_, text_.size());
        std::string_view const name = text_.substr(start, at_ - start);
        if (name.empty()) return {};   // "{.}", ".[0]": the value itself
        PathStep made = step(name == "*" ? PathStep::Kind::kWildcard : PathStep::Kind::kField);
        made.name = unescape(name);
        steps_.push_back(std::move(made));
        return {};
    }

    Status quoted() {
        std::size_t end = at_ + 1;
        while (end < text_.size() && text_[end] != text_[at_]) end += text_[end] == '\\' ? 2 : 1;
        if (end >= text_.size()) return problem(fmt::format("a quote is not closed in {{{}}}", text_));
        steps_.push_back(literal(unquote(text_.substr(at_ + 1, end - at_ - 1))));
        at_ = end + 1;
        return {};
    }

    Status number() {
        std::size_t end = at_ + 1;
        while (end < text_.size() && (is_digit(text_[end]) || text_[end] == '.')) ++end;
        std::string_view const digits = text_.substr(at_, end - at_);
        std::string_view const plain = digits.starts_with('+') ? digits.substr(1) : digits;
        at_ = end;
        if (auto const whole = parse_int(plain)) {
            steps_.push_back(literal(*whole));
            return {};
        }
        double value = 0;
        auto const parsed = std::from_chars(plain.data(), plain.data() + plain.size(), value);
        if (parsed.ec != std::errc() || parsed.ptr != plain.data() + plain.size())
            return problem(fmt::format("\"{}\" is no number", digits));
        steps_.push_back(literal(value));
        return {};
    }

    Status word() {
        std::size_t const start = at_;
        while (at_ < text_.size() && !ends_name(text_[at_])) ++at_;
        std::string_view const name = text_.substr(start, at_ - start);
        if (name != "true" && name != "false") return problem(fmt::format("unrecognized identifier \"{}\"", name));
        steps_.push_back(literal(name == "true"));
        return {};
    }

    Status brackets() {
        std::size_t const end = find_outside(text_, at_ + 1, "]");
        if (end == std::string_view::npos) return problem(fmt::format("a '[' is not closed in {{{}}}", text_));
        std::string_view const inside = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        if (inside.starts_with("?(") && inside.ends_with(')')) return filter(inside.substr(2, inside.size() - 3));
        std::size_t const comma = find_outside(inside, 0, ",");
        if (comma == std::string_view::npos) {
            steps_.push_back(TRY(selection(trim(inside))));
            return {};
        }
        PathStep made = step(PathStep::Kind::kUnion);
        for (std::size_t from = 0; from <= inside.size();) {
            std::size_t const until = std::min(find_outside(inside, from, ","), inside.size());
            made.branches.push_back({TRY(selection(trim(inside.substr(from, until - from))))});
            from = until + 1;
        }
        steps_.push_back(std::move(made));
        return {};
    }

    // 'name', *, n or from:to:step.
    static Result<PathStep> selection(std::string_view inside) {
        if (inside == "*") return step(PathStep::Kind::kWildcard);
        if (inside.size() >= 2 && (inside[0] == '\'' || inside[0] == '"') && inside.back() == inside[0]) {
            PathStep made = step(PathStep::Kind::kField);
            made.name = unescape(inside.substr(1, inside.size() - 2));
            return made;
        }
        PathStep made = step(PathStep::Kind::kSlice);
        auto const parts = split(inside, ':');
        if (parts.empty() || parts.size() > 3) return problem(fmt::format("invalid array index [{}]", inside));
        std::optional<std::int64_t>* const targets[] = {&made.first, &made.last, &made.every};
        for (std::size_t index = 0; index < parts.size(); ++index) {
            if (parts[index].empty()) continue;
            *targets[index] = parse_int(parts[index]);
            if (!*targets[index] || **targets[index] > kMaxIndex || **targets[index] < -kMaxIndex)
                return problem(fmt::format("invalid array index [{}]", inside));
        }
        if (made.every && *made.every <= 0) return problem("the step of a slice must be greater than 0");
        made.single = parts.size() == 1;
        return made;
    }

    Status filter(std::string_view condition) {
        PathStep made = step(PathStep::Kind::kFilter);
        std::size_t const at = find_outside(condition, 0, "!<>=");
        std::size_t length = 0;
        if (at != std::string_view::npos) {
            length = condition.substr(at).size() > 1 && condition[at + 1] == '=' ? 2 : 1;
            made.comparison = condition.substr(at, length);
            if (made.comparison == "!" || made.comparison == "=")
                return problem(fmt::format("unrecognized filter operator {}", made.comparison));
        }
        made.branches.push_back(TRY(Expression(condition.substr(0, at), nesting_ + 1).steps()));
        if (length > 0) made.branches.push_back(TRY(Expression(condition.substr(at + length), nesting_ + 1).steps()));
        steps_.push_back(std::move(made));
        return {};
    }

    std::string_view text_;
    int nesting_;
    std::size_t at_ = 0;
    PathSteps steps_;
};

// Reads text and expressions, and puts what stands between {range} and {end} into the range.
class Template {
public:
    explicit Template(std::string_view text) : text_(text) {}

    Result<std::vector<PathSegment>> segments(int nesting) {
        std::vector<PathSegment> result;
        if (nesting > kMaxNesting) return problem(fmt::format("nested deeper than {} levels", kMaxNesting));
        while (at_ < text_.size()) {
            if (text_[at_] != '{') {
                std::size_t const end = std::min(text_.find('{', at_), text_.size());
                result.push_back({.text = std::string(text_.substr(at_, end - at_))});
                at_ = end;
                continue;
            }
            std::string_view const inside = trim(TRY(braces()));
            if (inside == "end") {
                if (nesting == 0) return problem("not in range, nothing to end");
                return result;
            }
            bool const range = inside.starts_with("range") && (inside.size() == 5 || !is_word(inside[5]));
            PathSegment made{.kind = range ? PathSegment::Kind::kRange : PathSegment::Kind::kExpression};
            made.steps = TRY(Expression(range ? inside.substr(5) : inside, 0).steps());
            if (range) made.body = TRY(segments(nesting + 1));
            result.push_back(std::move(made));
        }
        if (nesting > 0) return problem("a {range} has no {end}");
        return result;
    }

private:
    Result<std::string_view> braces() {
        std::size_t const end = find_outside(text_, at_ + 1, "}");
        if (end == std::string_view::npos) return problem(fmt::format("unclosed action {}", text_.substr(at_)));
        std::string_view const inside = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        return inside;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}   // namespace

Result<PathTemplate> parse_path_template(std::string_view text) {
    if (text.size() > kMaxLength) return problem(fmt::format("longer than {} bytes", kMaxLength));
    return PathTemplate{TRY(Template(text).segments(0))};
}

}   // namespace aviary::json::internal
