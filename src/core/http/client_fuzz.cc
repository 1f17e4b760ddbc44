#include "core/async/virtual_executor.h"
#include "core/http/client.h"
#include "core/http/internal/scripted.h"

namespace {

using namespace aviary;

// Every connection answers with the same bytes.
Task<Result<std::unique_ptr<net::Stream>>> connect(Context, std::string bytes) {
    co_return std::make_unique<http::Scripted>(std::move(bytes));
}

Task<void> ask(Context ctx, std::string bytes) {
    http::ClientOptions options{.host = "member"};
    options.max_body_bytes = 4096;
    http::Client client([bytes](Context connecting) { return connect(connecting, bytes); }, options);
    for (bool const stream : {false, true}) {
        for (char const* method : {"GET", "HEAD"}) {
            auto const answer = co_await client.send(ctx, {.method = method}, stream);
            if (!answer) continue;
            AVIARY_CHECK(answer->body.size() <= options.max_body_bytes);
            while (answer->stream) {
                auto const part = co_await answer->stream->next(ctx);
                if (!part || !*part) break;
            }
        }
    }
}

}   // namespace

// Whatever a server answers, the client ends with an answer or an error.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    async::VirtualExecutor executor;
    executor.run(ask(Context(executor), std::string(reinterpret_cast<char const*>(data), size)));
    return 0;
}
