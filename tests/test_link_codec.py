"""The link's codec in Python: the committed vectors, and properties that hold for any input."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import firmware_bridge
from edge_s2i.errors import LinkError
from firmware_bridge.link import cobs
from firmware_bridge.link.adpcm import AdpcmState, decode_adpcm, encode_adpcm
from firmware_bridge.link.checksums import crc16, crc32
from firmware_bridge.link.frame import Frame, FrameDecoder, encode_frame, encoded_length
from firmware_bridge.link.messages import MESSAGES, Audio, Hello, PictureBegin, Ping, decode_message
from firmware_bridge.link.spec import MAX_PAYLOAD, AudioFormat, Type
from firmware_bridge.link.tiles import Tiling, changed_tiles, decode_records, encode_tile, pack_map, unpack_map
from firmware_bridge.link.utterances import MAX_SAMPLES, Utterance
from firmware_bridge.tools.vectors import vectors_text

VECTORS = json.loads((Path(firmware_bridge.__file__).parent / "vectors" / "link.json").read_text(encoding="utf-8"))
FRAMES = st.builds(
    Frame,
    type=st.integers(0, 255),
    payload=st.binary(max_size=600),
    sequence=st.integers(0, 0xFFFF),
    session=st.integers(0, 255),
    flags=st.integers(0, 255),
)
PROPERTY = settings(max_examples=60, deadline=None, derandomize=True)


def test_the_committed_vectors_are_what_the_tool_makes():
    path = Path(firmware_bridge.__file__).parent / "vectors" / "link.json"
    assert path.read_text(encoding="utf-8") == vectors_text(), "run python -m firmware_bridge.tools.vectors"


def test_checksums_have_their_published_check_values():
    assert crc16(b"123456789") == 0x29B1
    assert crc32(b"123456789") == 0xCBF43926


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["name"])
def test_messages_decode_to_their_fields_and_encode_again(vector):
    frame = FrameDecoder().feed(bytes.fromhex(vector["wire"]))[0]
    assert (frame.type, frame.sequence, frame.session) == (vector["type"], vector["sequence"], vector["session"])
    message = decode_message(frame.type, frame.payload)
    for name, value in vector["fields"].items():
        field = getattr(message, name)
        assert (field.hex() if isinstance(field, bytes) else field) == value
    assert message.encode().hex() == vector["payload"]
    assert encode_frame(frame).hex() == vector["wire"]


def test_every_message_has_a_vector():
    assert {vector["type"] for vector in VECTORS["messages"]} == set(MESSAGES)


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["name"])
def test_every_single_bit_flip_is_detected(vector):
    wire = bytes.fromhex(vector["wire"])
    for bit in range(8 * len(wire)):
        damaged = bytearray(wire)
        damaged[bit // 8] ^= 1 << bit % 8
        assert FrameDecoder().feed(bytes(damaged) + b"\0") == [], f"bit {bit} went unnoticed"


@PROPERTY
@given(st.binary(max_size=1200) | st.binary(max_size=600).map(lambda content: content.replace(b"\0", b"\1")))
def test_stuffing_is_undone_and_leaves_no_zero(content):
    stuffed = cobs.encode(content)
    assert 0 not in stuffed
    assert len(stuffed) <= cobs.encoded_limit(len(content))
    assert cobs.decode(stuffed) == content


@pytest.mark.parametrize("damaged", [b"", b"\x02", b"\x05abc", b"\xff" + bytes(range(1, 200)), b"\x02a\x00"])
def test_what_no_encoder_wrote_is_refused(damaged):
    assert cobs.decode(damaged) is None


@PROPERTY
@given(st.lists(FRAMES, max_size=6), st.integers(0, 2**32 - 1))
def test_frames_arrive_however_the_bytes_are_split(frames, seed):
    wire = b"".join(map(encode_frame, frames))
    assert FrameDecoder().feed(wire) == frames
    one = FrameDecoder()
    assert [frame for byte in wire for frame in one.feed(bytes([byte]))] == frames
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(wire) + 1, 5)).tolist()
    parts = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    split = FrameDecoder()
    assert [frame for part in parts for frame in split.feed(part)] == frames
    assert split.counters == one.counters


@PROPERTY
@given(st.binary(max_size=3000), FRAMES)
def test_a_frame_after_rubbish_arrives(rubbish, frame):
    decoder = FrameDecoder()
    decoder.feed(rubbish)
    assert frame in decoder.feed(b"\0" + encode_frame(frame))


def test_a_decoder_holds_no_more_than_one_frame():
    decoder = FrameDecoder(max_payload=192)
    for _ in range(50):
        decoder.feed(b"\x01" * 10_000)
        assert len(decoder._buffer) <= encoded_length(192)
    assert decoder.feed(b"\0") == []
    assert decoder.counters.oversize == 1
    assert decoder.feed(encode_frame(Frame(Type.LOG, b"x" * 193))) == []
    assert decoder.counters.oversize == 2
    assert len(decoder.feed(encode_frame(Frame(Type.LOG, b"x" * 192)))) == 1
    assert decoder.counters.errors == 2


@PROPERTY
@given(st.integers(0, 255), st.binary(max_size=300))
def test_any_payload_is_a_message_or_refused(frame_type, payload):
    try:
        message = decode_message(frame_type, payload)
    except LinkError:
        return
    if message is not None:
        assert decode_message(frame_type, message.encode()) == message


def test_a_later_minor_version_may_add_fields():
    assert decode_message(Type.PING, Ping(7).encode() + b"more") == Ping(7)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Hello(1, 1, 3, 1, 2000, 128, 0, 8, 1024, 4096),
        lambda: Hello(1, 1, 3, 1, 128, 128, 0, 9, 1024, 4096),
        lambda: Hello(1, 1, 3, 1, 128, 128, 0, 8, 1024, 4096, 0, "x" * 33),
        lambda: Audio(1, 0, 4, AudioFormat.S16LE, content=b"\0" * 7),
        lambda: Audio(1, 0, 4, AudioFormat.IMA_ADPCM, 89, 0, b"\0\0"),
        lambda: PictureBegin(1, 1, 0, 1, 16, 16, 8, 512, 0, 4, b""),
        lambda: Frame(256),
        lambda: Frame(1, bytes(MAX_PAYLOAD + 1)),
        lambda: AdpcmState(0, 89),
        lambda: Tiling(128, 128, 7),
        lambda: Tiling(1024, 1024, 8),
    ],
)
def test_impossible_values_are_refused_when_built(build):
    with pytest.raises(LinkError, match=r"must|are not|at most|impossible|fit"):
        build()


@PROPERTY
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=200), st.integers(-32768, 32767), st.integers(0, 88))
def test_adpcm_decodes_as_its_encoder_stands(samples, predictor, step_index):
    start = AdpcmState(predictor, step_index)
    codes, after = encode_adpcm(np.array(samples, np.int16), start)
    decoded, state = decode_adpcm(codes, len(samples), start)
    assert state == after
    assert decoded[-1] == after.predictor


def test_adpcm_keeps_speech():
    time = np.arange(16_000) / 16_000
    speech = (6000 * np.sin(2 * np.pi * 180 * time) * (1 + np.sin(2 * np.pi * 3 * time))).astype(np.int16)
    codes, _ = encode_adpcm(speech, AdpcmState())
    error = decode_adpcm(codes, len(speech), AdpcmState())[0].astype(float) - speech
    assert 10 * np.log10(np.mean(speech.astype(float) ** 2) / np.mean(error**2)) > 30


@PROPERTY
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([8, 16]), st.integers(1, 4), st.integers(0, 999))
def test_tiles_decode_to_the_picture(width, height, side, colours, seed):
    tiling = Tiling(width, height, side)
    picture = np.random.default_rng(seed).integers(0, colours, (height, width)).astype(np.uint16)
    content = b"".join(encode_tile(index, picture[tiling.box(index)]) for index in range(tiling.count))
    back = np.zeros_like(picture)
    for index, pixels in decode_records(tiling, content):
        box = tiling.box(index)
        back[box] = np.frombuffer(pixels, np.uint16).reshape(back[box].shape)
    assert np.array_equal(back, picture)
    assert len(content) <= tiling.count * 3 + 2 * picture.size


def test_only_what_differs_is_dirty():
    tiling = Tiling(128, 128)
    shown = np.zeros((128, 128), np.uint16)
    picture = shown.copy()
    picture[17, 33] = 1
    assert np.flatnonzero(changed_tiles(tiling, picture, shown)).tolist() == [2 * 16 + 4]
    assert changed_tiles(tiling, picture, None).all()
    assert len(encode_tile(0, shown[:8, :8])) == 5
    bits = changed_tiles(tiling, picture, shown)
    assert np.array_equal(unpack_map(pack_map(bits), 256), bits)


@PROPERTY
@given(st.binary(max_size=200))
def test_any_records_are_tiles_or_refused(content):
    tiling = Tiling(20, 11, 8)
    try:
        tiles = decode_records(tiling, content)
    except LinkError:
        return
    assert all(len(pixels) == 2 * tiling.pixels(index) for index, pixels in tiles)


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 80)), max_size=30), st.integers(0, 1000))
def test_every_sample_is_accounted_for(frames, total):
    utterance, there, again = Utterance(1), np.zeros(2000, bool), 0
    for first, count in frames:
        samples = np.arange(first, first + count).astype("<i2")
        utterance.add(Audio(1, first, count, AudioFormat.S16LE, content=samples.tobytes()))
        again += int(there[first : first + count].sum())
        there[first : first + count] = True
    utterance.finish(total)
    account = utterance.account()
    kept = there[:total]
    assert (account.total, account.received, account.missing) == (total, kept.sum(), (~kept).sum())
    assert account.gaps == np.sum(np.diff(np.concatenate([[1], kept.astype(int)])) == -1)
    assert account.duplicates == again
    assert account.beyond == there[total:].sum()
    assert np.array_equal(utterance.samples, np.where(kept, np.arange(total), 0))


def test_an_utterance_is_bounded():
    utterance = Utterance(1)
    utterance.add(Audio(1, 0xFFFFFF00, 4, AudioFormat.S16LE, content=bytes(8)))
    utterance.add(Audio(1, MAX_SAMPLES - 2, 4, AudioFormat.S16LE, content=bytes(8)))
    utterance.finish(0xFFFFFFFF)
    account = utterance.account()
    assert account.beyond == 6
    assert account.received + account.missing == account.total == 0xFFFFFFFF
    assert len(utterance.samples) == MAX_SAMPLES
