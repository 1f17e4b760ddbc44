#include "core/json/write.h"
#include "kube/apiserver/builtin/protobuf.h"

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    std::string_view const text(reinterpret_cast<char const*>(data), size);
    auto value = aviary::builtin::decode_protobuf(text);
    if (!value) value = aviary::builtin::decode_protobuf(std::string("k8s\0", 4) + std::string(text));
    if (value) (void)aviary::json::write(*value);
    return 0;
}
