#!/usr/bin/env bash
# A Debian base image without a registry: debootstrap and buildah, as root.
# usage: docker/base.sh TAG [MIRROR]
set -euo pipefail
tag=${1:?usage: docker/base.sh TAG [MIRROR]}
mirror=${2:-http://deb.debian.org/debian}
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
debootstrap --variant=minbase bookworm "$work/root" "$mirror" >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; exit 1; }
while read -r mounted; do umount "$mounted"; done < <(awk -v root="$work/root/" 'index($2, root) == 1 { print $2 }' /proc/mounts | sort -r)
rm -rf "$work/root/var/cache/apt" "$work/root/var/lib/apt/lists" "$work/root/var/log"/*
tar --create --one-file-system --directory "$work/root" --file "$work/base.tar" .
container=$(buildah from scratch)
buildah add --quiet "$container" "$work/base.tar" / >/dev/null
buildah config --cmd bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
buildah commit --quiet --rm "$container" "$tag" >/dev/null
