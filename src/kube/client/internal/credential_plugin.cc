#include "kube/client/internal/credential_plugin.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/crypto/certificate.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/program/run.h"

namespace aviary::client {

namespace {

using json::Object;
using json::Value;

constexpr std::string_view kGroup = "client.authentication.k8s.io/";
constexpr char kInput[] = "KUBERNETES_EXEC_INFO";
constexpr Duration kRunAtMost = std::chrono::minutes(1);
constexpr Duration kPersonAtMost = std::chrono::minutes(5);   // signs in, with a browser say
constexpr Duration kAgain = std::chrono::seconds(5);
constexpr Duration kAheadAtMost = std::chrono::minutes(1);
constexpr std::size_t kMaxOutput = 1 << 20;
constexpr std::size_t kMaxEntries = 1'000;   // of arguments and of variables
constexpr std::string_view kClusterConfig = "client.authentication.k8s.io/exec";

std::unexpected<Error> wrong(std::string_view field, std::string_view what) {
    return fail(ErrorCode::kInvalid, fmt::format("exec.{}: {}", field, what));
}

Result<PluginSpec::Asks> read_mode(Value const& exec, bool required) {
    std::string_view const mode = exec["interactiveMode"].as_string();
    if (mode == "Never") return PluginSpec::Asks::kNever;
    if (mode == "Always") return PluginSpec::Asks::kAlways;
    if (mode == "IfAvailable" || (mode.empty() && !required)) return PluginSpec::Asks::kWhereItCan;
    return wrong("interactiveMode", mode.empty()
                                        ? std::string("Required value: Never, IfAvailable or Always")
                                        : fmt::format("Unsupported value: \"{}\": Never, IfAvailable or Always", mode));
}

// The cluster as the plugin is told of it.
Value cluster_info(Value const& cluster, std::string const& authority) {
    Value info{Object{{"server", cluster["server"].string()}}};
    for (char const* field : {"tls-server-name", "proxy-url"}) {
        if (auto const text = cluster[field].string(); !text.empty()) info[field] = text;
    }
    if (cluster["insecure-skip-tls-verify"].as_bool()) info["insecure-skip-tls-verify"] = true;
    if (!authority.empty()) info["certificate-authority-data"] = base64_encode(authority);
    for (Value const& each : cluster["extensions"].array()) {
        if (each["name"].as_string() == kClusterConfig) info["config"] = each["extension"];
    }
    return info;
}

// It becomes an environment's entry, or a word of a command.
bool plain(std::string_view text) { return !text.contains('\0'); }

Result<std::string> read_pem(Value const& status, char const* field) {
    std::string text = status[field].string();
    if (text.size() > kMaxOutput) return fail(ErrorCode::kTooLarge, fmt::format("status.{} is too large", field));
    return text;
}

}   // namespace

Result<PluginSpec> read_plugin(Value const& exec, Value const& cluster, std::string const& authority,
                               std::filesystem::path const& folder) {
    PluginSpec spec;
    spec.api_version = exec["apiVersion"].string();
    bool const v1 = spec.api_version == std::string(kGroup) + "v1";
    if (!v1 && spec.api_version != std::string(kGroup) + "v1beta1")
        return wrong("apiVersion",
                     fmt::format("Unsupported value: \"{}\": {}v1 or {}v1beta1", spec.api_version, kGroup, kGroup));
    spec.command = exec["command"].string();
    if (spec.command.empty() || !plain(spec.command)) return wrong("command", "Required value: the program to run");
    if (spec.command.contains('/')) spec.command = (folder / spec.command).string();
    spec.asks = TRY(read_mode(exec, v1));
    if (exec["args"].array().size() > kMaxEntries || exec["env"].array().size() > kMaxEntries)
        return wrong("args", fmt::format("more than {} arguments or variables", kMaxEntries));
    for (Value const& each : exec["args"].array()) {
        if (!each.is_string() || !plain(each.as_string())) return wrong("args", "each is to be a text");
        spec.arguments.push_back(each.string());
    }
    for (Value const& each : exec["env"].array()) {
        std::string name = each["name"].string();
        if (name.empty() || name.contains('=') || !plain(name) || !plain(each["value"].as_string()))
            return wrong("env", "each is to have a name, without \"=\", and a value");
        spec.environment.emplace_back(std::move(name), each["value"].string());
    }
    spec.install_hint = exec["installHint"].string();
    if (exec["provideClusterInfo"].as_bool()) spec.cluster = cluster_info(cluster, authority);
    return spec;
}

Result<PluginCredential> read_plugin_credential(std::string_view output, std::string_view api_version) {
    auto const parsed = json::parse_value(output);
    if (!parsed || !parsed->is_object()) return fail(ErrorCode::kInvalid, "what it prints is no JSON object");
    Value const& object = *parsed;
    if (object["kind"].as_string() != "ExecCredential")
        return fail(ErrorCode::kInvalid, "what it prints is no ExecCredential");
    if (object["apiVersion"].as_string() != api_version)
        return fail(ErrorCode::kInvalid, fmt::format("it prints version \"{}\" and the kubeconfig says \"{}\"",
                                                     object["apiVersion"].as_string().substr(0, 100), api_version));
    Value const& status = object["status"];
    if (!status.is_object()) return fail(ErrorCode::kInvalid, "it prints no status");
    PluginCredential credential;
    credential.token = status["token"].string();
    credential.certificate = TRY(read_pem(status, "clientCertificateData"));
    credential.key = TRY(read_pem(status, "clientKeyData"));
    if (credential.token.empty() && credential.certificate.empty() && credential.key.empty())
        return fail(ErrorCode::kInvalid, "it prints neither a token nor a client certificate");
    // It becomes a header.
    if (!std::ranges::all_of(credential.token, [](char letter) { return letter > ' ' && letter < '\x7f'; }))
        return fail(ErrorCode::kInvalid, "status.token has letters that no token has");
    if (credential.certificate.empty() != credential.key.empty())
        return fail(ErrorCode::kInvalid, "a client certificate and its key belong together, and one is missing");
    if (!credential.certificate.empty()) {
        auto const life = crypto::life_of({credential.certificate, credential.key});
        if (!life) return std::unexpected(life.error().context("its client certificate"));
        credential.ends = life->ends;
    }
    if (Value const& said = status["expirationTimestamp"]; !said.is_null()) {
        auto const ends = parse_rfc3339(said.as_string());
        if (!ends) return fail(ErrorCode::kInvalid, "status.expirationTimestamp is no time");
        credential.ends = std::min(*ends, credential.ends.value_or(*ends));
    }
    return credential;
}

struct CredentialPlugin::Impl {
    explicit Impl(PluginSpec of) : spec(std::move(of)) {}

