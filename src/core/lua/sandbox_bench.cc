#include <benchmark/benchmark.h>

#include "core/json/parse.h"
#include "core/lua/sandbox.h"

namespace aviary::lua {
namespace {

constexpr char kScript[] = R"lua(
for _, rule in ipairs(obj.spec.http) do
  for _, route in ipairs(rule.route) do
    route.weight = math.floor((route.weight or 100) * 80 / 100)
  end
  table.insert(rule.route, { destination = { host = "web-canary" }, weight = 20 })
end
return obj
)lua";

// A fresh state, its libraries, the script compiled, a small document there and back.
void one_run(benchmark::State& state) {
    json::Doc const input =
        *json::parse(R"({"spec":{"hosts":["*"],"http":[{"route":[{"destination":{"host":"web"}}]}]}})");
    for (auto _ : state) benchmark::DoNotOptimize(run({"bench", kScript}, input));
}
BENCHMARK(one_run);

void million_instructions(benchmark::State& state) {
    for (auto _ : state)
        benchmark::DoNotOptimize(run({"bench", "local x = 0 for i = 1, 250000 do x = x + i * 2 end return { x }"}, {}));
}
BENCHMARK(million_instructions)->Unit(benchmark::kMillisecond);

}   // namespace
}   // namespace aviary::lua
