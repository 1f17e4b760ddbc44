#include "kube/apiserver/builtin/roles.h"

#include "kube/apiserver/builtin/internal/facts.h"

namespace aviary::builtin {

std::vector<json::Doc> default_roles() {
    std::vector<json::Doc> out;
    for (auto [_, role] : internal::facts()["roles"].elements()) out.push_back(role);
    return out;
}

}   // namespace aviary::builtin
