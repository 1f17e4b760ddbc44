// What a request's Accept header, selectors and options ask of the objects it reads.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "kube/apiserver/builtin/table.h"
#include "kube/apiserver/registry.h"
#include "kube/apiserver/store/store.h"
#include "kube/client/transport.h"
#include "kube/meta/selector.h"

namespace aviary::apiserver {

// Objects as they are, or as a Table or PartialObjectMetadata of meta.k8s.io.
enum class Form { kPlain, kTable, kPartial };
struct Shape {
    Form form = Form::kPlain;
    std::string api_version = "meta.k8s.io/v1";
    static Shape of(std::string_view accept);
};

builtin::TableOptions table_options(client::Request const& request, Shape const& shape);

// Label and field selectors.
class Filter {
public:
    // BadRequest for what cannot be understood and for fields that the resource cannot be selected by.
    static Result<Filter> of(client::Request const& request, ResourceInfo const& info, std::string const& name = {});

    bool all() const { return labels_.empty() && name_.empty() && fields_.empty(); }
    bool matches(json::Doc const& object) const;
    // The one name that can match; empty: any. Such a list is a get.
    std::string const& name() const { return name_; }

private:
    meta::LabelSelector labels_;
    meta::FieldSelector fields_;   // empty when the name is all that is asked
    std::string name_;
};

// Of resourceVersion and the like; "" and "0" mean any.
Result<store::Revision> revision_from(std::string_view text);
bool is_true(std::string_view text);

// Invalid list or watch options, in Kubernetes' words.
Error bad_option(std::string field, std::string message);

}   // namespace aviary::apiserver
