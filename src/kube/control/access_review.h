// Access review: what an Authorizer answers at once inside the embedded API server, asked of whichever server there is.
// Lives on one loop.
#pragma once

#include <memory>

#include "core/async/task.h"
#include "kube/client/client.h"
#include "kube/control/authorizer.h"

namespace aviary::control {

class AccessReviewer {
public:
    virtual ~AccessReviewer() = default;
    // An Error: it could not be found out, and nothing is allowed.
    virtual Task<Result<bool>> allowed(Context ctx, UserInfo user, Attributes attributes) = 0;
    // Forbidden where it is not allowed.
    Task<Status> check(Context ctx, UserInfo user, Attributes attributes);
};

// The authorizer must outlive it.
std::shared_ptr<AccessReviewer> make_reviewer(Authorizer const& authorizer);
// By SubjectAccessReviews. Answers are kept as kube-apiserver's delegated authorisation keeps them: ten seconds, and so
// many at most.
inline constexpr Duration kReviewKept = std::chrono::seconds(10);
inline constexpr std::size_t kReviewsKept = 10'000;
std::shared_ptr<AccessReviewer> make_subject_access_reviewer(client::Client client);

}   // namespace aviary::control
