"""Log-mel, encoder, generator and the whole path, one thread, for 3 s of speech and one picture."""

import io

import numpy as np
import soundfile

import edge_s2i
from edge_s2i.audio import log_mel, normalize_log_mel, read_audio, trim_silence
from edge_s2i.runtime import SpeechToPicture


def test_read_48_khz_ogg(benchmark, utterance):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.repeat(utterance, 3), 48_000, format="OGG", subtype="VORBIS")
    samples = benchmark(read_audio, buffer.getvalue())
    assert abs(len(samples) - len(utterance)) < 100


def test_trim_silence(benchmark, utterance):
    assert len(benchmark(trim_silence, utterance)) > 0


def test_log_mel(benchmark, utterance):
    assert benchmark(log_mel, utterance).shape[0] == 64


def test_encoder(benchmark, speech_to_picture: SpeechToPicture, utterance):
    features = normalize_log_mel(log_mel(utterance))
    embedding = benchmark(speech_to_picture.embed, features)
    assert embedding.shape == (speech_to_picture.manifest.embedding_dim,)


def test_confidence(benchmark, speech_to_picture: SpeechToPicture, utterance):
    embedding = speech_to_picture.embed(normalize_log_mel(log_mel(utterance)))
    assert 0.0 <= benchmark(speech_to_picture.concepts.confidence, embedding) <= 1.0


def test_generator(benchmark, speech_to_picture: SpeechToPicture, utterance):
    embedding = speech_to_picture.embed(normalize_log_mel(log_mel(utterance)))
    pictures = benchmark(speech_to_picture.paint, embedding)
    size = speech_to_picture.manifest.image_size
    assert pictures.shape == (1, size, size, 3)


def test_generator_four_pictures(benchmark, speech_to_picture: SpeechToPicture, utterance):
    embedding = speech_to_picture.embed(normalize_log_mel(log_mel(utterance)))
    assert len(benchmark(speech_to_picture.paint, embedding, n=4)) == 4


def test_whole_path(benchmark, speech_to_picture: SpeechToPicture, utterance):
    drawing = benchmark(speech_to_picture, (utterance, 16_000), draw_anyway=True)
    assert len(drawing.arrays) == 1


def test_load(benchmark, measured_bundle):
    assert benchmark(edge_s2i.load, measured_bundle, threads=1).manifest.image_size > 0
