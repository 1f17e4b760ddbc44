#include "core/async/virtual_executor.h"
#include "core/base/check.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "kube/webhook/handler.h"

namespace {

using namespace aviary;

// Reads and changes as ours do.
class Marks final : public control::Admission {
public:
    std::string_view name() const override { return "Marks"; }
    bool matches(control::AdmissionRequest const& request) const override { return request.subresource.empty(); }
    Task<Status> mutate(Context, control::AdmissionRequest& request) override {
        if (request.object.is_object()) {
            request.object.set({"metadata", "labels", "fuzz"}, request.kind);
            request.object.set({"spec", "paused"}, true);
        }
        request.warnings.push_back(request.key.to_string());
        co_return Status{};
    }
    Task<Status> validate(Context, control::AdmissionRequest const& request) override {
        if (request.object.at({"spec", "replicas"}).as_int() < request.old_object.at({"spec", "replicas"}).as_int())
            co_return fail(ErrorCode::kForbidden, request.user.name);
        co_return Status{};
    }
};

Task<void> ask(Context ctx, std::string body) {
    auto const handler = webhook::make_handler(
        {std::make_shared<Marks>()}, [](json::Doc const& object, std::string_view version) -> Result<json::Value> {
            json::Value converted = object.thaw();
            converted["apiVersion"] = version;
            return converted;
        });
    for (std::string_view const path : {webhook::kMutatePath, webhook::kValidatePath, webhook::kConvertPath}) {
        http::Request request{.method = "POST", .target = std::string(path), .headers = {}, .body = body};
        http::Response const response = co_await handler->handle(ctx, std::move(request), {});
        AVIARY_CHECK(response.status == 200 || response.status == 400);
        if (response.status != 200) continue;
        auto const answer = json::parse(response.body);
        AVIARY_CHECK(answer);
        auto const asked = json::parse(body);
        AVIARY_CHECK(answer->at({"response", "uid"}).string() == asked->at({"request", "uid"}).string());
        auto const patch = answer->at({"response", "patch"});
        if (!patch.exists()) continue;
        // What the API server makes of the object by it is what the admission made.
        auto const text = base64_decode(patch.as_string());
        AVIARY_CHECK(text);
        auto const steps = json::parse_value(*text);
        AVIARY_CHECK(steps);
        json::Value object = asked->at({"request", "object"}).thaw();
        AVIARY_CHECK(json::apply_json_patch(object, *steps));
        AVIARY_CHECK(object.at({"spec", "paused"}).as_bool());
    }
}

}   // namespace

// Whoever asks a webhook gets an answer to what it asked, or hears that it asked nothing.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    async::VirtualExecutor executor;
    executor.run(ask(Context(executor), std::string(reinterpret_cast<char const*>(data), size)));
    return 0;
}
