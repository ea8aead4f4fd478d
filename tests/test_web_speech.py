"""The page's speech modules, run by Node, against the Python that they repeat."""

import base64
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soxr
import tiny_bundle as tiny

import edge_s2i
import edge_s2i.web
from edge_s2i.audio import check_utterance, log_mel, normalize_log_mel, read_audio, trim_silence
from edge_s2i.audio.level import level_db, modulation, set_peak
from edge_s2i.bundle import AudioFrontEnd, read_bundle
from edge_s2i.errors import AudioError
from edge_s2i.prototypes import read_prototypes
from edge_s2i.runtime import FinalPicture, ListenSettings, SpeechSession, SpeechStarted
from edge_s2i.runtime.latents import draw_latents
from edge_s2i.runtime.voice_activity import MODEL_PATH

EXAMPLES = Path(edge_s2i.__file__).parent / "examples"
STATIC = Path(edge_s2i.web.__file__).parent / "static"
PROGRAM = Path(__file__).parent / "web_page" / "speech_modules.mjs"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def ask(question: str, **arguments):
    """What the page's modules answer."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answer.json"
        request = json.dumps({"ask": question, "static": str(STATIC), "out": str(out), **arguments})
        result = subprocess.run(["node", str(PROGRAM)], input=request, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr[-2000:]
        return json.loads(out.read_text())


def to_text(samples: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(samples, "<f4").tobytes()).decode()


def to_floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


@pytest.fixture(scope="module")
def recordings() -> list[np.ndarray]:
    """All bundled recordings, 16 kHz."""
    return [read_audio(path) for path in sorted(EXAMPLES.glob("*.ogg"))]


def psnr(left: np.ndarray, right: np.ndarray) -> float:
    error = np.square(left.astype(np.float64) - right).mean()
    return 99.0 if error == 0 else float(10 * np.log10(255.0**2 / error))


def test_constants_are_pythons():
    front_end = AudioFrontEnd()
    assert ask("constants") == {name: getattr(front_end, name) for name in front_end.__dataclass_fields__}


def test_prototypes_are_pythons():
    files = [tiny.files()["concepts.npy"], tiny.half_prototypes()]
    answers = ask("prototypes", files=[base64.b64encode(content).decode() for content in files])
    for content, answer in zip(files, answers, strict=True):
        right = read_prototypes(content, (len(tiny.CONCEPTS), tiny.EMBEDDING))
        np.testing.assert_allclose(to_floats(answer).reshape(right.shape), right, atol=1e-6)


def test_listening_settings_are_pythons():
    ours, theirs = ask("settings"), ListenSettings()
    names = {
        "preRoll": theirs.pre_roll,
        "trailingSilence": theirs.trailing_silence,
        "refractory": theirs.refractory,
        "minVoice": round(theirs.min_voice * 16_000 / 512),
        "partialEvery": theirs.partial_every,
        "partialStrength": theirs.partial_strength,
        "voiceThreshold": theirs.vad_threshold,
        "seed": theirs.seed,
        "style": theirs.style,
    }
    assert {name: ours[name] for name in names} == names


def test_log_mel_equals_numpys(recordings):
    clips = [*recordings, np.zeros(4000, np.float32), tiny.word(1), recordings[0][:512]]
    for clip, answer in zip(clips, ask("logMel", clips=[to_text(clip) for clip in clips]), strict=True):
        expected = log_mel(clip)
        assert answer["frames"] == expected.shape[1]
        np.testing.assert_allclose(to_floats(answer["values"]).reshape(expected.shape), expected, rtol=0, atol=1e-3)
        normalized = to_floats(answer["normalized"]).reshape(expected.shape)
        np.testing.assert_allclose(normalized, normalize_log_mel(expected), rtol=0, atol=1e-3)
        assert answer["modulation"] == pytest.approx(modulation(expected), abs=1e-4)


def test_utterances_are_cut_and_scaled_alike(recordings, white_noise):
    silence = np.zeros(24_000, np.float32)
    clips = [
        *recordings,
        *(np.concatenate([silence, clip, silence]) for clip in recordings[:4]),
        white_noise,
        np.tile(tiny.word(0), 8),  # too long
        tiny.word(0)[6000:6800],  # too short
        np.concatenate([np.full(1, 0.5, np.float32), silence]),  # one loud moment
        silence,
    ]
    for clip, answer in zip(clips, ask("utterance", clips=[to_text(clip) for clip in clips]), strict=True):
        assert answer["level"] == pytest.approx(level_db(clip), abs=1e-3)
        assert answer["trimmed"] == len(trim_silence(clip))
        try:
            expected = set_peak(check_utterance(clip))
        except AudioError:
            assert answer["utterance"] is None
        else:
            np.testing.assert_allclose(to_floats(answer["utterance"]), expected, rtol=1e-6)


def test_latents_are_those_of_the_seed():
    requests = [
        (0, 4, 64),
        (1, 2, 64),
        (7, 3, 8),
        (2**32, 2, 16),
        (2**32 - 1, 1, 16),
        (2**53 - 1, 2, 5),
        (123456789, 1, 64),
    ]
    for (seed, n, size), answer in zip(requests, ask("latents", requests=requests), strict=True):
        drawn = to_floats(answer).reshape(n, size)
        expected = draw_latents(seed, n, size)
        # A logarithm or cosine may differ in its last bit between C and JavaScript, before it is rounded to float32.
        np.testing.assert_allclose(drawn, expected, rtol=3e-7, atol=1e-12)
        assert (drawn == expected).mean() > 0.99


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_becomes_16_khz(recordings, rate):
    source = max(recordings, key=len)[:24_000]
    given = soxr.resample(source, 16_000, rate, quality="VHQ")
    whole, pieces = (to_floats(ask("resample", rate=rate, samples=to_text(given), chunk=size)) for size in (10**6, 128))
    np.testing.assert_array_equal(whole, pieces)  # however it was cut into chunks
    assert abs(len(source) - len(whole)) <= 2
    # Compared with soxr's below what both let through, and up to a delay of at most 5 ms.
    spectra = [np.fft.rfft(signal, 26_000) for signal in (whole, soxr.resample(given, rate, 16_000, quality="VHQ"))]
    frequencies = np.fft.rfftfreq(26_000, 1 / 16_000)
    band = frequencies < min(0.85 * rate / 2, 7_000)
    cross = (spectra[0] * np.conj(spectra[1]))[band]
    delays = np.arange(0.0, 80.0, 0.02) / 16_000
    likeness = max(abs((cross * np.exp(2j * np.pi * frequencies[band] * delay)).sum()) for delay in delays)
    assert likeness / np.prod([np.linalg.norm(spectrum[band]) for spectrum in spectra]) > 0.9999


def test_pictures_are_the_python_runtimes(recordings):
    bundle = read_bundle().location
    draw = edge_s2i.load(threads=1)
    answers = ask("draw", bundle=bundle, clips=[to_text(clip) for clip in recordings], seed=3, n=2, style=None)
    worst = 99.0
    for clip, answer in zip(recordings, answers, strict=True):
        expected = draw((clip, 16_000), n=2, seed=3, draw_anyway=True)
        assert answer["understood"] == expected.understood
        assert answer["confidence"] == pytest.approx(expected.confidence, abs=1e-3)
        assert to_floats(answer["embedding"]) @ expected.embedding > 0.99999
        assert answer["concept"] == expected.nearest(1)[0].concept
        size = answer["size"]
        for picture, array in zip(answer["pictures"], expected.arrays, strict=True):
            pixels = np.frombuffer(base64.b64decode(picture), np.uint8).reshape(size, size, 4)
            assert (pixels[..., 3] == 255).all()
            worst = min(worst, psnr(pixels[..., :3], array))
    print(f"worst of {2 * len(recordings)} pictures: {worst:.1f} dB")
    assert worst >= 40.0


def test_what_is_no_speech_is_not_understood(tiny_bundle, white_noise):
    long = np.tile(tiny.word(0), 8)
    clips = [
        np.zeros(16_000, np.float32),
        white_noise,
        np.tile(white_noise, 4),
        long,
        tiny.word(0)[:1600],
        tiny.word(2),
    ]
    answers = ask(
        "draw", bundle=str(tiny_bundle), clips=[to_text(clip) for clip in clips], seed=0, n=1, style="drawing"
    )
    assert [answer["reason"] for answer in answers] == ["silence", "noise", "noise", "long", "short", ""]
    assert [len(answer["pictures"]) for answer in answers] == [0, 0, 0, 0, 0, 1]


def stream_of(*parts: np.ndarray | float) -> np.ndarray:
    """Words and seconds of a quiet room, one after the other."""
    generator = np.random.default_rng(3)
    rooms = [
        0.001 * generator.standard_normal(round(16_000 * part)) if isinstance(part, float) else 0 for part in parts
    ]
    sounds = [room if isinstance(part, float) else part for part, room in zip(parts, rooms, strict=True)]
    return np.concatenate(sounds).astype(np.float32)


def python_session(
    stream: np.ndarray, actions: list[tuple[int, str]], chunk: int, vad: str = "energy", **settings
) -> tuple[list[tuple[str, int]], list[float]]:
    """How runtime.SpeechSession ends utterances: (ending, samples); and when it noticed that they began, in s."""
    draw = edge_s2i.load(threads=1)
    session = SpeechSession(draw, ListenSettings(vad=vad, partial_every=0.0, **settings))
    events = []
    for start in range(0, len(stream), chunk):
        for place, name in actions:
            if start <= place < start + chunk:
                events += getattr(session, name)()
        events += session.feed(stream[start : start + chunk])
    events += session.finish()
    finals = [(event.ending, len(event.samples)) for event in events if isinstance(event, FinalPicture)]
    return finals, [event.at for event in events if isinstance(event, SpeechStarted)]


@pytest.mark.parametrize("chunk", [320, 1000])
def test_utterances_begin_and_end_where_pythons_do(chunk):
    long = np.concatenate([tiny.word(index % 5)[1500:-1500] for index in range(12)])
    stream = stream_of(0.6, tiny.word(1), 1.0, tiny.word(2), 0.9, long, 0.8)
    finals, _ = python_session(stream, [], chunk)
    assert {ending for ending, _ in finals} >= {"pause", "length"}
    events = ask("session", stream=to_text(stream), chunk=chunk, settings={"handsFree": True}, actions=[], slow=0)
    assert [(event["ending"], event["samples"]) for event in events if event["type"] == "final"] == finals
    started = [event["utterance"] for event in events if event["type"] == "started"]
    assert started == [event["utterance"] for event in events if event["type"] == "final"]
    assert sum(event["type"] == "partial" for event in events) >= len(finals)
    assert sum(event["type"] == "reading" for event in events) == 3 * len(finals)


def test_the_page_hears_voices_begin_and_end_at_pythons_windows(recordings, white_noise):
    """The same network and gate: people's words open and close it where they do in Python, noise nowhere."""
    parts = [part for clip in recordings for part in (clip, 0.9)]
    stream = stream_of(0.6, white_noise, 0.5, *parts)
    finals, starts = python_session(stream, [], 320, vad="silero")
    assert len(finals) >= len(recordings)
    events = ask(
        "session",
        stream=to_text(stream),
        chunk=320,
        settings={"handsFree": True},
        actions=[],
        slow=0,
        detector=str(MODEL_PATH),
    )
    assert [event["at"] for event in events if event["type"] == "started"] == starts
    assert [(event["ending"], event["samples"]) for event in events if event["type"] == "final"] == finals


