#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/apiserver/store/internal/layout.h"
#include "kube/apiserver/store/internal/state.h"

namespace aviary::store {

namespace {

using ObjectVisitor = std::function<bool(Key const&, json::Doc const&)>;

void visit_tree(Tree::Node const* root, std::string const& group, std::string const& resource, std::string const& ns,
                std::optional<Key> const& after, ObjectVisitor const& visitor) {
    std::string const prefix = layout::prefix(group, resource, ns);
    // The smallest text behind a key is the key with a zero byte.
    std::string const begin = after ? std::max(prefix, layout::key_text(*after) + '\0') : prefix;
    Key key;
    Tree::visit(root, begin, layout::end_of(prefix), [&](Entry const& entry) {
        layout::parse_key(entry.key, key);
        return visitor(key, entry.object);
    });
}

// As kube-apiserver's: opaque, but the same members, for tools that look inside.
std::string make_token(Revision revision, std::string_view last) {
    json::Object token;
    token["v"] = "meta.k8s.io/v1";
    token["rv"] = revision;
    token["start"] = std::string(last) + '\0';
    return base64_encode(json::write(json::Value(std::move(token))));
}

struct Token {
    Revision revision = 0;
    std::string start;
};

Result<Token> parse_token(std::string const& text) {
    auto const bytes = base64_decode(text);
    auto const token = json::parse(bytes.value_or(""));
    if (!token || (*token)["v"].as_string() != "meta.k8s.io/v1" || (*token)["rv"].as_int() <= 0) {
        return fail(ErrorCode::kBadRequest, "continue key is not valid");
    }
    return Token{static_cast<Revision>((*token)["rv"].as_int()), (*token)["start"].string()};
}

}   // namespace

json::Doc Snapshot::get(Key const& key) const {
    Entry const* const entry =
        root_ && layout::valid(key) ? Tree::find(root_->tree.get(), layout::key_text(key)) : nullptr;
    return entry == nullptr ? json::Doc() : entry->object;
}

void Snapshot::visit(std::string const& group, std::string const& resource, std::string const& ns,
                     std::optional<Key> const& after, ObjectVisitor const& visitor) const {
    if (root_) visit_tree(root_->tree.get(), group, resource, ns, after, visitor);
}

std::uint64_t Snapshot::count(std::string const& group, std::string const& resource, std::string const& ns) const {
    std::string const prefix = layout::prefix(group, resource, ns);
    return root_ ? Tree::count(root_->tree.get(), prefix, layout::end_of(prefix)) : 0;
}

void Snapshot::visit_all(ObjectVisitor const& visitor) const {
    Key key;
    if (!root_) return;
    Tree::visit(root_->tree.get(), "", "\x7f", [&](Entry const& entry) {
        layout::parse_key(entry.key, key);
        return visitor(key, entry.object);
    });
}

std::shared_ptr<Snapshot::Root const> Store::Impl::root() {
    if (!current) current = std::make_shared<Snapshot::Root const>(Snapshot::Root{objects.root()});
    return current;
}

void Store::Impl::prune_pins(MonotonicTime now) {
    std::erase_if(pins, [&](auto const& pin) { return pin.second.used + options.pin_time < now; });
}

Snapshot Store::snapshot() const { return {impl_->root(), impl_->visible}; }

Result<Snapshot> Store::snapshot_at(Revision revision) const {
    if (revision == impl_->visible) return snapshot();
    if (auto const pin = impl_->pins.find(revision); pin != impl_->pins.end()) return pin->second.snapshot;
    return fail(ErrorCode::kGone,
                fmt::format("The resourceVersion for the provided list is too old: {} ({})", revision, impl_->visible));
}

void Store::visit(std::string const& group, std::string const& resource, std::string const& ns,
                  std::optional<Key> const& after, ObjectVisitor const& visitor) const {
    visit_tree(impl_->objects.peek(), group, resource, ns, after, visitor);
}

Result<Page> Store::list(Context const& ctx, ListRequest const& request) {
    Impl& impl = *impl_;
    impl.prune_pins(ctx.monotonic());
    std::string const prefix = layout::prefix(request.group, request.resource, request.ns);
    std::string const end = layout::end_of(prefix);
    std::string begin = prefix;
    Tree::Node const* root = impl.objects.peek();
    Page page;
    page.revision = impl.visible;
    Snapshot state;
    if (!request.continue_token.empty()) {
        Token const token = TRY(parse_token(request.continue_token));
        auto pinned = snapshot_at(token.revision);
        if (!pinned) {
            return fail(ErrorCode::kGone,
                        "The provided continue parameter is too old to display a consistent list result. You can start "
                        "a new list without the "
                        "continue parameter.");
        }
        state = std::move(*pinned);
        root = state.root_->tree.get();
        page.revision = token.revision;
        begin += token.start;
    }
    std::string last;
    bool more = false;
    Tree::visit(root, begin, end, [&](Entry const& entry) {
        if (request.matches && !request.matches(entry.object)) return true;
        if (request.limit > 0 && page.objects.size() == request.limit) {
            more = true;
            return false;
        }
        page.objects.push_back(entry.object);
        last = entry.key;
        return true;
    });
    if (!more) return page;
    page.continue_token = make_token(page.revision, std::string_view(last).substr(prefix.size()));
    if (!request.matches) page.remaining = Tree::count(root, last + '\0', end);
    impl.pins[page.revision] = {state.root_ ? std::move(state) : snapshot(), ctx.monotonic()};
    if (impl.pins.size() > impl.options.max_pins) {
        impl.pins.erase(std::min_element(impl.pins.begin(), impl.pins.end(), [](auto const& left, auto const& right) {
            return left.second.used < right.second.used;
        }));
    }
    return page;
}

}   // namespace aviary::store
