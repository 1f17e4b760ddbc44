// CO_TEST(Suite, Name) { … co_await … }: a GoogleTest whose body is a coroutine run in a VirtualExecutor; `ctx` is its
// Context.
#pragma once

#include <gtest/gtest.h>

#include "core/async/virtual_executor.h"

#define CO_TEST(suite, name)                                                  \
    static ::aviary::Task<void> suite##_##name##_body(::aviary::Context ctx); \
    TEST(suite, name) {                                                       \
        ::aviary::async::VirtualExecutor executor;                            \
        executor.run(suite##_##name##_body(::aviary::Context(executor)));     \
    }                                                                         \
    static ::aviary::Task<void> suite##_##name##_body([[maybe_unused]] ::aviary::Context ctx)

// ASSERT_* returns, which a coroutine cannot; these co_return.
#define CO_ASSERT_TRUE(condition)        \
    do {                                 \
        if (!(condition)) {              \
            ADD_FAILURE() << #condition; \
            co_return;                   \
        }                                \
    } while (false)
#define CO_ASSERT_OK(result)                                                        \
    do {                                                                            \
        auto const& co_assert_result = (result);                                    \
        if (!co_assert_result) {                                                    \
            ADD_FAILURE() << #result << ": " << co_assert_result.error().message(); \
            co_return;                                                              \
        }                                                                           \
    } while (false)
