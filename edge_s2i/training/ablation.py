"""`edge-s2i train ablation`: the picture stage's losses compared, each on the same short budget."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_s2i.data.whole_files import write_output
from edge_s2i.errors import TrainingError
from edge_s2i.evaluation import efficientnet_lite, fidelity, manifold
from edge_s2i.evaluation.efficientnet_lite import INPUT_SIZE
from edge_s2i.evaluation.held_out_pack import HeldOutPack
from edge_s2i.evaluation.picture_judge import PictureJudge
from edge_s2i.evaluation.speech_scores import interval
from edge_s2i.evaluation.suite import default_cache
from edge_s2i.evaluation.variety import by_concept, score_variety
from edge_s2i.models.generator import Generator, load_generator
from edge_s2i.training.command import train

_EPOCHS = 4  # of a run: as many validations and checkpoints
_BATCH = 64
_LATENTS = 4
_COLUMNS = ("variant", "top-1", "top-5", "KID x 1000", "precision", "coverage", "variety", "val pixels",
            "val features", "images/s")  # fmt: skip


@dataclass(frozen=True)
class AblationSettings:
    """What to compare: steps of every run; only: names of variants, empty for all; speech, embeddings: the speech
    stage's weights and embeddings, for the contrastive variant; more: arguments for every run, as `train picture`
    takes them; concepts: how many are drawn and named of each; threads: of the judge's network."""

    steps: int = 400
    only: tuple[str, ...] = ()
    speech: Path | None = None
    embeddings: Path | None = None
    more: tuple[str, ...] = ()
    concepts: int = 600
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.steps < _EPOCHS:
            raise TrainingError(f"{self.steps} steps are too few to compare anything; give {_EPOCHS} or more")


def read_plan(settings: AblationSettings) -> dict[str, list[str]]:
    """Variant -> its arguments to `train picture`. TrainingError for a name that is not in the plan."""
    import yaml

    text = (files("edge_s2i.training") / "configs" / "picture-ablation.yaml").read_text(encoding="utf-8")
    plan = yaml.safe_load(text)
    base = {
        **plan["base"],
        "trainer.max_epochs": _EPOCHS,
        "data.steps_per_epoch": settings.steps // _EPOCHS,
        "model.warm_start_steps": settings.steps // 2,
    }
    variants = dict(plan["variants"])
    if settings.embeddings is not None:
        base["data.embeddings"] = str(settings.embeddings)
    if settings.speech is not None and settings.embeddings is not None:
        own = {"model.speech_weights": str(settings.speech)}
        variants |= {name: {**changes, **own} for name, changes in plan["with_speech"].items()}
    unknown = set(settings.only) - set(variants)
    if unknown:
        raise TrainingError(f"no variant is called {', '.join(sorted(unknown))}; there are {', '.join(variants)}")
    return {
        name: [*_arguments({**base, **changes}), *settings.more]
        for name, changes in variants.items()
        if name in (settings.only or variants)
    }


def _arguments(values: Mapping[str, Any]) -> list[str]:
    return [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in values.items()]


def run_ablation(pack: Path, out: Path, settings: AblationSettings, cache: Path | None = None) -> list[dict[str, Any]]:
    """Trains and scores every variant in out/NAME; one that was scored there before is read. Writes out/ablation.md.

    cache: folder for features of real pictures, beside the pack if None. Returns a row a variant. Raises TrainingError
    and DataError for what can be known to be wrong before the first step.
    """
    if out.is_file() or not out.absolute().parent.is_dir():
        raise TrainingError(f"{out} cannot hold runs: give a folder, or a new one in a folder that exists")
    plan = read_plan(settings)
    held = HeldOutPack(pack)
    judge: PictureJudge | None = None
    rows = []
    for name, arguments in plan.items():
        folder = out / name
        kept = folder / "scores.json"
        given = [f"--data.pack={pack}", *arguments]
        row = _read_row(kept, given)
        if row is None:
            # Before training: a package that the judge lacks is missed at once.
            judge = judge or PictureJudge(held, cache or default_cache(pack), _silent, INPUT_SIZE, settings.threads)
            train("picture", [*given, f"--trainer.default_root_dir={folder}"])
            generator = load_generator(folder / "picture.safetensors")
            scores = score_generator(generator, held, judge, settings.concepts)
            row = {"variant": name, "arguments": given, **_last_logged(folder), **scores}
            _write(kept, json.dumps(row, indent=1))
        rows.append(row)
    _write(out / "ablation.md", as_markdown(rows, settings.steps))
    return rows


