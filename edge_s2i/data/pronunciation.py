"""What a text sounds like: the phones that espeak-ng reads in it, as numbers, for training's phoneme head.

Phones are the letters of the International Phonetic Alphabet without stress, length and other marks: one inventory
for all languages, small enough that each is heard often; a diphthong is two.
"""

# ruff: noqa: RUF001 - these are phones, in the letters of the phonetic alphabet

import ctypes
import ctypes.util
import re
from functools import lru_cache

import numpy as np

from edge_s2i.errors import DataError

BLANK = 0  # CTC's symbol for "nothing new"; phones count from 1
# fmt: off
PHONES = (
    "a", "b", "c", "d", "e", "f", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x",
    "y", "z", "æ", "ç", "ð", "ø", "ŋ", "œ", "ɐ", "ɑ", "ɒ", "ɓ", "ɔ", "ɕ", "ɖ", "ə", "ɚ", "ɛ", "ɜ", "ɟ", "ɡ", "ɣ", "ɤ",
    "ɥ", "ɨ", "ɪ", "ɫ", "ɬ", "ɭ", "ɯ", "ɲ", "ɵ", "ɹ", "ɾ", "ʀ", "ʁ", "ʂ", "ʃ", "ʉ", "ʊ", "ʋ", "ʌ", "ʎ", "ʏ", "ʐ", "ʑ",
    "ʒ", "ʔ", "ʝ", "β", "θ", "χ", "ᵻ",
)
# fmt: on
_NUMBER = {phone: number for number, phone in enumerate(PHONES, 1)}
_SAME = {"g": "ɡ", "ε": "ɛ", "ɝ": "ɜ", "ʲ": "j", "ɻ": "ɹ", "ɦ": "h", "ɽ": "ɾ", "ʈ": "t", "ʙ": "b"}

VOICES = {"en": "en-us", "fr": "fr-fr", "pt": "pt", "es": "es"}
"""espeak-ng's voice for a language that has several; others are named like the language."""

_RETRIEVAL, _NO_CALLBACK_BUFFER = 1, 0  # espeak_AUDIO_OUTPUT: nothing is played
_UTF8, _IPA = 1, 2


def phones(text: str, voice: str) -> np.ndarray:
    """Numbers of the phones of `text` (N,) uint8, 1 to len(PHONES), read in espeak-ng's `voice`.

    Raises DataError where espeak-ng is not installed or has no such voice.
    """
    numbers = [_NUMBER[letter] for letter in map(_same, _ipa(text, voice)) if letter in _NUMBER]
    return np.array(numbers, np.uint8)


def _same(letter: str) -> str:
    return _SAME.get(letter, letter)


class _Voice(ctypes.Structure):
    """espeak_VOICE of speak_lib.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    name = ctypes.util.find_library("espeak-ng")
    if name is None:
        raise DataError("phonemes need espeak-ng; `apt install espeak-ng`, or train with model.phoneme_weight 0")
    library = ctypes.CDLL(name)
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    if library.espeak_Initialize(_RETRIEVAL, _NO_CALLBACK_BUFFER, None, 0) < 0:
        raise DataError("espeak-ng does not start: its data folder is missing; install espeak-ng again")
    return library


_voice_in_use: list[str] = []  # the library has one voice at a time, and changing it costs more than speaking


def _ipa(text: str, voice: str) -> str:
    library = _library()
    if _voice_in_use != [voice]:
        wanted = _Voice(languages=voice.encode())
        by_name = library.espeak_SetVoiceByName(voice.encode()) == 0  # a file's name; en-gb is only a language's
        if not by_name and library.espeak_SetVoiceByProperties(ctypes.byref(wanted)) != 0:
            raise DataError(f"espeak-ng has no voice {voice!r}; install espeak-ng-data of the same version")
        _voice_in_use[:] = [voice]
    rest = ctypes.c_char_p(text.encode())
    parts = []
    while rest.value is not None:  # one call reads one clause
        parts.append((library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA) or b"").decode())
    return _without_language_marks(" ".join(parts))


def _without_language_marks(ipa: str) -> str:
    """espeak-ng writes (en) before a word that it reads in English and (fr) where it goes on in French."""
    return re.sub(r"\([^)]*\)", "", ipa)
