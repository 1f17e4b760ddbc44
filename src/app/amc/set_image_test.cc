#include "app/amc/set_image.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::amc {
namespace {

std::string shown(std::vector<std::string> const& words) {
    auto const images = parse_images(words);
    if (!images) return "error: " + images.error().message();
    auto const patch =
        image_patch(json::Doc::freeze(*json::parse_value(
                        R"({"spec":{"template":{"spec":{"initContainers":[{"name":"load","image":"load:v1"}],
            "containers":[{"name":"vllm","image":"vllm:v1"},{"name":"proxy","image":"proxy:v1"}]}}}})")),
                    *images);
    return patch ? json::write(*patch) : "error: " + patch.error().message();
}

TEST(SetImage, ChangesTheContainersThatAreNamed) {
    EXPECT_EQ(shown({"vllm=reg:5000/vllm:v2"}),
              R"({"spec":{"template":{"spec":{"containers":[{"name":"vllm","image":"reg:5000/vllm:v2"}]}}}})");
    EXPECT_EQ(shown({"load=load:v2", "proxy=proxy:v2"}),
              R"({"spec":{"template":{"spec":{"containers":[{"name":"proxy","image":"proxy:v2"}],)"
              R"("initContainers":[{"name":"load","image":"load:v2"}]}}}})");
    EXPECT_EQ(shown({"*=vllm:v1"}), R"({"spec":{"template":{"spec":{"containers":[{"name":"proxy","image":"vllm:v1"}],)"
                                    R"("initContainers":[{"name":"load","image":"vllm:v1"}]}}}})");
    EXPECT_EQ(shown({"vllm=vllm:v1"}), "null");
    EXPECT_EQ(shown({"web=v2"}), "error: it has no container \"web\", but vllm, proxy");
    for (char const* word : {"vllm", "=v2", "vllm="})
        EXPECT_EQ(shown({word}), std::string("error: \"") + word + "\" is not CONTAINER=IMAGE");
    EXPECT_EQ(shown({}), "error: say what is to change: CONTAINER=IMAGE");
}

TEST(SetImage, OfWhatRunsNothingSaysSo) {
    json::Doc const service =
        json::Doc::freeze(*json::parse_value(R"({"kind":"Service","spec":{"selector":{"app":"web"}}})"));
    for (char const* word : {"vllm=v2", "*=v2"}) {
        auto const patch = image_patch(service, *parse_images({word}));
        ASSERT_FALSE(patch);
        EXPECT_EQ(patch.error().message(),
                  "a Service has no pod template with containers: name a workload, such as deployment/NAME");
    }
}

}   // namespace
}   // namespace aviary::amc
