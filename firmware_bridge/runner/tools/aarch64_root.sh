#!/usr/bin/env bash
# Prepares a folder in which qemu-aarch64-static runs s2i_run: Debian's C and C++ libraries for aarch64 and
# ONNX Runtime's library out of its aarch64 wheel. Needs apt-get, dpkg, pip and a network; nothing is installed.
#
#     firmware_bridge/runner/tools/aarch64_root.sh FOLDER
#     EDGE_S2I_AARCH64_SYSROOT=FOLDER pytest tests/test_native_aarch64.py
set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: aarch64_root.sh FOLDER" >&2
    exit 2
fi
root="$1"
if [ -e "$root" ]; then
    echo "aarch64_root.sh: $root exists; give a new name" >&2
    exit 2
fi
python="${PYTHON:-python3}"
version="$("$python" -c 'from importlib import metadata; print(metadata.version("onnxruntime"))' 2>/dev/null || true)"
tag="$("$python" -c 'import sys; print("%d%d" % sys.version_info[:2])')"

mkdir -p "$(dirname "$root")"
work="$(mktemp -d "$root.partial.XXXXXX")"
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/wheels" "$work/sysroot"

cd "$work/debs"
apt-get download -q libc6-arm64-cross libgcc-s1-arm64-cross libstdc++6-arm64-cross
for package in *.deb; do
    dpkg -x "$package" "$work/unpacked"
done
cd - >/dev/null
cp -a "$work/unpacked/usr/aarch64-linux-gnu/lib" "$work/sysroot/lib"

"$python" -m pip --disable-pip-version-check download -q --no-deps --only-binary=:all: --dest "$work/wheels" \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64 \
    --python-version "$tag" "onnxruntime${version:+==$version}"
"$python" -m zipfile -e "$work"/wheels/*.whl "$work/wheel"
mkdir "$work/sysroot/ort"
cp "$work"/wheel/onnxruntime/capi/libonnxruntime.so* "$work/sysroot/ort/"

# The library asks what the processor is; without an answer it ends in a segmentation fault.
mkdir "$work/sysroot/proc"
for core in 0 1; do
    printf 'processor\t: %d\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid\n' "$core"
    printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n'
done >"$work/sysroot/proc/cpuinfo"

mv "$work/sysroot" "$root"
echo "$root: $(du -sm "$root" | cut -f1) MB, ONNX Runtime ${version:-of the newest wheel}"
