#include "hub/link/links.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ranges>
#include <utility>
#include <vector>

#include "kube/client/http_transport.h"

namespace aviary::link {

struct Links::State {
    struct Link {
        async::Event* leave;
        std::shared_ptr<http::Http2Connection> connection;   // null: it is not greeted yet
    };
    struct Cluster {
        std::vector<Link> links;   // the newest last
        std::string ended;         // why the last that could be asked has

        bool linked() const {
            return std::ranges::any_of(links, [](Link const& link) { return link.connection != nullptr; });
        }
    };
    std::map<std::string, Cluster, std::less<>> clusters;
    std::function<void(std::string const&)> changed;

    std::shared_ptr<http::Http2Connection> find(std::string const& name) const {
        auto const cluster = clusters.find(name);
        if (cluster == clusters.end()) return nullptr;
        for (Link const& link : std::views::reverse(cluster->second.links)) {
            if (link.connection) return link.connection;
        }
        return nullptr;
    }
    std::string problem(std::string const& name) const {
        auto const cluster = clusters.find(name);
        std::string const ended = cluster == clusters.end() ? "" : cluster->second.ended;
        return fmt::format("no agent of {} is linked to this hub{}", name, ended.empty() ? "" : ": " + ended);
    }
    void tell(std::string const& name) const {
        if (changed) changed(name);
    }
};

namespace {

Task<Result<http::Response>> exchange(std::shared_ptr<http::Http2Connection> connection, std::string problem,
                                      Context ctx, http::Request request, bool stream) {
    if (!connection) co_return fail(ErrorCode::kUnavailable, std::move(problem));
    co_return co_await connection->send(ctx, std::move(request), stream);
}

}   // namespace

Links::Links() : state_(std::make_shared<State>()) {}

std::shared_ptr<client::Transport> Links::transport(std::string cluster) const {
    state_->clusters.try_emplace(cluster);   // of the fleet
    return client::transport_over(
        [state = state_, cluster](Context ctx, http::Request request, bool stream) {
            auto connection = state->find(cluster);
            std::string problem = connection ? std::string() : state->problem(cluster);
            return exchange(std::move(connection), std::move(problem), std::move(ctx), std::move(request), stream);
        },
        cluster);
}

void Links::come(std::string const& cluster, async::Event& leave, std::size_t most) {
    auto& links = state_->clusters[cluster].links;
    links.push_back({&leave, nullptr});
    if (links.size() > most) links[links.size() - 1 - most].leave->set();
}

void Links::add(std::string const& cluster, async::Event& leave, std::shared_ptr<http::Http2Connection> connection) {
    State::Cluster& known = state_->clusters[cluster];
    auto const link = std::ranges::find(known.links, &leave, &State::Link::leave);
    if (link == known.links.end()) return;
    bool const first = !known.linked();
    link->connection = std::move(connection);
    if (first) state_->tell(cluster);
}

void Links::remove(std::string const& cluster, async::Event& leave, std::string why) {
    auto const found = state_->clusters.find(cluster);
    if (found == state_->clusters.end()) return;
    State::Cluster& known = found->second;
    bool const before = known.linked();
    std::erase_if(known.links, [&leave](State::Link const& link) { return link.leave == &leave; });
    if (!before || known.linked()) return;
    known.ended = std::move(why);
    state_->tell(cluster);
}

void Links::note_refused(std::string const& cluster, std::string why) {
    // Anybody may name any cluster.
    auto const found = state_->clusters.find(cluster);
    if (found == state_->clusters.end() || found->second.linked()) return;
    found->second.ended = "one without a certificate that counts was refused: " + std::move(why);
}

void Links::cut(std::string const& cluster) {
    auto const found = state_->clusters.find(cluster);
    if (found == state_->clusters.end()) return;
    for (State::Link const& link : found->second.links) link.leave->set();
}

std::size_t Links::clusters() const {
    std::size_t count = 0;
    for (auto const& [name, cluster] : state_->clusters) count += cluster.linked() ? 1 : 0;
    return count;
}

void Links::on_change(std::function<void(std::string const& cluster)> changed) { state_->changed = std::move(changed); }

}   // namespace aviary::link
