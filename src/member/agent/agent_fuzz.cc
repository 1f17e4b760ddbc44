// What an agent hears and finds: the first letter of an input says what the rest is.
//   w  the bytes of whoever it has dialled, as they come      a  what it is answered (JSON)
//   g  the Secret that it was given (JSON)
#include "core/async/virtual_executor.h"
#include "core/base/check.h"
#include "core/crypto/certificate.h"
#include "core/http/internal/scripted.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/observe/log.h"
#include "kube/meta/object.h"
#include "member/agent/agent.h"

namespace {

using namespace aviary;
using json::Object;
using json::Value;

constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
// GET /aviary/hello on stream 1, and the head of POST /aviary/answer on stream 3.
constexpr char kHello[] = "\0\0\x14\1\5\0\0\0\1\x82\x87\1\1h\4\x0d/aviary/hello";
constexpr char kAnswer[] = "\0\0\x15\1\4\0\0\0\3\x83\x87\1\1h\4\x0e/aviary/answer";
constexpr std::size_t kMostOfFrame = 16 << 10;
constexpr Duration kLong = std::chrono::minutes(1);

Value given() { return agent::write_given("hub:7444", "PEM", "beijing", "secret", "aviary-system"); }

class Silent final : public client::WatchStream {
public:
    Task<Result<std::optional<json::Doc>>> next(Context ctx) override {
        CO_TRY(co_await async::sleep_for(ctx, std::chrono::hours(24)));
        co_return std::nullopt;
    }
};

// The member's API: the Secret that the agent was given, and the one that it keeps.
class Api final : public client::Transport {
public:
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        CO_TRY(co_await async::sleep_for(ctx, std::chrono::milliseconds(1)));
        client::Response response;
        if (request.method == "POST" || request.method == "PUT") {
            kept_ = request.body;
            response.body = kept_;
        } else if (request.has_query("watch")) {
            response.watch = std::make_unique<Silent>();
        } else if (request.path.ends_with("/secrets")) {
            Value list{Object{{"apiVersion", "v1"}, {"kind", "SecretList"}, {"items", json::Array{given()}}}};
            list.set({"metadata", "resourceVersion"}, "1");
            response.body = json::Doc::freeze(list);
        } else if (kept_.exists()) {
            response.body = kept_;
        } else {
            response.status = 404;
        }
        co_return response;
    }

private:
    json::Doc kept_;
};

Task<Result<http::Response>> empty(Context, http::Request, bool) { co_return http::Response{.body = "{}"}; }

// Everything ends in time, whatever the hub says. It is reached once.
void hear(std::string const& bytes) {
    client::Client const member(std::make_shared<Api>(), "fuzz");
    bool dialled = false;
    auto const dial = [&](Context, agent::Given, agent::Own) -> Task<Result<std::unique_ptr<net::Stream>>> {
        if (std::exchange(dialled, true)) co_return fail(ErrorCode::kUnavailable, "nobody listens");
        co_return std::make_unique<http::Lasting>(bytes, std::string(apis::kLinkProtocol));
    };
    agent::Agent one(member, empty, dial, {"aviary-system", "uid", "1"});
    async::VirtualExecutor executor;
    async::Scope scope{Context(executor)};
    scope.spawn(one.run(scope.context()));
    executor.run_for(kLong);
    scope.cancel();
    executor.run_for(kLong);
    AVIARY_CHECK(dialled && scope.running() == 0);
    AVIARY_CHECK(!one.missing().empty());
}

std::string frames_of(std::string const& body) {
    std::string const head(kHello, sizeof kHello - 1), post(kAnswer, sizeof kAnswer - 1);
    std::string const data{'\0', static_cast<char>(body.size() >> 8), static_cast<char>(body.size()), 0, 1, 0, 0, 0, 3};
    return head + post + data + body;
}

void read_secret(json::Doc const& secret) {
    agent::Own const own = agent::read_own(secret);
    agent::Own const again = agent::read_own(json::Doc::freeze(agent::write_own(own, "ns")));
    AVIARY_CHECK(own.certificate == again.certificate && own.next_key == again.next_key);
    auto const read = agent::read_given(secret);
    if (!read) return;
    AVIARY_CHECK(read->port != 0 && !read->host.empty() && !read->cluster.empty());
    (void)agent::plan_of(*read, own, Time(std::chrono::seconds(1'790'000'000)));
}

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    observe::set_level(observe::Level::kOff);
    if (size == 0) return 0;
    std::string const rest(reinterpret_cast<char const*>(data) + 1, size - 1);
    std::string const preface(kPreface, sizeof kPreface - 1);
    if (data[0] == 'w') hear(preface + rest);
    if (data[0] == 'a' && rest.size() < kMostOfFrame) hear(preface + frames_of(rest));
    auto const object = data[0] == 'g' ? json::parse(rest) : Result<json::Doc>(json::Doc());
    if (object && object->exists()) read_secret(*object);
    return 0;
}
