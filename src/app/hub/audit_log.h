// The audit log: a line for each thing that people decided, appended to a file. One of a limited size: it and the one
// before it are kept. Lives on the hub's loop.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "core/base/result.h"
#include "core/observe/log.h"
#include "core/observe/metrics.h"
#include "hub/decision/audit.h"

namespace aviary::hub {

inline constexpr std::size_t kLargestAuditLog = 16 << 20;   // then it becomes FILE.1, in the place of the one before

class AuditLog {
public:
    // A path, or "-" for standard output. What the file says already is not said again. An Error when it cannot be
    // written at all.
    static Result<std::shared_ptr<AuditLog>> open(std::string path, observe::Metrics const& metrics = {},
                                                  std::size_t largest = kLargestAuditLog);

    // What cannot be written is said in the log and counted; nothing waits for it. A hub that starts later writes it,
    // while the Decision is kept.
    void write(decision::AuditEntry const& entry);

    // Keeps the log alive.
    static decision::AuditSink sink(std::shared_ptr<AuditLog> log) {
        return [log = std::move(log)](decision::AuditEntry const& entry) { log->write(entry); };
    }

private:
    AuditLog(std::string path, observe::Metrics const& metrics, std::size_t largest);
    void remember();
    Status append(std::string const& text);
    Status append_here(std::string const& text);

    std::string path_;
    std::size_t largest_;
    observe::Counter written_, failed_;
    std::set<std::string> said_, said_before_;   // what this file has, and the one before it
    bool torn_ = false;                          // the file ends within a line
};

}   // namespace aviary::hub
