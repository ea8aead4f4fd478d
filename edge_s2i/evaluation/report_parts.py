"""What every report says: on what it was measured, and numbers short enough to read."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import numpy as np

import edge_s2i
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest
from edge_s2i.evaluation.held_out_pack import HeldOutPack
from edge_s2i.evaluation.machine import describe_machine


def describe_run(format_: int, threads: int | None, seconds: dict[str, float]) -> dict[str, Any]:
    """The report's format, this version, the date and the machine. seconds: time taken by part."""
    return {
        "format": format_,
        "edge_s2i": edge_s2i.__version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": describe_machine(threads),
        "seconds": seconds,
    }


def describe_bundle(bundle: BundleUnderTest) -> dict[str, Any]:
    """What a bundle is, by name, hash and size."""
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "created": manifest.created,
        "sha256": bundle.sha256,
        "concepts": len(manifest.concepts),
        "image_size": manifest.image_size,
        "parameters": {"encoder": manifest.encoder.parameters, "generator": manifest.generator.parameters},
        "confidence": dataclasses.asdict(manifest.confidence),
    }


def describe_pack(pack: HeldOutPack) -> dict[str, Any]:
    """Which data pack was measured on, by hash."""
    return {
        "sha256": pack.sha256,
        "seed": pack.manifest.get("seed"),
        "concepts": len(pack.concepts),
        "held_out_language": pack.manifest.get("held_out_language"),
        "clips_left_out_as_training_has_them": pack.repeats,
    }


def rounded(content: Any) -> Any:
    """Floats to five digits after the point, so that reports are easily read and compared."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [rounded(value) for value in content]
    if isinstance(content, float | np.floating):
        return round(float(content), 5)
    if isinstance(content, np.integer):
        return int(content)
    return content
