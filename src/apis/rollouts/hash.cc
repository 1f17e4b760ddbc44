#include "apis/rollouts/hash.h"

#include <array>

#include "core/crypto/certificate.h"
#include "core/json/write.h"

namespace aviary::apis {

namespace {

using json::Doc;
using json::Value;

bool is_empty(Doc const& doc) {
    if (doc.is_null()) return true;
    if (doc.is_bool()) return !doc.as_bool();
    if (doc.is_string()) return doc.as_string().empty();
    return doc.is_array() && doc.size() == 0;
}

// As Go marshals a struct: members in its order, empty ones left out.
Value ordered(Doc const& doc, std::initializer_list<std::string_view> keys) {
    Value result{json::Object()};
    for (std::string_view key : keys) {
        if (!is_empty(doc[key])) result[key] = doc[key].thaw();
    }
    return result;
}

// encoding/json escapes what HTML gives a meaning.
std::string go_json(Value const& value) {
    std::string const plain = json::write(value);
    if (plain.find_first_of("<>&") == std::string::npos) return plain;
    std::string text;
    for (char each : plain) {
        if (each == '<') {
            text += "\\u003c";
        } else if (each == '>') {
            text += "\\u003e";
        } else if (each == '&') {
            text += "\\u0026";
        } else {
            text += each;
        }
    }
    return text;
}

// Of the objects asked about last: whoever looks at one does so several times before it changes.
class Remembered {
public:
    template <typename Compute>
    std::string of(Doc const& object, Compute compute) {
        for (Entry const& each : entries_) {
            if (each.object.exists() && each.object.same(object)) return each.hash;
        }
        Entry& oldest = entries_[next_++ % entries_.size()];
        oldest = {object, compute(object)};
        return oldest.hash;
    }

private:
    struct Entry {
        Doc object;
        std::string hash;
    };
    std::array<Entry, 16> entries_;
    std::size_t next_ = 0;
};

std::string compute_plan_hash(Doc const& rollout) {
    static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
    Doc const strategy = rollout.at({"spec", "strategy"});
    Doc const plan = strategy["canary"].exists() ? strategy["canary"] : strategy["blueGreen"];
    json::Array steps;
    for (auto const& [key, step] : plan["steps"].elements()) {
        Value each = ordered(step, {"traffic", "requestHeaderModifier", "matches", "replicas"});
        each["pause"] = json::Object();
        steps.push_back(std::move(each));
    }
    Value value{json::Object()};
    if (!steps.empty()) value["steps"] = std::move(steps);
    Value const rest = ordered(plan, {"trafficRoutings", "patchPodTemplateMetadata", "enableExtraWorkloadForCanary",
                                      "trafficRoutingRef", "disableGenerateCanaryService"});
    for (auto const& [key, member] : rest.object()) value[key] = member;
    std::string hash;
    for (char digit : crypto::sha256_hex(go_json(value)))
        hash += kAlphabet[static_cast<unsigned char>(digit) % kAlphabet.size()];
    return hash;
}

std::string compute_release_plan_hash(Doc const& batch_release) {
    Doc const plan = batch_release.at({"spec", "releasePlan"});
    Value value = ordered(plan, {"batches"});
    if (plan["batchPartition"].is_int()) value["batchPartition"] = plan["batchPartition"].as_int();
    Value const rest = ordered(
        plan, {"rolloutID", "failureThreshold", "finalizingPolicy", "patchPodTemplateMetadata", "rollingStyle"});
    for (auto const& [key, member] : rest.object()) value[key] = member;
    value["enableExtraWorkloadForCanary"] = plan["enableExtraWorkloadForCanary"].as_bool();
    return crypto::sha256_hex(go_json(value));
}

}   // namespace

std::string plan_hash(Doc const& rollout) {
    thread_local Remembered remembered;
    return remembered.of(rollout, compute_plan_hash);
}

std::string release_plan_hash(Doc const& batch_release) {
    thread_local Remembered remembered;
    return remembered.of(batch_release, compute_release_plan_hash);
}

}   // namespace aviary::apis
