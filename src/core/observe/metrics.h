// Metrics: counters, gauges and histograms with labels, and their text as Prometheus reads it. prometheus-cpp ends in
// metrics.cc. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace aviary::observe {

using Labels = std::map<std::string, std::string>;

// Handles: asked for once and kept, so that counting looks nothing up. Cheap to copy; those of no registry, and
// default-constructed ones, count nothing. Their registry must outlive their use.
class Counter {
public:
    void add(double by = 1) const;
    double value() const;

private:
    friend class Metrics;
    void* counter_ = nullptr;
};

class Gauge {
public:
    void set(double value) const;
    void add(double by) const;
    double value() const;

private:
    friend class Metrics;
    void* gauge_ = nullptr;
};

class Histogram {
public:
    void record(double value) const;

private:
    friend class Metrics;
    void* histogram_ = nullptr;
};

// Upper bounds in seconds, from half a millisecond to a minute.
std::vector<double> const& duration_bounds();

class Registry;

// Where to count; passed about as a Logger is. Default-constructed: nowhere. The same name and labels give the same
// series; a name has one type and one help text.
class Metrics {
public:
    Metrics() = default;
    explicit Metrics(Registry& registry) : registry_(&registry) {}

    Counter counter(std::string const& name, std::string const& help, Labels const& labels = {}) const;
    Gauge gauge(std::string const& name, std::string const& help, Labels const& labels = {}) const;
    Histogram histogram(std::string const& name, std::string const& help, Labels const& labels = {},
                        std::vector<double> const& bounds = duration_bounds()) const;
    // The exposition format 0.0.4, in the order of names and labels; empty without a registry.
    std::string text() const;

private:
    Registry* registry_ = nullptr;
};

// Owns the series; one for a process, or for a run of a simulation.
class Registry {
public:
    Registry();
    ~Registry();
    Registry(Registry const&) = delete;
    Registry& operator=(Registry const&) = delete;

private:
    friend class Metrics;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::observe
