aviary_module(core/base LIBS fmt)
aviary_module(core/observe DEPS core/base LIBS spdlog prometheus-cpp-core)
aviary_module(core/async DEPS core/base core/observe LIBS Threads::Threads)
aviary_module(core/json DEPS core/base LIBS simdjson TEST_DEPS core/async)
