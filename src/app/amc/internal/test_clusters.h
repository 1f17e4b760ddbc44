// For tests: commands over the clusters of a simulated fleet, with its hub and without.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>

#include "app/amc/approve.h"
#include "app/amc/direct.h"
#include "app/amc/session.h"
#include "app/command_line/output.h"
#include "app/hub/internal/test_fleet.h"

namespace aviary::amc {

using Command = std::function<Task<int>(Session)>;

inline void in_demo(Flags& flags) {
    if (flags.ns.empty() && !flags.all_namespaces) flags.ns = "demo";
}

// "EXIT", what is on stdout, and what on stderr.
inline Task<std::string> said(Result<Session> session, Command command) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int code = -1;
    if (session) code = co_await command(*session);
    command_line::flush();
    std::string const out = testing::internal::GetCapturedStdout();
    std::string const errors = testing::internal::GetCapturedStderr();
    co_return fmt::format("{}\n{}{}", code, out, errors);
}

inline Task<std::string> through_hub(hub::Fleet& fleet, Flags flags, Command command,
                                     control::UserInfo user = hub::kAdmin) {
    in_demo(flags);
    client::Client const client(fleet.server->transport("fleet", std::move(user)), "kubectl-amc");
    return said(Session::through(fleet.scope.context().executor(), std::move(flags), client, ""), std::move(command));
}

// The way to the hub, where `answer` comes in between: what it gives is the answer, unless it is empty.
class Intercepted final : public client::Transport {
public:
    using Answer = std::function<Task<std::optional<Result<client::Response>>>(Context, client::Request)>;
    Intercepted(std::shared_ptr<client::Transport> inner, Answer answer)
        : inner_(std::move(inner)), answer_(std::move(answer)) {}
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        auto answer = co_await answer_(ctx, request);
        if (answer) co_return std::move(*answer);
        auto response = co_await inner_->send(ctx, std::move(request));
        co_return response;
    }

private:
    std::shared_ptr<client::Transport> inner_;
    Answer answer_;
};

inline Task<std::string> through_hub(hub::Fleet& fleet, Flags flags, Command command, Intercepted::Answer answer) {
    in_demo(flags);
    auto const way = std::make_shared<Intercepted>(fleet.server->transport("fleet", hub::kAdmin), std::move(answer));
    return said(
        Session::through(fleet.scope.context().executor(), std::move(flags), client::Client(way, "kubectl-amc"), ""),
        std::move(command));
}

// What a server says that refuses.
inline client::Response refusal(int status, std::string const& reason) {
    client::Response response;
    response.status = status;
    response.body = json::Doc::freeze(json::Value(json::Object{
        {"kind", "Status"}, {"status", "Failure"}, {"reason", reason}, {"code", status}, {"message", reason}}));
    return response;
}

// Without a hub, over these clusters.
struct Clusters {
    hub::Fleet& fleet;
    std::vector<Contexts::Cluster> list = {};

    Clusters& add(std::string const& name, bool by_pattern = true) {
        auto const wire = std::make_shared<hub::Wire>(fleet.server->transport(name, hub::kAdmin), fleet.ways, name);
        list.push_back({.name = name, .client = client::Client(wire, "kubectl-amc"), .by_pattern = by_pattern});
        return *this;
    }
    Task<std::string> approve(Flags flags) { return decide("Approve", std::move(flags)); }
    Task<std::string> decide(std::string action, Flags flags) {
        return run(std::move(flags), [action = std::move(action)](Session session) {
            return action == "Approve"   ? approve_without_hub(std::move(session), "web")
                   : action == "History" ? history(std::move(session), "web")
                                         : decide_without_hub(std::move(session), action, "web");
        });
    }
    Task<std::string> run(Flags flags, Command command) {
        if (!flags.direct) flags.contexts = "*";
        in_demo(flags);
        auto session = Session::over(fleet.scope.context().executor(), std::move(flags), list);
        return said(std::move(session), std::move(command));
    }
};

// Pods of v2 crash there from now on.
inline Task<Status> crash_v2(Context ctx, hub::Fleet& fleet, std::string cluster) {
    meta::GroupVersionResource const nodes{"", "v1", "nodes"};
    CO_TRY_ASSIGN(json::Doc const all, co_await fleet.at(cluster).list(ctx, nodes));
    for (auto const& [index, node] : all["items"].elements()) {
        CO_TRY(co_await fleet.at(cluster).patch(
            ctx, nodes, meta::key_of(node), client::PatchType::kMerge,
            *json::parse_value(R"({"metadata":{"annotations":{"simulator.aviary.dev/behaviour":"crash-loop",
                "simulator.aviary.dev/images":"v2"}}})")));
    }
    co_return Status{};
}

inline Flags everywhere() {
    Flags flags;
    flags.all_members = true;
    flags.no_headers = true;
    return flags;
}

inline bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

}   // namespace aviary::amc
