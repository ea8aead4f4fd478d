"""Counts the instructions of the C library's encoders and decoders with callgrind, on this machine's processor.

python -m firmware_bridge.tools.c_cost            # a table, compared with the committed baseline
python -m firmware_bridge.tools.c_cost --update   # a new baseline
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from edge_s2i.errors import RequestError
from firmware_bridge.tools.c_library import compile_c, sources
from firmware_bridge.tools.c_spec import C_FOLDER

BASELINE = C_FOLDER / "tests" / "cost.json"
TOLERANCE = 1.3  # times the baseline: compilers differ

# What is counted, and what one unit of it is.
UNITS = {
    "control_encode": (512, "byte of payload, CRC-16"),
    "control_decode": (512, "byte of payload, CRC-16"),
    "picture_encode": (512, "byte of payload, CRC-32"),
    "picture_decode": (512, "byte of payload, CRC-32"),
    "adpcm_encode": (320, "sample"),
    "adpcm_decode": (320, "sample"),
    "tile_encode_noise": (64, "pixel that does not repeat"),
    "tile_encode_runs": (64, "pixel in runs of 8"),
    "tile_decode_runs": (64, "pixel in runs of 8"),
}


def missing_program() -> str | None:
    """The first program that is not installed; None if all are."""
    return next((name for name in ("gcc", "valgrind", "callgrind_annotate") if shutil.which(name) is None), None)


def measure() -> dict[str, float]:
    """Instructions a unit, by what is counted."""
    missing = missing_program()
    if missing is not None:
        raise RequestError(f"{missing} is not installed")
    with tempfile.TemporaryDirectory() as name:
        program, out = Path(name) / "cost", Path(name) / "callgrind.out"
        compile_c("gcc", ["-O2", "-g", "-fno-ipa-icf"], [C_FOLDER / "tests" / "cost.c", *sources()], program)
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", str(program)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RequestError(f"valgrind fails: {result.stderr.strip()[-500:]}")
        rounds = int(result.stdout)
        command = ["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(out)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    counts = {}
    for key, (units, _) in UNITS.items():
        found = re.search(rf"^\s*([\d,]+)[^\n]*\bcost_{key}\b", text, re.M)
        if found is None:
            raise RequestError(f"callgrind did not see cost_{key}")
        counts[key] = round(int(found[1].replace(",", "")) / rounds / units, 1)
    return counts


def main(arguments: list[str] | None = None) -> int:
    """Prints the counts; 1 where one is above the baseline's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write a new baseline")
    options = parser.parse_args(arguments)
    counts = measure()
    if options.update:
        content = {"machine": platform.machine(), "instructions": counts}
        partial = BASELINE.with_name(BASELINE.name + ".partial")
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, BASELINE)
    baseline = json.loads(BASELINE.read_text(encoding="utf-8"))["instructions"]
    over = False
    for key, count in counts.items():
        over = over or count > TOLERANCE * baseline[key]
        print(f"{key:18} {count:6.1f} instructions a {UNITS[key][1]} (baseline {baseline[key]})")
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
