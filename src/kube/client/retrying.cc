#include "kube/client/retrying.h"

#include <optional>
#include <utility>

#include "core/async/event.h"
#include "core/base/strings.h"

namespace aviary::client {

namespace {

constexpr int kMostRetries = 10;
constexpr std::int64_t kLongestWait = 60;   // seconds; what says more is not waited for

std::optional<Duration> asked_to_wait(Response const& response) {
    if (response.status != 429 && response.status < 500) return std::nullopt;
    auto const seconds = parse_int(response.header("Retry-After"));
    if (!seconds || *seconds < 0 || *seconds > kLongestWait) return std::nullopt;
    return std::chrono::seconds(*seconds);
}

class Retrying final : public Transport {
public:
    explicit Retrying(std::shared_ptr<Transport> transport) : transport_(std::move(transport)) {}

    Task<Result<Response>> send(Context ctx, Request request) override {
        std::optional<Response> refusal;
        for (int retries = 0;; ++retries) {
            Result<Response> response = co_await transport_->send(ctx, request);
            // The server has answered, if not in time with what was asked for.
            if (!response && refusal && response.error().is(ErrorCode::kTimeout)) co_return std::move(*refusal);
            auto const wait = response ? asked_to_wait(*response) : std::nullopt;
            bool const in_time = wait && (!ctx.deadline() || ctx.monotonic() + *wait < *ctx.deadline());
            if (!in_time || retries == kMostRetries) co_return std::move(response);
            refusal = std::move(*response);
            CO_TRY(co_await async::sleep_for(ctx, *wait));
        }
    }

private:
    std::shared_ptr<Transport> transport_;
};

}   // namespace

std::shared_ptr<Transport> retrying(std::shared_ptr<Transport> transport) {
    return std::make_shared<Retrying>(std::move(transport));
}

}   // namespace aviary::client
