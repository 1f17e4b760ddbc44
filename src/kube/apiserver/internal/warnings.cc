#include "kube/apiserver/internal/warnings.h"

#include <algorithm>
#include <string_view>

namespace aviary::apiserver {

namespace {

constexpr std::size_t kMaxLetters = 4096;
constexpr std::size_t kMaxLettersOfOne = 256;

bool begins_letter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }   // of UTF-8

std::size_t letters_in(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, begins_letter));
}

std::string_view cut(std::string_view text) {
    std::size_t letters = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (begins_letter(text[at]) && letters++ == kMaxLettersOfOne) return text.substr(0, at);
    }
    return text;
}

std::string header(std::string_view warning) {
    std::string quoted;
    for (char letter : warning) {
        if (letter == '"' || letter == '\\') quoted += '\\';
        quoted += letter == '\n' ? ' ' : letter;
    }
    return "299 - \"" + quoted + "\"";
}

}   // namespace

void Warnings::add(std::string warning) {
    // What comes after would not be said.
    if (warning.empty() || cut_letters_ >= kMaxLetters) return;
    if (std::ranges::find(warnings_, warning) != warnings_.end()) return;
    std::size_t const letters = letters_in(warning);
    letters_ += letters;
    cut_letters_ += std::min(letters, kMaxLettersOfOne);
    warnings_.push_back(std::move(warning));
}

std::vector<std::string> Warnings::headers() const {
    std::vector<std::string> result;
    for (std::string const& warning : warnings_)
        result.push_back(header(letters_ > kMaxLetters ? cut(warning) : std::string_view(warning)));
    return result;
}

}   // namespace aviary::apiserver
