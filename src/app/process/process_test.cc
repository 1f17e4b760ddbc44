#include "app/process/process.h"

#include <fmt/format.h>

#include <optional>

#include "core/async/co_test.h"
#include "core/json/parse.h"

namespace aviary::process {
namespace {

// Answers who asks, and which version it is; of what is not given there is nothing.
class Server final : public client::Transport {
public:
    Server(std::optional<std::string> user, std::optional<std::string> version)
        : user_(std::move(user)), version_(std::move(version)) {}
    Task<Result<client::Response>> send(Context, client::Request request) override {
        client::Response response;
        response.status = 200;
        if (request.path == "/apis/authentication.k8s.io/v1/selfsubjectreviews" && user_) {
            response.status = 201;
            response.body = *json::parse(fmt::format(
                R"({{"status":{{"userInfo":{{"username":"{}","groups":["system:authenticated"]}}}}}})", *user_));
        } else if (request.path == "/version" && version_) {
            response.body = *json::parse(fmt::format(R"({{"major":"1","gitVersion":"{}"}})", *version_));
        } else {
            response.status = 404;
            response.body = *json::parse(
                R"({"kind":"Status","status":"Failure","reason":"NotFound","code":404,"message":"no such resource"})");
        }
        co_return response;
    }

private:
    std::optional<std::string> user_, version_;
};

Task<std::string> ask(Context ctx, std::optional<std::string> user, std::optional<std::string> version) {
    auto const name = co_await own_name(ctx, client::Client(std::make_shared<Server>(user, version), "test"));
    if (name) co_return *name;
    co_return fmt::format("{}: {}", to_string(name.error().code()), name.error().message());
}

CO_TEST(OwnName, SaysWhichKubernetesIsTooOld) {
    std::string said = co_await ask(ctx, "system:serviceaccount:aviary-system:aviary-member", "v1.28.0");
    EXPECT_EQ(said, "system:serviceaccount:aviary-system:aviary-member");
    said = co_await ask(ctx, {}, "v1.27.16");
    EXPECT_EQ(said,
              "NotSupported: the cluster does not say who we are (SelfSubjectReview): it is Kubernetes v1.27.16, and "
              "Kubernetes 1.28 or newer is needed");
    said = co_await ask(ctx, {}, {});
    EXPECT_EQ(said,
              "NotSupported: the cluster does not say who we are (SelfSubjectReview): its version cannot be read: "
              "no such resource, and Kubernetes 1.28 or newer is needed");
}

}   // namespace
}   // namespace aviary::process
