"""The device's modules load where nothing of training is installed."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import edge_s2i
import edge_s2i.audio
import edge_s2i.device
import edge_s2i.runtime

ROOT = Path(edge_s2i.__file__).parent
DEVICE_CLI = ("main", "draw", "demo", "live", "info", "doctor", "extras", "flash")
ABSENT = (
    "torch",
    "torchaudio",
    "torchvision",
    "lightning",
    "pytorch_lightning",
    "jsonargparse",
    "onnx",
    "onnxscript",
    "scipy",
    "pyroomacoustics",
    "parselmouth",
    "resvg_py",
    "matplotlib",
    "tensorboard",
    "sounddevice",
    "pygame",
    "tkinter",
    "serial",
    "export",
)

# Packages of an extra that a device module asks for where it is there, and does without where it is not.
OPTIONAL = {("microphone.py", "sounddevice"), ("window.py", "pygame"), ("window.py", "tkinter")}

PROGRAM = """
import importlib, sys

absent = set({absent!r})

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
for name in {modules!r}:
    importlib.import_module(name)
training = ("edge_s2i.training", "edge_s2i.models", "edge_s2i.data", "edge_s2i.acoustics")
trained = [name for name in sys.modules if name.startswith(training)]
assert not trained, trained
{then}
"""


def device_modules() -> list[str]:
    names = ["edge_s2i", "edge_s2i.bundle", "edge_s2i.errors"]
    for package in (edge_s2i.audio, edge_s2i.runtime, edge_s2i.device):
        names += [item.name for item in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return names + [f"edge_s2i.cli.{name}" for name in DEVICE_CLI]


def run_without(absent: tuple[str, ...], then: str = "", modules: list[str] | None = None) -> str:
    program = PROGRAM.format(absent=absent, modules=device_modules() if modules is None else modules, then=then)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_device_module_loads_without_training_packages():
    assert len(device_modules()) > 20
    run_without(ABSENT)


def test_drawing_works_without_training_packages(tiny_bundle, word_file, tmp_path):
    out = tmp_path / "out.png"
    arguments = ["draw", str(word_file), "-o", str(out), "--bundle", str(tiny_bundle)]
    then = f"from edge_s2i.cli.main import main; assert main({arguments!r}) == 0"
    assert "confidence" in run_without(ABSENT, then)
    assert out.exists()


@pytest.mark.parametrize("command", [["train", "speech"], ["export", "--help"]])
def test_commands_of_training_are_not_imported_before_they_are_called(command):
    names = [f"edge_s2i.cli.{command[0]}", "edge_s2i.training"]
    then = f"import sys; assert not set({names!r}) & set(sys.modules)"
    run_without(ABSENT, then, ["edge_s2i.cli.main"])


def test_a_missing_extra_is_one_line():
    then = """
import contextlib, io
from edge_s2i.cli.main import main
errors = io.StringIO()
with contextlib.redirect_stderr(errors):
    assert main(["train", "speech"]) == 2
print(errors.getvalue(), end="")
"""
    message = run_without(ABSENT, then, [])
    assert message.count("\n") == 1
    assert "needs" in message
    assert "[train]" in message


def test_import_alone_loads_no_engine():
    then = "import sys; assert not {'onnxruntime', 'soundfile', 'PIL'} & set(sys.modules)"
    run_without((), then, ["edge_s2i"])


def test_a_first_picture_waits_for_nothing_that_it_does_not_need(tiny_bundle, word_file, tmp_path):
    then = f"""
import os, sys
os.environ["EDGE_S2I_CACHE"] = {str(tmp_path)!r}
assert edge_s2i.load({str(tiny_bundle)!r}, threads=None)({str(word_file)!r}, draw_anyway=True).pictures
slow = {{"importlib.metadata", "edge_s2i.runtime.listening", "edge_s2i.runtime.speech_session"}}
assert not slow & set(sys.modules), slow & set(sys.modules)
assert edge_s2i.__version__ and "importlib.metadata" in sys.modules
from edge_s2i.runtime import Listener, SpeechToPicture
"""
    run_without((), "import edge_s2i" + then, [])


def test_no_device_module_names_a_training_package():
    # Catches imports inside functions, which loading a module does not run.
    for name in device_modules():
        path = ROOT.parent / Path(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for imported in names:
                package = imported.partition(".")[0]
                assert package not in ABSENT or (path.name, package) in OPTIONAL, f"{path.name} imports {imported}"
