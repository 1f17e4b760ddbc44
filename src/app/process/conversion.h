// The definitions whose objects a process of ours converts, as webhook::Registration is to keep them. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/json/value.h"
#include "kube/webhook/configuration.h"
#include "kube/webhook/conversion.h"

namespace aviary::process {

// Rollouts and BatchReleases between their versions.
webhook::Converter converter();
// Their definitions, converted at the address by a webhook under one of the authorities (PEM).
std::vector<json::Value> converted_definitions(webhook::Address const& address, std::string const& authorities);

}   // namespace aviary::process
