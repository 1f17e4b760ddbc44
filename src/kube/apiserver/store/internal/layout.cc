#include "kube/apiserver/store/internal/layout.h"

#include <array>
#include <cstring>

namespace aviary::store::layout {

namespace {

constexpr std::size_t kNumber = sizeof(Revision);

// Big-endian: the order of the bytes is the order of the numbers.
void append_number(std::string& out, Revision number) {
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
}

Revision read_number(std::string_view bytes) {
    Revision number = 0;
    for (std::size_t each = 0; each < kNumber; ++each) number = number << 8 | static_cast<unsigned char>(bytes[each]);
    return number;
}

void append_text(std::string& out, std::string_view text) {
    append_number(out, text.size());
    out += text;
}

bool take_text(std::string_view& bytes, std::string_view& text) {
    if (bytes.size() < kNumber) return false;
    Revision const size = read_number(bytes);
    bytes.remove_prefix(kNumber);
    if (bytes.size() < size) return false;
    text = bytes.substr(0, size);
    bytes.remove_prefix(size);
    return true;
}

Error corrupt(std::string_view what) {
    return Error(ErrorCode::kInternal,
                 "the store is corrupt: " + std::string(what) + " cannot be read; restore a backup");
}

std::string with_cluster(char letter, std::string_view cluster) {
    std::string text{letter, '/'};
    text += cluster;
    return text;
}

}   // namespace

bool valid(Key const& key) {
    for (std::string const* part : {&key.group, &key.resource, &key.ns, &key.name}) {
        if (part->contains('/')) return false;
    }
    return !key.resource.empty() && !key.name.empty();
}

std::string key_text(Key const& key) { return prefix(key.group, key.resource) + key.ns + "/" + key.name; }

void parse_key(std::string_view text, Key& key) {
    for (std::string* part : {&key.group, &key.resource, &key.ns}) {
        std::size_t const slash = text.find('/');
        part->assign(text.substr(0, slash));
        text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
    }
    key.name.assign(text);
}

Key parse_key(std::string_view text) {
    Key key;
    parse_key(text, key);
    return key;
}

std::string prefix(std::string_view group, std::string_view resource, std::string_view ns) {
    std::string text;
    text.reserve(group.size() + resource.size() + ns.size() + 3);
    text += group;
    text += '/';
    text += resource;
    text += '/';
    if (!ns.empty()) {
        text += ns;
        text += '/';
    }
    return text;
}

std::string end_of(std::string prefix) {
    ++prefix.back();
    return prefix;
}

std::string objects(std::string_view cluster) { return with_cluster('o', cluster) + '/'; }
std::string log(std::string_view cluster) { return with_cluster('l', cluster) + '/'; }
std::string meta(std::string_view cluster) { return with_cluster('m', cluster); }
std::string reserved(std::string_view cluster) { return with_cluster('r', cluster); }

std::string log_key(std::string_view cluster, Revision revision) {
    std::string key = log(cluster);
    append_number(key, revision);
    return key;
}

Revision revision_of_log_key(std::string_view key) {
    return key.size() < kNumber ? 0 : read_number(key.substr(key.size() - kNumber));
}

std::string encode_object(Revision revision, std::string_view json) {
    std::string out;
    out.reserve(kNumber + json.size());
    append_number(out, revision);
    out += json;
    return out;
}

Result<StoredObject> decode_object(std::string_view bytes) {
    if (bytes.size() < kNumber) return std::unexpected(corrupt("an object"));
    return StoredObject{read_number(bytes), bytes.substr(kNumber)};
}

std::string encode_event(EventType type, std::string_view key, std::string_view object_json,
                         std::string_view previous_json) {
    std::string out;
    out.reserve(1 + 3 * kNumber + key.size() + object_json.size() + previous_json.size());
    out += static_cast<char>(type);
    append_text(out, key);
    append_text(out, object_json);
    append_text(out, previous_json);
    return out;
}

Result<StoredEvent> decode_event(std::string_view bytes) {
    StoredEvent event;
    bool const known = !bytes.empty() && bytes[0] >= 0 && bytes[0] <= static_cast<char>(EventType::kDeleted);
    if (!known) return std::unexpected(corrupt("an event"));
    event.type = static_cast<EventType>(bytes[0]);
    bytes.remove_prefix(1);
    if (!take_text(bytes, event.key) || !take_text(bytes, event.object_json) ||
        !take_text(bytes, event.previous_json)) {
        return std::unexpected(corrupt("an event"));
    }
    return event;
}

}   // namespace aviary::store::layout
