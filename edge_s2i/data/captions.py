"""From a caption as people wrote it to a concept's id, the words a voice says, and a key for matching."""

import re
import unicodedata

_QUOTES = re.compile('[“”„«»"‹›]')  # noqa: RUF001
_APOSTROPHES = re.compile("[’‘ʼ`´']")  # noqa: RUF001
_ENGLISH_ARTICLE = re.compile(r"^(?:a|an|the)\s+(?=\S)")
_SPACES = re.compile(r"\s+")


def spoken_text(caption: str) -> str:
    """What a voice is asked to say: no typographic quotes, no closing full stop, single spaces."""
    text = _QUOTES.sub("", _APOSTROPHES.sub("'", caption))
    return _SPACES.sub(" ", text).strip().rstrip(".…|。").strip()


def normalized(caption: str, language: str = "en") -> str:
    """Lower-case words without punctuation and, in English, leading article: the key for matching."""
    text = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", caption).casefold())
    text = "".join(character if character.isalnum() or unicodedata.combining(character) else " " for character in text)
    text = _SPACES.sub(" ", text).strip()
    return _ENGLISH_ARTICLE.sub("", text) if language == "en" else text


def concept_id(caption: str) -> str:
    """Slug of the normalized English caption: 'A "Granny Smith" apple.' -> 'granny-smith-apple'."""
    decomposed = unicodedata.normalize("NFKD", normalized(caption))
    folded = "".join(character for character in decomposed if not unicodedata.combining(character))
    return _SPACES.sub("-", folded.strip())
