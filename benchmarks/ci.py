"""`python -m benchmarks.ci`: the gate that noisy shared runners can keep. See README.md here.

check [--base TREE]    counts, C code, instructions and latency ratios against the baseline, or also another tree
latency [--slow S=F]   the latency ratios alone; --times 10 does it ten times
baseline               measures everything and rewrites baseline.json: nothing else ever does
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import gate
from benchmarks.c_code import COMPILERS, count_c_code
from benchmarks.callgrind import count_instructions, toolchain_key
from benchmarks.counts import count_bundle, wheel_bytes
from benchmarks.errors import AbsentError, BenchmarkError, run_command
from benchmarks.gate import Finding
from benchmarks.latency import ROUNDS, measure_ratios
from benchmarks.machine import Machine, describe

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "edge_s2i" / "examples" / "en-dog.ogg"
HEAD, BASE = "head", "base"


@dataclass
class Report:
    """What was compared, section by section, and what could not be."""

    sections: dict[str, list[Finding]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[Finding]:
        """What is more than its limit."""
        return [finding for findings in self.sections.values() for finding in findings if not finding.passed]

    def markdown(self, label: str) -> str:
        """Every change and every latency; counts that stayed as they were are a number."""
        lines = [f"### Cost: {'fails' if self.failures else 'passes'}", "", label, ""]
        for title, findings in self.sections.items():
            shown = [item for item in findings if item.change != 0 or not item.passed]
            lines += [f"**{title}**: {len(findings)} compared, {len(shown)} changed", ""]
            if shown:
                lines += ["| | before | now | change | passes up to | |", "|---|---|---|---|---|---|"]
                lines += [
                    f"| {item.name} | {_number(item.before)} | {_number(item.now)} | {item.change:+.1%} "
                    f"| {_number(item.limit)} | {'' if item.passed else '**fails**'} |"
                    for item in shown
                ]
                lines.append("")
        lines += [f"* {note}" for note in self.notes]
        return "\n".join(lines) + "\n"


def check(base: Path | None = None, *, instructions: bool = True, slow: Mapping[str, float] | None = None) -> Report:
    """Everything that can be compared here, deterministic things first.

    base: another source tree, measured on this machine by turns; it stands in for the baseline's instruction counts
    and ratios, which belong to one toolchain and machine.
    """
    baseline, report, machine = gate.read_baseline(), Report(), describe()
    counts = {**count_bundle(ROOT), "wheel bytes": wheel_bytes(ROOT)}
    report.sections["Counts, against the baseline"] = gate.compare_counts(baseline.counts, counts)
    _check_c_code(report, baseline, base)
    if instructions:
        _check_instructions(report, baseline, base, machine)
    check_latency(report, baseline.ratios.get(machine.key, {}), base, slow or {}, machine.key)
    return report


def _check_c_code(report: Report, baseline: gate.Baseline, base: Path | None) -> None:
    for compiler in COMPILERS:
        try:
            key, now = compiler.version(), count_c_code(ROOT, compiler)
            before = dict(baseline.c_code.get(key, {})) if base is None else count_c_code(base, compiler)
        except AbsentError as error:
            report.notes.append(f"C code by {compiler.name}: {error}")
            continue
        if before:
            report.sections[f"C code, {key}"] = gate.compare(before, now, gate.C_CODE)
        else:
            report.notes.append(f"C code: the baseline knows no {key}")


def _check_instructions(report: Report, baseline: gate.Baseline, base: Path | None, machine: Machine) -> None:
    try:
        key = toolchain_key(machine)
        now = count_instructions(ROOT, RECORDING)
        before = dict(baseline.instructions.get(key, {})) if base is None else count_instructions(base, RECORDING)
    except AbsentError as error:
        report.notes.append(f"instructions: {error}")
        return
    if before:
        report.sections["Instructions of hot loops"] = gate.compare(before, now, gate.INSTRUCTIONS)
    else:
        report.notes.append(f"instructions: the baseline knows no {key}")


def check_latency(
    report: Report,
    before: Mapping[str, float],
    base: Path | None,
    slow: Mapping[str, float],
    key: str,
    stages: tuple[str, ...] = (),
) -> None:
    """Adds the latency ratios of `stages` (all if empty) to the report: against `before`, or against the tree `base`.

    slow: stage to the factor that the tree under test is slowed by. key: of this machine, for a note.
    """
    if base is None and not before:
        report.notes.append(f"latency: the baseline knows no {key}; give --base a checkout to compare with")
        return
    findings = _latency(before, base, slow, stages, ROUNDS)
    failed = tuple(finding.name for finding in findings if not finding.passed)
    if failed:  # one retry, of what failed and for twice as long
        again = {finding.name: finding for finding in _latency(before, base, slow, failed, 2 * ROUNDS)}
        findings = [again.get(finding.name, finding) for finding in findings]
        report.notes.append(f"latency: measured again: {', '.join(failed)}")
    report.sections["Latency, as a ratio to the reference kernel"] = findings


def _latency(
    before: Mapping[str, float], base: Path | None, slow: Mapping[str, float], stages: tuple[str, ...], rounds: int
) -> list[Finding]:
    roots = {HEAD: ROOT} if base is None else {BASE: base, HEAD: ROOT}
    ratios = measure_ratios(roots, RECORDING, stages=stages, rounds=rounds, slow=slow)
    return gate.compare(before if base is None else ratios[BASE], ratios[HEAD], gate.LATENCY)


def take_baseline(*, instructions: bool = True, latency: bool = True) -> gate.Baseline:
    """Everything measured here, put in place of the old readings; those of other machines and toolchains stay."""
    try:
        baseline = gate.read_baseline()
    except BenchmarkError:
        baseline = gate.Baseline()
    machine = describe()
    c_code, counted = dict(baseline.c_code), dict(baseline.instructions)
    for compiler in COMPILERS:
        try:
            c_code[compiler.version()] = count_c_code(ROOT, compiler)
        except AbsentError as error:
            print(f"C code by {compiler.name}: {error}")
    if instructions:
        try:
            counted[toolchain_key(machine)] = count_instructions(ROOT, RECORDING)
        except AbsentError as error:
            print(f"instructions: {error}")
    ratios = dict(baseline.ratios)
    if latency:
        found = measure_ratios({HEAD: ROOT}, RECORDING, rounds=3 * ROUNDS)[HEAD]
        ratios[machine.key] = {name: round(value, 4) for name, value in found.items()}
    return replace(
        baseline,
        counts={**count_bundle(ROOT), "wheel bytes": wheel_bytes(ROOT)},
        c_code=c_code,
        instructions=counted,
        ratios=ratios,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.3f}"


def _slowdowns(values: list[str]) -> dict[str, float]:
    found = {}
    for value in values:
        stage, sign, factor = value.partition("=")
        try:
            found[stage] = float(factor)
        except ValueError as error:
            raise BenchmarkError(f"--slow {value}: give a stage and a factor, as in encoder=1.5") from error
        if not sign or found[stage] < 1:
            raise BenchmarkError(f"--slow {value}: the factor must be 1 or more")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where everything passes, 1 where something is more than its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ci", description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=("check", "latency", "baseline"))
    parser.add_argument("--base", type=Path, help="another checkout, measured by turns on this machine")
    parser.add_argument("--slow", action="append", default=[], metavar="STAGE=FACTOR", help="slow a stage down")
    parser.add_argument("--times", type=int, default=1, help="latency: so many times")
    parser.add_argument("--no-instructions", action="store_true", help="leave callgrind out")
    parser.add_argument("--no-latency", action="store_true", help="baseline: keep the ratios that it holds")
    parser.add_argument("--summary", type=Path, help="append the table to this file")
    given = parser.parse_args(arguments)
    if given.base is not None and not (given.base / "edge_s2i").is_dir():
        raise BenchmarkError(f"{given.base} is no checkout of this project: it has no edge_s2i")
    if given.command == "baseline":
        gate.write_baseline(take_baseline(instructions=not given.no_instructions, latency=not given.no_latency))
        print(f"wrote {gate.BASELINE.relative_to(ROOT)}: look at its diff and commit it")
        return 0
    slow = _slowdowns(given.slow)
    if given.command == "latency":
        return _repeat_latency(given.base, slow, given.times)
    report = check(given.base, instructions=not given.no_instructions, slow=slow)
    text = report.markdown(describe().label)
    print(text, end="")
    if given.summary is not None:
        with given.summary.open("a", encoding="utf-8") as file:
            file.write(text)
    return 1 if report.failures else 0


def _repeat_latency(base: Path | None, slow: Mapping[str, float], times: int) -> int:
    key = describe().key
    failed = 0
    for number in range(times):
        report = Report()
        check_latency(report, gate.read_baseline().ratios.get(key, {}), base, slow, key)
        if not report.sections:
            raise BenchmarkError(report.notes[0])
        failed += bool(report.failures)
        changes = ", ".join(f"{item.name} {item.change:+.0%}" for items in report.sections.values() for item in items)
        print(f"{number + 1}: {'fails' if report.failures else 'passes'}: {changes}", flush=True)
    if times > 1:
        print(f"{times - failed} of {times} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    run_command("benchmarks.ci", main)
