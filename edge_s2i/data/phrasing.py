"""How people name a thing when they say it: "a dog", "dog", "the dog", "it's a dog"; each language in its own way.

What a caption says stays the commonest phrasing. Carriers are of the kind that no gender or case changes, so that a
caption can be put behind them as it is.
"""

# ruff: noqa: RUF001 - these are words, in the letters of their languages

import re

from edge_s2i.data.hashing import draw, pick

_INDEFINITE = {
    "en": "a an",
    "fr": "un une des",
    "es": "un una unos unas",
    "ca": "un una uns unes",
    "it": "un una uno",
    "pt": "um uma uns umas",
    "ro": "un o",
    "de": "ein eine",
    "nl": "een",
    "da": "en et",
    "el": "ένας μία μια ένα",
}
_DEFINITE = {
    "en": "the",
    "fr": "le la les",
    "es": "el la los las",
    "ca": "el la els les",
    "it": "il lo la i gli le",
    "pt": "o a os as",
    "de": "der die das",
    "nl": "de het",
    "el": "ο η το οι τα",
}
CARRIERS = {
    "en": ("it's {}", "this is {}", "look, {}", "I see {}", "{}, please"),
    "fr": ("c'est {}", "regarde, {}", "voici {}"),
    "es": ("es {}", "mira, {}", "aquí hay {}"),
    "ca": ("és {}", "mira, {}"),
    "it": ("è {}", "guarda, {}", "ecco {}"),
    "pt": ("é {}", "olha, {}"),
    "ro": ("este {}", "uite, {}"),
    "de": ("das ist {}", "schau, {}"),
    "nl": ("dit is {}", "kijk, {}"),
    "da": ("det er {}", "se, {}"),
    "el": ("είναι {}", "να {}"),
    "ru": ("это {}", "смотри, {}", "вот {}"),
    "bg": ("това е {}", "виж, {}", "ето {}"),
    "be": ("гэта {}", "глядзі, {}", "вось {}"),
    "lt": ("tai {}", "žiūrėk, {}"),
}
"""Sentences that present a thing, in every language that voices speak."""
AS_CAPTIONED = 0.6  # of all utterances


def bare(language: str, text: str) -> str:
    """`text` without its leading article, if it has one and something follows it."""
    articles = f"{_INDEFINITE.get(language, '')} {_DEFINITE.get(language, '')}".split()
    match = re.match(r"(\w+)\s+(?=\S)", text)
    return text[match.end() :] if match and match[1].lower() in articles else text


def phrasings(language: str, text: str) -> tuple[str, ...]:
    """Ways of saying `text` other than as it stands: without its article, with the definite one, in a sentence."""
    noun = bare(language, text)
    forms = [noun]
    if language == "en":
        # Other languages' definite article needs a gender that a caption does not tell.
        forms.append(f"the {noun}")
    inside = text[:1].lower() + text[1:] if noun != text else text  # "A dog" -> "it's a dog"; a name keeps its capital
    forms += [carrier.format(inside) for carrier in CARRIERS.get(language, ())]
    return tuple(dict.fromkeys(form for form in forms if form != text))


def phrased(language: str, text: str, *key: object) -> str:
    """One way of saying `text`, by hash of `key`: as it stands more often than not."""
    others = phrasings(language, text)
    if not others or draw(*key, "as captioned") < AS_CAPTIONED:
        return text
    return pick(others, *key, "phrasing")
