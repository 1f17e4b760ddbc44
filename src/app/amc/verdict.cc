#include "app/amc/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "apis/fleet/decision.h"
#include "core/cli/terminal.h"
#include "core/yaml/yaml.h"

namespace aviary::amc {

Result<Flags> as_jump(Flags flags, json::Doc const& rollout, json::Doc const& view,
                      std::vector<std::string> const& chosen) {
    flags.to = TRY(fast_step(rollout, view, chosen));
    flags.fast = false;
    return flags;
}

namespace {

json::Value document_of(std::vector<Row> const& rows, std::string const& decision) {
    json::Value document{json::Object{{"clusters", json::Array()}}};
    if (!decision.empty()) document["decision"] = decision;
    for (Row const& row : rows) {
        document["clusters"].push_back(json::Object{
            {"cluster", row.cluster}, {"step", row.step}, {"result", row.result}, {"message", row.message}});
    }
    return document;
}

}   // namespace

bool print_rows(Session const& session, std::vector<Row> const& rows, std::string const& decision) {
    if (session.flags().output == "name") {
        json::Value recorded{json::Array()};
        if (!decision.empty()) recorded.push_back(json::Object{{"metadata", json::Object{{"name", decision}}}});
        (void)session.print_objects(std::move(recorded), apis::kDecisions, "Decision");
        return true;
    }
    Result<bool> const printed = session.print_document(document_of(rows, decision));
    if (!printed) session.complain(printed.error());
    if (printed && *printed) return true;
    cli::TableStyle style = session.style();
    style.gutter = 2;
    style.min_width = 0;
    cli::Table table({"CLUSTER", "STEP", "RESULT", "MESSAGE"}, style);
    for (Row const& row : rows) table.add({row.cluster, row.step, row.result, cli::one_line(row.message)});
    session.print(table);
    return printed.has_value();
}

void warn(std::vector<Row> const& rows) {
    for (Row const& row : rows) {
        if (row.target && !row.message.empty()) fmt::print(stderr, "warning: {}: {}\n", row.cluster, row.message);
    }
}

namespace {

int code_of(Session const& session, Counts const& counts) {
    if (counts.not_done() == 0) return kDone;
    bool const away_alone = counts.waiting + counts.unreachable == counts.not_done();
    if (away_alone && session.flags().allow_unreachable) return kDone;
    if (counts.done > 0) return kPartial;
    if (away_alone) return kUnreachable;
    return counts.failed > 0 ? kFailed : kRefused;
}

// What was not done: where that is no failure it is no error either.
void say(Session const& session, int code, std::string const& text) {
    if (code == kDone) {
        session.note(text);
    } else {
        session.complain(text);
    }
}

// A document for each cluster. False: it could not be printed, and it has been said why.
bool print_patches(Session const& session, std::vector<std::pair<std::string, json::Value>> const& patches) {
    bool first = true;
    if (session.flags().output == "name") return true;   // nothing is recorded
    for (auto const& [cluster, patch] : patches) {
        if (session.as_table() || session.flags().output == "yaml") {
            session.print(fmt::format("{}# {}\n{}", first ? "" : "---\n", cluster, yaml::write(patch)));
        } else if (Result<bool> const printed = session.print_document(patch); !printed) {
            session.complain(printed.error());
            return false;
        }
        first = false;
    }
    return true;
}

}   // namespace

int conclude(Session const& session, std::vector<Row> const& rows, std::string_view action,
             std::string const& decision) {
    Counts const counts = count(rows, action);
    if (counts.not_done() == 0) return kDone;
    std::string text = counts.text(action);
    if (!decision.empty()) text += fmt::format("; recorded as decision/{}", decision);
    int const code = code_of(session, counts);
    say(session, code, text);
    return code;
}

int conclude_unsent(Session const& session, std::vector<Row> const& rows, std::string_view action) {
    int const code = code_of(session, count(rows, action));
    for (Row const& row : rows) {
        if (row.result == past(action)) continue;
        std::string const why = row.message.empty() ? "nothing would be sent" : cli::one_line(row.message);
        say(session, row.result == "done" ? kDone : code, fmt::format("{}: {}", row.cluster, why));
    }
    return code;
}

int conclude_printed(Session const& session, std::vector<Row> rows, std::string_view action,
                     std::vector<std::pair<std::string, json::Value>> const& patches) {
    bool const printed = print_patches(session, patches);
    for (Row& row : rows) {
        bool const there = std::ranges::any_of(patches, [&](auto const& each) { return each.first == row.cluster; });
        if (there) row.result = past(action);
    }
    int const code = conclude_unsent(session, rows, action);
    return printed ? code : kFailed;
}

int conclude_sent(Session const& session, std::vector<Row> const& rows, std::string_view action, bool late) {
    std::vector<Row> shown = rows;
    bool const dry = session.flags().dry_run == "server";
    for (Row& row : shown) row.result += dry && row.result == past(action) ? " (server dry run)" : "";
    bool const printed = print_rows(session, shown);
    int const code = conclude(session, rows, action);
    if (code != kDone) return code;
    return late ? kTimeout : printed ? kDone : kFailed;
}

int conclude_nothing(Session const& session, std::vector<Row> const& rows, Asked const& asked,
                     std::string const& rollout) {
    if (!rows.empty() || !session.as_table()) print_rows(session, rows);
    Counts const counts = count(rows, asked.action);
    if (counts.unreachable + counts.failed > 0) return conclude(session, rows, asked.action);
    session.complain(nothing_to_do(rows, asked, rollout));
    return kRefused;
}

}   // namespace aviary::amc
