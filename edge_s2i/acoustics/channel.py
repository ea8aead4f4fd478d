"""From the microphone to the file: filters, converters that clip and round, telephones, codecs, and trimming."""

import io
import math
from functools import cache

import numpy as np
import soundfile
import soxr
from scipy.signal import butter, ellip, fftconvolve, sosfilt

from edge_s2i.acoustics.noise import coloured_noise
from edge_s2i.audio.constants import MIN_SECONDS, SAMPLE_RATE
from edge_s2i.errors import RequestError

TELEPHONE_RATE = 8_000  # Hz
TELEPHONE_BAND_HZ = (300.0, 3_400.0)
OPUS_BITRATES = (6_000, 256_000)  # bit/s: what libsndfile's compression levels 1 and 0 mean for one channel

_NYQUIST = SAMPLE_RATE / 2
_EQUALIZER_HZ = (100.0, 200.0, 400.0, 800.0, 1_600.0, 3_200.0, 6_400.0)  # octaves, flat beyond the ends
_WALK_DEVIATION = math.sqrt((len(_EQUALIZER_HZ) ** 2 - 1) / (6.0 * len(_EQUALIZER_HZ)))  # of a centred random walk
_EQUALIZER_TAPS = 256  # 16 ms, four times the period of the narrowest bend that matters


def gain(samples: np.ndarray, db: float) -> np.ndarray:
    """`samples` ((N,) float32) `db` decibels louder; not limited to [-1, 1]."""
    return samples * np.float32(10.0 ** (db / 20.0))


def dc_offset(samples: np.ndarray, offset: float) -> np.ndarray:
    """`samples` ((N,) float32) around `offset` of full scale, as cheap converters deliver them."""
    return samples + np.float32(offset)


def clip_peaks(samples: np.ndarray, db: float) -> np.ndarray:
    """Cuts off what is above a level `db` decibels below the peak of `samples` ((N,) float32); tops become flat."""
    if not db >= 0.0:
        raise RequestError(f"clipping is {db} dB; give how far below the peak, 0 or more")
    level = np.abs(samples).max(initial=0.0) * np.float32(10.0 ** (-db / 20.0))
    return np.clip(samples, -level, level)


def quantize(samples: np.ndarray, bits: int) -> np.ndarray:
    """Rounds `samples` ((N,) float32 in [-1, 1]) to 2 ** bits levels; beyond full scale is clipped."""
    if not 2 <= bits <= 16:
        raise RequestError(f"bits is {bits}; give 2 to 16")
    steps = np.float32(2 ** (bits - 1))
    return np.clip(np.round(samples * steps), -steps, steps - 1) / steps


def band_limit(samples: np.ndarray, low: float = 0.0, high: float = _NYQUIST) -> np.ndarray:
    """Keeps `low` to `high` hertz of `samples` ((N,) float32): Butterworth, 24 dB an octave on either side.

    A low of 0 or a high of 8,000 and more leaves that side alone.
    """
    if not 0.0 <= low < high:
        raise RequestError(f"the band is {low} to {high} Hz; give a low edge of 0 or more, below the high one")
    filtered = samples.astype(np.float64)  # poles near zero frequency need the precision
    if low > 0.0:
        filtered = sosfilt(butter(4, low, "highpass", fs=SAMPLE_RATE, output="sos"), filtered)
    if high < _NYQUIST:
        filtered = sosfilt(butter(4, high, "lowpass", fs=SAMPLE_RATE, output="sos"), filtered)
    return filtered.astype(np.float32)


def equalize(samples: np.ndarray, gains_db: np.ndarray) -> np.ndarray:
    """Filters `samples` ((N,) float32) with a smooth minimum-phase response, as microphones have; (N,) float32.

    gains_db: (7,) at 100, 200, ... 6,400 Hz, between which it is a straight line over octaves.
    """
    if np.shape(gains_db) != (len(_EQUALIZER_HZ),):
        raise RequestError(f"gains_db has shape {np.shape(gains_db)}; give {len(_EQUALIZER_HZ)}, one an octave")
    hertz = np.maximum(np.fft.rfftfreq(2 * _EQUALIZER_TAPS, 1.0 / SAMPLE_RATE), 1.0)
    log_gain = np.interp(np.log(hertz), np.log(_EQUALIZER_HZ), gains_db) * (math.log(10.0) / 20.0)
    # Folding the real cepstrum onto positive time leaves the magnitude and makes the phase minimal (Oppenheim &
    # Schafer, Discrete-Time Signal Processing, 12.5), so that nothing sounds before its cause.
    cepstrum = np.fft.irfft(log_gain)
    cepstrum[1:_EQUALIZER_TAPS] *= 2.0
    cepstrum[_EQUALIZER_TAPS + 1 :] = 0.0
    taps = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[:_EQUALIZER_TAPS]
    return fftconvolve(samples, taps.astype(np.float32))[: len(samples)].astype(np.float32, copy=False)


def draw_equalizer(generator: np.random.Generator, deviation_db: float) -> np.ndarray:
    """Random gains for `equalize`, (7,) in dB, neighbours alike: mean 0, deviation `deviation_db`."""
    walk = np.cumsum(generator.standard_normal(len(_EQUALIZER_HZ)))
    return (walk - walk.mean()) * (deviation_db / _WALK_DEVIATION)


