// Where output goes: a person's terminal, or a pipe that a script reads.
#pragma once

#include <string>
#include <string_view>

namespace aviary::cli {

struct Terminal {
    bool is_terminal = false;
    bool colour = false;   // a terminal that can, and no NO_COLOR
    int width = 0;         // 0: unbounded
    int height = 0;

    // Of a file descriptor, with the environment's NO_COLOR and TERM.
    static Terminal of(int descriptor);
};

enum class Colour { kNone, kRed, kGreen, kYellow, kBlue, kGrey, kBold };

// Unchanged where there is no colour.
std::string paint(Terminal const& terminal, Colour colour, std::string_view text);

// Columns that a UTF-8 text takes: its code points.
std::size_t text_width(std::string_view text);
// At most `width` columns; what is cut ends in "…".
std::string truncated(std::string_view text, std::size_t width);
// One line that cannot steer a terminal: cut at the first line break with "...", as kubectl does; ESC becomes "^[",
// other control characters spaces.
std::string one_line(std::string_view text);

}   // namespace aviary::cli
