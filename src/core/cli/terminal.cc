#include "core/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace aviary::cli {

namespace {

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}   // namespace

Terminal Terminal::of(int descriptor) {
    Terminal terminal;
    terminal.is_terminal = ::isatty(descriptor) != 0;
    if (!terminal.is_terminal) return terminal;
    char const* const no_colour = std::getenv("NO_COLOR");
    char const* const kind = std::getenv("TERM");
    bool const dumb = kind == nullptr || std::string_view(kind) == "dumb";
    terminal.colour = (no_colour == nullptr || *no_colour == '\0') && !dumb;
    winsize size{};
    if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0) {
        terminal.width = size.ws_col;
        terminal.height = size.ws_row;
    }
    return terminal;
}

std::string paint(Terminal const& terminal, Colour colour, std::string_view text) {
    if (!terminal.colour || colour == Colour::kNone || text.empty()) return std::string(text);
    static constexpr std::string_view kCodes[] = {"", "31", "32", "33", "34", "90", "1"};
    std::string result = "\x1b[";
    result += kCodes[static_cast<std::size_t>(colour)];
    result += 'm';
    result += text;
    return result + "\x1b[0m";
}

std::size_t text_width(std::string_view text) {
    std::size_t width = 0;
    for (char const byte : text) width += continues(byte) ? 0 : 1;
    return width;
}

std::string truncated(std::string_view text, std::size_t width) {
    if (text_width(text) <= width) return std::string(text);
    if (width == 0) return {};
    std::size_t end = 0;
    for (std::size_t columns = 0; end < text.size(); ++end) {
        if (!continues(text[end]) && columns++ == width - 1) break;
    }
    return std::string(text.substr(0, end)) + "…";
}

std::string one_line(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t each = 0; each < text.size(); ++each) {
        auto const byte = static_cast<unsigned char>(text[each]);
        if (byte == '\n' || byte == '\r' || byte == '\f') return result + "...";
        // U+0080 to U+009F are controls too.
        bool const c1 = byte == 0xC2 && each + 1 < text.size() && static_cast<unsigned char>(text[each + 1]) < 0xA0;
        if (byte == 0x1B) {
            result += "^[";
        } else if (byte < 0x20 || byte == 0x7F) {
            result += ' ';
        } else if (c1) {
            result += ' ';
            ++each;
        } else {
            result += text[each];
        }
    }
    return result;
}

}   // namespace aviary::cli
