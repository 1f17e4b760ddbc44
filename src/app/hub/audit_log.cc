#include "app/hub/audit_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/json/parse.h"

namespace aviary::hub {

namespace {

constexpr std::size_t kMostSaid = 100'000;   // of standard output, that are remembered, once more as many before these

std::string key_of(std::string_view uid, std::string_view stage) { return fmt::format("{}/{}", uid, stage); }

// What a file has said; whether it ends within a line, too. A line that cannot be read was not said.
bool read_keys(std::string const& path, std::set<std::string>& keys) {
    std::ifstream file(path, std::ios::binary);
    bool torn = false;
    for (std::string line; std::getline(file, line);) {
        torn = file.eof();
        auto const entry = json::parse(line);
        if (entry) keys.insert(key_of(entry->at({"decision", "uid"}).as_string(), (*entry)["stage"].as_string()));
    }
    return torn;
}

Status problem(std::string_view what, std::string const& path) {
    return fail(ErrorCode::kUnavailable, fmt::format("{} the audit log {}: {}", what, path, std::strerror(errno)));
}

Status write_all(int file, std::string_view text, std::string const& path) {
    while (!text.empty()) {
        ssize_t const count = ::write(file, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return problem("writing", path);
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

}   // namespace

AuditLog::AuditLog(std::string path, observe::Metrics const& metrics, std::size_t largest)
    : path_(std::move(path)),
      largest_(largest),
      written_(metrics.counter("aviary_audit_lines_total", "Lines of the audit log that were written.")),
      failed_(metrics.counter("aviary_audit_failures_total", "Lines of the audit log that could not be written.")) {}

Result<std::shared_ptr<AuditLog>> AuditLog::open(std::string path, observe::Metrics const& metrics,
                                                 std::size_t largest) {
    std::shared_ptr<AuditLog> log(new AuditLog(std::move(path), metrics, largest));
    if (log->path_ == "-") return log;
    TRY(log->append_here(""));
    log->remember();
    return log;
}

void AuditLog::remember() {
    (void)read_keys(path_ + ".1", said_before_);
    torn_ = read_keys(path_, said_);
}

void AuditLog::write(decision::AuditEntry const& entry) {
    std::string key = key_of(entry.uid, entry.stage);
    if (said_.contains(key) || said_before_.contains(key)) return;
    if (Status const done = append(entry.line + "\n"); !done) {
        failed_.add();
        observe::Logger().error("a line of the audit log is missing",
                                {{"decision", entry.uid}, {"stage", entry.stage}, {"error", done.error().message()}});
        return;
    }
    written_.add();
    said_.insert(std::move(key));
    // Without a file that changes these would be kept for ever.
    if (path_ == "-" && said_.size() >= kMostSaid) said_before_ = std::exchange(said_, {});
}

Status AuditLog::append(std::string const& text) {
    if (path_ == "-") {
        TRY(write_all(STDOUT_FILENO, text, "on standard output"));
        return {};
    }
    std::error_code ignored;
    auto const size = std::filesystem::file_size(path_, ignored);
    if (!ignored && size > 0 && size + text.size() > largest_) {
        if (::rename(path_.c_str(), (path_ + ".1").c_str()) != 0) return problem("renaming", path_);
        said_before_ = std::exchange(said_, {});
        torn_ = false;
    }
    return append_here(text);
}

// Opened anew for each line, as few as they are: somebody may have moved the file away.
Status AuditLog::append_here(std::string const& text) {
    int const file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) return problem("opening", path_);
    Status const done = write_all(file, torn_ && !text.empty() ? "\n" + text : text, path_);
    torn_ = text.empty() ? torn_ : !done;
    ::close(file);
    return done;
}

}   // namespace aviary::hub
