"""Builds and runs the fuzz targets of the C library, of the native runner's readers and of the Python decoders.

python -m firmware_bridge.tools.fuzz --runs 10000000                 # libFuzzer, ASan and UBSan, every C target
python -m firmware_bridge.tools.fuzz --runs 10000000 wav zip         # two of them
python -m firmware_bridge.tools.fuzz --engine afl --seconds 60 cobs  # AFL++
python -m firmware_bridge.tools.fuzz --engine atheris --runs 100000  # the Python decoders

Prints one JSON line a target: executions, seconds, and where the findings are. Exit code 1 if there are any.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from edge_s2i.errors import RequestError
from firmware_bridge.tools.c_spec import C_FOLDER

TARGETS = {"cobs": 300, "frame": 64, "adpcm": 128, "tiles": 64, "messages": 200, "device": 200, "host": 160}
READERS = {"wav": 512, "flash": 512, "manifest": 4096, "zip": 512}  # of firmware_bridge/runner; libFuzzer alone
RUNNER_FOLDER = C_FOLDER.parent / "runner"
SHIPPED_MANIFEST = C_FOLDER.parents[1] / "edge_s2i" / "weights" / "default" / "manifest.json"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZERS = "address,undefined"
PYTHON_TARGET = Path(__file__).parent / "fuzz_python.py"


def build(target: str, engine: str, folder: Path) -> Path:
    """Compiles one target; gives the program."""
    compiler = {"libfuzzer": "clang", "afl": "afl-clang-fast"}[engine]
    if shutil.which(compiler) is None:
        raise RequestError(f"{compiler} is not installed; install clang, or afl++ for AFL")
    if target in READERS:
        program = folder.resolve() / f"fuzz_{target}"
        subprocess.run(["make", "-s", "-C", RUNNER_FOLDER, f"BUILD={program.parent}", str(program)], check=True)
        return program
    program = folder / f"{engine}-{target}"
    # afl-clang-fast brings a driver of its own for what libFuzzer's flag asks for.
    flags = ["-std=c99", "-g", "-O2", "-DS2I_LINK_JPEG=1", f"-fsanitize=fuzzer,{SANITIZERS}"]
    flags += ["-fno-sanitize-recover=all", *WARNINGS]
    sources = [C_FOLDER / "fuzz" / f"fuzz_{target}.c", *sorted((C_FOLDER / "src").glob("*.c"))]
    subprocess.run(
        [compiler, *flags, f"-I{C_FOLDER}/include", f"-I{C_FOLDER}/src", *map(str, sources), "-o", str(program)],
        check=True,
    )
    return program


def seed(target: str, corpus: Path) -> None:
    """A manifest that is one: what is refused at its first brace shows a fuzzer little of what lies behind."""
    if target != "manifest":
        return
    manifest = json.loads(SHIPPED_MANIFEST.read_text(encoding="utf-8"))
    short = {"concepts": manifest["concepts"][:2], "licences": {}, "scores": {}, "training": {}}
    short["captions"] = {name: manifest["captions"][name] for name in short["concepts"] if name in manifest["captions"]}
    (corpus / "seed").write_text(json.dumps(manifest | short), encoding="utf-8")


def run_libfuzzer(target: str, program: Path, runs: int, folder: Path) -> dict[str, object]:
    """Runs a libFuzzer program (or one of atheris) for `runs` executions."""
    corpus, findings = folder / f"corpus-{target}", folder / f"findings-{target}"
    corpus.mkdir(exist_ok=True)
    seed(target, corpus)
    findings.mkdir(exist_ok=True)
    begin = time.monotonic()
    longest = (TARGETS | READERS).get(target, 256)
    options = [f"-runs={runs}", f"-max_len={longest}", f"-artifact_prefix={findings}/", "-seed=1"]
    command = [sys.executable] if program.suffix == ".py" else []
    result = subprocess.run(
        [*command, str(program), *options, str(corpus)], capture_output=True, text=True, check=False, errors="replace"
    )
    done = re.search(r"Done (\d+) runs", result.stderr)
    report: dict[str, object] = {
        "target": target,
        "executions": int(done[1]) if done else 0,
        "seconds": round(time.monotonic() - begin, 1),
        "findings": sorted(path.name for path in findings.iterdir()),
        "exit": result.returncode,
    }
    if result.returncode:
        report["output"] = result.stderr[-2000:]
    return report


def run_afl(target: str, program: Path, seconds: int, folder: Path) -> dict[str, object]:
    """Runs AFL++ for so many seconds."""
    seeds, out = folder / f"afl-seeds-{target}", folder / f"afl-out-{target}"
    seeds.mkdir(exist_ok=True)
    (seeds / "seed").write_bytes(bytes(range(64)))
    quiet = {
        "AFL_SKIP_CPUFREQ": "1",
        "AFL_NO_UI": "1",
        "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1",
        "AFL_NO_AFFINITY": "1",
    }
    command = ["afl-fuzz", "-i", str(seeds), "-o", str(out), "-V", str(seconds), "--", str(program)]
    result = subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, check=False)
    stats_path = out / "default" / "fuzzer_stats"
    stats = dict(re.findall(r"^(\w+)\s*: (.*)$", stats_path.read_text(), re.M)) if stats_path.exists() else {}
    report: dict[str, object] = {
        "target": target,
        "engine": "afl",
        "executions": int(stats.get("execs_done", 0)),
        "seconds": int(stats.get("run_time", 0)),
        "findings": [*range(int(stats.get("saved_crashes", 0)) + int(stats.get("saved_hangs", 0)))],
        "exit": 0 if stats else result.returncode or 1,
    }
    if not stats:
        report["output"] = result.stdout[-2000:]
    return report


def main(arguments: list[str] | None = None) -> int:
    """Runs what was asked for; 1 where something was found."""
    known = [*TARGETS, *READERS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(known)}; all if none is given")
    parser.add_argument("--engine", choices=("libfuzzer", "afl", "atheris"), default="libfuzzer")
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions a target (libFuzzer, atheris)")
    parser.add_argument("--seconds", type=int, default=60, help="time a target (AFL++)")
    parser.add_argument("--folder", type=Path, default=Path("fuzz.partial"), help="for programs, corpora and findings")
    options = parser.parse_args(arguments)
    if options.engine == "afl":
        known = [*TARGETS]
    unknown = set(options.targets) - set(known)
    if unknown:
        parser.error(f"target {sorted(unknown)[0]!r} is unknown; there are {', '.join(known)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    found = False
    for target in ["python"] if options.engine == "atheris" else options.targets or known:
        if options.engine == "atheris":
            report = run_libfuzzer(target, PYTHON_TARGET, options.runs, options.folder)
        elif options.engine == "afl":
            report = run_afl(target, build(target, "afl", options.folder), options.seconds, options.folder)
        else:
            report = run_libfuzzer(target, build(target, "libfuzzer", options.folder), options.runs, options.folder)
        print(json.dumps(report), flush=True)
        found = found or bool(report["findings"]) or bool(report["exit"])
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
