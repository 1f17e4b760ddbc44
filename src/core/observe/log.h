// Logging: a constant message and key/values, as logr and klog do. spdlog ends in log.cc. Thread-safe.
// Secrets must never be passed here.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace aviary::observe {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

// One key and its value as text.
struct Field {
    template <class T>
    Field(std::string_view key, T const& value) : key(key), value(fmt::format("{}", value)) {}
    std::string_view key;
    std::string value;
};

// Cheap to copy. A default-constructed Logger writes with no prefix to the process's sink.
class Logger {
public:
    Logger() = default;
    // A logger whose lines also carry these fields ("controller", "rollout" …).
    Logger with(std::initializer_list<Field> fields) const;

    void debug(std::string_view message, std::initializer_list<Field> fields = {}) const {
        write(Level::kDebug, message, fields);
    }
    void info(std::string_view message, std::initializer_list<Field> fields = {}) const {
        write(Level::kInfo, message, fields);
    }
    void warning(std::string_view message, std::initializer_list<Field> fields = {}) const {
        write(Level::kWarning, message, fields);
    }
    void error(std::string_view message, std::initializer_list<Field> fields = {}) const {
        write(Level::kError, message, fields);
    }

private:
    void write(Level level, std::string_view message, std::initializer_list<Field> fields) const;
    std::shared_ptr<std::string const> prefix_;
};

// Process-wide; lines below it cost a comparison. Starts at kWarning so that tests are quiet.
void set_level(Level level);
Level level();
// Appends to a file from now on; empty: standard error. False when the file cannot be opened.
bool set_log_file(std::string const& path);

}   // namespace aviary::observe
