#include "kube/webhook/handler.h"

#include <fmt/format.h>

#include <utility>

#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/webhook/review.h"

namespace aviary::webhook {

namespace {

http::Response reviewed(json::Value const& answer) {
    http::Response response;
    response.headers.emplace_back("Content-Type", "application/json");
    response.body = json::write(answer);
    return response;
}

class Handler final : public http::Handler {
public:
    Handler(std::vector<std::shared_ptr<control::Admission>> admissions, Converter convert)
        : admissions_(std::move(admissions)), convert_(std::move(convert)) {}

    Task<http::Response> handle(Context ctx, http::Request request, net::Peer) override {
        std::string const path(http::path_of(request.target));
        bool const known = path == kMutatePath || path == kValidatePath || path == kConvertPath;
        MonotonicTime const began = ctx.monotonic();
        http::Response response = co_await answer(ctx, std::move(request));
        if (known) count(ctx, path, response.status, ctx.monotonic() - began);
        co_return response;
    }

private:
    // Named as controller-runtime's.
    static void count(Context const& ctx, std::string const& path, int code, Duration took) {
        ctx.metrics()
            .counter("controller_runtime_webhook_requests_total", "Questions of API servers that were answered.",
                     {{"webhook", path}, {"code", std::to_string(code)}})
            .add();
        ctx.metrics()
            .histogram("controller_runtime_webhook_latency_seconds", "How long an answer took.", {{"webhook", path}})
            .record(std::chrono::duration<double>(took).count());
    }

    Task<http::Response> answer(Context ctx, http::Request request) {
        std::string_view const path = http::path_of(request.target);
        bool const mutates = path == kMutatePath;
        bool const converts = path == kConvertPath && convert_;
        if (!mutates && !converts && path != kValidatePath) co_return http::plain_text(404, "not found\n");
        if (request.method != "POST")
            co_return http::plain_text(
                405, fmt::format("{} is posted here\n", converts ? "a ConversionReview" : "an AdmissionReview"));
        auto const body = json::parse(request.body);
        if (!body) co_return http::plain_text(400, body.error().message() + "\n");
        if (converts) {
            auto const answer = answer_conversion(*body, convert_);
            co_return answer ? reviewed(*answer) : http::plain_text(400, answer.error().message() + "\n");
        }
        auto review = read_review(*body);
        if (!review) {
            std::string const uid = body->at({"request", "uid"}).string();
            if (uid.empty()) co_return http::plain_text(400, review.error().message() + "\n");
            co_return reviewed(refuse(uid, review.error()));
        }
        json::Value const before = review->request.object;
        Status outcome = co_await ask(ctx, review->request, mutates);
        co_return reviewed(outcome ? allow(*review, before) : refuse(review->uid, outcome.error()));
    }

    Task<Status> ask(Context ctx, control::AdmissionRequest& request, bool mutates) {
        for (auto const& admission : admissions_) {
            if (!admission->matches(request)) continue;
            Status outcome;
            if (mutates) {
                outcome = co_await admission->mutate(ctx, request);
            } else {
                outcome = co_await admission->validate(ctx, request);
            }
            if (!outcome) co_return outcome;
        }
        co_return Status{};
    }

    std::vector<std::shared_ptr<control::Admission>> admissions_;
    Converter convert_;
};

}   // namespace

std::shared_ptr<http::Handler> make_handler(std::vector<std::shared_ptr<control::Admission>> admissions,
                                            Converter convert) {
    return std::make_shared<Handler>(std::move(admissions), std::move(convert));
}

}   // namespace aviary::webhook
