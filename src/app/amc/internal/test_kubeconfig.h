// For tests: a kubeconfig in a file.
#pragma once

#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace aviary::amc {

// A kubeconfig with these contexts: name, server, namespace.
class Kubeconfig {
public:
    explicit Kubeconfig(std::vector<std::array<std::string, 3>> const& contexts) {
        std::string folder = std::filesystem::temp_directory_path() / "aviary-contexts-XXXXXX";
        folder_ = ::mkdtemp(folder.data());
        std::ofstream file(path());
        std::string clusters, names;
        for (auto const& [name, server, ns] : contexts) {
            clusters += fmt::format("- {{name: {}, cluster: {{server: \"{}\"}}}}\n", name, server);
            names +=
                fmt::format("- {{name: {0}, context: {{cluster: {0}, user: me, namespace: \"{1}\"}}}}\n", name, ns);
        }
        file << "apiVersion: v1\nkind: Config\nusers:\n- {name: me, user: {token: x}}\nclusters:\n"
             << clusters << "contexts:\n"
             << names;
    }
    ~Kubeconfig() { std::filesystem::remove_all(folder_); }
    std::string path() const { return folder_ + "/config"; }

private:
    std::string folder_;
};

}   // namespace aviary::amc
