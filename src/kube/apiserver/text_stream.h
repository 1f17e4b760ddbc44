// TextStream: a watch that can also give its events as text, made once for all watches that show the same.
#pragma once

#include <optional>
#include <string>

#include "core/async/context.h"
#include "core/async/task.h"

namespace aviary::apiserver {

class TextStream {
public:
    virtual ~TextStream() = default;
    // At least one event, one a line, with those that are already there; empty at the end.
    virtual Task<Result<std::optional<std::string>>> next_text(Context ctx) = 0;
};

}   // namespace aviary::apiserver
