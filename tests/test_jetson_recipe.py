"""The script that goes to the Jetson, as far as a machine without one can run it."""

import subprocess
import sys
from pathlib import Path

import pytest

from export.calibration import tensorrt_cache
from export.jetson import recipe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "build_engines.py").write_bytes(recipe())
    for model in ("encoder", "generator"):
        (tmp_path / f"{model}.fp32.onnx").write_bytes(b"... node_softmax ...")
        (tmp_path / f"{model}.cache").write_text(tensorrt_cache({"x": (-1.0, 1.0)}))
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", str(folder / "build_engines.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_int8_takes_the_cache_and_keeps_the_memory_in_float(folder):
    result = run(folder, "--precision", "int8", "--dry-run")
    assert result.returncode == 0
    encoder, generator = result.stdout.splitlines()
    assert "--int8" in encoder
    assert f"--calib={folder / 'encoder.cache'}" in encoder
    assert "node_softmax:fp32" in generator
    assert "--layerPrecisions" not in encoder


def test_fp16_needs_no_cache(folder):
    (folder / "encoder.cache").unlink()
    result = run(folder, "--precision", "fp16", "--model", "encoder", "--dry-run")
    assert result.returncode == 0
    assert "--fp16" in result.stdout
    assert "--int8" not in result.stdout


def test_what_is_missing_or_damaged_is_one_line(folder):
    (folder / "generator.cache").write_text("TRT-100000-EntropyCalibration2\nx: 3f8\n")
    result = run(folder, "--precision", "int8", "--dry-run")
    assert result.returncode == 2
    assert "generator.cache is damaged" in result.stderr
    assert result.stderr.count("\n") == 1
    (folder / "encoder.fp32.onnx").unlink()
    result = run(folder, "--dry-run")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "encoder.fp32.onnx is missing" in result.stderr


def test_without_tensorrt_it_says_where_to_run_it(folder):
    result = run(folder)
    assert result.returncode == 2
    assert "run this on the Jetson" in result.stderr
    assert not list(folder.glob("*.engine*"))


def test_the_python_interface_is_called_as_tensorrt_has_it(folder):
    """Against a stand-in for the module: the flags that are set, the calibrator that reads the cache."""
    (folder / "tensorrt.py").write_text(STAND_IN)
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); import build_engines as b; "
        f"sys.argv = ['b', '--precision', 'int8', '--model', 'encoder']; print(b.main())"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-1] == "None", result.stderr
    assert (folder / "encoder.int8.engine").read_bytes() == b"engine FP16 INT8 OBEY " + (
        folder / "encoder.cache"
    ).read_bytes()


STAND_IN = """
class Logger:
    WARNING = 1
    def __init__(self, level): pass
class NetworkDefinitionCreationFlag: pass
class MemoryPoolType: WORKSPACE = 0
class BuilderFlag: FP16, INT8, OBEY_PRECISION_CONSTRAINTS = "FP16", "INT8", "OBEY"
float32 = "float32"
class IInt8EntropyCalibrator2:
    def __init__(self): pass
class Network: num_layers = 0
class Config:
    def __init__(self): self.flags, self.int8_calibrator = [], None
    def set_memory_pool_limit(self, pool, size): assert size > 0
    def set_flag(self, flag): self.flags.append(flag)
class Builder:
    def __init__(self, logger): pass
    def create_network(self, flags): return Network()
    def create_builder_config(self): return Config()
    def build_serialized_network(self, network, config):
        assert config.int8_calibrator.get_batch(["x"]) is None
        return b"engine " + " ".join(config.flags).encode() + b" " + config.int8_calibrator.read_calibration_cache()
class OnnxParser:
    def __init__(self, network, logger): pass
    def parse(self, content): return True
"""
