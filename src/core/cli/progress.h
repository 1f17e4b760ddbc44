// Progress: several lines that change. On a terminal they are redrawn in place; off a terminal each change is one line
// with its time, so that a log tells what happened.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/cli/terminal.h"

namespace aviary::cli {

class Progress {
public:
    struct Line {
        std::string key;   // what the line is about: "beijing"
        std::string text;
        Colour colour = Colour::kNone;
    };
    Progress(Terminal terminal, std::function<void(std::string_view)> write)
        : terminal_(terminal), write_(std::move(write)) {}

    // The lines as they are now; nothing is written where nothing changed.
    void show(Time now, std::vector<Line> const& lines);
    // Above the lines, to stay.
    void note(Time now, std::string_view text);

private:
    std::string erase() const;
    std::string draw(std::vector<Line> const& lines);

    Terminal terminal_;
    std::function<void(std::string_view)> write_;
    std::map<std::string, std::string> shown_;   // off a terminal: the last text of each key
    std::string drawn_;                          // on a terminal: what stands there
    std::size_t height_ = 0;
};

}   // namespace aviary::cli
