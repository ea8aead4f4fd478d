"""Packages of the shape that a build reads: the stamps' .deb, npm tars, ready voices."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageDraw

RATE = 44_100
STAMPS = "usr/share/tuxpaint/stamps/"
# name: caption, captions by language, languages with a recording, picture's suffix
TINY_STAMPS = {
    "animals/dog": ("A dog.", {"fr": "Un chien.", "es": "Un perro."}, ("", "_fr", "_es"), "png"),
    "animals/cat": ("A “tabby” cat.", {"fr": "Un chat.", "es": "Un gato."}, ("", "_fr", "_es"), "svg"),
    "food/apple": ("An apple.", {"fr": "Une pomme.", "pt_BR": "Uma maçã."}, ("_fr", "_pt_BR"), "png"),
    "food/pear": ("A pear.", {"fr": "Une poire.", "ro": "O pară."}, ("_fr", "_ro"), "png"),
    "food/pie": ("A pie that is far too long a caption to be a concept.", {}, ("",), "png"),
    "plants/tree": ("A tree.", {"ro": "Un copac."}, ("_ro",), None),
}
# code: label, emojibase group, subgroup
TINY_EMOJI = {
    "1F34E": ("apple", 4, 42),
    "1F436": ("dog face", 3, 34),
    "1F468-200D-1F692": ("man firefighter", 1, 25),
    "1F9D1-200D-1F692": ("firefighter", 1, 25),
    "1F57A": ("man dancing", 1, 27),
    "2764-FE0F": ("red heart", 0, 14),
    "2795": ("plus", 8, 90),
    "0023-FE0F-20E3": ("keycap: #", 8, 94),
    "1F1EB-1F1F7": ("flag: France", 9, 98),
    "1F1E6": ("regional indicator A", None, None),
}


def tone(pitch: float, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    """A harmonic sound between two silences: (N,) float32."""
    time = np.arange(int(seconds * rate)) / rate
    sound = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in (1, 2, 3)) * np.hanning(len(time))
    return np.pad(0.3 * sound, int(0.2 * rate)).astype(np.float32)


def ogg(pitch: float) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(pitch), RATE, format="OGG", subtype="VORBIS")
    return buffer.getvalue()


def png(colour: str, size: tuple[int, int] = (90, 60)) -> bytes:
    image = Image.new("RGBA", size)
    ImageDraw.Draw(image).ellipse((20, 10, size[0] - 20, size[1] - 10), fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 40"><rect width="20" height="40" fill="green"/></svg>'


def tar_bytes(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def debian_package(members: dict[str, bytes]) -> bytes:
    """An ar archive, which is what a .deb is."""
    archive = b"!<arch>\n"
    for name, data in members.items():
        archive += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        archive += b"\n" * (len(data) % 2)
    return archive


def write_stamps(folder: Path) -> Path:
    files = {}
    for index, (name, (caption, captions, languages, suffix)) in enumerate(TINY_STAMPS.items()):
        lines = [caption, *(f"{language}.utf8={text}" for language, text in captions.items())]
        files[f"{STAMPS}{name}.txt"] = "\n".join(lines).encode()
        for number, language in enumerate(languages):
            files[f"{STAMPS}{name}_desc{language}.ogg"] = ogg(200 + 40 * index + 15 * number)
        files[f"{STAMPS}{name}.ogg"] = b"a sound effect, not speech"
        if suffix:
            colours = ["brown", "orange", "red", "green", "tan", "olive"]
            files[f"{STAMPS}{name}.{suffix}"] = SVG.encode() if suffix == "svg" else png(colours[index])
    files[f"{STAMPS}food/pear_desc_lt.ogg"] = b"not a sound"
    path = folder / "tuxpaint-stamps-default_1.0-1_all.deb"
    data = tar_bytes({f"./{name}": data for name, data in files.items()})
    members = {"debian-binary": b"2.0\n", "control.tar.gz": tar_bytes({}), "data.tar.gz": data}
    path.write_bytes(debian_package(members))
    return path


def write_words(folder: Path) -> Path:
    """Volunteers who say "apple" in English, German and Danish, twice with one recording, and what nobody drew."""
    sounds = "usr/share/ktuberling/sounds/"
    files = {}
    for number, language in enumerate(("en", "de", "da", "nds")):
        named = {"tux-apple": "apple", "xmas_apple": "apple", "moon_sphynx": "sphynx", "tv_apple": "gone"}
        lines = [f'<sound name="{name}"  file="{language}/{file}.ogg" />' for name, file in named.items()]
        files[f"{sounds}{language}.soundtheme"] = "\n".join(lines).encode()
        for place, file in enumerate(("apple", "sphynx")):
            files[f"{sounds}{language}/{file}.ogg"] = ogg(250 + 30 * number + 7 * place)
    path = folder / "ktuberling-data_4.0-1_all.deb"
    data = tar_bytes({f"./{name}": data for name, data in files.items()})
    path.write_bytes(debian_package({"debian-binary": b"2.0\n", "control.tar.gz": tar_bytes({}), "data.tar.gz": data}))
    return path


def write_other_speech(folder: Path) -> None:
    """The packages of `data build all --other-speech`; some files are of other use, or no speech."""
    fish, prompts = "usr/share/games/fillets-ng/sound/airplane", "usr/share/asterisk/sounds"
    packages = {
        "fillets-ng-data-cs": [f"{fish}/cs/let-{line}.ogg" for line in ("m-oko", "v-oko", "x")],
        "fillets-ng-data-nl": [f"{fish}/nl/let-m-oko.ogg"],
    }
    for language, voice in (("fr", "fr_CA_f_June"), ("it", "it_IT_m_Carlo"), ("ru", "ru_RU_f_IvrvoiceRU")):
        names = [f"{prompts}/{voice}/{name}.wav" for name in ("activated", "beep", "digits/1", "silence/1")]
        packages[f"asterisk-core-sounds-{language}-wav"] = names
    for package, names in packages.items():
        data = tar_bytes({f"./{name}": ogg(150 + 20 * place) for place, name in enumerate(names)})
        members = {"debian-binary": b"2.0\n", "control.tar.gz": tar_bytes({}), "data.tar.gz": data}
        (folder / f"{package}_1.0-1_all.deb").write_bytes(debian_package(members))


def write_emojibase(folder: Path) -> Path:
    entries = [
        {"label": label, "hexcode": code} | ({} if group is None else {"group": group, "subgroup": subgroup})
        for code, (label, group, subgroup) in TINY_EMOJI.items()
    ]
    tags = {
        "apple": ["fruit", "pome"],
        "dog face": ["pet", "face", "pooch"],
        "red heart": ["love", "pet"],
        "plus": ["+"],
    }
    for entry in entries:
        entry["tags"] = tags.get(entry["label"], [])
    german = [{"label": {"apple": "Apfel"}.get(e["label"], "Hund"), "hexcode": e["hexcode"]} for e in entries[:2]]
    path = folder / "emojibase-data-17.0.0.tgz"
    files = {"package/en/data.json": json.dumps(entries), "package/de/data.json": json.dumps(german)}
    path.write_bytes(tar_bytes({name: text.encode() for name, text in files.items()}))
    return path


def write_icon_set(folder: Path, name: str, version: str, mapped: bool = True) -> Path:
    """A set with a picture of each emoji; the dog is an alias of the apple, mirrored and turned."""
    icons = {
        code.lower(): {"body": f'<circle cx="9" cy="9" r="{6 + index % 3}" fill="#{index}0a050"/>'}
        for index, code in enumerate(TINY_EMOJI)
        if code != "1F436"
    }
    data = {
        "prefix": name,
        "width": 18,
        "height": 18,
        "icons": icons,
        "aliases": {"1f436": {"parent": "1f34e", "hFlip": True, "rotate": 1}},
    }
    info = {"name": name.title(), "license": {"spdx": "MIT"}, "author": {"name": "Somebody"}}
    files = {
        "package/icons.json": json.dumps(data).encode(),
        "package/info.json": json.dumps(info).encode(),
        "package/package.json": json.dumps({"version": version}).encode(),
    }
    if mapped:
        chars = {code.lower().replace("-fe0f", ""): code.lower() for code in TINY_EMOJI}
        files["package/chars.json"] = json.dumps(chars).encode()
    path = folder / f"iconify-json-{name}-{version}.tgz"
    path.write_bytes(tar_bytes(files))
    return path


def write_ready_voices(folder: Path, name: str = "joe") -> Path:
    """A tar of ready clips: one of a concept that the stamps have, one of a text that nobody knows."""
    rows, files = [], {}
    for number, (text, lang) in enumerate((("A dog", "en-us"), ("Un perro", "es"), ("nobody knows this", "en-gb"))):
        files[f"{name}/{number}.ogg"] = ogg(300 + 20 * number)
        rows.append(
            {
                "file": f"{number}.ogg",
                "text": text,
                "lang": lang,
                "engine": "piper",
                "voice": "en_US-joe-medium",
            }
        )
    files[f"{name}/manifest.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path = folder / f"{name}.tar"
    path.write_bytes(tar_bytes(files, "w"))
    return path


def write_packages(folder: Path) -> Path:
    """Everything that `data build all` asks for."""
    folder.mkdir(parents=True, exist_ok=True)
    write_stamps(folder)
    write_words(folder)
    write_emojibase(folder)
    versions = {"noto": "1.2.9", "twemoji": "1.2.5", "openmoji": "1.2.29", "fluent-emoji-flat": "1.2.6"}
    for name, version in versions.items():
        write_icon_set(folder, name, version)
    return folder
