"""A bundle with random weights at 32 px that keeps every promise of the format, and the sounds that it knows.

Its encoder projects the mean spectrum at random, so that different sounds get different embeddings, and its
prototypes are the embeddings of the sounds that `word` makes.
"""

import io

import numpy as np

from edge_s2i.audio import log_mel, normalize_log_mel, trim_silence
from edge_s2i.audio.constants import MEL_BANDS, SAMPLE_RATE
from edge_s2i.audio.level import set_peak
from edge_s2i.bundle import ConfidenceSettings, GraphInfo, Manifest
from edge_s2i.prototypes import write_prototypes

EMBEDDING, LATENT, STYLES, SIZE, COARSE = 16, 8, ("photo", "drawing"), 32, 4
CONCEPTS = ("apple", "cat", "dog", "red-boat", "tree")


def weights() -> tuple[np.ndarray, np.ndarray]:
    """Projections of the encoder (MEL_BANDS, EMBEDDING) and generator (inputs, COARSE * COARSE * 3)."""
    generator = np.random.default_rng(2024)
    encoder = generator.standard_normal((MEL_BANDS, EMBEDDING)).astype(np.float32)
    inputs = EMBEDDING + LATENT + len(STYLES)
    return encoder, generator.standard_normal((inputs, COARSE * COARSE * 3)).astype(np.float32)


def word(index: int, rate: int = SAMPLE_RATE, seconds: float = 0.8) -> np.ndarray:
    """A two-syllable voiced sound with formants of its own, (N,) float32; different for every index."""
    generator = np.random.default_rng([7, index])
    time = np.arange(round(seconds * rate)) / rate
    pitch = generator.uniform(100.0, 220.0)
    formants = generator.uniform((300.0, 900.0, 2200.0), (800.0, 2100.0, 3600.0))
    sound = np.zeros_like(time)
    for harmonic in np.arange(pitch, min(3900.0, rate / 2), pitch):
        peaks = np.exp(-(((harmonic - formants) / 200.0) ** 2))
        sound += (peaks.sum() + 0.003) * np.sin(2 * np.pi * harmonic * time + generator.uniform(0, 2 * np.pi))
    syllables = np.clip(np.sin(2 * np.pi * time / seconds * 2 - np.pi / 2) * 0.5 + 0.5, 0, 1) ** 2
    sound *= syllables
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def embed(samples: np.ndarray) -> np.ndarray:
    """What the tiny encoder gives for 16 kHz samples, in NumPy; (EMBEDDING,) float32 of unit length."""
    features = normalize_log_mel(log_mel(set_peak(trim_silence(samples))))
    embedding = features.sum(axis=1) @ weights()[0]
    return (embedding / np.linalg.norm(embedding)).astype(np.float32)


def manifest(**changes) -> Manifest:
    """The tiny bundle's manifest without file hashes; `changes` replace fields."""
    encoder, generator = weights()
    fields = {
        "name": "tiny",
        "created": "2024-01-01",
        "image_size": SIZE,
        "embedding_dim": EMBEDDING,
        "latent_dim": LATENT,
        "styles": STYLES,
        "default_style": "photo",
        "languages": ("en", "es"),
        "concepts": CONCEPTS,
        "captions": {concept: concept.replace("-", " ") for concept in CONCEPTS},
        "confidence": ConfidenceSettings(temperature=0.05, threshold=0.5, min_level_db=-60.0),
        "encoder": GraphInfo(parameters=encoder.size, macs=encoder.size, file="encoder.onnx"),
        "generator": GraphInfo(parameters=generator.size, macs=generator.size, file="generator.onnx"),
        "licences": ({"name": "random weights", "licence": "Apache-2.0", "attribution": "the test suite"},),
        "scores": {"retrieval": {"r@1": 0.25}},
    }
    return Manifest(**(fields | changes))


def prototypes() -> np.ndarray:
    """(concepts, EMBEDDING) float32: the embedding of each concept's word."""
    return np.stack([embed(word(index)) for index in range(len(CONCEPTS))])


def half_prototypes() -> bytes:
    """concepts.npy as bundles had it before: float16 rows."""
    buffer = io.BytesIO()
    np.save(buffer, prototypes().astype(np.float16))
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    """The tiny bundle's ONNX graphs and prototypes."""
    return {
        "encoder.onnx": encoder_onnx(),
        "generator.onnx": generator_onnx(),
        "concepts.npy": write_prototypes(prototypes()),
    }


def encoder_onnx() -> bytes:
    """log_mel (B, 64, T), lengths (B,) -> embedding (B, EMBEDDING): the sum over time, projected."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Shape", ["log_mel"], ["frames"], start=2, end=3),
        helper.make_node("Squeeze", ["frames"], ["last"]),
        helper.make_node("Range", ["zero", "last", "one"], ["places"]),
        helper.make_node("Unsqueeze", ["lengths", "middle"], ["limits"]),
        helper.make_node("Less", ["places", "limits"], ["valid"]),
        helper.make_node("Cast", ["valid"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["log_mel", "mask"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "time"], ["summed"], keepdims=0),
        helper.make_node("MatMul", ["summed", "projection"], ["projected"]),
        helper.make_node("LpNormalization", ["projected"], ["embedding"], axis=1, p=2),
    ]
    constants = {
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "middle": np.array([1, 2], np.int64),
        "time": np.array([2], np.int64),
        "projection": weights()[0],
    }
    graph = helper.make_graph(
        nodes,
        "tiny_encoder",
        [
            helper.make_tensor_value_info("log_mel", TensorProto.FLOAT, ["batch", MEL_BANDS, "time"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", EMBEDDING])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return _model(graph)


def generator_onnx() -> bytes:
    """embedding, latent, style -> picture (B, 3, SIZE, SIZE): a random linear map to 4 x 4 px, enlarged."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Concat", ["embedding", "latent", "style"], ["inputs"], axis=1),
        helper.make_node("MatMul", ["inputs", "projection"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["small"]),
        helper.make_node("Transpose", ["small"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "Resize",
            ["planes", "", "scales"],
            ["large"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        helper.make_node("Tanh", ["large"], ["picture"]),
    ]
    scale = SIZE // COARSE
    constants = {
        "projection": weights()[1],
        "shape": np.array([-1, COARSE, COARSE, 3], np.int64),
        "scales": np.array([1, 1, scale, scale], np.float32),
    }
    sizes = {"embedding": EMBEDDING, "latent": LATENT, "style": len(STYLES)}
    graph = helper.make_graph(
        nodes,
        "tiny_generator",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size]) for name, size in sizes.items()],
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return _model(graph)


def _model(graph) -> bytes:
    from onnx import checker, helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()
