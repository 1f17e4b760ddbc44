#include "kube/meta/pods.h"

#include <fmt/format.h>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "kube/meta/object.h"

namespace aviary::meta {

namespace {

using json::Doc;

bool ignored_label(std::string_view key) { return key == kTemplateHashLabel; }

bool same_labels(Doc const& left, Doc const& right) {
    std::size_t count = 0;
    for (auto const& [key, value] : left.members()) {
        if (ignored_label(key)) continue;
        if (right[key].as_string("\n") != value.as_string()) return false;
        ++count;
    }
    std::size_t const other = right.size() - (right.contains(kTemplateHashLabel) ? 1 : 0);
    return count == other;
}

// Members of `left` are in `right`; a null is as good as none.
template <class Compare>
bool covered(Doc const& left, Doc const& right, Compare compare) {
    for (auto const& [key, value] : left.members()) {
        if (!compare(key, value, right[key])) return false;
    }
    return true;
}

bool same_metadata(Doc const& left, Doc const& right) {
    auto const compare = [](std::string_view key, Doc const& a, Doc const& b) {
        return key == "labels" || key == "creationTimestamp" || (a.is_null() && b.is_null()) || a == b;
    };
    return same_labels(left["labels"], right["labels"]) && covered(left, right, compare) &&
           covered(right, left, compare);
}

}   // namespace

bool same_template(Doc const& left, Doc const& right) {
    auto const compare = [](std::string_view key, Doc const& a, Doc const& b) {
        return key == "metadata" || (a.is_null() && b.is_null()) || a == b;
    };
    return same_metadata(left["metadata"], right["metadata"]) && covered(left, right, compare) &&
           covered(right, left, compare);
}

std::string template_hash(Doc const& pod_template, std::int64_t salt) {
    static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
    json::Value value = pod_template.thaw();
    if (json::Value* metadata = value.find("metadata")) {
        metadata->erase("creationTimestamp");
        if (json::Value* labels = metadata->find("labels")) labels->erase(kTemplateHashLabel);
    }
    std::string text = json::write_canonical(value);
    if (salt > 0) text += fmt::format("/{}", salt);
    std::string hash;
    for (char digit : std::to_string(fnv1a_32(text)))
        hash += kAlphabet[static_cast<unsigned char>(digit) % kAlphabet.size()];
    return hash;
}

bool is_finished(Doc const& pod) {
    std::string_view const phase = pod.at({"status", "phase"}).as_string();
    return phase == "Succeeded" || phase == "Failed";
}

bool is_active(Doc const& pod) { return !is_finished(pod) && !is_deleting(pod); }
bool is_ready(Doc const& pod) { return condition_is_true(pod, "Ready"); }

}   // namespace aviary::meta
