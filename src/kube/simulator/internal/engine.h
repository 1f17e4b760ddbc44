// A fake inference engine: answers as a server of vLLM does, with its paths and the names of its metrics, and words
// that mean nothing. Lives on the loop of the server that asks it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/time.h"
#include "core/http/message.h"

namespace aviary::simulator {

class Engine final : public http::Handler {
public:
    // `per_token`: how long each takes.
    Engine(std::string model, std::string pod, Duration per_token);

    Task<http::Response> handle(Context ctx, http::Request request, net::Peer peer) override;

    struct Counts {
        std::int64_t running = 0, succeeded = 0, prompt_tokens = 0, generated_tokens = 0;
    };

private:
    Task<http::Response> complete(Context ctx, std::string text, bool chat);
    std::string metrics() const;

    std::string model_, pod_;
    Duration per_token_;
    std::int64_t requests_ = 0;
    std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();   // streams outlive it
};

}   // namespace aviary::simulator
