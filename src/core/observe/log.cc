#include "core/observe/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

namespace aviary::observe {

namespace {

std::atomic<Level> current_level{Level::kWarning};

std::shared_ptr<spdlog::logger> make(spdlog::sink_ptr sink) {
    auto logger = std::make_shared<spdlog::logger>("aviary", std::move(sink));
    logger->set_level(spdlog::level::trace);
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %L %v");
    logger->flush_on(spdlog::level::info);
    return logger;
}

std::shared_ptr<spdlog::logger>& sink() {
    static auto logger = make(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    return logger;
}

// A value on one line, whatever came from outside.
void append_quoted(std::string& text, std::string_view value) {
    if (!value.empty() && value.find_first_of(" \"=\n\r\t\x1b") == std::string_view::npos) {
        text += value;
        return;
    }
    text += '"';
    for (char letter : value) {
        if (letter == '"' || letter == '\\') {
            text += '\\';
            text += letter;
        } else if (static_cast<unsigned char>(letter) < 0x20) {
            text += fmt::format("\\x{:02x}", static_cast<unsigned char>(letter));
        } else {
            text += letter;
        }
    }
    text += '"';
}

void append(std::string& text, std::initializer_list<Field> fields) {
    for (Field const& field : fields) {
        text += ' ';
        text += field.key;
        text += '=';
        append_quoted(text, field.value);
    }
}

spdlog::level::level_enum spdlog_level(Level level) {
    switch (level) {
        case Level::kDebug: return spdlog::level::debug;
        case Level::kInfo: return spdlog::level::info;
        case Level::kWarning: return spdlog::level::warn;
        case Level::kError: return spdlog::level::err;
        case Level::kOff: break;
    }
    return spdlog::level::off;
}

}   // namespace

Logger Logger::with(std::initializer_list<Field> fields) const {
    std::string prefix = prefix_ ? *prefix_ : std::string();
    append(prefix, fields);
    Logger logger;
    logger.prefix_ = std::make_shared<std::string const>(std::move(prefix));
    return logger;
}

void Logger::write(Level level, std::string_view message, std::initializer_list<Field> fields) const {
    if (level < current_level.load(std::memory_order_relaxed)) return;
    std::string line(message);
    append(line, fields);
    if (prefix_) line += *prefix_;
    sink()->log(spdlog_level(level), "{}", line);
}

void set_level(Level level) { current_level = level; }

Level level() { return current_level; }

bool set_log_file(std::string const& path) {
    try {
        sink() = path.empty() ? make(std::make_shared<spdlog::sinks::stderr_sink_mt>())
                              : make(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path, false));
        return true;
    } catch (spdlog::spdlog_ex const&) {
        return false;
    }
}

}   // namespace aviary::observe
