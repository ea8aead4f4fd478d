"""Host and board over a line that loses, changes, doubles and swaps bytes: everything arrives, or is accounted for."""

import numpy as np
import pytest
from link_bench import Bench, noise_picture

from edge_s2i.errors import LinkError
from firmware_bridge.link.frame import Frame, FrameDecoder, encode_frame
from firmware_bridge.link.happenings import Begun, Closed, Ended, Shown, Told
from firmware_bridge.link.messages import Audio, Event, HelloAck, Log, Ping, decode_message
from firmware_bridge.link.session import HostSession, SessionSettings
from firmware_bridge.link.spec import AnswerFlag, AudioFormat, EventKind, PictureFormat, PictureState, PixelOrder, Type
from firmware_bridge.simulator import LossyPipe, PipeSettings, SimulatedBoard

SPEECH = (4000 * np.sin(np.arange(8000) / 9) * np.sin(np.arange(8000) / 900)).astype(np.int16)


@pytest.mark.parametrize(
    ("baud", "latency", "most"), [(115_200, 0.0, 3.2), (921_600, 0.001, 0.5), (3_000_000, 0.001, 0.15)]
)
def test_the_worst_picture_is_on_the_panel_in_time(baud, latency, most):
    bench = Bench(PipeSettings(baud=baud, latency=latency))
    bench.open()
    picture = noise_picture()
    seconds = bench.show(picture)
    assert np.array_equal(bench.board.memory, picture)
    assert seconds <= most


def test_a_picture_that_changes_little_costs_little():
    bench = Bench(PipeSettings(baud=921_600))
    bench.open()
    picture = noise_picture()
    bench.show(picture)
    before = bench.down.written
    changed = picture.copy()
    changed[40:44, 40:44] = 0
    bench.show(changed)
    assert np.array_equal(bench.board.memory, changed)
    assert bench.down.written - before < 400


@pytest.mark.parametrize("seed", range(3))
def test_at_one_percent_corruption_pictures_arrive_whole_and_gaps_are_exact(seed):
    bench = Bench(
        PipeSettings(baud=921_600, corrupt=0.01), seed=seed, step=0.001, session=SessionSettings(audio_samples=80)
    )
    bench.open()
    picture = noise_picture(seed)
    bench.show(picture)
    assert bench.happened[-1].state == PictureState.WHOLE
    assert np.array_equal(bench.board.memory, picture)
    assert bench.up.faults > 0 < bench.down.faults

    there = watch_audio(bench)
    account = bench.speak(SPEECH).account()
    assert account.total == len(SPEECH)
    assert account.received == there.sum() > 0
    assert account.missing == (~there).sum() > 0
    assert account.gaps == np.sum(np.diff(np.concatenate([[1], there.astype(int)])) == -1)


def watch_audio(bench):
    """(8000,) bool, kept up: which samples come in frames that a decoder beside the host's finds whole."""
    there, decoder, receive = np.zeros(len(SPEECH), bool), FrameDecoder(), bench.host.receive

    def watched(content, now):
        for frame in decoder.feed(content):
            if frame.type == Type.AUDIO:
                audio = decode_message(frame.type, frame.payload)
                there[audio.sample_index : audio.sample_index + audio.count] = True
        return receive(content, now)

    bench.host.receive = watched
    return there


@pytest.mark.parametrize(
    "faults",
    [{"drop": 0.002}, {"flip": 0.002}, {"duplicate": 0.2}, {"reorder": 0.2}, {"stall": 0.02, "stall_seconds": 0.1}],
    ids=lambda faults: next(iter(faults)),
)
def test_every_fault_is_survived(faults):
    bench = Bench(PipeSettings(baud=921_600, latency=0.001, **faults), seed=3, step=0.001)
    bench.open()
    picture = noise_picture(4)
    bench.show(picture)
    assert np.array_equal(bench.board.memory, picture)
    utterance = bench.speak(SPEECH)
    account = utterance.account()
    assert account.total == len(SPEECH)
    if not {"drop", "flip"} & set(faults):
        assert account.missing == 0
    assert bench.up.faults + bench.down.faults > 0


def test_what_is_missing_is_silence_and_the_rest_is_where_it_belongs():
    bench = Bench(session=SessionSettings(prefer=AudioFormat.S16LE))
    bench.open()
    sent, write = [], bench.board.write

    def lose_the_third(content):
        sent.append(content)
        if len(sent) != 4:  # after the event
            write(content)

    bench.board.write = lose_the_third
    utterance = bench.speak(SPEECH)
    assert utterance.account().missing == 320
    assert utterance.account().gaps == 1
    expected = SPEECH.copy()
    expected[640:960] = 0
    assert np.array_equal(utterance.samples, expected)


def test_adpcm_frames_stand_alone():
    bench = Bench(PipeSettings(drop=0.001), seed=1, session=SessionSettings(audio_samples=160))
    bench.open()
    utterance = bench.speak(SPEECH)
    there = utterance._there[: len(SPEECH)]
    error = utterance.samples.astype(int) - SPEECH
    assert 0 < utterance.account().missing < len(SPEECH) // 2
    assert np.abs(error[there][400:]).mean() < 300
    assert not utterance.samples[~there].any()


