"""A pack of a user's own pairs, listed in CSV or JSON lines: audio path, picture path, concept."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_s2i.data import splits
from edge_s2i.data.building import BuiltPack, Progress, check_folder, finish_pack, prepare_folder
from edge_s2i.data.captions import concept_id, spoken_text
from edge_s2i.data.hashing import draw, short_hash
from edge_s2i.data.records import Clip, Concept, FileSlice, Picture, Source
from edge_s2i.data.rendering import require_renderer
from edge_s2i.data.shards import SHARD_SIZE, make_shards
from edge_s2i.data.whole_files import sha256_of
from edge_s2i.errors import DataError

REQUIRED = ("audio", "picture", "concept")
OPTIONAL = ("language", "speaker", "caption", "split")
SPLITS = (splits.TRAIN, splits.VAL, splits.TEST_HUMAN)
STYLE = "user"
LICENCE = "the user's own"


@dataclass(frozen=True)
class Row:
    """One pair of the user's; paths are absolute."""

    number: int  # line of the file, for messages
    audio: Path
    picture: Path
    concept: str
    language: str
    speaker: str
    caption: str
    split: str | None


def build_from_manifest(
    file: Path,
    out: Path,
    seed: int = 0,
    held_out_language: str | None = None,
    jobs: int = 1,
    progress: Progress = lambda *_: None,
    shard_size: int = SHARD_SIZE,
) -> BuiltPack:
    """Builds a pack from `file`. A bad row is a DataError that names its line, before anything is written.

    What a row gives no split is split by hash: `seed` draws who is held out, and speech in `held_out_language` is for
    tests only, as split human-<language>.
    """
    rows = read_rows(file)
    if held_out_language is not None:
        held_out_language = _language(held_out_language, "--held-out-language")
        if held_out_language not in (there := sorted({row.language for row in rows})):
            raise DataError(
                f"--held-out-language {held_out_language}: {file} has no line in it; there are {', '.join(there)}"
            )
    check_folder(out)
    concepts: dict[str, Concept] = {}
    pictures: dict[Path, Picture] = {}
    clips: dict[str, Clip] = {}
    for row in rows:
        id_ = concept_id(row.concept)
        concept = concepts.setdefault(id_, Concept(id_, spoken_text(row.concept)))
        concept.sources.add(file.name)
        concept.add_caption("en" if not row.caption else row.language, row.caption or row.concept)
        if row.picture not in pictures:
            pictures[row.picture] = Picture(
                f"user-{short_hash(file.name, _shown(row.picture, file))}",
                id_,
                STYLE,
                file.name,
                LICENCE,
                _slice(row.picture),
            )
        elif pictures[row.picture].concept != id_:
            raise DataError(
                f"{file}: line {row.number} gives {row.picture} the concept {id_!r}, "
                f"but an earlier line gave it {pictures[row.picture].concept!r}; a picture has one concept"
            )
        pair = short_hash(file.name, _shown(row.audio, file), _shown(row.picture, file))
        key = f"{row.language}-human-{pair}"
        clips[key] = Clip(
            key=key,
            concept=id_,
            text=spoken_text(row.caption or row.concept),
            language=row.language,
            speaker=row.speaker,
            engine="human",
            split=row.split or _split(row, seed, held_out_language),
            source=file.name,
            licence=LICENCE,
            picture=pictures[row.picture].key,
            human=True,
            recording=_slice(row.audio),
        )
    require_renderer(pictures.values())
    prepare_folder(out)
    drawn = make_shards(
        out,
        "pictures",
        _shuffled(pictures.values()),
        jobs,
        None,
        _ticker(progress, "pictures", len(pictures)),
        shard_size,
    )
    fit = {record["picture"] for result in drawn for record in result.records}
    shown = {record["concept"] for result in drawn for record in result.records}
    heard = [clip for clip in clips.values() if clip.picture in fit]
    spoken = make_shards(
        out, "speech", _shuffled(heard), jobs, None, _ticker(progress, "speech", len(heard)), shard_size
    )
    return finish_pack(
        out,
        concepts=[
            {
                "concept": concept.id,
                "caption": concept.caption,
                "captions": dict(sorted(concept.captions.items())),
                "sources": sorted(concept.sources),
            }
            for concept in concepts.values()
            if concept.id in shown
        ],
        pictures=drawn,
        speech=spoken,
        sources=[Source(file.name, sha256_of(file)[:12], LICENCE, "the user's manifest")],
        seed=seed,
        held_out_language=held_out_language,
        dropped={"pair whose picture is unfit": len(clips) - len(heard)} if len(heard) < len(clips) else {},
        absent={},
    )


