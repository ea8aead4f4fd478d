"""Every graph on every engine against torch: what does not pass does not exist."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from export.artefact import Artefact, Reference
from export.onnx_graphs import ExportError
from export.parity import FP32_TOLERANCE, psnr
from export.runtimes import Job, Runtime

LEAST_PSNR = 35.0  # dB over the true range of each picture, the mean of the reference's pictures
# One rounding to 11 bits is 71 dB, that of forty layers in a row 55 if nothing amplifies it; the rest is for attention.
LEAST_FP16_PSNR = 45.0
LEAST_COSINE = {"fp16": 0.999, "int8-weights": 0.995, "int8": 0.97}  # mean of embeddings; accuracy is checked apart
LEAST_SIGNAL = {"fp16": 40.0, "int8-weights": 20.0, "int8": 12.0}  # dB over the error, of what is neither


@dataclass(frozen=True)
class Verdict:
    """How one graph did on one engine: the words for the table, and whether it passes."""

    text: str
    passed: bool


def judge(outputs: Sequence[np.ndarray], reference: Reference, precision: str) -> Verdict:
    """Compares outputs with the reference's by what they are and how exact the precision can be."""
    given, right = np.concatenate(list(outputs)), np.concatenate(list(reference.outputs))
    if given.shape != right.shape or not np.isfinite(given.astype(np.float64)).all():
        return Verdict(f"shape {given.shape}, finite or not, where finite {right.shape} is right", False)
    return _judge(given, right, reference.kind, precision)


def _judge(given: np.ndarray, right: np.ndarray, kind: str, precision: str) -> Verdict:
    if kind == "pixels":
        levels = int(np.abs(given.astype(np.int32) - right.astype(np.int32)).max())
        if precision == "fp32":
            return Verdict(f"{levels} level{'s' * (levels != 1)} of 255", levels <= 1)
        given, right = given.astype(np.float32), right.astype(np.float32)
    difference = float(np.abs(given - right).max())
    if precision == "fp32":
        return Verdict(f"{difference:.1e}", difference <= FP32_TOLERANCE)
    if kind in ("picture", "pixels"):
        return _judge_pictures(given, right, precision)
    if kind == "embedding":
        lengths = np.linalg.norm(given, axis=1) * np.linalg.norm(right, axis=1)
        cosine = float(((given * right).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())
        return Verdict(f"cosine {cosine:.4f}", cosine >= LEAST_COSINE[precision])
    signal = float(10.0 * np.log10(np.square(right).mean() / max(float(np.square(given - right).mean()), 1e-20)))
    return Verdict(f"{signal:.1f} dB over error", signal >= LEAST_SIGNAL[precision])


def _judge_pictures(given: np.ndarray, right: np.ndarray, precision: str) -> Verdict:
    value = float(psnr(given, right).mean())
    return Verdict(f"PSNR {value:.1f} dB", value >= (LEAST_FP16_PSNR if precision == "fp16" else LEAST_PSNR))


def check(artefacts: Sequence[Artefact], runtimes: Sequence[Runtime]) -> None:
    """Runs every artefact on every runtime of its engine and notes the verdicts; ExportError that names all failures.

    A runtime that is not there, or that a graph is not meant for, is noted as not checked, never as passed.
    """
    failures = [item.refusal for item in artefacts if item.refusal]
    for runtime in runtimes:
        chosen = []
        for artefact in artefacts:
            if artefact.engine == runtime.engine:
                if runtime.name in artefact.not_for:
                    artefact.parity[runtime.name] = f"not checked: {artefact.not_for[runtime.name]}"
                else:
                    chosen.append(artefact)
        if not chosen:
            continue
        missing = runtime.missing()
        if missing is not None:
            for artefact in chosen:
                artefact.parity[runtime.name] = f"not checked: {missing}"
            continue
        results = runtime.run([Job(item.content, item.inputs, item.reference.feeds) for item in chosen])
        for artefact, result in zip(chosen, results, strict=True):
            if isinstance(result, str):
                artefact.parity[runtime.name] = f"refused: {result}"
                failures.append(f"{artefact.file} does not run on {runtime.name}: {result}")
                continue
            verdict = judge(result, artefact.reference, artefact.precision)
            artefact.parity[runtime.name] = verdict.text
            if not verdict.passed:
                artefact.parity[runtime.name] = f"refused: {verdict.text}"
                what = f"{verdict.text} is more than {artefact.precision} may lose"
                failures.append(f"{artefact.file} fails on {runtime.name}: {what}")
    if failures:
        raise ExportError("; ".join(failures))