def test_a_board_that_starts_again_gets_a_new_session_and_the_whole_picture():
    bench = Bench(PipeSettings(baud=921_600))
    bench.open()
    picture = noise_picture()
    bench.show(picture)
    bench.up.reset()
    bench.down.reset()
    bench.board = SimulatedBoard(lambda content: bench.up.write(content, bench.now), boot_nonce=2)
    bench.run(lambda: bench.opened() == 2 and bench.board.open)
    assert any(isinstance(item, Closed) and "started again" in item.reason for item in bench.happened)
    bench.show(picture)
    assert np.array_equal(bench.board.memory, picture)


def test_a_host_that_starts_again_takes_the_board_on():
    bench = Bench()
    bench.open()
    bench.host = HostSession(lambda content: bench.down.write(content, bench.now), 78, bench.now)
    bench.run(lambda: bench.host.hello is not None, limit=3)
    bench.tick()
    picture = noise_picture()
    bench.show(picture)
    assert np.array_equal(bench.board.memory, picture)


def test_a_silent_line_ends_the_session_and_it_comes_back():
    bench = Bench()
    bench.open()
    bench.run(lambda: bool([bench.up.reset(), bench.down.reset()]) and bench.host.hello is None, limit=8)
    assert any("silent" in item.reason for item in bench.happened if isinstance(item, Closed))
    bench.run(lambda: bench.host.hello is not None and bench.board.open, limit=8)


def test_another_major_version_is_refused_in_words_on_both_sides():
    bench = Bench(board_options={"version": 0x20})
    bench.run(lambda: bench.count(Closed) > 0, limit=3)
    assert "speaks version 1.0 of the link, not 2.0" in bench.happened[0].reason
    bench.run(lambda: bool(bench.board.refused), limit=3)
    assert bench.host.hello is None
    assert not bench.board.open


def test_another_layout_under_the_same_version_is_refused():
    bench = Bench(board_options={"schema": 1})
    bench.run(lambda: bool(bench.board.refused), limit=3)
    assert "laid out otherwise" in bench.board.refused


def test_unknown_types_are_skipped_and_counted():
    bench = Bench()
    bench.open()
    bench.board.send_raw(0x7A, b"from a later version")
    bench.board.send_raw(Type.LOG, Log(20, "still here").encode())
    bench.run(lambda: bench.count(Told) > 0, limit=1)
    assert bench.host.counters.unknown == 1
    assert bench.happened[-1].message == Log(20, "still here")


def test_impossible_content_is_counted_and_does_no_harm():
    bench = Bench()
    bench.open()
    bench.board.send_raw(Type.AUDIO, b"\0" * 5)
    bench.board.send_raw(Type.PICTURE_ACK, b"\0" * 3)
    bench.run(lambda: bench.host.counters.malformed == 2, limit=1)
    assert bench.host.hello is not None


def test_frames_of_another_session_are_stale():
    bench = Bench()
    bench.open()
    bench.board._session += 1
    bench.board.send_raw(Type.PING, Ping(1).encode())
    bench.run(lambda: bench.host.counters.stale == 1, limit=1)


def test_a_final_picture_does_not_wait_and_a_partial_one_does():
    bench = Bench(PipeSettings(baud=115_200))
    bench.open()
    first, second, final = (noise_picture(seed) for seed in range(3))
    bench.host.show(first, final=False)
    bench.run(lambda: bench.down.written > 5000)
    bench.host.show(second, final=False)
    bench.host.show(final, final=True, utterance=9)
    bench.run(lambda: bench.count(Shown) == 2)
    states = [(item.state, item.final) for item in bench.happened if isinstance(item, Shown)]
    assert states == [(PictureState.CANCELLED, False), (PictureState.WHOLE, True)]
    assert np.array_equal(bench.board.memory, final)


def test_a_cancelled_picture_leaves_no_wrong_idea_of_the_panel():
    bench = Bench(PipeSettings(baud=115_200))
    bench.open()
    first, second = noise_picture(1), noise_picture(2)
    bench.show(first)
    bench.host.show(second)
    bench.run(lambda: bench.down.written > 45_000)
    bench.host.cancel_picture()
    bench.run(lambda: bench.count(Shown) == 2)
    assert 0 < (bench.board.memory == second).mean() < 1
    bench.show(first)
    assert np.array_equal(bench.board.memory, first)


def test_a_panel_whose_memory_is_another_gets_everything_again():
    bench = Bench(PipeSettings(baud=3_000_000))
    bench.open()
    picture = noise_picture()
    bench.show(picture)
    bench.board.memory[5, 5] ^= 1  # as a panel that lost power
    changed = picture.copy()
    changed[100, 100] ^= 1
    bench.show(changed)
    assert np.array_equal(bench.board.memory, changed)
    assert bench.happened[-1].state == PictureState.WHOLE


