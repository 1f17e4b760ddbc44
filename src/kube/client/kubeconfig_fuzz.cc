#include "kube/client/kubeconfig.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/base/check.h"
#include "kube/client/http_transport.h"
#include "kube/client/internal/credential_plugin.h"

namespace {

using namespace aviary;

// A folder of its own: the file may name others beside it.
struct Folder {
    std::filesystem::path path;
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "kubeconfig-fuzz.XXXXXX").string();
        AVIARY_CHECK(::mkdtemp(name.data()) != nullptr);
        path = name;
        // The system's authorities are many, and none of the file's.
        ::setenv("SSL_CERT_FILE", "/dev/null", 1);
        ::setenv("SSL_CERT_DIR", path.c_str(), 1);
    }
    ~Folder() { std::filesystem::remove_all(path); }
};

}   // namespace

// Whatever the file says, each of its contexts is read or an error, and what is read can be dialled or is an error.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    static Folder const folder;
    static async::AsioExecutor executor;
    std::string const path = (folder.path / "config").string();
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<char const*>(data), static_cast<std::streamsize>(size));
    // The same as what a plugin prints. None is run: only a request would.
    auto const printed =
        client::read_plugin_credential({reinterpret_cast<char const*>(data), size}, "client.authentication.k8s.io/v1");
    AVIARY_CHECK(printed ? !printed->token.empty() || !printed->certificate.empty()
                         : !printed.error().message().empty());
    std::vector<std::string> names = client::context_names(path);
    names.emplace_back();
    for (std::string const& name : names) {
        auto const access = client::load_kubeconfig(path, name);
        if (!access) {
            AVIARY_CHECK(!access.error().message().empty());
            continue;
        }
        AVIARY_CHECK(!access->url.empty());
        if (access->token_source) (void)access->token_source();
        (void)client::http_exchange(executor, *access);
    }
    return 0;
}
