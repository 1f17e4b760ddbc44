#include "core/base/random.h"

#include <bit>
#include <string_view>

namespace aviary {

Random::Random(std::uint64_t seed) {
    // splitmix64 spreads a small seed over the whole state.
    for (std::uint64_t& word : state_) {
        seed += 0x9e3779b97f4a7c15U;
        std::uint64_t mixed = seed;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
        word = mixed ^ (mixed >> 31);
    }
}

std::uint64_t Random::next() {
    std::uint64_t const result = std::rotl(state_[1] * 5, 7) * 9;
    std::uint64_t const shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
}

double Random::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

Duration Random::around(Duration duration) {
    return duration / 2 + Duration(static_cast<Duration::rep>(unit() * static_cast<double>(duration.count())));
}

std::string Random::uuid() {
    static constexpr std::string_view kHex = "0123456789abcdef";
    std::uint64_t const words[2] = {next(), next()};
    std::string text;
    text.reserve(36);
    for (int digit = 0; digit < 32; ++digit) {
        if (digit == 8 || digit == 12 || digit == 16 || digit == 20) text += '-';
        unsigned value = (words[digit / 16] >> (4 * (digit % 16))) & 0xf;
        if (digit == 12) value = 4;
        if (digit == 16) value = 8 | (value & 3);
        text += kHex[value];
    }
    return text;
}

std::string Random::suffix(int length) {
    static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
    std::string text;
    for (int index = 0; index < length; ++index) text += kAlphabet[below(kAlphabet.size())];
    return text;
}

}   // namespace aviary
