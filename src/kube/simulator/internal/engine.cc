#include "kube/simulator/internal/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/async/event.h"
#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::simulator {

namespace {

using http::Response;
using json::Array;
using json::Doc;
using json::Object;
using json::Value;

constexpr std::int64_t kUsualTokens = 16;   // OpenAI's default of max_tokens
constexpr std::int64_t kMostTokens = 4096;
constexpr std::array<std::string_view, 8> kWords = {" one",  " two", " three", " four",
                                                    " five", " six", " seven", " eight"};

Response answer(int status, Value body) {
    Response response;
    response.status = status;
    response.headers = {{"Content-Type", "application/json"}};
    response.body = json::write(body);
    return response;
}

Response refusal(int status, std::string message) {
    return answer(
        status, Object{{"error",
                        Object{{"message", std::move(message)}, {"type", "invalid_request_error"}, {"code", status}}}});
}

std::string_view token_at(std::int64_t index) { return kWords[static_cast<std::size_t>(index) % kWords.size()]; }

std::string text_of(std::int64_t tokens) {
    std::string text;
    for (std::int64_t index = 0; index < tokens; ++index) text += token_at(index);
    return text;
}

// As many tokens as words.
std::int64_t words_in(Doc const& body) {
    std::string const text = json::write(body["prompt"].exists() ? body["prompt"] : body["messages"]);
    return 1 + std::ranges::count(text, ' ');
}

struct Form {
    std::string id, model;
    bool chat = false;

    Value choice(std::string text, bool streamed, bool last) const {
        Value result{Object{{"index", 0}, {"finish_reason", last ? Value("length") : Value()}}};
        if (!chat) {
            result["text"] = std::move(text);
        } else {
            result[streamed ? "delta" : "message"] = Object{{"role", "assistant"}, {"content", std::move(text)}};
        }
        return result;
    }
    Value object(Value choice, bool streamed) const {
        std::string_view const kind = !chat      ? "text_completion"
                                      : streamed ? "chat.completion.chunk"
                                                 : "chat.completion";
        return Object{{"id", id}, {"object", kind}, {"model", model}, {"choices", Array{std::move(choice)}}};
    }
};

// One event for each token, and the end. A request runs as long as somebody has this.
class Tokens final : public http::BodyStream {
public:
    Tokens(Form form, std::shared_ptr<Engine::Counts> counts, std::int64_t tokens, Duration each)
        : form_(std::move(form)), counts_(std::move(counts)), tokens_(tokens), each_(each) {
        ++counts_->running;
    }
    ~Tokens() override { --counts_->running; }

    Task<Result<std::optional<std::string>>> next(Context ctx) override {
        if (ended_) co_return std::nullopt;
        if (sent_ == tokens_) {
            ended_ = true;
            ++counts_->succeeded;
            co_return "data: [DONE]\n\n";
        }
        if (each_.count() > 0) CO_TRY(co_await async::sleep_for(ctx, each_));
        std::string word(token_at(sent_));
        ++sent_;
        ++counts_->generated_tokens;
        Value const object = form_.object(form_.choice(std::move(word), true, sent_ == tokens_), true);
        co_return fmt::format("data: {}\n\n", json::write(object));
    }

private:
    Form form_;
    std::shared_ptr<Engine::Counts> counts_;
    std::int64_t tokens_, sent_ = 0;
    Duration each_;
    bool ended_ = false;
};

}   // namespace

Engine::Engine(std::string model, std::string pod, Duration per_token)
    : model_(std::move(model)), pod_(std::move(pod)), per_token_(per_token) {}

Task<Response> Engine::complete(Context ctx, std::string text, bool chat) {
    auto const body = json::parse(text);
    if (!body) co_return refusal(400, fmt::format("the body: {}", body.error().message()));
    char const* const needed = chat ? "messages" : "prompt";
    if (!(*body)[needed].exists()) co_return refusal(400, fmt::format("{}: Field required", needed));
    std::int64_t const tokens = (*body)["max_tokens"].as_int(kUsualTokens);
    if (tokens < 1 || tokens > kMostTokens)
        co_return refusal(400, fmt::format("max_tokens: must be 1 to {}, got {}", kMostTokens, tokens));
    Form const form{fmt::format("{}-{}-{}", chat ? "chatcmpl" : "cmpl", pod_, ++requests_), model_, chat};
    std::int64_t const prompt = words_in(*body);
    counts_->prompt_tokens += prompt;
    auto stream = std::make_unique<Tokens>(form, counts_, tokens, per_token_);
    Response response;
    if ((*body)["stream"].as_bool()) {
        response.headers = {{"Content-Type", "text/event-stream; charset=utf-8"}};
        response.stream = std::move(stream);
    } else {
        for (bool more = true; more;) {
            auto const part = co_await stream->next(ctx);
            more = part && part->has_value();
        }
        Value object = form.object(form.choice(text_of(tokens), false, true), false);
        object["usage"] =
            Object{{"prompt_tokens", prompt}, {"completion_tokens", tokens}, {"total_tokens", prompt + tokens}};
        response = answer(200, std::move(object));
    }
    response.headers.emplace_back("X-Served-By", pod_);
    co_return response;
}

std::string Engine::metrics() const {
    std::string text;
    auto const add = [&](std::string_view name, std::string_view type, auto value, std::string_view more = "") {
        text += fmt::format("# TYPE {0} {1}\n{0}{{engine=\"0\",model_name=\"{2}\"{3}}} {4}\n", name, type, model_, more,
                            value);
    };
    add("vllm:num_requests_running", "gauge", counts_->running);
    add("vllm:num_requests_waiting", "gauge", 0);
    add("vllm:kv_cache_usage_perc", "gauge", std::min(1.0, 0.01 * static_cast<double>(counts_->running)));
    add("vllm:request_success_total", "counter", counts_->succeeded, R"(,finished_reason="length")");
    add("vllm:prompt_tokens_total", "counter", counts_->prompt_tokens);
    add("vllm:generation_tokens_total", "counter", counts_->generated_tokens);
    return text;
}

Task<Response> Engine::handle(Context ctx, http::Request request, net::Peer) {
    std::string_view const path = http::path_of(request.target);
    bool const chat = path == "/v1/chat/completions";
    if (chat || path == "/v1/completions") {
        if (request.method != "POST") co_return refusal(405, "Method Not Allowed");
        co_return co_await complete(ctx, std::move(request.body), chat);
    }
    if (path == "/health") co_return http::plain_text(200, "");
    if (path == "/metrics") co_return http::plain_text(200, metrics());
    if (path == "/v1/models")
        co_return answer(200,
                         Object{{"object", "list"},
                                {"data", Array{Object{{"id", model_}, {"object", "model"}, {"owned_by", "vllm"}}}}});
    co_return refusal(404, "there are /v1/completions, /v1/chat/completions, /v1/models, /health and /metrics");
}

}   // namespace aviary::simulator
