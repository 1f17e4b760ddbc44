#include "kube/webhook/review.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <utility>

#include "core/base/strings.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "kube/meta/status.h"

namespace aviary::webhook {

namespace {

using control::Operation;
using json::Array;
using json::Doc;
using json::Object;
using json::Value;

std::optional<Operation> operation_of(std::string_view text) {
    if (text == "CREATE") return Operation::kCreate;
    if (text == "UPDATE") return Operation::kUpdate;
    if (text == "DELETE") return Operation::kDelete;
    return std::nullopt;
}

control::UserInfo user_of(Doc const& info) {
    control::UserInfo user;
    user.name = info["username"].string();
    for (auto const& [index, group] : info["groups"].elements()) user.groups.push_back(group.string());
    for (auto const& [key, values] : info["extra"].members()) {
        for (auto const& [index, value] : values.elements()) user.extra.emplace_back(std::string(key), value.string());
    }
    return user;
}

Value answer(std::string const& uid, Value response) {
    response["uid"] = uid;
    return Object{
        {"apiVersion", "admission.k8s.io/v1"}, {"kind", "AdmissionReview"}, {"response", std::move(response)}};
}

}   // namespace

Result<Review> read_review(Doc const& review) {
    if (review["kind"].as_string() != "AdmissionReview" || review["apiVersion"].as_string() != "admission.k8s.io/v1") {
        return fail(ErrorCode::kInvalid,
                    fmt::format("apiVersion and kind: admission.k8s.io/v1 AdmissionReview is read here, not {} {}",
                                review["apiVersion"].as_string(), review["kind"].as_string()));
    }
    Doc const asked = review["request"];
    Review read;
    read.uid = asked["uid"].string();
    if (read.uid.empty()) return fail(ErrorCode::kInvalid, "request.uid: missing");
    auto const operation = operation_of(asked["operation"].as_string());
    if (!operation) {
        return fail(ErrorCode::kUnsupported,
                    fmt::format("request.operation: CREATE, UPDATE and DELETE are admitted here, not \"{}\"",
                                asked["operation"].as_string()));
    }
    control::AdmissionRequest& request = read.request;
    request.operation = *operation;
    request.resource = {asked.at({"resource", "group"}).string(), asked.at({"resource", "version"}).string(),
                        asked.at({"resource", "resource"}).string()};
    if (request.resource.resource.empty()) return fail(ErrorCode::kInvalid, "request.resource.resource: missing");
    request.kind = asked.at({"kind", "kind"}).string();
    request.subresource = asked["subResource"].string();
    request.key = {asked["namespace"].string(), asked["name"].string()};
    request.old_object = asked["oldObject"];
    if (request.old_object.is_null()) request.old_object = {};
    if (*operation != Operation::kDelete) {
        if (!asked["object"].is_object()) return fail(ErrorCode::kInvalid, "request.object: missing");
        request.object = asked["object"].thaw();
    }
    if (*operation != Operation::kCreate && !request.old_object.is_object())
        return fail(ErrorCode::kInvalid, "request.oldObject: missing");
    request.user = user_of(asked["userInfo"]);
    request.dry_run = asked["dryRun"].as_bool();
    return read;
}

Value allow(Review const& review, Value const& before) {
    Value response{Object{{"allowed", true}}};
    if (!(before == review.request.object)) {
        Value const patch = json::create_json_patch(before, review.request.object);
        response["patchType"] = "JSONPatch";
        response["patch"] = base64_encode(json::write(patch));
    }
    if (!review.request.warnings.empty()) {
        Array warnings;
        for (std::string const& warning : review.request.warnings) warnings.emplace_back(warning);
        response["warnings"] = std::move(warnings);
    }
    return answer(review.uid, std::move(response));
}

Value refuse(std::string const& uid, Error const& error) {
    return answer(uid, Object{{"allowed", false}, {"status", meta::to_status(error)}});
}

}   // namespace aviary::webhook
