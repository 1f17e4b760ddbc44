// `aviary join` and `aviary unjoin`: a real cluster becomes a member of a fleet, or leaves it.
#pragma once

#include <string>

#include "core/async/context.h"
#include "core/async/task.h"
#include "core/base/time.h"
#include "core/json/value.h"
#include "kube/client/client.h"

namespace aviary::hub {

struct JoinOptions {
    std::string name;                          // of the member
    std::string kubeconfig, context;           // the member, as one who may make roles there
    std::string hub_kubeconfig, hub_context;   // the hub
    std::string server;                        // where the hub reaches the member; empty: as the kubeconfig does
    std::string ns = "aviary-system";          // in both
    bool admin = false;           // the hub may be the member's administrator, for people who are the fleet's
    bool approves_only = false;   // the hub may look and approve there, and bring nothing
    bool replace = false;         // taken over is the name from another cluster, and the cluster from another hub
};

// Makes an identity of the hub in the member, its credentials on the hub, and the ManagedCluster. Safe to repeat: what
// is there stays, and the credentials are made anew. The exit code; says on stdout what it does.
int join(JoinOptions options);

// Takes away what join made, in the member and on the hub. What the hub has brought into the member stays there.
int unjoin(JoinOptions options);

// Of a member that the hub cannot reach: its agent dials the hub.
struct AgentJoinOptions {
    std::string name;
    std::string hub_kubeconfig, hub_context;
    std::string ns = "aviary-system";      // in both
    std::string image = "aviary:latest";   // of the agent
    Duration token_lasts = std::chrono::hours(1);
    bool manual = false;   // a person approves the agent's signing request, too
    bool admin = false;
    bool approves_only = false;
    bool replace = false;
};

// Makes the ManagedCluster and a token on the hub, and prints the manifest of the agent for the member. Safe to repeat:
// the token is made anew. The exit code.
int join_agent(AgentJoinOptions options);
// What it makes on the hub, and what the agent is to find in its own cluster then.
struct ExpectedAgent {
    std::string address;   // HOST:PORT that it dials
    json::Value given;     // the Secret with what it joins with (member/agent/credentials.h)
};
Task<Result<ExpectedAgent>> expect_agent(Context ctx, client::Client hub, AgentJoinOptions options);
// Takes away what it made on the hub.
int unjoin_agent(AgentJoinOptions options);

}   // namespace aviary::hub
