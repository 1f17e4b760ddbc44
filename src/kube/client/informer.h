// Informer: a local, current copy of one resource (list + watch with bookmarks; resumed by resourceVersion, relisted
// after 410 with jitter), and the changes as they come. One per resource and selector, shared by whoever asks. Lives on
// one loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/json/doc.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::client {

// One change; `before` is absent for an addition, `after` for a deletion. A relist reports differences only.
struct Change {
    json::Doc before;
    json::Doc after;
    json::Doc const& object() const { return after.exists() ? after : before; }
};

struct InformerOptions {
    std::string ns;
    std::string label_selector;
    std::string field_selector;
    // Drops what nobody reads before the object is kept; may be empty.
    std::function<json::Doc(json::Doc)> transform;
    // What the copy may hold, after transform. A server that has more fails with TooLarge: whoever answers may be
    // hostile.
    std::size_t max_objects = 200'000;
    std::size_t max_bytes = std::size_t{1} << 30;
    // The longest wait between attempts while the server does not answer.
    Duration last_backoff = std::chrono::seconds(1);
};

// Of one object alone.
InformerOptions only(meta::ObjectKey const& key);

class Informer {
public:
    using Handler = std::function<void(Change const&)>;
    // Values under which an object is found again by by_index().
    using IndexFunction = std::function<std::vector<std::string>(json::Doc const&)>;

    Informer(Client client, meta::GroupVersionResource resource, InformerOptions options = {});
    ~Informer();
    Informer(Informer const&) = delete;
    Informer& operator=(Informer const&) = delete;

    // Before run(): handlers see every change, the first list included. They must be quick (mark a key dirty) and not
    // re-enter.
    void on_change(Handler handler);
    void add_index(std::string name, IndexFunction function);

    // Lists and watches until the context stops; errors are retried with backoff and jitter. Spawn it in a scope.
    Task<void> run(Context ctx);

    // The server answers again, as somebody else has found out: an attempt that waits is made at once.
    void reconnect();
    // The same, unless the server has answered it, and refused, and not as one does that has only come back.
    void reconnect_if_away();
    // Called each time an attempt or a watch has failed. As quick as the handlers of changes.
    void on_failure(std::function<void(Error const&)> failed);
    // Called each time the server answers after such a failure.
    void on_return(std::function<void()> returned);

    // After run() has ended: the copies go, and nobody is told.
    void forget();

    bool synced() const;
    Task<Status> wait_synced(Context ctx);
    // Until then, or until the server has answered that there is nothing to be had: last_error() says why.
    Task<Status> wait_answered(Context ctx);
    // Waits until the copy has reached this resourceVersion: read your writes.
    Task<Status> wait_for(Context ctx, std::string resource_version);
    // Waits until the copy does not hold this object any more, or shows it as being deleted. One that is absent is
    // gone.
    Task<Status> wait_gone(Context ctx, json::Doc object);
    std::string const& resource_version() const;
    // False from a failure on until something is heard again, an event or a bookmark: the copy may be older than others
    // of the same server.
    bool current() const;
    // When the last event, bookmark or list arrived; for "as of 12m ago".
    MonotonicTime last_contact() const;
    // What ended the last attempt, while disconnected; empty when connected.
    std::optional<Error> const& last_error() const;
    meta::GroupVersionResource const& resource() const;

    // The lister. Absent Doc when there is none. Order is by namespace and name.
    json::Doc get(meta::ObjectKey const& key) const;
    std::map<meta::ObjectKey, json::Doc> const& objects() const;
    std::vector<json::Doc> all() const;
    std::vector<json::Doc> list(std::string_view ns) const;   // of one namespace
    std::vector<json::Doc> by_index(std::string_view index, std::string_view value) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Whether resource version `left` is at least `right`; both are decimal numbers, as every API server in use writes
// them.
bool reached(std::string_view left, std::string_view right);

}   // namespace aviary::client