def test_answers_arrive_once_however_often_they_are_sent():
    bench = Bench(PipeSettings(corrupt=0.02), seed=2)
    bench.open()
    bench.host.answer(3, AnswerFlag.UNDERSTOOD, 0.5, "dog")
    bench.run(lambda: bool(bench.board.answers))
    bench.run(lambda: not bench.host._open.answers)
    assert [(answer.utterance, answer.text, answer.confidence) for answer in bench.board.answers] == [(3, "dog", 128)]


def test_an_utterance_whose_end_is_lost_ends_with_silence():
    bench = Bench()
    bench.open()
    bench.board.event(EventKind.VOICE_BEGIN)
    bench.board.audio(SPEECH[:3200])
    bench.board._talking = False
    seconds = bench.run(lambda: bench.count(Ended) > 0, limit=4)
    assert seconds > 1.5
    assert len(bench.happened[-1].utterance.samples) == 3200
    bench.board.send_raw(Type.EVENT, Event(50, EventKind.VOICE_END, 1, 3200).encode())
    bench.run(lambda: bench.host.counters.frames_lost >= 0, limit=1)
    assert bench.count(Ended) == 1


def test_an_end_that_is_lost_is_waited_for_when_the_next_utterance_begins():
    bench = Bench()
    bench.open()
    bench.board.event(EventKind.VOICE_BEGIN)
    bench.board.audio(SPEECH[:7680])
    write, bench.board.write = bench.board.write, lambda content: None
    bench.board.audio(SPEECH[7680:])
    bench.board.event(EventKind.VOICE_END)
    bench.board.write = write
    bench.board.event(EventKind.VOICE_BEGIN)
    bench.board.audio(SPEECH[:3200])
    bench.run(lambda: bench.count(Ended) == 1, limit=1)
    account = bench.happened[-1].utterance.account()
    assert (account.total, account.missing, account.gaps) == (8000, 320, 1)


def test_late_frames_open_no_utterance_that_is_over():
    bench = Bench()
    bench.open()
    bench.speak(SPEECH)
    bench.speak(SPEECH)
    begun = bench.count(Begun)
    bench.board.send_raw(Type.AUDIO, Audio(1, 0, 4, AudioFormat.S16LE, content=bytes(8)).encode())
    bench.board.send_raw(Type.AUDIO, Audio(2, 0, 4, AudioFormat.S16LE, content=bytes(8)).encode())
    bench.board.send_raw(Type.EVENT, Event(900, EventKind.VOICE_BEGIN, 0xFFFF, 0).encode())  # before the first
    bench.board.send_raw(Type.LOG, Log(20, "after them").encode())
    bench.run(lambda: bench.count(Told) == 1, limit=1)
    assert bench.count(Begun) == begun == 2
    assert bench.host.counters.malformed == 0


@pytest.mark.parametrize("audio_format", [3, 4, 255])
def test_a_board_takes_no_audio_format_that_it_did_not_offer(audio_format):
    sent = []
    board = SimulatedBoard(sent.append)
    ack = HelloAck(board.boot_nonce, board.schema, 1, 1, audio_format, 320, 1024)
    board.receive(encode_frame(Frame(Type.HELLO_ACK, ack.encode())), 0.0)
    assert not board.open
    assert board.counters.malformed == 1


@pytest.mark.parametrize(("width", "height", "side"), [(128, 160, 8), (240, 240, 16), (96, 64, 8)])
def test_panels_of_other_sizes(width, height, side):
    options = {"width": width, "height": height, "tile_side": side, "pixel_order": PixelOrder.LITTLE}
    bench = Bench(board_options=options)
    bench.open()
    picture = np.random.default_rng(1).integers(0, 65536, (height, width)).astype(np.uint16)
    bench.show(picture)
    assert np.array_equal(bench.board.memory, picture)


@pytest.mark.parametrize("corrupt", [0.0, 0.01])
def test_a_board_with_a_decoder_gets_a_jpeg_file(corrupt):
    options = {"picture_formats": PictureFormat.JPEG}
    bench = Bench(PipeSettings(baud=921_600, corrupt=corrupt), seed=7, step=0.001, board_options=options)
    bench.open()
    content = np.random.default_rng(3).integers(0, 256, 5003).astype(np.uint8).tobytes()
    assert not bench.host.show(noise_picture())
    assert bench.host.show_jpeg(content, 128, 128)
    bench.run(lambda: bench.count(Shown) == 1)
    assert bytes(bench.board.jpeg) == content
    assert bench.happened[-1].state == PictureState.WHOLE


def test_a_panel_that_cannot_be_is_refused():
    bench = Bench(board_options={"tile_side": 16, "max_payload": 256})
    bench.run(lambda: bench.count(Closed) > 0, limit=2)
    assert "payloads of" in bench.happened[0].reason


def test_the_same_seed_makes_the_same_faults():
    settings = PipeSettings(corrupt=0.1, drop=0.1, duplicate=0.2, reorder=0.2)
    runs = []
    for _ in range(2):
        pipe = LossyPipe(settings, seed=9)
        for number in range(50):
            pipe.write(bytes([number]) * 20, float(number))
        runs.append(pipe.read(1e9))
    assert runs[0] == runs[1]
    with pytest.raises(LinkError, match="probability"):
        PipeSettings(corrupt=2)
