#include "app/playground/internal/holder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

namespace aviary::playground {
namespace {

struct Folder {
    std::string path;
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "aviary-XXXXXX").string();
        path = ::mkdtemp(name.data());
        std::filesystem::create_directory(path + "/store");
    }
    ~Folder() { std::filesystem::remove_all(path); }
};

bool take_lock(std::string const& folder) {
    int const file = ::open((folder + "/store/LOCK").c_str(), O_RDWR | O_CREAT, 0600);
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return ::fcntl(file, F_SETLK, &lock) == 0;
}

// A process whose first thread has ended and whose second one ends when it is told to: what a process that was killed
// looks like while the kernel ends its threads.
TEST(Holder, WhatEndsIsWaitedFor) {
    Folder const folder;
    int tell[2], told[2];
    ASSERT_EQ(::pipe(tell), 0);
    ASSERT_EQ(::pipe(told), 0);
    pid_t const child = ::fork();
    if (child == 0) {
        if (!take_lock(folder.path)) ::_exit(1);
        std::thread([&] {
            char letter = 0;
            (void)!::write(told[1], "x", 1);
            (void)!::read(tell[0], &letter, 1);
            ::_exit(0);
        }).detach();
        ::syscall(SYS_exit, 0);
    }
    char letter = 0;
    ASSERT_EQ(::read(told[0], &letter, 1), 1);
    EXPECT_EQ(lock_holder(folder.path), child);
    while (!is_ending(child)) std::this_thread::yield();
    EXPECT_EQ(running_on(folder.path), child);
    EXPECT_FALSE(is_aviary(child));
    std::thread waits([&] { wait_while_ending(folder.path); });
    ASSERT_EQ(::write(tell[1], "x", 1), 1);
    waits.join();
    EXPECT_EQ(lock_holder(folder.path), 0);
    ::waitpid(child, nullptr, 0);
    for (int end : {tell[0], tell[1], told[0], told[1]}) ::close(end);
}

TEST(Holder, WhatRunsIsNotWaitedFor) {
    Folder const folder;
    EXPECT_FALSE(is_ending(::getpid()));
    EXPECT_EQ(running_on(folder.path), 0);
    wait_while_ending(folder.path);
    EXPECT_TRUE(is_ending(0x7fffffff)) << "nobody has this pid";
}

}   // namespace
}   // namespace aviary::playground
