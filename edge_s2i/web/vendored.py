"""ONNX Runtime Web as it ships: which npm package, which of its files, and the SHA-256 of each.

    python -m edge_s2i.web.vendored          # checks the files that are there
    python -m edge_s2i.web.vendored --fetch  # takes them from the npm package again, checks and compresses them

The files are stored in static/vendor, the large ones compressed with Brotli as they travel, so that the page works
from a bare checkout and from the wheel, and nothing is fetched when it runs. `vendor.json` beside them is the lock.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_s2i.errors import EdgeS2IError, OutputError, RequestError

VENDOR_FOLDER = Path(__file__).parent / "static" / "vendor"
LOCK_NAME = "vendor.json"


@dataclass(frozen=True)
class VendoredFile:
    """One file of the package, and how it is stored."""

    name: str  # as the page asks for it
    sha256: str  # of the file in the npm package
    stored: str  # file name in static/vendor; ends in .br where it is compressed
    stored_sha256: str


@dataclass(frozen=True)
class Lock:
    """What vendor.json says."""

    package: str
    version: str
    integrity: str  # SHA-512 of the npm package, as npm writes it
    files: tuple[VendoredFile, ...]


def read_lock(folder: Path = VENDOR_FOLDER) -> Lock:
    """Reads the lock file."""
    content = json.loads((folder / LOCK_NAME).read_text(encoding="utf-8"))
    return Lock(
        package=content["package"],
        version=content["version"],
        integrity=content["integrity"],
        files=tuple(VendoredFile(**item) for item in content["files"]),
    )


def check(folder: Path = VENDOR_FOLDER) -> list[str]:
    """What is missing or altered in `folder`, one line a file; empty where all is right."""
    wrong = []
    for item in read_lock(folder).files:
        path = folder / item.stored
        if not path.exists():
            wrong.append(f"{path} is missing")
        elif _sha256(path.read_bytes()) != item.stored_sha256:
            wrong.append(f"{path} is not the file that {LOCK_NAME} names")
    return wrong


def fetch(folder: Path = VENDOR_FOLDER) -> None:
    """Takes the files from the npm package that the lock names and stores them; needs npm and the brotli package.

    Raises OutputError where npm fails or gives other bytes than the lock says.
    """
    import brotli

    lock = read_lock(folder)
    package = _npm_package(f"{lock.package}@{lock.version}")
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()
    if integrity != lock.integrity:
        raise OutputError(
            f"npm gave a {lock.package} {lock.version} of integrity {integrity}; {lock.integrity} is right"
        )
    contents = {}
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for item in lock.files:
            member = archive.extractfile(f"package/dist/{item.name}")
            content = b"" if member is None else member.read()
            if _sha256(content) != item.sha256:
                raise OutputError(f"{item.name} in the npm package is not the file that {LOCK_NAME} names")
            stored = brotli.compress(content, quality=11, lgwin=24) if item.stored.endswith(".br") else content
            contents[item.stored] = stored
    stored_files = []
    for item in lock.files:
        _write(folder / item.stored, contents[item.stored])
        stored_files.append({**asdict(item), "stored_sha256": _sha256(contents[item.stored])})
    written: dict[str, Any] = {
        "package": lock.package,
        "version": lock.version,
        "integrity": lock.integrity,
        "files": stored_files,
    }
    _write(folder / LOCK_NAME, (json.dumps(written, indent=1) + "\n").encode())


def _npm_package(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(
                ["npm", "pack", "--silent", "--ignore-scripts", name], cwd=folder, check=True, capture_output=True
            )
        except FileNotFoundError as error:
            raise OutputError("npm is not installed; install it (Debian: apt-get install npm)") from error
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
            raise OutputError(f"npm pack {name} failed: {reason}") from error
        return next(Path(folder).glob("*.tgz")).read_bytes()


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Checks or fetches the files; 0, or 2 and one line a fault."""
    parser = argparse.ArgumentParser(prog="python -m edge_s2i.web.vendored", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fetch", action="store_true", help="take the files from npm again")
    try:
        chosen = parser.parse_args(arguments)
        if chosen.fetch:
            fetch()
        if wrong := check():
            raise RequestError("; ".join(wrong))
    except EdgeS2IError as error:
        print(f"edge-s2i: {error}", file=sys.stderr)
        return 2
    lock = read_lock()
    print(f"{lock.package} {lock.version}: {', '.join(item.stored for item in lock.files)}: hashes right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
