#!/usr/bin/env bash
# Finds the Restate server for bench-peers and prints its path, as the only line on standard
# output: $HEADWATER_RESTATE_SERVER, else the pinned one, which is fetched with npm into .peers/ on
# first use. What it does it says on standard error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=nats/lib.sh
source nats/lib.sh

pinned=1.7.12

if [[ -n ${HEADWATER_RESTATE_SERVER:-} ]]; then
    path=$(command -v -- "$HEADWATER_RESTATE_SERVER") ||
        die "HEADWATER_RESTATE_SERVER is $HEADWATER_RESTATE_SERVER, which cannot be run: set it to the path of restate-server, or unset it."
    [[ $path == /* ]] || path=$PWD/$path
    say "Restate server: $path, from HEADWATER_RESTATE_SERVER"
    printf '%s\n' "$path"
    exit
fi

case $(uname -s)-$(uname -m) in
Linux-x86_64 | Linux-amd64)
    platform=linux-x64
    sha512=URotJ1AIqaSCDkRMl4OrQfTLH+NYuOZb3ZsP7wxxiuAB6pncgPhTUYSvegTF5PTrAShnNyHNpju9kjf2O3QxoA==
    ;;
Linux-aarch64 | Linux-arm64)
    platform=linux-arm64
    sha512=aV7YxWvPhp88MjQtObGDhDCTwCBa68wwZOAMmJqDreO0auHYuSfOqabEx4I90coZsx3zShNusppbTPKprOa+dw==
    ;;
*) die "No Restate server is pinned for $(uname -s) on $(uname -m)." ;;
esac
package=@restatedev/restate-server-$platform@$pinned
target=$PWD/.peers/restate-server-$platform-$pinned

if [[ -x $target ]]; then
    say "Restate server: $target, fetched before"
    printf '%s\n' "$target"
    exit
fi

say "Restate server: the npm package $package (Restate's own, about 80 MB, under the Business Source License) is fetched into .peers/; its SHA-512 is checked against the one pinned here."
for tool in npm openssl tar; do
    command -v "$tool" >/dev/null || die "That needs $tool. Or set HEADWATER_RESTATE_SERVER to the path of restate-server."
done
# Each run works in a folder of its own and moves what is finished into place, so runs at the same
# time do not disturb each other.
mkdir -p "${target%/*}"
work=$(mktemp -d "$PWD/.peers/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
npm pack --silent --cache "$work/cache" --pack-destination "$work" "$package" >/dev/null 2>"$work/npm.log" ||
    die "npm could not fetch $package: $(tail -n 3 "$work/npm.log")"
archive=("$work"/*.tgz)
[[ $(openssl dgst -sha512 -binary "${archive[0]}" | openssl base64 -A) == "$sha512" ]] ||
    die "${archive[0]##*/} does not have the SHA-512 that is pinned: refused."
tar -xzf "${archive[0]}" -C "$work" package/bin/restate-server
[[ $("$work/package/bin/restate-server" --version) == "restate-server $pinned" ]] ||
    die "The fetched Restate server does not run here, or is not version $pinned."
mv -f "$work/package/bin/restate-server" "$target"
say "Restate server: $target, version $pinned, fetched"
printf '%s\n' "$target"
