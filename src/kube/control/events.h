// EventRecorder: writes core/v1 Events behind the controllers' backs: a bounded queue, one task, repeated events
// counted on one object. An event that cannot be written is dropped and logged: nothing waits for it. Lives on one
// loop.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/async/scope.h"
#include "core/json/doc.h"
#include "kube/client/client.h"
#include "kube/control/plan.h"

namespace aviary::control {

inline constexpr char kNormal[] = "Normal";
inline constexpr char kWarning[] = "Warning";

// One about this object.
EventNote event_about(json::Doc const& object, std::string type, std::string reason, std::string message);

class EventRecorder {
public:
    // Writes until the scope ends.
    void start(async::Scope& scope);
    // Dropped when the queue is full, or when the same event was recorded within the last seconds (it is counted with
    // the next).
    void record(Context ctx, client::Client client, std::vector<EventNote> notes);

private:
    struct Item {
        client::Client client;
        EventNote note;
    };
    struct Seen {
        std::string name;
        std::int64_t count = 0;
        Time last{};
    };
    Task<void> run(Context ctx);
    Task<void> write(Context ctx, Item item);

    std::deque<Item> queue_;
    std::map<std::string, Seen> seen_;   // by regarding uid, reason and message
    async::Event ready_;
};

}   // namespace aviary::control
