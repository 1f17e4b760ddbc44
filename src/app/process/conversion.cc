#include "app/process/conversion.h"

#include <utility>

#include "apis/crds.h"
#include "apis/rollouts/conversion.h"

namespace aviary::process {

using json::Value;

webhook::Converter converter() { return apis::convert; }

std::vector<Value> converted_definitions(webhook::Address const& address, std::string const& authorities) {
    std::vector<Value> result;
    for (Value& definition : apis::member_crds()) {
        if (!std::as_const(definition)["spec"].contains("conversion")) continue;
        definition["spec"]["conversion"] = webhook::conversion(address, authorities);
        result.push_back(std::move(definition));
    }
    return result;
}

}   // namespace aviary::process
