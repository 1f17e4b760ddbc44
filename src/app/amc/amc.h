// kubectl-amc: people look at and steer all members through the hub's kubeconfig alone. The exit codes are an interface
// (docs/guide): 0 done, 1 failed or misused, 2 partial, 3 waiting for approval, 4 stale or refused, 5 timeout, 6 only
// unreachable.
#pragma once

namespace aviary::amc {

int run(int argc, char** argv);

}   // namespace aviary::amc