def test_a_detector_that_is_too_slow_loses_sound_and_says_so():
    stream = stream_of(0.5, tiny.word(1), 12.0)
    events = ask("flood", stream=to_text(stream))
    lost = max(event["samples"] for event in events if event["type"] == "dropped")
    assert 8 * 16_000 <= lost < len(stream)
    assert [event["type"] for event in events].count("started") == [event["type"] for event in events].count("final")


def test_the_button_holds_an_utterance_as_pythons_does():
    stream = stream_of(0.5, tiny.word(1), 1.2, tiny.word(2), 0.5)
    actions = [(6_400, "press"), (38_400, "release")]  # through the pause
    finals, _ = python_session(stream, actions, 320, push_to_talk=True)
    assert [ending for ending, _ in finals] == ["release"]
    events = ask("session", stream=to_text(stream), chunk=320, settings={}, actions=actions, slow=0)
    assert [(event["ending"], event["samples"]) for event in events if event["type"] == "final"] == finals


def test_a_slow_model_loses_partial_pictures_and_no_final_one():
    stream = stream_of(0.5, *(part for index in range(5) for part in (tiny.word(index), 0.6)))
    events = ask("session", stream=to_text(stream), chunk=320, settings={"handsFree": True}, actions=[], slow=30)
    started = [event["utterance"] for event in events if event["type"] == "started"]
    assert started
    assert started == [event["utterance"] for event in events if event["type"] == "final"]
    assert max(event["partials"] for event in events if event["type"] == "dropped") > 0
