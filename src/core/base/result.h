// Result<T>: a value or an Error. TRY in functions, CO_TRY and CO_TRY_ASSIGN in coroutines.
#pragma once

#include <expected>
#include <utility>

#include "core/base/error.h"

namespace aviary {

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// `return fail(ErrorCode::kInvalid, "…")` from any function that returns a Result.
inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
    return std::unexpected(Error(code, std::move(message)));
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

namespace detail {
template <class T>
T take(Result<T>& result) {
    return std::move(*result);
}
inline void take(Status&) {}
}   // namespace detail

}   // namespace aviary

#define AVIARY_CONCAT_(a, b) a##b
#define AVIARY_CONCAT(a, b) AVIARY_CONCAT_(a, b)

// `auto x = TRY(parse(text));` returns the error from the enclosing function. Not in coroutines.
#define TRY(expression)                                                         \
    ({                                                                          \
        auto try_result = (expression);                                         \
        if (!try_result) return std::unexpected(std::move(try_result).error()); \
        ::aviary::detail::take(try_result);                                     \
    })

// `CO_TRY(co_await f());` returns the error from the enclosing coroutine.
#define CO_TRY(expression)                                                               \
    do {                                                                                 \
        auto co_try_result = (expression);                                               \
        if (!co_try_result) co_return std::unexpected(std::move(co_try_result).error()); \
    } while (false)

// `CO_TRY_ASSIGN(auto x, co_await f());`
#define CO_TRY_ASSIGN(declaration, ...) \
    CO_TRY_ASSIGN_(AVIARY_CONCAT(co_try_result_, __LINE__), declaration, (__VA_ARGS__))
#define CO_TRY_ASSIGN_(temporary, declaration, expression)                   \
    auto temporary = expression;                                             \
    if (!temporary) co_return std::unexpected(std::move(temporary).error()); \
    declaration = std::move(*temporary)
