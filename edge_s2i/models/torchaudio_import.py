"""`torchaudio`, also where its compiled part cannot load.

The newest torchaudio wheel is a CUDA build: beside a CPU-only torch its import ends in an OSError about a
CUDA library, though all that training uses of it is Python. Only when the plain import fails is the module
that loads the compiled part replaced by one that says it is absent.
"""

import sys
from types import ModuleType


def import_torchaudio() -> ModuleType:
    """Returns the torchaudio module, plainly imported where that works."""
    try:
        import torchaudio
    except OSError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        sys.modules["torchaudio._extension"] = _absent_extension()
        import torchaudio
    return torchaudio


def _absent_extension() -> ModuleType:
    stub = ModuleType("torchaudio._extension")

    def fail_if_no_align(function):
        def refuse(*_args, **_kwargs):
            raise RuntimeError(f"{function.__name__} needs torchaudio's compiled extension, which cannot load here")

        return refuse

    stub.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        _check_cuda_version=lambda: None,
        fail_if_no_align=fail_if_no_align,
    )
    return stub
