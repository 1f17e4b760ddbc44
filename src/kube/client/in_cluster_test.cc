#include "kube/client/in_cluster.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace aviary::client {
namespace {

class InCluster : public testing::Test {
protected:
    void SetUp() override {
        std::filesystem::create_directories(folder);
        ::unsetenv("KUBECONFIG");
        ::setenv("HOME", folder.c_str(), 1);
        ::setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
        ::setenv("KUBERNETES_SERVICE_PORT", "443", 1);
        write("token", "first\n");
        write("ca.crt", "an authority");
        write("namespace", "releases\n");
    }
    void TearDown() override {
        std::filesystem::remove_all(folder);
        ::unsetenv("KUBERNETES_SERVICE_HOST");
        ::unsetenv("KUBERNETES_SERVICE_PORT");
    }
    // As the kubelet does: the new one takes the old one's place.
    void write(std::string const& name, std::string const& text) const {
        std::ofstream(folder + "/" + name + ".new") << text;
        std::filesystem::rename(folder + "/" + name + ".new", folder + "/" + name);
    }
    std::string write_config(std::string const& name, std::string const& user) const {
        write(name,
              "apiVersion: v1\nkind: Config\ncurrent-context: it\n"
              "clusters: [{name: it, cluster: {server: 'https://" +
                  name +
                  ":6443'}}]\n"
                  "users: [{name: me, user: " +
                  user +
                  "}]\n"
                  "contexts: [{name: it, context: {cluster: it, user: me}}]\n");
        return folder + "/" + name;
    }

    std::string const folder = testing::TempDir() + "in-cluster-" + std::to_string(::getpid());
};

// A kubeconfig of somebody else's may name it.
TEST_F(InCluster, AFileWithoutEndIsNotReadToItsEnd) {
    for (char const* field : {"client-key", "tokenFile"}) {
        auto const access = load_access(write_config("config", "{" + std::string(field) + ": /dev/zero}"), "", folder);
        ASSERT_FALSE(access) << field;
        EXPECT_TRUE(access.error().is(ErrorCode::kTooLarge)) << access.error().message();
        EXPECT_NE(access.error().message().find("/dev/zero is larger than"), std::string::npos)
            << access.error().message();
    }
}

TEST_F(InCluster, IsThePodsServiceAccount) {
    auto const access = load_access("", "", folder);
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_EQ("https://10.96.0.1:443", access->url);
    EXPECT_EQ("an authority", access->authority);
    EXPECT_EQ("releases", access->ns);
    EXPECT_TRUE(access->of_pod);
    EXPECT_EQ("first", access->token_source());
    ::setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    EXPECT_EQ("https://[fd00::1]:443", load_in_cluster(folder)->url);
}

TEST_F(InCluster, TheTokenIsReadAnew) {
    auto const access = load_in_cluster(folder);
    ASSERT_TRUE(access);
    write("token", "other");
    EXPECT_EQ("other", access->token_source());
    std::filesystem::remove(folder + "/token");
    EXPECT_EQ("other", access->token_source()) << "until there is one again";
    write("token", "");
    EXPECT_EQ("other", access->token_source());
    write("token", "two\r\nHeader: lines");
    EXPECT_EQ("other", access->token_source());
    write("token", "third");
    EXPECT_EQ("third", access->token_source());
}

TEST_F(InCluster, SaysWhatIsMissing) {
    std::filesystem::remove(folder + "/token");
    EXPECT_EQ("the pod's service account (automountServiceAccountToken, or --kubeconfig instead): " + folder +
                  "/token: No such file or directory",
              load_access("", "", folder).error().message());
    write("token", " \n");
    EXPECT_TRUE(load_in_cluster(folder).error().message().ends_with("/token is empty: a token is expected"));
    write("token", "first");
    std::filesystem::remove(folder + "/ca.crt");
    EXPECT_TRUE(load_in_cluster(folder).error().message().ends_with("/ca.crt: No such file or directory"));
    write("ca.crt", "an authority");
    std::filesystem::remove(folder + "/namespace");
    EXPECT_EQ("", load_in_cluster(folder)->ns) << "there is a default";
    ::unsetenv("KUBERNETES_SERVICE_PORT");
    EXPECT_EQ("$KUBERNETES_SERVICE_PORT is not set: this is no pod of a cluster",
              load_in_cluster(folder).error().message());
}

TEST_F(InCluster, AKubeconfigThatIsNamedComesFirst) {
    std::string const given = write_config("given", "{token: t}");
    std::string const from_environment = write_config("environment", "{token: t}");
    std::filesystem::create_directories(folder + "/.kube");
    std::filesystem::copy_file(write_config("home", "{token: t}"), folder + "/.kube/config");

    EXPECT_EQ("in-cluster", load_access("", "", folder)->context);
    EXPECT_EQ("https://home:6443", load_access("", "it", folder)->url) << "a pod has no contexts";
    ::setenv("KUBECONFIG", (folder + "/nowhere:" + from_environment).c_str(), 1);
    EXPECT_EQ("https://environment:6443", load_access("", "", folder)->url);
    EXPECT_EQ("https://given:6443", load_access(given, "", folder)->url);
    ::unsetenv("KUBECONFIG");
    ::unsetenv("KUBERNETES_SERVICE_HOST");
    EXPECT_EQ("https://home:6443", load_access("", "", folder)->url);
}

TEST_F(InCluster, ATokenFileOfAKubeconfigIsReadAnewToo) {
    std::string const path = write_config("config", "{token: fixed, tokenFile: token}");
    auto const access = load_kubeconfig(path, "");
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_EQ("first", access->token_source()) << "beside the kubeconfig, and before the token that stands in it";
    write("token", "other");
    EXPECT_EQ("other", access->token_source());
    std::filesystem::remove(folder + "/token");
    EXPECT_EQ("tokenFile in " + path + ": " + folder + "/token: No such file or directory",
              load_kubeconfig(path, "").error().message());
}

}   // namespace
}   // namespace aviary::client
