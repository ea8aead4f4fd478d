"""The layout is the architecture: which package may import which."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import edge_s2i

ROOT = Path(edge_s2i.__file__).parents[1]
OURS = ("edge_s2i", "export", "firmware_bridge", "benchmarks", "tests")

BASE = {"edge_s2i.audio", "edge_s2i.errors"}
BUNDLE = {"edge_s2i.bundle", "edge_s2i.manifest", "edge_s2i.prototypes"}
DEVICE = BASE | BUNDLE | {"edge_s2i.runtime", "edge_s2i"}

# What each part may import of the project, beside itself.
ALLOWED = {
    "edge_s2i.errors": set(),
    "edge_s2i.audio": {"edge_s2i.errors"},
    "edge_s2i.manifest": BASE,
    "edge_s2i.prototypes": BASE,
    "edge_s2i.bundle": BASE | BUNDLE,
    "edge_s2i.runtime": BASE | {"edge_s2i.bundle"},
    "edge_s2i.web": DEVICE,
    "edge_s2i.device": DEVICE,
    "edge_s2i.acoustics": BASE,
    "edge_s2i.losses": BASE,
    "edge_s2i.models": BASE,
    "edge_s2i.data": BASE | {"edge_s2i.acoustics"},
    "edge_s2i.evaluation": DEVICE | {"edge_s2i.acoustics", "edge_s2i.data", "edge_s2i.models"},
    "edge_s2i.training": BASE
    | {"edge_s2i.acoustics", "edge_s2i.models", "edge_s2i.losses", "edge_s2i.data", "edge_s2i.evaluation"},
    "export": DEVICE | {"edge_s2i.models", "edge_s2i.data", "edge_s2i.evaluation"},
    "firmware_bridge": {"edge_s2i", "edge_s2i.bundle", "edge_s2i.errors"},
}

# The command line ties everything together, each command its own part.
ALLOWED_CLI = {
    "bridge": {"firmware_bridge"},
    "data": {"edge_s2i.data"},
    "train": {"edge_s2i.training"},
    "evaluate": {"edge_s2i.evaluation"},
    "export": {"export"},
    "web": {"edge_s2i.web"},
    "live": {"edge_s2i.device"},
    "flash": {"firmware_bridge"},
}


def part_of(module: str) -> str:
    """The part that a module belongs to: edge_s2i.audio.log_mel -> edge_s2i.audio."""
    names = module.split(".")
    return ".".join(names[:2]) if names[0] == "edge_s2i" else names[0]


def imports(path: Path) -> Iterator[str]:
    """Every module of the project that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            # `from edge_s2i import bundle` names a module, `from edge_s2i import load` does not.
            names = [
                f"{node.module}.{alias.name}"
                if node.module == "edge_s2i" and is_module(f"edge_s2i.{alias.name}")
                else str(node.module)
                for alias in node.names
            ]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in OURS)


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def sources(part: str) -> list[Path]:
    path = ROOT / Path(*part.split("."))
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


@pytest.mark.parametrize("part", ALLOWED)
def test_arrows_point_one_way(part):
    files = sources(part)
    assert files, f"{part} has no sources"
    for path in files:
        for name in imports(path):
            imported = part_of(name)
            assert imported == part or imported in ALLOWED[part], f"{path.relative_to(ROOT)} imports {name}"


def test_every_part_has_its_arrows():
    found = {part_of(f"edge_s2i.{path.stem}") for path in (ROOT / "edge_s2i").iterdir() if is_source(path)}
    assert found - {"edge_s2i.cli", "edge_s2i.__init__"} == {part for part in ALLOWED if part.startswith("edge_s2i.")}


def is_source(path: Path) -> bool:
    return path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))


def test_package_itself_imports_the_runtime_only():
    assert {part_of(name) for name in imports(ROOT / "edge_s2i" / "__init__.py")} <= {"edge_s2i.runtime"}


@pytest.mark.parametrize("path", sorted((ROOT / "edge_s2i" / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_commands_reach_for_their_own_part(path):
    allowed = DEVICE | {"edge_s2i.cli"} | ALLOWED_CLI.get(path.stem, set())
    for name in imports(path):
        assert part_of(name) in allowed, f"{path.name} imports {name}"


def test_nothing_imports_tests_or_benchmarks():
    for part in (*ALLOWED, "edge_s2i.cli"):
        for path in sources(part):
            assert not {part_of(name) for name in imports(path)} & {"tests", "benchmarks"}, path