    // One run, which several may wait for.
    struct Run {
        async::Event done;
        std::optional<Error> error;
    };

    PluginSpec spec;
    std::optional<PluginCredential> known;
    Time known_since{};
    std::shared_ptr<Run> run;
    std::optional<Error> failed;
    MonotonicTime failed_at{};
    std::unique_ptr<async::Scope> scope;   // of runs, whoever asked first

    bool over(Time now) const { return known->ends && *known->ends <= now; }
    // Nobody is to wait when it is to be asked anew.
    bool ends_soon(Time now) const {
        if (!known->ends) return false;
        Duration const ahead = std::min<Duration>(kAheadAtMost, (*known->ends - known_since) / 5);
        return now >= *known->ends - ahead;
    }

    program::Command command(bool person) const {
        Value input{Object{{"apiVersion", spec.api_version}, {"kind", "ExecCredential"}}};
        input.set({"spec", "interactive"}, person);
        if (!spec.cluster.is_null()) input.set({"spec", "cluster"}, spec.cluster);
        program::Command command{.program = spec.command, .arguments = spec.arguments, .environment = spec.environment};
        command.environment.emplace_back(kInput, json::write(input));
        command.asks = person;
        command.max_output = kMaxOutput;
        return command;
    }

    Error explained(Error const& error) const {
        std::string message = fmt::format("credential plugin {}: {}", spec.command, error.message());
        if (error.is(ErrorCode::kNotFound) && !spec.install_hint.empty()) message += "\n" + spec.install_hint;
        return Error(ErrorCode::kUnavailable, std::move(message));
    }

