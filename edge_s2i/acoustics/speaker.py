"""Another speaker saying the same: vocal tract, pitch, melody and tempo of a recording, changed apart or together.

The work is done by Praat's "Change gender" (Boersma & Weenink), through parselmouth: playing the recording faster
moves the formants, and pitch-synchronous overlap-add (PSOLA; Moulines & Charpentier 1990) then sets pitch and
duration back to what is asked.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import parselmouth
import soxr
from parselmouth.praat import call, run

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import RequestError

_PITCH_FLOOR_HZ = 70.0  # deep adult voices; lower finds half the pitch of others
_PITCH_CEILING_HZ = 500.0  # shouting children
# Praat's pitch analysis looks at three periods of the lowest pitch at once.
_SHORTEST = math.ceil(3.0 * SAMPLE_RATE / _PITCH_FLOOR_HZ) + 1  # 687 samples: 43 ms

# Speakers of American English: men, women, and children of 10 to 12 years speak at about 130, 220 and 240 Hz with
# formants of about 1 : 1.17 : 1.25 (Hillenbrand et al. 1995, table V), so formants follow the cube root of pitch.
_MAN_HZ = 130.0
_FORMANT_EXPONENT = 1.0 / 3.0
_UNKNOWN_HZ = 165.0  # between men and women: the pitch assumed where none is heard
_SPEAKER_HZ = (80.0, 330.0)  # from a deep man's mean pitch to that of a child of four
_FORMANT_SPREAD = 0.05  # deviation of the log: people of the same pitch differ in the length of their vocal tract
_MELODY = (0.6, 1.5)
_DURATION = (0.8, 1.25)
_FLATTEST = 1e-3  # pitch range that Praat takes; it refuses 0
_LOWEST_NOTE = 0.3  # of the median pitch
# Beyond these PSOLA and resampling sound broken rather than like somebody else.
_FORMANT_FACTORS = (0.75, 1.35)
_PITCH_FACTORS = (0.5, 2.0)


@dataclass(frozen=True)
class Speaker:
    """A voice, whoever spoke before.

    pitch_hz: median; formants: their frequencies as a factor of a grown man's, so 1.17 for a grown woman and 1.3
    for a small child; pitch_range and duration: factors on the excursions of the recording's melody and on its length.
    """

    pitch_hz: float
    formants: float
    pitch_range: float = 1.0
    duration: float = 1.0


def change_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Plays `samples` ((N,) float32) `factor` times as fast, pitch and formants rising with it; (~N / factor,)."""
    _check("speed factor", factor, 0.25, 4.0)
    # A rate in whole hertz: the error of at most 0.02 % is inaudible.
    return soxr.resample(samples.astype(np.float32, copy=False), round(SAMPLE_RATE * factor), SAMPLE_RATE)


def median_pitch(samples: np.ndarray) -> float:
    """Median pitch of the voiced parts of `samples` ((N,) float32) in Hz; 0.0 where nothing is voiced."""
    if len(samples) < _SHORTEST:
        return 0.0
    return _median(_pitch(_sound(samples)))


def change_voice(
    samples: np.ndarray,
    formants: float = 1.0,
    pitch: float = 1.0,
    pitch_range: float = 1.0,
    duration: float = 1.0,
    pitch_hz: float | None = None,
) -> np.ndarray:
    """Changes formants, pitch, melody and length of `samples`, each without the others.

    samples: (N,) float32, 16 kHz; formants, duration: factors; pitch: factor on the median pitch, or pitch_hz: the
    new median itself; pitch_range: factor on the distance of the melody from its median, 0 for a robot, lowered
    where a note would fall below zero. Returns (~N * duration,) float32. Where nothing is voiced, only formants
    and duration change; less than 43 ms comes back as it is. A factor below 1 on formants leaves the top of the
    spectrum empty, as a low sample rate would.
    """
    _check("formants", formants, 0.5, 2.0)
    _check("pitch", pitch, 0.25, 4.0)
    _check("pitch_range", pitch_range, 0.0, 3.0)
    _check("duration", duration, 0.25, 4.0)
    if pitch_hz is not None:
        _check("pitch_hz", pitch_hz, 40.0, 800.0)
        if pitch != 1.0:
            raise RequestError(f"pitch={pitch} and pitch_hz={pitch_hz} are both given; give one of them")
    if len(samples) < _SHORTEST:
        return samples.astype(np.float32)
    sound = _sound(samples)
    contour = _pitch(sound)
    if pitch_hz is None:
        pitch_hz = pitch * _median(contour)
    return _change(sound, contour, formants, pitch_hz, pitch_range, duration)


