// Lines cut out of pieces of text, wherever those end. Bounded: what sends them may be hostile.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace aviary::client {

class Lines {
public:
    explicit Lines(std::size_t longest) : longest_(longest) {}

    // False when what is there of a line is longer than any may be.
    bool add(std::string_view part) {
        text_.erase(0, begin_);
        searched_ -= begin_;
        begin_ = 0;
        text_ += part;
        return text_.size() <= longest_ || text_.find('\n', searched_) != std::string::npos;
    }
    // The next whole line, without its end; until the next add().
    std::optional<std::string_view> next() {
        std::size_t const end = text_.find('\n', searched_);
        if (end == std::string::npos) {
            searched_ = text_.size();
            return std::nullopt;
        }
        std::string_view const line = std::string_view(text_).substr(begin_, end - begin_);
        begin_ = searched_ = end + 1;
        return line;
    }

private:
    std::size_t longest_;
    std::string text_;
    std::size_t begin_ = 0;      // of the next line
    std::size_t searched_ = 0;   // there is no line end between
};

}   // namespace aviary::client