    Task<Result<PluginCredential>> ask(Context ctx, async::AsioExecutor& executor) const {
        bool const terminal = ::isatty(STDIN_FILENO) == 1;
        if (spec.asks == PluginSpec::Asks::kAlways && !terminal)
            co_return fail(ErrorCode::kUnavailable,
                           "it asks people (interactiveMode: Always), and there is no terminal");
        bool const person = terminal && spec.asks != PluginSpec::Asks::kNever;
        Duration const most = person ? kPersonAtMost : kRunAtMost;
        auto const done = co_await program::run(ctx.with_timeout(most), executor, command(person));
        if (!done && done.error().is(ErrorCode::kTimeout))
            co_return fail(ErrorCode::kTimeout, fmt::format("it has not ended within {}", format_duration(most)));
        if (!done) co_return std::unexpected(done.error());
        if (done->exit_code != 0)
            co_return fail(ErrorCode::kUnavailable, fmt::format("it failed with exit code {}", done->exit_code));
        CO_TRY_ASSIGN(PluginCredential credential, read_plugin_credential(done->output, spec.api_version));
        if (credential.ends && *credential.ends <= ctx.now())
            co_return fail(ErrorCode::kInvalid,
                           fmt::format("what it says ended at {} already: compare the clocks, or sign in anew",
                                       format_rfc3339(*credential.ends)));
        co_return credential;
    }

    static Task<void> run_once(std::shared_ptr<Impl> self, Context ctx, async::AsioExecutor& executor,
                               std::shared_ptr<Run> run) {
        auto credential = co_await self->ask(ctx, executor);
        self->run.reset();
        if (credential) {
            self->known = std::move(*credential);
            self->known_since = ctx.now();
            self->failed.reset();
        } else {
            run->error = self->failed = self->explained(credential.error());
            self->failed_at = ctx.monotonic();
        }
        run->done.set();
    }

    void begin(std::shared_ptr<Impl> const& self, Context const& ctx, async::AsioExecutor& executor) {
        if (run) return;
        if (!scope) {
            Context const lasting = Context(ctx.executor(), {}, ctx.log()).with_metrics(ctx.metrics());
            scope = std::make_unique<async::Scope>(lasting);
        }
        run = std::make_shared<Run>();
        scope->spawn(run_once(self, scope->context(), executor, run));
    }
};

CredentialPlugin::CredentialPlugin(PluginSpec spec) : impl_(std::make_shared<Impl>(std::move(spec))) {}

CredentialPlugin::~CredentialPlugin() {
    if (!impl_->scope) return;
    impl_->scope->cancel();
    async::Scope::dismiss(std::move(impl_->scope));
}

Task<Result<PluginCredential>> CredentialPlugin::current(Context ctx, async::AsioExecutor& executor) {
    std::shared_ptr<Impl> const impl = impl_;
    bool const in_peace = impl->failed && ctx.monotonic() < impl->failed_at + kAgain;
    if (impl->known && !impl->over(ctx.now())) {
        if (impl->ends_soon(ctx.now()) && !in_peace) impl->begin(impl, ctx, executor);
        co_return *impl->known;
    }
    if (in_peace) co_return std::unexpected(*impl->failed);
    impl->begin(impl, ctx, executor);
    std::shared_ptr<Impl::Run> const run = impl->run;
    Status const done = co_await run->done.wait(ctx);
    if (!done) co_return std::unexpected(done.error().context(fmt::format("credential plugin {}", impl->spec.command)));
    if (run->error) co_return std::unexpected(*run->error);
    co_return *impl->known;
}

void CredentialPlugin::refused(PluginCredential const& credential) {
    if (impl_->known == credential) impl_->known.reset();
}

}   // namespace aviary::client
