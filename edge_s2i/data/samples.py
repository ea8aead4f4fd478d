"""From planned pictures and clips to the bytes and JSON that a shard holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.data.earlier_clips import EarlierClip
from edge_s2i.data.records import Clip, Picture
from edge_s2i.data.rendering import UnfitPictureError, render
from edge_s2i.data.synthesis.registry import ENGINES
from edge_s2i.data.utterances import UnfitClipError, prepare, to_flac

Tick = Callable[[int], None]
"""Called with how many samples were finished since the last call."""

Sample = tuple[str, bytes, dict[str, Any]]
"""File name in the shard, its bytes, and the JSON beside it."""


def picture_samples(pictures: Sequence[Picture], dropped: dict[str, int], tick: Tick) -> Iterator[Sample]:
    """Rendered pictures in their order; unfit ones are counted in `dropped` by reason."""
    for picture in pictures:
        try:
            data = render(picture)
        except UnfitPictureError as reason:
            dropped[f"picture {reason}"] = dropped.get(f"picture {reason}", 0) + 1
        else:
            record = {
                "picture": picture.key,
                "concept": picture.concept,
                "style": picture.style,
                "source": picture.source,
                "licence": picture.licence,
                "split": picture.split,
            }
            yield f"{picture.key}.webp", data, record
        tick(1)


def clip_samples(
    clips: Sequence[Clip],
    earlier: Mapping[str, EarlierClip],
    unfit: dict[str, str],
    tick: Tick,
) -> Iterator[Sample]:
    """FLACs in the order of `clips`; those that are left out go into `unfit` with the reason.

    Engines speak batch by batch first; only coded bytes are held meanwhile.
    """
    coded: dict[str, tuple[bytes, float]] = {}
    by_engine: dict[str, list[Clip]] = {}

    def code(key: str, source: Any) -> None:
        try:
            samples = prepare(source)
            coded[key] = to_flac(samples), round(len(samples) / SAMPLE_RATE, 4)
        except UnfitClipError as reason:
            unfit[key] = str(reason)
        tick(1)

    for clip in clips:
        if (known := earlier.get(clip.key)) is not None:
            if known.file is None:
                unfit[clip.key] = known.unfit
            else:
                coded[clip.key] = known.file.read(), known.seconds
            tick(1)
        elif clip.recording is not None:
            code(clip.key, clip.recording.read())
        else:
            by_engine.setdefault(clip.engine, []).append(clip)
    for name, batch in by_engine.items():
        for key, audio in ENGINES[name].speak(batch):
            code(key, audio)
    for clip in clips:
        if clip.key not in coded:
            unfit.setdefault(clip.key, "not spoken")
            continue
        data, seconds = coded[clip.key]
        record = {
            "clip": clip.key,
            "concept": clip.concept,
            "text": clip.text,
            "language": clip.language,
            "speaker": clip.speaker,
            "engine": clip.engine,
            "human": clip.human,
            "seconds": seconds,
            "split": clip.split,
            "picture": clip.picture,
            "source": clip.source,
            "licence": clip.licence,
        }
        yield f"{clip.key}.flac", data, record
