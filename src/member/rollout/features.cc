#include "member/rollout/features.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/strings.h"

namespace aviary::rollout {

namespace {

struct FixedGate {
    std::string_view name;
    bool value;
    std::string_view why;
};

constexpr std::array kFixedGates{
    FixedGate{"AdvancedDeployment", true,
              "Deployments are released in steps by their own ReplicaSets, without restarts"},
    FixedGate{
        "AppendPodSelector", true,
        "in canary style the canary Service selects by the labels of patchPodTemplateMetadata, which its pods have"},
    FixedGate{"KeepWorkloadPausedOnRolloutDeletion", false,
              "a Rollout that is deleted gives its workload back, or a rollback would end half-way; "
              "aviary uninstall --release-in-progress hold leaves workloads paused"},
};

constexpr std::string_view kWorkers = "16 objects of a kind are worked on at once, and most of the time they wait";
constexpr std::string_view kUnused = "upstream's manager does not use it either";
constexpr std::string_view kLog = "the log goes to standard error, always in the same detail";
constexpr std::string_view kPorts =
    "give --health-port and --bind-address: /healthz, /readyz and /metrics have one port";

constexpr std::array kManagerFlags{
    ManagerFlag{.name = "--partition-percent-limit",
                .only = "50",
                .why = "pods that are not there any more cannot have their share of the requests"},
    ManagerFlag{.name = "--leader-elect",
                .only = "true",
                .why = "the replica that holds the Lease leads, also where there is one alone",
                .alone = true},
    ManagerFlag{.name = "--disable-no-deepcopy", .only = "", .why = "what was read is never changed", .alone = true},
    ManagerFlag{.name = "--expectation-timeout", .only = "", .why = "copies are waited for by their resourceVersion"},
    ManagerFlag{.name = "--grace-timeout", .only = "", .why = kUnused},
    ManagerFlag{.name = "--rate-limiter-base-delay", .only = "", .why = kUnused},
    ManagerFlag{.name = "--rate-limiter-max-delay", .only = "", .why = kUnused},
    ManagerFlag{.name = "--rate-limiter-qps", .only = "", .why = kUnused},
    ManagerFlag{.name = "--rate-limiter-bucket-size", .only = "", .why = kUnused},
    ManagerFlag{.name = "--rollout-workers", .only = "", .why = kWorkers},
    ManagerFlag{.name = "--batchrelease-workers", .only = "", .why = kWorkers},
    ManagerFlag{.name = "--trafficrouting-workers", .only = "", .why = kWorkers},
    ManagerFlag{.name = "--rollouthistory-workers", .only = "", .why = kWorkers},
    ManagerFlag{.name = "--deployment-workers", .only = "", .why = kWorkers},
    ManagerFlag{.name = "--nativedaemonset-workers", .only = "", .why = kWorkers},
    ManagerFlag{.name = "-v", .only = "", .why = kLog},
    ManagerFlag{.name = "--v", .only = "", .why = kLog},
    ManagerFlag{.name = "--vmodule", .only = "", .why = kLog},
    ManagerFlag{.name = "--logtostderr", .only = "", .why = kLog, .alone = true},
    ManagerFlag{.name = "--alsologtostderr", .only = "", .why = kLog, .alone = true},
    ManagerFlag{.name = "--stderrthreshold", .only = "", .why = kLog},
    ManagerFlag{.name = "--log_dir", .only = "", .why = kLog},
    ManagerFlag{.name = "--log_file", .only = "", .why = kLog},
    ManagerFlag{.name = "--log_file_max_size", .only = "", .why = kLog},
    ManagerFlag{.name = "--log_backtrace_at", .only = "", .why = kLog},
    ManagerFlag{.name = "--add_dir_header", .only = "", .why = kLog, .alone = true},
    ManagerFlag{.name = "--skip_headers", .only = "", .why = kLog, .alone = true},
    ManagerFlag{.name = "--skip_log_headers", .only = "", .why = kLog, .alone = true},
    ManagerFlag{.name = "--one_output", .only = "", .why = kLog, .alone = true},
    ManagerFlag{.name = "--metrics-bind-address", .only = "", .why = kPorts, .refused = true},
    ManagerFlag{.name = "--health-probe-bind-address", .only = "", .why = kPorts, .refused = true},
};

}   // namespace

Result<Features> parse_features(std::string_view text) {
    Features features;
    for (std::string_view const each : split(text, ',')) {
        if (each.empty()) continue;
        std::size_t const equals = each.find('=');
        std::string_view const name = each.substr(0, equals);
        std::string_view const value = equals == std::string_view::npos ? "" : each.substr(equals + 1);
        FixedGate const* const fixed = std::ranges::find(kFixedGates, name, &FixedGate::name);
        if (name != "RolloutHistory" && fixed == kFixedGates.end()) {
            std::string others;
            for (FixedGate const& gate : kFixedGates)
                others += fmt::format("{}{}", others.empty() ? "" : ", ", gate.name);
            return fail(
                ErrorCode::kInvalid,
                fmt::format("{}: there is no such feature; RolloutHistory is one, and always so are {}", name, others));
        }
        if (value != "true" && value != "false")
            return fail(ErrorCode::kInvalid, fmt::format("{}: give {}=true or {}=false", each, name, name));
        if (fixed == kFixedGates.end()) {
            features.rollout_history = value == "true";
            continue;
        }
        std::string note = fmt::format("{} is always {}: {}", name, fixed->value, fixed->why);
        if ((value == "true") != fixed->value) return fail(ErrorCode::kInvalid, std::move(note));
        features.notes.push_back(std::move(note));
    }
    return features;
}

std::span<ManagerFlag const> manager_flags() { return kManagerFlags; }

Result<std::string> note_manager_flag(ManagerFlag const& flag, std::string_view value) {
    if (flag.refused) return fail(ErrorCode::kInvalid, std::string(flag.why));
    if (flag.only.empty()) return fmt::format("{} has no effect: {}", flag.name, flag.why);
    if (flag.alone && value.empty()) value = "true";
    if (value != flag.only)
        return fail(ErrorCode::kInvalid, fmt::format("{}: it is always {}: {}", value, flag.only, flag.why));
    return fmt::format("{} is always {}: {}", flag.name, flag.only, flag.why);
}

}   // namespace aviary::rollout