def mu_law(samples: np.ndarray) -> np.ndarray:
    """`samples` ((N,) float32 in [-1, 1]) through ITU-T G.711 mu-law: 8 bits, and 35 to 39 dB of SNR from 0 to -35 dB.

    The exact code: 13 bits of magnitude, a bias of 33, eight segments of sixteen steps, each twice as coarse as the
    one before. Beyond full scale is clipped.
    """
    magnitudes = np.minimum(np.abs(samples) * np.float32(8192.0), np.float32(8158.0)).astype(np.int64)
    return np.copysign(_mu_law_decoded()[magnitudes], samples)


@cache
def _mu_law_decoded() -> np.ndarray:
    """What each 13-bit magnitude is decoded to, (8159,) float32 of full scale."""
    biased = np.arange(8159) + 33
    segment = np.floor(np.log2(biased)).astype(np.int64) - 5
    step = (biased >> (segment + 1)) & 15
    return ((((2 * step + 33) << segment) - 33) / 8192.0).astype(np.float32)


def telephone(samples: np.ndarray, companded: bool = False) -> np.ndarray:
    """`samples` ((N,) float32) through a telephone line: 300 to 3,400 Hz, 8 kHz and back; (N,) float32.

    companded: with G.711's 8 bits, while it is at 8 kHz.
    """
    narrow = sosfilt(_telephone_filter(), samples.astype(np.float32)).astype(np.float32, copy=False)
    line = soxr.resample(narrow, SAMPLE_RATE, TELEPHONE_RATE)
    if companded:
        line = mu_law(line)
    return _of_length(soxr.resample(line, TELEPHONE_RATE, SAMPLE_RATE), len(samples))


@cache
def _telephone_filter() -> np.ndarray:
    # Half a decibel of ripple and 40 dB of rejection: within the mask of ITU-T G.712 where speech has energy.
    return ellip(6, 0.5, 40.0, TELEPHONE_BAND_HZ, "bandpass", fs=SAMPLE_RATE, output="sos").astype(np.float32)


def opus(samples: np.ndarray, bitrate: int = 16_000) -> np.ndarray:
    """`samples` ((N,) float32, clipped to [-1, 1]) through Opus at about `bitrate` bit/s; (N,) float32, not delayed.

    libsndfile offers no bit rate for Opus, but its compression level is one in disguise: 0 is 256 kbit/s, 1 is 6,
    linearly. Measured on words, beside 800 bytes of Ogg headers: 6,000 asked for give 810 bytes a second, 8,000
    1,050, 12,000 1,560, 16,000 2,090, 24,000 3,050, 32,000 4,040. libopus always takes its utmost care there, which
    costs 20 to 60 ms a second of speech: more than every other effect here.
    """
    if not OPUS_BITRATES[0] <= bitrate <= OPUS_BITRATES[1]:
        raise RequestError(f"bitrate is {bitrate} bit/s; give {OPUS_BITRATES[0]:,} to {OPUS_BITRATES[1]:,}")
    if len(samples) == 0:
        return samples.astype(np.float32)
    level = (OPUS_BITRATES[1] - bitrate) / (OPUS_BITRATES[1] - OPUS_BITRATES[0])
    file = io.BytesIO()
    limited = np.clip(samples, -1.0, 1.0)
    soundfile.write(file, limited, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=level)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return _of_length(decoded, len(samples))


def pad_silence(
    samples: np.ndarray, lead: float, tail: float, generator: np.random.Generator, level_db: float = -70.0
) -> np.ndarray:
    """Waits `lead` seconds before and `tail` after `samples` ((N,) float32), in a room that is never quite silent.

    level_db: RMS of the pink noise that fills the pauses, below full scale.
    """
    if not (0.0 <= lead < math.inf and 0.0 <= tail < math.inf):
        raise RequestError(f"silence of {lead} and {tail} s; give 0 or more seconds")
    before, after = round(lead * SAMPLE_RATE), round(tail * SAMPLE_RATE)
    if before + after == 0:
        return samples.astype(np.float32)
    room = gain(coloured_noise(before + after, generator), level_db + 20.0)  # the noise comes at -20 dB
    return np.concatenate([room[:before], samples, room[before:]]).astype(np.float32, copy=False)


def trim_randomly(samples: np.ndarray, generator: np.random.Generator, seconds: float) -> np.ndarray:
    """Cuts up to `seconds` off each end of `samples` ((N,) float32), but leaves 0.2 s at least: a late finger."""
    if not 0.0 <= seconds < math.inf:
        raise RequestError(f"trimming is {seconds} s; give 0 or more")
    start, end = (int(share * seconds * SAMPLE_RATE) for share in generator.uniform(size=2))
    spare = max(0, len(samples) - int(MIN_SECONDS * SAMPLE_RATE))
    if start + end > spare:
        start = start * spare // (start + end)
        end = spare - start
    return samples[start : len(samples) - end].astype(np.float32)


def _of_length(samples: np.ndarray, length: int) -> np.ndarray:
    return np.pad(samples[:length], (0, max(0, length - len(samples))))