def score_generator(generator: Generator, pack: HeldOutPack, judge: PictureJudge, concepts: int) -> dict[str, Any]:
    """What a run's EMA weights draw from their own memory's keys: accuracy, distance from real pictures, variety.

    concepts: how many are drawn, spread over all; a quarter of them for variety.
    """
    names = np.array(pack.concepts)
    keys = generator.mapping.memory.keys.weight
    trained = keys.abs().sum(1).numpy() > 0
    config = generator.config
    random = torch.Generator().manual_seed(0)
    latents = torch.randn(_LATENTS, config.latent_dim, generator=random)
    style = torch.zeros(1, max(1, len(config.styles)))
    style[:, 0] = 1.0

    def features(rows: np.ndarray, latent: torch.Tensor) -> np.ndarray:
        found = []
        with torch.inference_mode():
            for first in range(0, len(rows), _BATCH):
                chosen = keys[rows[first : first + _BATCH]]
                drawn = generator(chosen, latent.expand(len(chosen), -1), style.expand(len(chosen), -1))
                pixels = ((drawn + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
                found.append(judge.features(iter(pixels)))
        return np.concatenate(found)

    rows = _spread(np.flatnonzero(trained & judge.knows(names)), concepts)
    drawn = features(rows, torch.zeros(1, config.latent_dim))
    ranks = judge.ranks(drawn, names[rows])
    pooled = drawn[:, efficientnet_lite.POOLED]
    reference = judge.reference(None, config.styles).features
    kid = fidelity.kernel_distance(pooled, reference)
    balls = manifold.manifold_over_subsets(pooled, reference)
    some = _spread(rows, max(1, concepts // _LATENTS))
    several = np.concatenate([features(some, latent[None]) for latent in latents])[:, efficientnet_lite.POOLED]
    variety = score_variety(by_concept(several, np.tile(names[some], _LATENTS)), judge.real.pooled_by_concept())
    return {
        "top1": interval((ranks <= 1).astype(float)),
        "top5": interval((ranks <= 5).astype(float)),
        "kid": None if kid is None else kid.value,
        "precision": None if balls is None else balls["precision"].value,
        "coverage": None if balls is None else balls["coverage"].value,
        "variety": variety["share_of_corpus"],
    }


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the rows, evenly."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]


def as_markdown(rows: Sequence[Mapping[str, Any]], steps: int) -> str:
    """The table, best top-5 first: at a short budget hardly anything is drawn well enough to be named first."""
    lines = [
        f"{steps} steps of each; concept accuracy by a classifier that training never looked through.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|---" * len(_COLUMNS) + "|",
    ]
    for row in sorted(rows, key=lambda row: -row["top5"]["value"]):
        cells = [
            row["variant"],
            f"{100 * row['top1']['value']:.1f}%",
            f"{100 * row['top5']['value']:.1f}% [{100 * row['top5']['low']:.0f}-{100 * row['top5']['high']:.0f}]",
            _number(row["kid"], 1, 1000),
            _number(row["precision"], 2),
            _number(row["coverage"], 2),
            _number(row["variety"] and row["variety"]["value"], 3),
            _number(row["val/pixels"], 4),
            _number(row["val/features"], 3),
            _number(row["train/images_per_second"], 0),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _number(value: float | None, digits: int, times: float = 1.0) -> str:
    return "-" if value is None else f"{times * value:.{digits}f}"


def _last_logged(folder: Path) -> dict[str, float | None]:
    """The last value that a run logged of what the table shows, and its best speed: the machine may be shared."""
    logs = sorted(folder.glob("csv/version_*/metrics.csv"), key=lambda path: path.stat().st_mtime)
    found: dict[str, list[float]] = {"val/pixels": [], "val/features": [], "train/images_per_second": []}
    if logs:
        with logs[-1].open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                for name, values in found.items():
                    if line.get(name):
                        values.append(float(line[name]))
    best = found.pop("train/images_per_second")
    last: dict[str, float | None] = {name: values[-1] if values else None for name, values in found.items()}
    return {**last, "train/images_per_second": max(best, default=None)}


def _read_row(path: Path, arguments: list[str]) -> dict[str, Any] | None:
    """A row that was scored before with the same arguments; None otherwise."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return row if row.get("arguments") == arguments else None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_output(path, text.encode())


def _silent(items: Any, _description: str, _total: int) -> Any:
    return items
