"""The page's files, read once: what each is called, its type, and how it is stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edge_s2i.bundle import MANIFEST_NAME, PROTOTYPES_NAME, Bundle
from edge_s2i.errors import RequestError
from edge_s2i.runtime.voice_activity import MODEL_PATH
from edge_s2i.web.vendored import LOCK_NAME

STATIC_FOLDER = Path(__file__).parent / "static"

# Said here, because a machine's own table may lack or contradict them, and a module of another type is not run.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
}
_NOT_SERVED = {LOCK_NAME, "LICENSE.onnxruntime"}
_BINARY = "application/octet-stream"
DETECTOR = f"/voice-activity/{MODEL_PATH.name}"


@dataclass(frozen=True)
class Asset:
    """One file as it is served."""

    content: bytes
    type: str
    encoding: str | None  # "br" where the content is compressed
    etag: str

    def followed_by(self, text: str) -> Asset:
        """The same file with one more line at its end; not for compressed ones."""
        return _asset(self.content + text.encode(), self.type, self.encoding)


def read_assets(folder: Path = STATIC_FOLDER) -> dict[str, Asset]:
    """The page's files by path, "/app/main.js" for one; RequestError where the installation lacks them."""
    if not (folder / "index.html").exists():
        raise RequestError(f"this installation lacks the page ({folder} has no index.html); install edge-s2i again")
    assets = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name in _NOT_SERVED or path.name.startswith("."):
            continue
        name = PurePosixPath("/", path.relative_to(folder).as_posix())
        encoding = "br" if name.suffix == ".br" else None
        name = name.with_suffix("") if encoding else name
        if name.suffix in _TYPES:
            assets[str(name)] = _asset(path.read_bytes(), _TYPES[name.suffix], encoding)
    assets["/"] = assets.pop("/index.html")
    return assets


def bundle_assets(bundle: Bundle) -> dict[str, Asset]:
    """What the page computes with, by path; empty for a bundle without ONNX graphs, which no browser runs."""
    manifest = bundle.manifest
    graphs = (manifest.encoder.file, manifest.generator.file)
    if None in graphs:
        return {}
    contents: dict[str, bytes] = {str(name): bundle.files[str(name)] for name in (*graphs, PROTOTYPES_NAME)}
    assets = {f"/bundle/{name}": _asset(content, _BINARY, None) for name, content in contents.items()}
    text = json.dumps(manifest.to_json(), ensure_ascii=False, allow_nan=False)
    assets[f"/bundle/{MANIFEST_NAME}"] = _asset(text.encode(), _TYPES[".json"], None)
    return assets


def detector_assets() -> dict[str, Asset]:
    """The network that notices a voice in the page, by path; empty where the installation lacks it."""
    if not MODEL_PATH.is_file():
        return {}
    return {DETECTOR: _asset(MODEL_PATH.read_bytes(), _BINARY, None)}


def version_of(assets: Mapping[str, Asset]) -> str:
    """One short name for exactly these files."""
    digest = hashlib.sha256()
    for name, asset in sorted(assets.items()):
        digest.update(f"{name} {asset.etag}\n".encode())
    return digest.hexdigest()[:16]


def _asset(content: bytes, kind: str, encoding: str | None) -> Asset:
    return Asset(content, kind, encoding, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
