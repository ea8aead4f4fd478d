#!/usr/bin/env bash
# Makes a folder in which an aarch64 Python with edge-s2i's base install runs under qemu-user, without touching the
# system: a dozen arm64 packages are unpacked, and the aarch64 wheels installed beside them.
#
#     edge_s2i/device/prepare-aarch64-root.sh ROOT [WHEEL]
#     EDGE_S2I_AARCH64_ROOT=ROOT python -m pytest tests/test_aarch64.py
#
# WHEEL: of edge-s2i; built from the source folder if not given. Wants a Debian or Ubuntu host with Python's pip, and
# qemu-user-static to run it. PYTHON_VERSION names the release's Python if it is not 3.11 (Debian 12).
set -euo pipefail

root="${1:?give the folder to make}"
version="${PYTHON_VERSION:-3.11}"
source_folder="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
pip=("${PYTHON:-python3}" -m pip --disable-pip-version-check)

mkdir -p "$root"
root="$(cd "$root" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
wheel="${2:-}"

# A package list of our own, so that the host keeps its architectures.
mkdir -p "$work"/{state/lists/partial,cache/archives/partial,debs}
touch "$work/status"
apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$work/state"
    -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
"${apt[@]}" update
packages=(libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libssl3 libbz2-1.0 liblzma5 libuuid1 libcrypt1
    "libpython$version-minimal" "libpython$version-stdlib" "python$version-minimal")
(cd "$work/debs" && "${apt[@]}" download "${packages[@]}")
for package in "$work"/debs/*.deb; do
    dpkg -x "$package" "$root"
done

if [ -z "$wheel" ]; then
    # From a copy: setuptools would leave its build folder in the source.
    mkdir "$work/source"
    (cd "$source_folder" && cp -r pyproject.toml README.md LICENSE NOTICE edge_s2i export firmware_bridge benchmarks \
        "$work/source")
    "${pip[@]}" wheel -q --no-deps -w "$work/wheel" "$work/source"
    wheel="$(ls "$work"/wheel/edge_s2i-*.whl)"
fi
rm -rf "$root/site"
"${pip[@]}" install -q --target "$root/site" --only-binary=:all: --implementation cp --python-version "$version" \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 "$wheel"

# Without a processor to read about, onnxruntime's CPU detection crashes under qemu-user.
mkdir -p "$root/proc"
for core in 0 1; do
    cat <<EOF
processor	: $core
BogoMIPS	: 108.00
Features	: fp asimd evtstrm crc32 cpuid
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x0
CPU part	: 0xd08
CPU revision	: 3

EOF
done >"$root/proc/cpuinfo"
echo "$root: $("${QEMU:-qemu-aarch64-static}" -cpu cortex-a72 -L "$root" "$root/usr/bin/python$version" -c \
    'import platform; print("Python", platform.python_version(), platform.machine())')"
