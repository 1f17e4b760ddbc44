// A watch as a client asked for it: selectors, bookmarks, time limit, and the form of its objects. Lives on the
// server's loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kube/apiserver/internal/conversion.h"
#include "kube/apiserver/internal/shape.h"
#include "kube/apiserver/internal/shared.h"
#include "kube/apiserver/text_stream.h"
#include "kube/client/transport.h"

namespace aviary::apiserver {

class ApiWatch final : public client::WatchStream, public TextStream {
public:
    struct Settings {
        Filter filter;
        Shape shape;
        builtin::TableOptions table;
        bool bookmarks = false;
        std::optional<MonotonicTime> ends;
        std::vector<json::Doc> initial;   // objects to begin with, as ADDED, in the version that is served
        std::shared_ptr<Conversion const> conversion;   // where a webhook converts; null: nobody need be asked
        bool announce_initial_end = false;              // k8s.io/initial-events-end
    };

    ApiWatch(Shared& shared, void const* cluster, Info info, std::unique_ptr<store::Watch> watch, Settings settings,
             MonotonicTime now);
    ~ApiWatch() override;

    Task<Result<std::optional<json::Doc>>> next(Context ctx) override;
    Task<Result<std::optional<std::string>>> next_text(Context ctx) override;

private:
    struct Item {
        std::string_view type;
        json::Doc object;
        EventCache::Key key;
    };
    // Empty: the watch is over.
    Task<Result<std::optional<Item>>> next_item(Context ctx);
    // What is there without waiting.
    std::optional<Item> ready_item(Context const& ctx);
    // Empty: nothing of interest to this watch.
    std::optional<Item> item_of(store::Event const& change, Context const& ctx);
    // The same where a webhook is asked.
    Task<Result<std::optional<Item>>> converted_item(Context ctx, store::Event change);
    Item last(Error const& error);
    Item shown(std::string_view type, json::Doc const& object, store::Revision revision, Context const& ctx);
    Item bookmark(bool initial_end) const;

    std::shared_ptr<Shared> shared_;
    void const* cluster_;
    Info info_;
    std::unique_ptr<store::Watch> watch_;
    Settings settings_;
    std::size_t initial_ = 0;
    MonotonicTime next_bookmark_;
    bool ended_ = false;
};

// A watch that tells one error and is over.
class EndedWatch final : public client::WatchStream {
public:
    explicit EndedWatch(Error error) : error_(std::move(error)) {}
    Task<Result<std::optional<json::Doc>>> next(Context ctx) override;

private:
    std::optional<Error> error_;
};

}   // namespace aviary::apiserver
