#include "kube/apiserver/internal/conversion.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/apiserver/builtin/convert.h"
#include "kube/meta/object.h"
#include "kube/schema/schema.h"

namespace aviary::apiserver {

namespace {

using json::Doc;
using json::Object;
using json::Value;

constexpr Duration kAtMost = std::chrono::seconds(30);

constexpr char kReviewVersion[] = "apiextensions.k8s.io/v1";
constexpr char kReviewKind[] = "ConversionReview";

// As upstream: what the version's schema does not know is not shown in it, nor stored.
Doc pruned(ResourceInfo const& info, Value object) {
    if (info.custom && info.schema) info.schema->prune(object);
    return Doc::freeze(object);
}

Error failed(Doc const& object, std::string_view why) {
    return Error(ErrorCode::kInternal, fmt::format("conversion webhook for {}, Kind={} failed: {}",
                                                   object["apiVersion"].as_string(), object["kind"].as_string(), why));
}

// Of the metadata, labels and annotations are the webhook's.
Result<Value> checked(Doc const& before, Doc const& after, std::string const& wanted, std::size_t index) {
    auto const wrong = [&](std::string_view why) {
        return std::unexpected(failed(before, fmt::format("invalid converted object at index {}: {}", index, why)));
    };
    if (after["apiVersion"].as_string() != wanted)
        return wrong(fmt::format("it is of version \"{}\", not {}", after["apiVersion"].as_string(), wanted));
    if (after["kind"].as_string() != before["kind"].as_string())
        return wrong(
            fmt::format("must have the same kind: {} != {}", after["kind"].as_string(), before["kind"].as_string()));
    for (char const* field : {"name", "namespace", "uid"}) {
        std::string_view const was = before.at({"metadata", field}).as_string();
        std::string_view const is = after.at({"metadata", field}).as_string();
        if (was != is) return wrong(fmt::format("must have the same metadata.{}: {} != {}", field, is, was));
    }
    Value result = after.thaw();
    Value metadata = before["metadata"].thaw();
    for (char const* field : {"labels", "annotations"}) {
        metadata.erase(field);
        Doc const theirs = after.at({"metadata", field});
        if (theirs.exists() && !theirs.is_null()) metadata[field] = theirs.thaw();
    }
    result["metadata"] = std::move(metadata);
    return result;
}

}   // namespace

bool is_in_version(ResourceInfo const& info, Doc const& object) {
    return object["apiVersion"].as_string() == info.resource.api_version();
}

void Conversion::add_service(meta::ObjectKey service, std::shared_ptr<http::Handler> handler) {
    services_[std::move(service)] = std::move(handler);
}

Task<Result<Doc>> Conversion::ask(Context ctx, Info info, Value review) const {
    Doc const config = info->conversion.at({"webhook", "clientConfig"});
    Doc const service = config["service"];
    meta::ObjectKey const key{service["namespace"].string(), service["name"].string()};
    auto const found = services_.find(key);
    if (found == services_.end()) {
        std::string const where = config["url"].exists() ? config["url"].string() : "service " + key.to_string();
        co_return fail(ErrorCode::kUnavailable, fmt::format("this server does not reach {}", where));
    }
    http::Request request{
        .method = "POST", .target = "/", .headers = {{"Content-Type", "application/json"}}, .body = {}};
    if (service["path"].exists()) request.target = service["path"].string();
    request.body = json::write(review);
    std::shared_ptr<http::Handler> const handler = found->second;
    http::Response const answer = co_await handler->handle(ctx.with_timeout(kAtMost), std::move(request), {});
    if (answer.status != 200)
        co_return fail(ErrorCode::kUnavailable, fmt::format("it answers {}: {}", answer.status, answer.body));
    co_return json::parse(answer.body);
}

Task<Result<std::vector<Doc>>> Conversion::convert(Context ctx, Info info, std::vector<Doc> objects) const {
    std::string const wanted = info->resource.api_version();
    bool const by_webhook = info->custom && info->conversion.exists();
    std::vector<std::size_t> places;
    json::Array asked;
    for (std::size_t place = 0; place < objects.size(); ++place) {
        if (is_in_version(*info, objects[place])) continue;
        Value value = objects[place].thaw();
        if (by_webhook) {
            places.push_back(place);
            asked.push_back(std::move(value));
        } else {
            builtin::to_version(value, wanted);
            objects[place] = pruned(*info, std::move(value));
        }
    }
    if (places.empty()) co_return std::move(objects);
    Doc const first = objects[places.front()];
    std::string const uid = ctx.random().uuid();
    Value review{Object{{"apiVersion", kReviewVersion}, {"kind", kReviewKind}}};
    review["request"] = Object{{"uid", uid}, {"desiredAPIVersion", wanted}, {"objects", std::move(asked)}};
    auto const answer = co_await ask(ctx, info, std::move(review));
    if (!answer) co_return std::unexpected(failed(first, answer.error().message()));
    Doc const response = (*answer)["response"];
    if ((*answer)["kind"].as_string() != kReviewKind || response["uid"].as_string() != uid)
        co_return std::unexpected(failed(first, "its answer is of another question"));
    if (response.at({"result", "status"}).as_string() != "Success") {
        std::string const why = response.at({"result", "message"}).string();
        co_return std::unexpected(failed(first, why.empty() ? "it does not say why" : why));
    }
    Doc const converted = response["convertedObjects"];
    if (converted.size() != places.size())
        co_return std::unexpected(
            failed(first, fmt::format("it returned {} objects, expected {}", converted.size(), places.size())));
    for (std::size_t index = 0; index < places.size(); ++index) {
        Doc& object = objects[places[index]];
        CO_TRY_ASSIGN(Value result, checked(object, converted[index], wanted, index));
        object = pruned(*info, std::move(result));
    }
    co_return std::move(objects);
}

Task<Result<Doc>> Conversion::convert_one(Context ctx, Info info, Doc object) const {
    if (is_in_version(*info, object)) co_return std::move(object);
    CO_TRY_ASSIGN(std::vector<Doc> result, co_await convert(ctx, std::move(info), {std::move(object)}));
    co_return std::move(result.front());
}

void default_conversion(Value& definition) {
    if (!definition["spec"].contains("conversion")) definition.set({"spec", "conversion", "strategy"}, "None");
    Value& conversion = definition["spec"]["conversion"];
    if (!conversion.is_object()) return;
    if (std::as_const(conversion)["webhook"].is_null()) conversion.erase("webhook");
    Value* const webhook = conversion.find("webhook");
    if (webhook == nullptr || !std::as_const(*webhook).at({"clientConfig", "service"}).is_object()) return;
    Value& service = (*webhook)["clientConfig"]["service"];
    if (!service.contains("port")) service["port"] = 443;
}

std::vector<FieldCause> validate_conversion(Value const& conversion) {
    std::vector<FieldCause> causes;
    std::string_view const strategy = conversion["strategy"].as_string();
    std::string const path = "spec.conversion.webhook";
    if (strategy == "None" || strategy.empty()) {
        if (conversion.contains("webhook"))
            causes.push_back(
                {"FieldValueForbidden", path, "Forbidden: should not be set when strategy is not set to Webhook"});
        return causes;
    }
    if (strategy != "Webhook") {
        causes.push_back({"FieldValueNotSupported", "spec.conversion.strategy",
                          fmt::format("Unsupported value: \"{}\": supported values: \"None\", \"Webhook\"", strategy)});
        return causes;
    }
    Value const& config = conversion.at({"webhook", "clientConfig"});
    if (!config.is_object()) {
        causes.push_back(
            {"FieldValueRequired", path + ".clientConfig", "Required value: required when strategy is set to Webhook"});
    } else if (config.contains("url") == config.contains("service")) {
        causes.push_back({"FieldValueRequired", path + ".clientConfig",
                          "Required value: exactly one of url or service is required"});
    }
    json::Array const& versions = conversion.at({"webhook", "conversionReviewVersions"}).array();
    if (std::ranges::none_of(versions, [](Value const& version) { return version.as_string() == "v1"; })) {
        causes.push_back({"FieldValueInvalid", path + ".conversionReviewVersions",
                          "Invalid value: must include v1: this server asks in no other version"});
    }
    return causes;
}

}   // namespace aviary::apiserver
