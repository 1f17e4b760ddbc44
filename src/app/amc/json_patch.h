// A JSON Patch that grows.
#pragma once

#include <string>
#include <utility>

#include "core/json/value.h"

namespace aviary::amc {

class JsonPatch {
public:
    void test(std::string path, json::Value value) { put("test", std::move(path), std::move(value)); }
    // Over what is there, too.
    void add(std::string path, json::Value value) { put("add", std::move(path), std::move(value)); }
    void replace(std::string path, json::Value value) { put("replace", std::move(path), std::move(value)); }
    void remove(std::string path) { operations_.push_back(json::Object{{"op", "remove"}, {"path", std::move(path)}}); }

    bool empty() const { return operations_.size() == 0; }
    json::Value take() { return std::move(operations_); }

private:
    void put(char const* verb, std::string path, json::Value value) {
        operations_.push_back(json::Object{{"op", verb}, {"path", std::move(path)}, {"value", std::move(value)}});
    }

    json::Value operations_{json::Array()};
};

}   // namespace aviary::amc
