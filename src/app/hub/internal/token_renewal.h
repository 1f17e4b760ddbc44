// The hub's tokens in members, made anew when half of their life is over: by the hub that leads, as the account they
// are of. What comes of it stands in the ManagedCluster's condition TokenRenewed. Lives on the hub's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/async/event.h"
#include "core/async/task.h"
#include "core/json/doc.h"
#include "hub/link/enrolment.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"

namespace aviary::hub {

// The account that `aviary join` makes in a member for the hub.
inline constexpr char kMemberAccount[] = "aviary-hub";
// On the Secret: RFC 3339. Set to a time that has passed it has the token made anew at once.
using link::kTokenEnds;
inline constexpr char kTokenRenewed[] = "TokenRenewed";

inline constexpr std::int64_t kTokenSeconds = 365 * 24 * 3600;
struct Token {
    std::string text;
    std::string ends;   // RFC 3339; the member may give less than was asked for
};
// One of the hub's account in the member.
Task<Result<Token>> request_token(Context ctx, client::Client member, std::string ns);

struct TokenLife {
    Time from, ends;
};
// What the token says of itself; absent: it is none of a service account, or does not end.
std::optional<TokenLife> token_life(std::string_view token);

class TokenRenewal {
public:
    // The Secrets are of the label kClusterLabel; construct it before their run(). `ns` is that of the account.
    TokenRenewal(std::shared_ptr<client::Informer> secrets,
                 std::function<Result<std::shared_ptr<client::Transport>>(json::Doc const& managed_cluster)> connect,
                 std::string ns);

    // With the client of a term, until it ends.
    Task<void> run(Context ctx, client::Client hub);

private:
    Task<void> renew(Context ctx, client::Client hub, json::Doc secret);
    Task<void> acknowledge(Context ctx, client::Client hub, json::Doc secret);
    Task<Result<Token>> made_anew(Context ctx, client::Client hub, json::Doc secret, std::string cluster);

    std::shared_ptr<client::Informer> secrets_;
    std::function<Result<std::shared_ptr<client::Transport>>(json::Doc const&)> connect_;
    std::string ns_;
    async::Event changed_;
    std::map<meta::ObjectKey, std::optional<MonotonicTime>> seen_;   // as they are by now; when renewing failed
};

}   // namespace aviary::hub
