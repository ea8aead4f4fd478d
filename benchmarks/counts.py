"""What a source tree costs by counting: the same on every machine, so that a gate may be strict.

Parameters, multiply-accumulates, operators and bytes of the shipped graphs, and the size of the wheel.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import graphs
from benchmarks.errors import AbsentError, BenchmarkError
from benchmarks.graph_counts import live_operators, stored_numbers
from benchmarks.sessions import Feed, profile_layers
from edge_s2i.bundle import Bundle, read_bundle

SECONDS = (1.5, 3.0)  # of speech, that the encoder's arithmetic is counted for

# Files that a copy for building the wheel needs; the rest of a checkout is large and not packaged.
_PACKAGED = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "edge_s2i", "export", "firmware_bridge", "benchmarks")


def count_bundle(root: Path) -> dict[str, int]:
    """Counts of the default bundle of the source tree `root`; AbsentError where it has none."""
    folder = root / "edge_s2i" / "weights" / "default"
    if not folder.exists():
        raise AbsentError(f"{root} has no default bundle")
    bundle = read_bundle(folder)
    counts = {"bundle bytes": bundle.bytes}
    for graph in ("encoder", "generator"):
        counts.update(_count_graph(bundle, graph))
    return counts


def wheel_bytes(root: Path) -> int:
    """Size of the wheel that the tree `root` builds; BenchmarkError where it does not build."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        for name in _PACKAGED:
            path = root / name
            if path.is_dir():
                shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif path.exists():
                shutil.copy(path, source / name)
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
        command += [*_isolation(), "--wheel-dir", folder, str(source)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode != 0 or len(wheels) != 1:
            lines = result.stderr.strip().splitlines() or ["no wheel appeared"]
            raise BenchmarkError(f"{root} builds no wheel: {lines[-1]}")
        return wheels[0].stat().st_size


def _count_graph(bundle: Bundle, graph: str) -> dict[str, int]:
    info = getattr(bundle.manifest, graph)
    if info.file is None:
        return {}
    model = bundle.files[info.file]
    counts = {
        f"{graph} parameters": info.parameters,
        f"{graph} stored numbers": stored_numbers(model),
        f"{graph} bytes": len(model),
    }
    if graph == "encoder":
        for seconds in SECONDS:
            feed = graphs.encoder_feed(round(seconds * 100))
            counts[f"encoder MACs, {seconds:g} s"] = _macs(model, feed)
    else:
        manifest = bundle.manifest
        feed = graphs.generator_feed(1, manifest.embedding_dim, manifest.latent_dim, len(manifest.styles))
        counts["generator MACs"] = _macs(model, feed)
    for operator, number in live_operators(model).items():
        counts[f"{graph} operator {operator}"] = number
    return counts


def _macs(model: bytes, feed: Feed) -> int:
    return sum(layer.macs for layer in profile_layers(model, feed, runs=1, optimized=False))


def _isolation() -> list[str]:
    """Builds with what is installed where that is new enough, and so without a network."""
    from importlib import metadata

    try:
        installed = int(metadata.version("setuptools").partition(".")[0]) >= 77
    except (metadata.PackageNotFoundError, ValueError):
        installed = False
    return ["--no-build-isolation"] if installed else []