def draw_speaker(generator: np.random.Generator) -> Speaker:
    """Draws somebody from a child of four to a deep adult: any pitch, and a vocal tract that mostly fits it."""
    pitch_hz = _log_uniform(generator, *_SPEAKER_HZ)
    spread = math.exp(_FORMANT_SPREAD * float(generator.standard_normal()))
    return Speaker(
        pitch_hz=pitch_hz,
        formants=_expected_formants(pitch_hz) * spread,
        pitch_range=_log_uniform(generator, *_MELODY),
        duration=_log_uniform(generator, *_DURATION),
    )


def speak_as(samples: np.ndarray, speaker: Speaker, reach: float = 1.0, longest: int | None = None) -> np.ndarray:
    """Lets `speaker` say what `samples` ((N,) float32, 16 kHz) say; (~N * speaker.duration,) float32.

    The vocal tract of whoever spoke is judged by the recording's pitch. Somebody very different is met half-way:
    pitch moves by an octave at most, formants by a factor of 0.75 to 1.35. reach: from 0 for the old speaker to 1
    for the new; longest: samples that the result may have, slowing down less if need be.
    """
    _check("reach", reach, 0.0, 1.0)
    if len(samples) < _SHORTEST:
        return samples.astype(np.float32)
    sound = _sound(samples)
    contour = _pitch(sound)
    old_hz = _median(contour)
    formants = speaker.formants / _expected_formants(old_hz or _UNKNOWN_HZ)
    duration = speaker.duration**reach
    if longest is not None:
        duration = min(duration, max(1.0, longest / len(samples)))
    return _change(
        sound,
        contour,
        float(np.clip(formants, *_FORMANT_FACTORS)) ** reach,
        old_hz * float(np.clip(speaker.pitch_hz / (old_hz or _UNKNOWN_HZ), *_PITCH_FACTORS)) ** reach,
        speaker.pitch_range**reach,
        duration,
    )


def _sound(samples: np.ndarray) -> parselmouth.Sound:
    return parselmouth.Sound(samples.astype(np.float64), float(SAMPLE_RATE))


def _pitch(sound: parselmouth.Sound) -> parselmouth.Pitch:
    return sound.to_pitch(None, _PITCH_FLOOR_HZ, _PITCH_CEILING_HZ)


def _median(contour: parselmouth.Pitch) -> float:
    hertz = contour.selected_array["frequency"]
    voiced = hertz[hertz > 0.0]
    return float(np.median(voiced)) if len(voiced) else 0.0


def _change(
    sound: parselmouth.Sound,
    contour: parselmouth.Pitch,
    formants: float,
    pitch_hz: float,
    pitch_range: float,
    duration: float,
) -> np.ndarray:
    pitch_range = min(max(pitch_range, _FLATTEST), _widest_range(contour))
    with warnings.catch_warnings():
        # "There were no voiced segments found" is what whispering is, not a fault.
        warnings.simplefilter("ignore", parselmouth.PraatWarning)
        # What has no pitch is put together of random pieces; from one seed, so that the same call gives the same.
        # Praat's random numbers belong to the process: no two threads at once.
        run("random_initializeWithSeedUnsafelyButPredictably (0)")
        # With the contour at hand Praat need not look for pitch once more, a third of the cost.
        changed = call([sound, contour], "Change gender", formants, pitch_hz, pitch_range, duration)
    return np.nan_to_num(changed.values[0], posinf=0.0, neginf=0.0).astype(np.float32)


def _widest_range(contour: parselmouth.Pitch) -> float:
    """Factor on the melody that leaves its lowest note at 0.3 of the median or more; 1 where it is lower already.

    Praat moves every note away from the median in hertz. Below zero, which a single note found an octave too low
    can reach, its overlap-add never ends.
    """
    hertz = contour.selected_array["frequency"]
    voiced = hertz[hertz > 0.0]
    if not len(voiced):
        return 1.0
    lowest = float(voiced.min() / np.median(voiced))
    return max(1.0, (1.0 - _LOWEST_NOTE) / max(1.0 - lowest, 1e-6))


def _expected_formants(pitch_hz: float) -> float:
    return (pitch_hz / _MAN_HZ) ** _FORMANT_EXPONENT


def _log_uniform(generator: np.random.Generator, low: float, high: float) -> float:
    return math.exp(generator.uniform(math.log(low), math.log(high)))


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}; it must be from {low} to {high}")
