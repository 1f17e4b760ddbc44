// Texts that the cells of several kinds share, worded as kubectl shows them.
#pragma once

#include <string>
#include <string_view>

#include "core/base/time.h"
#include "core/json/doc.h"

namespace aviary::builtin::internal {

// "5m", or "<unknown>" when the text is no time.
std::string age_since(std::string_view time, Time now);
std::string age_of(json::Doc const& object, Time now);   // of metadata.creationTimestamp
std::string_view name_of(json::Doc const& object);
// "a=b,c=d" sorted, or "<none>".
std::string format_labels(json::Doc const& labels);
// metav1.LabelSelector as text: "app=x,tier in (a,b)"; empty when it selects all.
std::string selector_text(json::Doc const& selector);
// The same with "<none>" when there is nothing.
std::string format_selector(json::Doc const& selector);
// Names and images of containers, joined by commas.
std::string container_names(json::Doc const& containers);
std::string container_images(json::Doc const& containers);
// An int-or-string or any scalar as text; empty when absent.
std::string scalar_text(json::Doc const& value);
std::string text_or(json::Doc const& value, std::string_view fallback);
// "a,b + 3 more..."
std::string with_more(std::string list, bool more, int count, int shown);

}   // namespace aviary::builtin::internal
