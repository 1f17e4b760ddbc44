// For tests: what is allocated and not freed, by the allocator that the program is linked with.
#pragma once

#include <malloc.h>

#include <cstddef>
#include <cstdint>

#include "core/base/check.h"

// jemalloc's, where that is the allocator.
extern "C" [[gnu::weak]] int mallctl(char const* name, void* old, std::size_t* old_size, void* next, std::size_t size);

namespace aviary {

// By this thread; of glibc by all threads. Meaningless alone: compare two of them.
inline std::int64_t bytes_held() {
    if (mallctl == nullptr) {
        struct mallinfo2 const info = mallinfo2();
        return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
    }
    auto const count = [](char const* name) {
        std::uint64_t bytes = 0;
        std::size_t size = sizeof bytes;
        AVIARY_CHECK(mallctl(name, &bytes, &size, nullptr, 0) == 0);
        return static_cast<std::int64_t>(bytes);
    };
    return count("thread.allocated") - count("thread.deallocated");
}

}   // namespace aviary
