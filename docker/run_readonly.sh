#!/usr/bin/env bash
# Run an image's entry point as another uid on a read-only root, as a careful cluster does; with buildah, as root.
# usage: docker/run_readonly.sh TAG UID DIRECTORY ARGUMENT...     DIRECTORY is mounted at /workspace
set -euo pipefail
tag=${1:?usage: docker/run_readonly.sh TAG UID DIRECTORY ARGUMENT...}
uid=$2 directory=$(cd "$3" && pwd)
shift 3
container=$(buildah from --pull-never "$tag")
trap 'buildah rm "$container" >/dev/null' EXIT
mapfile -t variables < <(buildah inspect --type image --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$tag" | sed '/^$/d')
root=$(buildah mount "$container")
# shellcheck disable=SC2016
unshare --mount --pid --fork bash -euc '
    root=$1 uid=$2 directory=$3
    shift 3
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount --bind "$directory" "$root/workspace"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=1777 tmpfs "$root/cache"
    mkdir -m 1777 "$root/cache/home"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -o remount,bind,ro "$root"
    if touch "$root/opt/probe" 2>/dev/null; then echo "error: the root is not read-only" >&2; exit 1; fi
    exec chroot --userspec="$uid:$uid" "$root" /usr/bin/env --chdir=/workspace -i "$@"
' run "$root" "$uid" "$directory" "${variables[@]}" entrypoint.sh "$@"
