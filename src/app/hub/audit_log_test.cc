#include "app/hub/audit_log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace aviary::hub {
namespace {

struct AuditLogs : testing::Test {
    AuditLogs() {
        std::string name = (std::filesystem::temp_directory_path() / "aviary-audit-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
        path = folder + "/audit.log";
    }
    ~AuditLogs() override { std::filesystem::remove_all(folder); }

    static decision::AuditEntry entry(std::string const& uid, std::string const& stage) {
        return {uid, stage, fmt::format(R"({{"stage":"{}","decision":{{"uid":"{}"}}}})", stage, uid)};
    }
    static std::string text(std::string const& file) {
        std::ifstream in(file);
        std::ostringstream all;
        all << in.rdbuf();
        return all.str();
    }
    // "a/Requested b/Settled", as lines.
    std::string lines(std::string const& file) const {
        std::istringstream all(text(file));
        std::string found;
        for (std::string line; std::getline(all, line);)
            found += line.substr(10, 1) + line.substr(line.size() - 4, 1) + " ";
        return found;
    }

    std::string folder, path;
};

TEST_F(AuditLogs, AppendsForTheOwnerAlone) {
    auto log = AuditLog::open(path);
    ASSERT_TRUE(log) << log.error().message();
    (*log)->write(entry("a", "Requested"));
    (*log)->write(entry("a", "Settled"));
    (*log)->write(entry("a", "Settled"));
    EXPECT_EQ(lines(path), "Ra Sa ");
    struct stat found{};
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600U);
}

// A hub that starts tells of every Decision that is kept: what is there is not said again, what is missing is.
TEST_F(AuditLogs, WhatIsThereIsNotSaidAgain) {
    {
        auto log = AuditLog::open(path);
        ASSERT_TRUE(log);
        (*log)->write(entry("a", "Requested"));
    }
    std::ofstream(path, std::ios::app) << R"({"stage":"Settled","deci)";   // a crash
    auto log = AuditLog::open(path);
    ASSERT_TRUE(log);
    (*log)->write(entry("a", "Requested"));
    (*log)->write(entry("a", "Settled"));
    EXPECT_EQ(text(path), entry("a", "Requested").line + "\n" + R"({"stage":"Settled","deci)" + "\n" +
                              entry("a", "Settled").line + "\n");
}

TEST_F(AuditLogs, IsBoundedAndKeepsTheOneBefore) {
    std::size_t const two = 2 * (entry("a", "Requested").line.size() + 1);
    auto log = AuditLog::open(path, {}, two);
    ASSERT_TRUE(log);
    for (char const* uid : {"a", "b", "c"}) (*log)->write(entry(uid, "Requested"));
    EXPECT_EQ(lines(path + ".1"), "Ra Rb ");
    EXPECT_EQ(lines(path), "Rc ");
    (*log)->write(entry("a", "Requested"));
    EXPECT_EQ(lines(path), "Rc ") << "the one before has it";
    for (char const* uid : {"d", "e"}) (*log)->write(entry(uid, "Requested"));
    EXPECT_EQ(lines(path + ".1"), "Rc Rd ");
    EXPECT_EQ(lines(path), "Re ");
}

TEST_F(AuditLogs, WhatCannotBeWrittenIsCountedAndStopsNothing) {
    observe::Registry registry;
    observe::Metrics const metrics(registry);
    auto log = AuditLog::open(path, metrics);
    ASSERT_TRUE(log);
    observe::set_level(observe::Level::kOff);
    std::filesystem::remove_all(folder);
    (*log)->write(entry("a", "Requested"));
    observe::set_level(observe::Level::kWarning);
    EXPECT_EQ(metrics.counter("aviary_audit_failures_total", "").value(), 1);
    std::filesystem::create_directories(folder);
    (*log)->write(entry("b", "Requested"));
    (*log)->write(entry("a", "Requested"));
    EXPECT_EQ(lines(path), "Rb Ra ");
    EXPECT_EQ(metrics.counter("aviary_audit_lines_total", "").value(), 2);
}

TEST_F(AuditLogs, AFolderThatIsNotThereIsAnError) {
    auto const log = AuditLog::open(folder + "/missing/audit.log");
    ASSERT_FALSE(log);
    EXPECT_NE(log.error().message().find("missing/audit.log: No such file"), std::string::npos);
}

}   // namespace
}   // namespace aviary::hub
