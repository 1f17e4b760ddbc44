#!/usr/bin/env bash
# The container image, unpacked and run in a root of its own: test/real/image.sh
# Needs python3, and the right to change the root (as root, or by user namespaces). Ends in "N passed, N failed".
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.bash"
tree=$(dirname "$(dirname "$(command -v aviary)")")
image=$work/image root_folder=$work/root

blob() { cat "$image/blobs/sha256/${1#sha256:}"; }
# of JSON: the value at a path in Python's words
of() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
whole() { local each; for each in "$image"/blobs/sha256/*; do [ "$(sha256sum <"$each")" = "$(basename "$each")  -" ] || return 1; done; }
# inside COMMAND…: as the image's user, where there is nothing but the image
inside() {
  if [ "$(id -u)" = 0 ]; then env -i PATH=/usr/local/bin "$(command -v chroot)" --userspec=65532:65532 "$root_folder" "$@"
  else env -i PATH=/usr/local/bin "$(command -v unshare)" --map-root-user --root "$root_folder" "$@"; fi
}

need 'build it' "$root/tools/image" "$tree" --out "$image" --tag registry.example.com/aviary:test
digest=$("$root/tools/image" "$tree" --out "$work/again" --tag registry.example.com/aviary:test)
check 'the same input, the same digest' test "$(of '["manifests"][0]["digest"]' <"$image/index.json")" = "$digest"
check 'and the same file to load' cmp "$image.tar" "$work/again.tar"
check 'every part is what its name says' whole
manifest=$(blob "$digest") && config=$(blob "$(of '["config"]["digest"]' <<<"$manifest")")
check 'it does not run as root' test "$(of '["config"]["User"]' <<<"$config")" = 65532:65532
layer=$(of '["layers"][0]["digest"]' <<<"$manifest")
check 'the layer is what the configuration says' test "$(blob "$layer" | gunzip | sha256sum)" = "$(of '["rootfs"]["diff_ids"][0][7:]' <<<"$config")  -"
mkdir "$root_folder"
need 'unpack it' bash -c "gunzip <'$image/blobs/sha256/${layer#sha256:}' | tar -x -C '$root_folder'"
check 'aviary runs there' tells 0 '^aviary ' inside aviary version
check 'kubectl-amc runs there' tells 0 '^kubectl-amc ' inside kubectl-amc version
check 'and its errors are words' tells 1 'reading the kubeconfig: /nowhere: No such file' inside aviary member --kubeconfig /nowhere
check 'there is no shell' test ! -e "$root_folder/bin/sh"
check 'the authorities of the web are there' grep -q 'BEGIN CERTIFICATE' "$root_folder/etc/ssl/certs/ca-certificates.crt"
check 'a tree without programs is said' tells 1 'is missing: cmake --build' "$root/tools/image" "$work"
finished=1
