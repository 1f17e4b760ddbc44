#include "hub/proxy/answers.h"

#include "kube/client/transport.h"

namespace aviary::proxy {

void put_answer(json::Value& row, Result<json::Doc> const& answer, bool table) {
    if (!answer) {
        row["error"] = answer.error().message();
        row["reason"] = to_string(answer.error().code());
        if (client::no_answer(answer.error())) row["reachable"] = false;
    } else if (table) {
        row["table"] = answer->thaw();
    } else if ((*answer)["items"].is_array()) {
        row["items"] = (*answer)["items"].thaw();
    } else {
        row["items"] = json::Array{answer->thaw()};
    }
}

}   // namespace aviary::proxy
