#include "app/amc/describe_rollout.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "core/cli/table.h"
#include "core/json/write.h"
#include "hub/decision/carry_out.h"
#include "hub/proxy/attached.h"
#include "kube/meta/groups.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using json::Doc;

std::string line(std::string_view name, std::string_view text) { return fmt::format("{:<18}{}\n", name, text); }

std::string or_dash(std::string_view text) { return std::string(text.empty() ? "-" : text); }

std::string style_of(Doc const& rollout) {
    Doc const strategy = rollout.at({"spec", "strategy"});
    if (strategy["blueGreen"].is_object()) return "BlueGreen";
    return apis::has_extra_workload(rollout) ? "Canary" : "Partition";
}

std::string pause_of(Doc const& step) {
    Doc const duration = step.at({"pause", "duration"});
    return duration.exists() ? fmt::format("{}s", duration.as_int()) : "until it is approved";
}

cli::TableStyle plain() {
    cli::TableStyle style;
    style.gutter = 2;
    style.min_width = 0;
    return style;
}

std::string steps(Doc const& rollout, Doc const& status, bool progressing) {
    cli::Table table({"  STEP", "REPLICAS", "TRAFFIC", "PAUSE", "STATE"}, plain());
    std::int64_t number = 0;
    for (auto const& [index, step] : apis::release_steps(rollout).elements()) {
        ++number;
        auto const replicas = meta::IntOrPercent::from(step["replicas"]);
        std::string traffic = step["traffic"].string();
        if (step["matches"].size() > 0) traffic = fmt::format("{} matches", step["matches"].size());
        bool const here = progressing && status["currentStepIndex"].as_int() == number;
        table.add({fmt::format("{} {}", here ? "*" : " ", number), replicas ? replicas->to_string() : "-",
                   or_dash(traffic), pause_of(step),
                   here                                                          ? status["currentStepState"].string()
                   : progressing && status["currentStepIndex"].as_int() > number ? "done"
                                                                                 : "-"});
    }
    return table.empty() ? std::string() : "Steps:\n" + table.render({});
}

// `back`: what is counted as new is the version that the workload has, and that is the old one again.
std::string replicas(Doc const& workload, Doc const& status, bool back) {
    std::string const wanted = workload.exists() ? std::to_string(decision::replicas_of(workload)) : "?";
    if (back) return fmt::format("{} wanted; the new version was taken back", wanted);
    auto const of = [&](char const* canary, char const* blue_green) {
        Doc const count = status[canary].exists() ? status[canary] : status[blue_green];
        return count.exists() ? std::to_string(count.as_int()) : std::string("-");
    };
    return fmt::format("{} wanted, {} on the new version, {} of them ready", wanted,
                       of("canaryReplicas", "updatedReplicas"), of("canaryReadyReplicas", "updatedReadyReplicas"));
}

std::string images(Doc const& workload) {
    std::vector<std::string> texts;
    for (auto const& [index, container] : meta::pod_template_of(workload).at({"spec", "containers"}).elements())
        texts.push_back(fmt::format("{}={}", container["name"].as_string(), container["image"].as_string()));
    return or_dash(join(texts, ", "));
}

std::string cell(Doc const& row, std::map<std::string, std::size_t> const& columns, char const* name) {
    auto const found = columns.find(name);
    if (found == columns.end()) return "-";
    Doc const value = row["cells"][found->second];
    return value.is_string() ? cli::one_line(value.as_string()) : json::write(value);
}

// The new version's first, by batch.
std::string pods_of(Doc const& pods, std::string_view update_revision) {
    std::map<std::string, std::size_t> columns;
    for (auto const& [index, each] : pods["columnDefinitions"].elements())
        columns.emplace(to_lower(each["name"].as_string()), columns.size());
    struct Line {
        bool old;
        std::int64_t batch;
        std::string name;
        std::vector<cli::Cell> cells;
        auto order() const { return std::tie(old, batch, name); }
    };
    std::vector<Line> lines;
    for (auto const& [index, row] : pods["rows"].elements()) {
        Doc const pod = row["object"];
        std::string const batch = meta::label(pod, apis::kRolloutBatchIdLabel);
        bool const old = !apis::is_of_revision(pod, update_revision);
        lines.push_back({old,
                         parse_int(batch).value_or(0),
                         meta::name(pod),
                         {"  " + meta::name(pod), cell(row, columns, "ready"), old ? "-" : or_dash(batch),
                          or_dash(apis::revision_of_pod(pod)), cell(row, columns, "status"),
                          cell(row, columns, "restarts"), cell(row, columns, "age")}});
    }
    std::ranges::sort(lines, [](Line const& one, Line const& other) { return one.order() < other.order(); });
    cli::Table table({"  NAME", "READY", "BATCH", "REVISION", "STATUS", "RESTARTS", "AGE"}, plain());
    for (Line& each : lines) table.add(std::move(each.cells));
    return table.empty() ? "Pods:  <none>\n" : "Pods:\n" + table.render({});
}

}   // namespace

std::string describe_rollout(Doc const& rollout, Doc const& workload, Doc const& pods, std::string const& unknown) {
    std::string const missing =
        unknown.empty() ? "  (not there)" : fmt::format("  (not known: {})", cli::one_line(unknown));
    Doc const status = apis::release_status(rollout);
    Doc const reference = rollout.at({"spec", "workloadRef"});
    std::string const phase = rollout.at({"status", "phase"}).string();
    bool const progressing = phase == apis::phase::kProgressing;
    std::string text = line("Name:", meta::name(rollout)) + line("Namespace:", meta::ns(rollout));
    text += line("Workload:", fmt::format("{}/{}{}", to_lower(reference["kind"].as_string()),
                                          reference["name"].as_string(), workload.exists() ? "" : missing));
    text += line("Status:", or_dash(phase));
    text += line("Message:", or_dash(cli::one_line(rollout.at({"status", "message"}).as_string())));
    text += line("Strategy:", fmt::format("{}{}", style_of(rollout),
                                          rollout.at({"spec", "disabled"}).as_bool()             ? ", disabled"
                                          : rollout.at({"spec", "strategy", "paused"}).as_bool() ? ", paused"
                                                                                                 : ""));
    text += line("Step:", progressing
                              ? fmt::format("{}/{}  {}", status["currentStepIndex"].as_int(),
                                            apis::release_steps(rollout).size(), status["currentStepState"].as_string())
                              : std::string("-"));
    text += steps(rollout, status, progressing);
    text += line("Images:", images(workload));
    text += line("Stable revision:", or_dash(status["stableRevision"].as_string()));
    text += line("Update revision:", or_dash(apis::release_revision(rollout)));
    std::vector<Doc> found;
    for (auto const& [index, row] : pods["rows"].elements()) found.push_back(row["object"]);
    text += line("Replicas:", replicas(workload, status, proxy::went_back(rollout, workload, found)));
    return text + (pods.exists() ? pods_of(pods, status["podTemplateHash"].as_string()) : "Pods:  not known\n");
}

}   // namespace aviary::amc
