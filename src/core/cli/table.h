// Tables as kubectl prints them: columns padded with three spaces, headers in upper case, nothing behind the last cell.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/cli/terminal.h"

namespace aviary::cli {

struct Cell {
    Cell() = default;
    Cell(char const* text) : text(text) {}
    Cell(std::string text, Colour colour = Colour::kNone) : text(std::move(text)), colour(colour) {}
    std::string text;
    Colour colour = Colour::kNone;
};

struct TableStyle {
    std::size_t gutter = 3;
    std::size_t min_width = 6;   // of a column with its gutter
    bool headers = true;
    std::string shrink = "MESSAGE";   // on a terminal that is too narrow this column is cut; off a terminal nothing is
};

class Table {
public:
    explicit Table(std::vector<std::string> headers, TableStyle style = {});
    // Cells that are missing are empty.
    void add(std::vector<Cell> row);
    bool empty() const { return rows_.empty(); }
    // Whole lines.
    std::string render(Terminal const& terminal) const;

private:
    std::vector<std::size_t> widths(Terminal const& terminal) const;
    TableStyle style_;
    std::vector<std::string> headers_;
    std::vector<std::vector<Cell>> rows_;
};

}   // namespace aviary::cli
