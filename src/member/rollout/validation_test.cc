#include "member/rollout/validation.h"

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/async/co_test.h"
#include "core/json/parse.h"

namespace aviary::rollout {
namespace {

using json::Doc;
using json::Value;

Value rollout(std::string const& steps = R"([{"replicas":"100%"}])") {
    Value object = *json::parse_value(R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout",
        "metadata":{"name":"web","namespace":"demo","annotations":{}},
        "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"strategy":{"canary":{}}}})");
    object.set({"spec", "strategy", "canary", "steps"}, *json::parse_value(steps));
    return object;
}

control::AdmissionRequest update(Value const& before, Value after) {
    control::AdmissionRequest request;
    request.operation = control::Operation::kUpdate;
    request.resource = apis::kRollouts;
    request.kind = "Rollout";
    request.key = {"demo", "web"};
    request.object = std::move(after);
    request.old_object = Doc::freeze(before);
    return request;
}

// Written alone, too: with the same spec.
CO_TEST(Validation, LooksAtWhatAnnotationsAskOfSteps) {
    Validation validation;
    for (auto const annotation :
         {apis::kProgressDeadlineAnnotation, apis::kOnDeadlineAnnotation, apis::kHealthySecondsAnnotation}) {
        Value wrong = rollout();
        wrong.set({"metadata", "annotations", annotation}, "soon");
        Status const refused = co_await validation.validate(ctx, update(rollout(), wrong));
        if (refused) {
            ADD_FAILURE() << annotation << " was taken";
        } else {
            std::string const named =
                "metadata.annotations[" + std::string(annotation) + "]: Invalid value: \"soon\": must be ";
            EXPECT_TRUE(refused.error().message().contains(named)) << refused.error().message();
        }
        // What is there already holds no other write up.
        Value other = wrong;
        other.set({"metadata", "labels", "team"}, "inference");
        CO_ASSERT_OK(co_await validation.validate(ctx, update(wrong, other)));
    }
}

CO_TEST(Validation, ASpecThatIsWrongAlreadyHoldsNoLabelUp) {
    Validation validation;
    Value const wrong = rollout("[]");
    Value labelled = wrong;
    labelled.set({"metadata", "labels", "team"}, "inference");
    CO_ASSERT_OK(co_await validation.validate(ctx, update(wrong, labelled)));
    Status const refused = co_await validation.validate(ctx, update(rollout(), wrong));
    EXPECT_FALSE(refused);
}

}   // namespace
}   // namespace aviary::rollout
