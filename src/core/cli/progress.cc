#include "core/cli/progress.h"

#include <algorithm>

namespace aviary::cli {

std::string Progress::erase() const {
    return height_ == 0 ? std::string() : "\x1b[" + std::to_string(height_) + "A\r\x1b[J";
}

// What does not fit on the screen could not be erased again.
std::string Progress::draw(std::vector<Line> const& lines) {
    std::size_t const room = terminal_.height > 2 ? static_cast<std::size_t>(terminal_.height) - 1 : lines.size();
    std::size_t const count = lines.size() <= room ? lines.size() : room - 1;
    std::string text;
    for (std::size_t each = 0; each < count; ++each) {
        std::string line = one_line(lines[each].text);
        if (terminal_.width > 0) line = truncated(line, static_cast<std::size_t>(terminal_.width));
        text += paint(terminal_, lines[each].colour, line) + "\n";
    }
    if (count < lines.size()) text += "… and " + std::to_string(lines.size() - count) + " more\n";
    return text;
}

void Progress::show(Time now, std::vector<Line> const& lines) {
    if (terminal_.is_terminal) {
        std::string text = draw(lines);
        if (text == drawn_) return;
        write_(erase() + text);
        height_ = static_cast<std::size_t>(std::ranges::count(text, '\n'));
        drawn_ = std::move(text);
        return;
    }
    std::string text;
    for (Line const& line : lines) {
        auto const [found, made] = shown_.try_emplace(line.key);
        if (!made && found->second == line.text) continue;
        found->second = line.text;
        text += format_rfc3339(now) + " " + one_line(line.text) + "\n";
    }
    if (!text.empty()) write_(text);
}

void Progress::note(Time now, std::string_view text) {
    if (terminal_.is_terminal) {
        write_(erase() + one_line(text) + "\n" + drawn_);
    } else {
        write_(format_rfc3339(now) + " " + one_line(text) + "\n");
    }
}

}   // namespace aviary::cli
