// What an answer warns of: each once, and no more than headers may hold. Pure.
#pragma once

#include <string>
#include <vector>

namespace aviary::apiserver {

// As upstream cuts them: all while they are 4096 letters together, else 256 letters of each up to those 4096.
class Warnings {
public:
    void add(std::string warning);
    // The values of Warning headers.
    std::vector<std::string> headers() const;

private:
    std::vector<std::string> warnings_;
    std::size_t letters_ = 0;       // of all
    std::size_t cut_letters_ = 0;   // as much of them as may be said when they are cut
};

}   // namespace aviary::apiserver
