#include "member/workload/internal/strategy.h"

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"

namespace aviary::workload {

std::string Strategy::to_text() const {
    json::Value value{json::Object{{"rollingStyle", style}}};
    if (rolling_update.is_object()) value["rollingUpdate"] = rolling_update;
    value["paused"] = paused;
    value["partition"] = partition.to_value();
    if (!original_type.empty()) value["originalType"] = original_type;
    if (!promotes.empty()) value["promotes"] = promotes;
    if (!granted_to.empty()) value["grantedTo"] = granted_to;
    return json::write(value);
}

std::optional<Strategy> parse_strategy(std::string_view text) {
    if (text.empty()) return std::nullopt;
    auto const parsed = json::parse(text);
    if (!parsed || !parsed->is_object()) return std::nullopt;
    json::Doc const& doc = *parsed;
    Strategy result;
    result.style = doc["rollingStyle"].string();
    result.rolling_update = doc["rollingUpdate"].thaw();
    result.paused = doc["paused"].as_bool();
    result.partition = meta::IntOrPercent::from(doc["partition"]).value_or(meta::IntOrPercent());
    result.original_type = doc["originalType"].string();
    result.promotes = doc["promotes"].string();
    result.granted_to = doc["grantedTo"].string();
    return result;
}

std::optional<json::Value> own_strategy(Strategy const& strategy) {
    if (strategy.original_type == "Recreate") return std::nullopt;
    json::Value value{json::Object{{"type", "RollingUpdate"}}};
    if (strategy.rolling_update.is_object()) value["rollingUpdate"] = strategy.rolling_update;
    return value;
}

std::optional<Strategy> strategy_of(json::Doc const& deployment) {
    auto strategy = parse_strategy(meta::annotation(deployment, apis::kDeploymentStrategyAnnotation));
    if (!strategy || strategy->granted_to.empty()) return strategy;
    if (strategy->granted_to != meta::template_hash(deployment.at({"spec", "template"}))) strategy->paused = true;
    return strategy;
}

Budget budget_of(json::Value const& rolling_update, std::int64_t replicas) {
    json::Doc const update = json::Doc::freeze(rolling_update);
    Budget budget;
    budget.surge = std::max<std::int64_t>(0, meta::scaled(update["maxSurge"], replicas, true, "25%"));
    budget.unavailable = std::max<std::int64_t>(0, meta::scaled(update["maxUnavailable"], replicas, false, "25%"));
    if (budget.surge == 0 && budget.unavailable == 0) budget.unavailable = 1;
    budget.unavailable = std::min(budget.unavailable, replicas);
    return budget;
}

}   // namespace aviary::workload
