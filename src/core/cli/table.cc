#include "core/cli/table.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace aviary::cli {

namespace {

// Below this a message says nothing any more: better a broken line.
constexpr std::size_t kLeastMessage = 20;

std::string upper(std::string text) {
    for (char& letter : text) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    return text;
}

}   // namespace

Table::Table(std::vector<std::string> headers, TableStyle style)
    : style_(std::move(style)), headers_(std::move(headers)) {
    for (std::string& header : headers_) header = upper(one_line(header));
}

void Table::add(std::vector<Cell> row) {
    row.resize(headers_.size());
    for (Cell& cell : row) cell.text = one_line(cell.text);
    rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::widths(Terminal const& terminal) const {
    std::vector<std::size_t> widths(headers_.size());
    for (std::size_t column = 0; column < widths.size(); ++column) {
        if (style_.headers) widths[column] = text_width(headers_[column]);
        for (auto const& row : rows_) widths[column] = std::max(widths[column], text_width(row[column].text));
        // The last column has no gutter, so no least width either.
        if (column + 1 < widths.size()) widths[column] = std::max(widths[column] + style_.gutter, style_.min_width);
    }
    auto const found = std::ranges::find(headers_, style_.shrink);
    if (!terminal.is_terminal || terminal.width <= 0 || found == headers_.end()) return widths;
    std::size_t total = 0;
    for (std::size_t const width : widths) total += width;
    auto const limit = static_cast<std::size_t>(terminal.width);
    if (total <= limit) return widths;
    auto const column = static_cast<std::size_t>(found - headers_.begin());
    std::size_t const gutter = column + 1 < widths.size() ? style_.gutter : 0;
    std::size_t const excess = total - limit;
    std::size_t const least = kLeastMessage + gutter;
    if (widths[column] > least) widths[column] = std::max(least, widths[column] - std::min(excess, widths[column]));
    return widths;
}

std::string Table::render(Terminal const& terminal) const {
    std::vector<std::size_t> const wide = widths(terminal);
    std::string result;
    auto const print = [&](std::size_t column, std::string_view text, Colour colour) {
        bool const last = column + 1 == wide.size();
        std::size_t const room = wide[column] - (last ? 0 : std::min(style_.gutter, wide[column]));
        std::string const shown = truncated(text, room);
        result += paint(terminal, colour, shown);
        if (last) {
            result += '\n';
        } else {
            result.append(wide[column] - text_width(shown), ' ');
        }
    };
    if (style_.headers) {
        for (std::size_t column = 0; column < wide.size(); ++column) print(column, headers_[column], Colour::kNone);
    }
    for (auto const& row : rows_) {
        for (std::size_t column = 0; column < wide.size(); ++column)
            print(column, row[column].text, row[column].colour);
    }
    return result;
}

}   // namespace aviary::cli