def read_rows(file: Path) -> list[Row]:
    """Every row, checked; paths in it are relative to the manifest's own folder."""
    if not file.is_file():
        raise DataError(f"{file} does not exist; give a .csv or .jsonl file of audio, picture, concept")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as UTF-8 text ({error})") from error
    kinds = {".csv": _csv_rows, ".jsonl": _json_rows, ".ndjson": _json_rows}
    if file.suffix.lower() not in kinds:
        raise DataError(f"{file} is neither .csv nor .jsonl; give one of these with audio, picture, concept")
    rows = [_checked(file, number, raw) for number, raw in kinds[file.suffix.lower()](file, text)]
    if not rows:
        raise DataError(f"{file} lists no pairs; give one line per recording with audio, picture, concept")
    return rows


def _csv_rows(file: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    columns = [name.strip() for name in reader.fieldnames or ()]
    if missing := [name for name in REQUIRED if name not in columns]:
        raise DataError(f"{file} has no column {', '.join(missing)}; its first line must name {', '.join(REQUIRED)}")
    if unknown := [name for name in columns if name not in (*REQUIRED, *OPTIONAL)]:
        raise DataError(f"{file} has the unknown column {', '.join(unknown)}; {_allowed()}")
    reader.fieldnames = columns
    for raw in reader:
        if None in raw or None in raw.values():
            raise DataError(f"{file}: line {reader.line_num} does not have {len(columns)} values like the first line")
        yield reader.line_num, raw


def _json_rows(file: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
        except ValueError as error:
            raise DataError(f"{file}: line {number} is not JSON ({error})") from error
        if not isinstance(raw, dict):
            raise DataError(f"{file}: line {number} is not a JSON object; {_allowed()}")
        if unknown := [name for name in raw if name not in (*REQUIRED, *OPTIONAL)]:
            raise DataError(f"{file}: line {number} has the unknown field {', '.join(unknown)}; {_allowed()}")
        yield number, raw


def _allowed() -> str:
    return f"needed are {', '.join(REQUIRED)}, and {', '.join(OPTIONAL)} may follow"


def _checked(file: Path, number: int, raw: dict[str, Any]) -> Row:
    where = f"{file}: line {number}"
    for name, value in raw.items():
        if value is not None and not isinstance(value, str):
            raise DataError(f"{where}: {name} is {value!r}; give text")
    values = {name: (raw.get(name) or "").strip() for name in (*REQUIRED, *OPTIONAL)}
    for name in REQUIRED:
        if not values[name]:
            raise DataError(f"{where} has no {name}; every line needs {', '.join(REQUIRED)}")
    if not concept_id(values["concept"]):
        raise DataError(f"{where}: the concept {values['concept']!r} has no letters or digits; name it in words")
    language = _language(values["language"] or "en", f"{where}: the language")
    if values["split"] and values["split"] not in SPLITS:
        raise DataError(f"{where}: the split {values['split']!r} is unknown; give {', '.join(SPLITS)}, or nothing")
    paths = {}
    for name in ("audio", "picture"):
        paths[name] = (file.parent / values[name]).resolve()
        if not paths[name].is_file():
            raise DataError(f"{where}: the {name} {values[name]} does not exist beside {file.name}")
    speaker = values["speaker"] or f"human-{language}"
    return Row(
        number,
        paths["audio"],
        paths["picture"],
        values["concept"],
        language,
        speaker,
        values["caption"],
        values["split"] or None,
    )


def _language(code: str, where: str) -> str:
    """The two letters that clips carry of a code such as pt_BR; DataError begins with `where`."""
    language = code.strip().lower()[:2]
    if not (len(language) == 2 and language.isalpha()):
        raise DataError(f"{where} {code!r} is not a code such as en, es or pt_BR")
    return language


def _split(row: Row, seed: int, held_out_language: str | None) -> str:
    """With speakers named, whole speakers are held out; with none, single recordings are."""
    if row.language == held_out_language:
        return splits.held_out_split(row.language)
    name = row.audio.name if row.speaker == f"human-{row.language}" else row.speaker
    return splits.own_split(row.language, name, seed)


def _slice(path: Path) -> FileSlice:
    stat = path.stat()
    return FileSlice(path, size=stat.st_size, version=str(stat.st_mtime_ns))


def _shown(path: Path, file: Path) -> str:
    """The path as written in the manifest: the same data in another folder gives the same keys."""
    folder = file.parent.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def _shuffled(items: Any) -> list[Any]:
    return sorted(items, key=lambda item: (draw("order", item.key), item.key))


def _ticker(progress: Progress, stage: str, total: int) -> Any:
    done = 0

    def tick(samples: int) -> None:
        nonlocal done
        done += samples
        progress(stage, done, total)

    return tick
