"""Who is heard in training and who only in tests. Splits depend on names alone, never on the seed, save a user's own.

Human speech: all English and German recordings and all of one held-out language are test only (`human-en`, `human-de`,
`human-es`; of German there are a few dozen, too few to learn from and enough to test on); of the other languages'
volunteers, one to three speakers each, 4 % of the recordings are kept for `test-human` and 2 % for `val`. Synthetic
speech is split by speaker; an espeak-ng variant is held out whole, in every accent and language, because the variant
is what makes the timbre.
"""

from edge_s2i.data.hashing import draw

UNKNOWN, UNKNOWN_VAL = "unknown", "unknown-val"
TRAIN, VAL, TEST_SYNTHETIC, TEST_HUMAN = "train", "val", "test-synthetic", "test-human"

PICTURE_TEST_SHARE = 0.05
PICTURES_TO_SPARE = 3  # a concept with fewer pictures keeps them all for training
HUMAN_TEST_SHARE, HUMAN_VAL_SHARE = 0.04, 0.02
VOICE_TEST_SHARE, VOICE_VAL_SHARE = 0.08, 0.03

# Engines with a handful of voices cannot be split by chance. The natural ones (slt, joe) are worth most in
# training; slt and kal each speak in two engines, and one person must not be on both sides.
NAMED_VOICES = {
    "festival-ked": TEST_SYNTHETIC,
    "festival-kal": TRAIN,
    "festival-slt": TRAIN,
    "festival-ona": TRAIN,
    "festival-nsh": TRAIN,
    "festival-lp": TRAIN,
    "festival-pc": TRAIN,
    "flite-awb": TRAIN,
    "flite-rms": TRAIN,
    "flite-slt": TRAIN,
    "flite-kal16": TRAIN,
    "piper-en_US-joe-medium": TRAIN,
}


def picture_split(key: str, pictures_of_concept: int) -> str:
    if pictures_of_concept >= PICTURES_TO_SPARE and draw("picture", key) < PICTURE_TEST_SHARE:
        return "test"
    return TRAIN


def human_split(language: str, name: str, held_out_language: str) -> str:
    """`name` is what the recording says, so that two languages hold out different words."""
    if language in ("en", "de", held_out_language):
        return held_out_split(language)
    return _by_share(draw("human", language, name), TEST_HUMAN, HUMAN_TEST_SHARE, HUMAN_VAL_SHARE)


def held_out_split(language: str) -> str:
    """Split of the people who speak a language that is heard of people only in tests."""
    return f"human-{language}"


def voice_split(speaker: str, timbre: str | None = None) -> str:
    """Split of a synthetic speaker; `timbre` (an espeak-ng variant) is hashed in place of the whole name."""
    if speaker in NAMED_VOICES:
        return NAMED_VOICES[speaker]
    return _by_share(draw("voice", timbre or speaker), TEST_SYNTHETIC, VOICE_TEST_SHARE, VOICE_VAL_SHARE)


def unknown_split(speaker: str, timbre: str | None = None) -> str | None:
    """Split of a voice that says words of no concept: "unknown" in training, "unknown-val"; None for a test voice."""
    return {TRAIN: UNKNOWN, VAL: UNKNOWN_VAL}.get(voice_split(speaker, timbre))


def _by_share(value: float, test: str, test_share: float, val_share: float) -> str:
    if value < test_share:
        return test
    return VAL if value < test_share + val_share else TRAIN


def own_split(language: str, name: str, seed: int = 0) -> str:
    """Split of a user's own recording, 8 % `test-human`, 3 % `val`; `name`: the speaker, if one is named."""
    drawn = draw("own", language, name, *([seed] if seed else []))  # seed 0 splits as before there was a seed
    return _by_share(drawn, TEST_HUMAN, VOICE_TEST_SHARE, VOICE_VAL_SHARE)
