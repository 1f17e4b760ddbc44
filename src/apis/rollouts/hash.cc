#include "apis/rollouts/hash.h"

#include <array>
#include <cstdint>
#include <map>
#include <span>

#include "core/crypto/certificate.h"
#include "core/json/write.h"

namespace aviary::apis {

namespace {

using json::Doc;
using json::Value;

// When Go writes a member of a struct.
enum class Written : std::uint8_t {
    kUnlessEmpty,   // omitempty: not "", 0, false, nor what has no entries
    kIfSet,         // omitempty of a pointer: whenever the document has it
    kAlways,        // no omitempty: a text, "" when the document has none
};

struct Member;
using Struct = std::span<Member const>;

struct Member {
    std::string_view key;
    Written written = Written::kUnlessEmpty;
    Struct type{};   // of an object, or of each entry of a list; empty: a map or no object
};

// Upstream's types, and those of the Gateway API in them: a document may have the same members in any order.
constexpr std::array kHttpHeader{Member{"name", Written::kAlways}, Member{"value", Written::kAlways}};
constexpr std::array kHttpHeaderFilter{Member{"set", {}, kHttpHeader}, Member{"add", {}, kHttpHeader},
                                       Member{"remove"}};
constexpr std::array kPathMatch{Member{"type", Written::kIfSet}, Member{"value", Written::kIfSet}};
constexpr std::array kNamedMatch{Member{"type", Written::kIfSet}, Member{"name", Written::kAlways},
                                 Member{"value", Written::kAlways}};
constexpr std::array kHttpRouteMatch{Member{"path", Written::kIfSet, kPathMatch}, Member{"headers", {}, kNamedMatch},
                                     Member{"queryParams", {}, kNamedMatch}};
constexpr std::array kStep{Member{"traffic", Written::kIfSet},
                           Member{"requestHeaderModifier", Written::kIfSet, kHttpHeaderFilter},
                           Member{"matches", {}, kHttpRouteMatch}, Member{"replicas", Written::kIfSet}};
constexpr std::array kIngress{Member{"classType"}, Member{"name", Written::kAlways}};
// grpcRouteName: only here, so behind upstream's.
constexpr std::array kGateway{Member{"httpRouteName", Written::kIfSet}, Member{"grpcRouteName"}};
constexpr std::array kObjectRef{Member{"apiVersion", Written::kAlways}, Member{"kind", Written::kAlways},
                                Member{"name", Written::kAlways}};
constexpr std::array kTrafficRouting{
    Member{"service", Written::kAlways}, Member{"gracePeriodSeconds"}, Member{"ingress", Written::kIfSet, kIngress},
    Member{"gateway", Written::kIfSet, kGateway}, Member{"customNetworkRefs", {}, kObjectRef}};
constexpr std::array kPodMetadata{Member{"annotations"}, Member{"labels"}};
// Behind the steps, and without failureThreshold: that is no change of the plan.
constexpr std::array kStrategy{
    Member{"trafficRoutings", {}, kTrafficRouting}, Member{"patchPodTemplateMetadata", Written::kIfSet, kPodMetadata},
    Member{"enableExtraWorkloadForCanary"}, Member{"trafficRoutingRef"}, Member{"disableGenerateCanaryService"}};
constexpr std::array kReleasePlan{
    Member{"batches"},          Member{"batchPartition", Written::kIfSet},
    Member{"rolloutID"},        Member{"failureThreshold", Written::kIfSet},
    Member{"finalizingPolicy"}, Member{"patchPodTemplateMetadata", Written::kIfSet, kPodMetadata},
    Member{"rollingStyle"}};

bool is_empty(Doc const& doc) {
    if (doc.is_bool()) return !doc.as_bool();
    if (doc.is_int()) return doc.as_int() == 0;
    if (doc.is_string()) return doc.as_string().empty();
    return doc.size() == 0;
}

Value as_go(Doc const& doc, Struct type);

void add_as_go(Value& result, Doc const& object, Struct type) {
    for (Member const& member : type) {
        Doc const each = object[member.key];
        if (member.written == Written::kAlways) {
            result[member.key] = each.string();
        } else if (!each.is_null() && (member.written == Written::kIfSet || !is_empty(each))) {
            result[member.key] = as_go(each, member.type);
        }
    }
}

// As encoding/json writes it: a struct's members in the order of its fields, a map's by key.
Value as_go(Doc const& doc, Struct type) {
    if (doc.is_array()) {
        json::Array entries;
        for (auto const& [key, entry] : doc.elements()) entries.push_back(as_go(entry, type));
        return entries;
    }
    if (!doc.is_object()) return doc.thaw();
    Value result{json::Object()};
    if (!type.empty()) {
        add_as_go(result, doc, type);
        return result;
    }
    std::map<std::string, Doc> sorted;
    for (auto const& [key, member] : doc.members()) sorted.emplace(key, member);
    for (auto const& [key, member] : sorted) result[key] = as_go(member, {});
    return result;
}

// encoding/json escapes what HTML and JavaScript give a meaning.
std::string go_json(Value const& value) {
    std::string text = json::write(value);
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kEscapes{
        {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}, {"\u2028", "\\u2028"}, {"\u2029", "\\u2029"}}};
    for (auto const& [from, to] : kEscapes) {
        for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
            text.replace(at, from.size(), to);
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
    Value value{json::Object()};
    if (plan["steps"].size() > 0) {
        json::Array steps;
        for (auto const& [key, step] : plan["steps"].elements()) {
            Value each = as_go(step, kStep);
            each["pause"] = json::Object();
            steps.push_back(std::move(each));
        }
        value["steps"] = std::move(steps);
    }
    add_as_go(value, plan, kStrategy);
    std::string hash;
    for (char digit : crypto::sha256_hex(go_json(value)))
        hash += kAlphabet[static_cast<unsigned char>(digit) % kAlphabet.size()];
    return hash;
}

std::string compute_release_plan_hash(Doc const& batch_release) {
    Doc const plan = batch_release.at({"spec", "releasePlan"});
    Value value{json::Object()};
    add_as_go(value, plan, kReleasePlan);
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
