"""The host's end of the link, without a clock or a line of its own: bytes and the time in, events and bytes out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edge_s2i.errors import LinkError
from firmware_bridge.link.frame import Frame, FrameDecoder, encode_frame
from firmware_bridge.link.happenings import Begun, Closed, Ended, Happening, Opened, Shown, TakenBack, Told
from firmware_bridge.link.messages import (
    Ack,
    Answer,
    Audio,
    Event,
    Hello,
    HelloAck,
    HelloRequest,
    Log,
    Message,
    PictureAck,
    Ping,
    Pong,
    Refuse,
    Status,
    decode_message,
    schema_hash,
)
from firmware_bridge.link.panel import Panel
from firmware_bridge.link.pictures import OutgoingPicture, PictureSender, jpeg_picture
from firmware_bridge.link.spec import (
    CONTROL_RETRY,
    CONTROL_TRIES,
    MAJOR,
    MAX_AUDIO_SAMPLES,
    MAX_PAYLOAD,
    MAX_TEXT,
    MINOR,
    OUTSIDE_SESSIONS,
    PING_INTERVAL,
    SILENCE_LIMIT,
    VERSION,
    AudioFormat,
    EventKind,
    Flag,
    PictureFormat,
    PictureState,
    Refusal,
    Type,
)
from firmware_bridge.link.utterances import Utterance

END_GRACE = 0.05  # s that an utterance's late frames have after its end
LATE_END = 0.25  # s after the next one's beginning that an utterance waits for an end that was lost: two retries
IDLE_END = 2.0  # s without audio after which an utterance whose end was lost is over
KEPT_EVENTS = 32  # numbers of events, so that one that is sent again is taken once
MAX_OPEN_UTTERANCES = 4  # a board has one; more only while late frames are waited for
REFUSE_INTERVAL = 1.0  # s: a board that floods is not flooded in return
MAX_DIFFERS = 3  # times that a picture is sent again because the panel's memory is another


@dataclass(frozen=True)
class SessionSettings:
    """What the host asks of a board."""

    audio_formats: AudioFormat = AudioFormat.S16LE | AudioFormat.IMA_ADPCM
    prefer: AudioFormat = AudioFormat.IMA_ADPCM
    audio_samples: int = 320  # a frame: 20 ms
    max_payload: int = MAX_PAYLOAD

    def __post_init__(self) -> None:
        if not 1 <= self.audio_samples <= MAX_AUDIO_SAMPLES:
            raise LinkError(f"audio frames of {self.audio_samples} samples are impossible; 1 to {MAX_AUDIO_SAMPLES}")


@dataclass
class LineCounters:
    """What went over the line in this process; see FrameDecoder for what arrived broken."""

    bytes_sent: int = 0
    frames_sent: int = 0
    frames_lost: int = 0  # holes in the board's sequence numbers
    stale: int = 0  # frames of another session
    unknown: int = 0  # types that this version does not know
    malformed: int = 0  # checksum right, content impossible
    sessions: int = 0
    round_trip_ms: float = 0.0  # of the last PING


@dataclass
class _PendingAnswer:
    answer: Answer
    sent_at: float
    tries: int = 1


@dataclass
class _Speech:
    utterance: Utterance
    heard_at: float
    over_at: float | None = None


@dataclass
class _Wish:
    """A picture that waits until the one under way is done."""

    pixels: np.ndarray | None  # None: `jpeg` is the picture
    utterance: int
    final: bool
    jpeg: bytes = b""
    size: tuple[int, int] = (0, 0)  # of the JPEG: width and height
    differs: int = 0


@dataclass
class _Open:
    """What lasts as long as a session."""

    hello: Hello
    number: int
    panel: Panel | None = None
    sender: PictureSender | None = None
    expected: int | None = None  # the board's next sequence number
    answers: dict[int, _PendingAnswer] = field(default_factory=dict)
    speech: dict[int, _Speech] = field(default_factory=dict)
    newest: int | None = None  # utterance: late frames must not open this or an earlier one again
    events: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    current: _Wish | None = None
    wish: _Wish | None = None


class HostSession:
    """One end of one line. `write` takes bytes at once; `happenings` are returned by receive() and poll()."""

    def __init__(
        self, write: Callable[[bytes], None], nonce: int, now: float, settings: SessionSettings | None = None
    ) -> None:
        """nonce: 32 bits, another for every run of the host."""
        self.settings = settings or SessionSettings()
        self.counters = LineCounters()
        self.decoder = FrameDecoder(self.settings.max_payload)
        self._write = write
        self._nonce = nonce
        self._now = now
        self._sequence = 0
        self._session_number = nonce % 255
        self._picture_number = 0
        self._answer_number = 0
        self._open: _Open | None = None
        self._heard_at = now
        self._asked_at = now
        self._refused_at = now - REFUSE_INTERVAL
        self._happenings: list[Happening] = []
        self._send(HelloRequest(nonce))

    @property
    def hello(self) -> Hello | None:
        """The board in session."""
        return None if self._open is None else self._open.hello

    @property
    def picture_under_way(self) -> bool:
        """Is a picture on its way or waiting?"""
        return self._open is not None and (self._open.wish is not None or self._open.current is not None)

    @property
    def retransmissions(self) -> int:
        """Picture units sent more than once in this session."""
        return 0 if self._open is None or self._open.sender is None else self._open.sender.retransmissions

    def receive(self, content: bytes, now: float) -> list[Happening]:
        """Takes what the line brought; gives what came of it."""
        self._now = now
        for frame in self.decoder.feed(content):
            try:
                self._take(frame)
            except LinkError:
                self.counters.malformed += 1
        return self._drain()

    def poll(self, now: float) -> list[Happening]:
        """Does what is due; call it every few milliseconds."""
        self._now = now
        opened = self._open
        if opened is None:
            if now - self._asked_at >= PING_INTERVAL / 1000:
                self._asked_at = now
                self._send(HelloRequest(self._nonce))
            return self._drain()
        if now - self._heard_at >= SILENCE_LIMIT / 1000:
            self.close("the board has fallen silent")
            return self._drain()
        if now - self._asked_at >= PING_INTERVAL / 1000:
            self._asked_at = now
            self._send(Ping(round(now * 1000) & 0xFFFFFFFF))
        for number, pending in list(opened.answers.items()):
            if now - pending.sent_at >= CONTROL_RETRY / 1000:
                if pending.tries >= CONTROL_TRIES:
                    del opened.answers[number]
                else:
                    pending.tries += 1
                    pending.sent_at = now
                    self._send(pending.answer, Flag.RETRY)
        self._end_speech(opened)
        if opened.sender is not None:
            opened.sender.poll(now)
            self._next_picture(opened)
        return self._drain()

    def close(self, reason: str) -> None:
        """Ends the session; the next HELLO opens another. A board that thinks itself in session is asked to let go."""
        if self._open is not None:
            self._end_session(reason)
        self._nonce = (self._nonce + 1) & 0xFFFFFFFF
        self._asked_at = self._now
        self._send(HelloRequest(self._nonce))

    def show(self, pixels: np.ndarray, *, utterance: int = 0, final: bool = True) -> bool:
        """Brings (H, W) uint16 pixels in the panel's order to the panel; False where there is none.

        A partial picture waits for the one under way and is replaced by a newer one; a final one does not wait.
        """
        opened = self._open
        if opened is None or opened.panel is None:
            return False
        self._wish(opened, _Wish(pixels, utterance, final))
        return True

    def show_jpeg(self, content: bytes, width: int, height: int, *, utterance: int = 0, final: bool = True) -> bool:
        """Brings a JPEG file to a board that decodes it itself; False where there is none."""
        opened = self._open
        if opened is None or not opened.hello.picture_formats & PictureFormat.JPEG:
            return False
        self._wish(opened, _Wish(None, utterance, final, content, (width, height)))
        return True

    def _wish(self, opened: _Open, wish: _Wish) -> None:
        final = wish.final
        opened.wish = wish
        if opened.current is None or (final and not opened.current.final):
            self._show_wish(opened)

    def cancel_picture(self) -> None:
        """Gives the picture under way, and one that waits, up."""
        if self._open is not None and self._open.sender is not None:
            self._open.wish = None
            self._open.sender.cancel()

    def answer(self, utterance: int, flags: int, confidence: float, text: str = "") -> None:
        """Tells the board what came of an utterance; sent until it is acknowledged. confidence: in [0, 1]."""
        if self._open is None:
            return
        self._answer_number = (self._answer_number + 1) & 0xFFFF
        short = text.encode()[:MAX_TEXT].decode(errors="ignore")
        answer = Answer(self._answer_number, utterance, flags, round(255 * min(max(confidence, 0.0), 1.0)), short)
        self._open.answers[answer.id] = _PendingAnswer(answer, self._now)
        self._send(answer)

    def _drain(self) -> list[Happening]:
        happenings, self._happenings = self._happenings, []
        return happenings

    def _send(self, message: Message, flags: int = 0) -> tuple[int, int]:
        outside = message.TYPE in OUTSIDE_SESSIONS
        session = 0 if outside or self._open is None else self._open.number
        sequence = self._sequence
        content = encode_frame(Frame(message.TYPE, message.encode(), sequence, session, flags))
        self._sequence = (sequence + 1) & 0xFFFF
        self.counters.bytes_sent += len(content)
        self.counters.frames_sent += 1
        self._write(content)
        return sequence, len(content)

    def _take(self, frame: Frame) -> None:
        if frame.major != MAJOR and frame.type != Type.REFUSE:
            self._refuse(
                Refusal.VERSION,
                f"this host speaks version {MAJOR}.{MINOR} of the link, not {frame.major}.{frame.version & 15}",
            )
            return
        if frame.type in OUTSIDE_SESSIONS:
            message = decode_message(frame.type, frame.payload)
            if isinstance(message, Hello):
                self._take_hello(message, frame)
            elif isinstance(message, Refuse):
                self._end_session(f"the board refuses: {message.text}", always=True)
            return
        opened = self._open
        if opened is None or frame.session != opened.number:
            self.counters.stale += 1
            return
        self._heard_at = self._now
        self._count_lost(opened, frame.sequence)
        message = decode_message(frame.type, frame.payload)
        if message is None:
            self.counters.unknown += 1
        else:
            self._take_in_session(opened, message)

    def _take_in_session(self, opened: _Open, message: Message) -> None:
        if isinstance(message, Audio):
            speech = self._speech(opened, message.utterance)
            if speech is not None:
                speech.utterance.add(message)
        elif isinstance(message, Event):
            self._send(Ack(Type.EVENT, message.id))
            self._take_event(opened, message)
        elif isinstance(message, Status | Log):
            self._happenings.append(Told(message))
        elif isinstance(message, PictureAck):
            if opened.sender is not None:
                opened.sender.acknowledge(message, self._now)
                self._next_picture(opened)
        elif isinstance(message, Ping):
            self._send(Pong(message.token))
        elif isinstance(message, Pong):
            self.counters.round_trip_ms = float((round(self._now * 1000) - message.token) & 0xFFFFFFFF)
        elif isinstance(message, Ack) and message.type == Type.ANSWER:
            opened.answers.pop(message.id, None)

    def _count_lost(self, opened: _Open, sequence: int) -> None:
        ahead = 0 if opened.expected is None else (sequence - opened.expected) & 0xFFFF
        if ahead < 0x8000:
            self.counters.frames_lost += ahead
            opened.expected = (sequence + 1) & 0xFFFF

    def _take_hello(self, hello: Hello, frame: Frame) -> None:
        opened = self._open
        if opened is not None and hello.boot_nonce == opened.hello.boot_nonce:
            self._heard_at = self._now
            self._send_hello_ack(opened)  # the first was lost
            return
        if hello.schema != schema_hash() and frame.version == VERSION:
            text = "the board's messages are laid out otherwise under the same version; build both from one source"
            self._refuse(Refusal.SCHEMA, text)
            return
        try:
            panel = Panel.of(hello)
        except LinkError as error:
            self._refuse(Refusal.UNUSABLE, str(error))
            return
        self._end_session("the board has started again")
        self._session_number = self._session_number % 255 + 1
        opened = _Open(hello, self._session_number, panel)
        if panel is not None or hello.picture_formats & PictureFormat.JPEG:
            opened.sender = PictureSender(
                self._send,
                self._picture_ended,
                max_payload=min(hello.max_payload, MAX_PAYLOAD),
                credits=hello.credits,
                tile_side=0 if panel is None else hello.tile_side,
            )
        self._open = opened
        self._heard_at = self._now
        self.counters.sessions += 1
        self._send_hello_ack(opened)
        self._happenings.append(Opened(hello))

    def _send_hello_ack(self, opened: _Open) -> None:
        settings = self.settings
        common = opened.hello.audio_formats & settings.audio_formats
        chosen = settings.prefer if common & settings.prefer else common & -common
        self._send(
            HelloAck(
                opened.hello.boot_nonce,
                schema_hash(),
                self._nonce,
                opened.number,
                chosen,
                settings.audio_samples,
                settings.max_payload,
            )
        )

    def _refuse(self, reason: Refusal, text: str) -> None:
        if self._now - self._refused_at < REFUSE_INTERVAL:
            return
        self._refused_at = self._now
        short = text.encode()[:MAX_TEXT].decode(errors="ignore")
        self._send(Refuse(reason, VERSION, short))
        self._end_session(f"refused the board: {text}", always=True)

    def _end_session(self, reason: str, always: bool = False) -> None:
        opened = self._open
        if opened is not None:
            if opened.sender is not None:
                opened.sender.abandon()
            self._open = None
        if opened is not None or always:
            self._happenings.append(Closed(reason))

    def _take_event(self, opened: _Open, event: Event) -> None:
        if event.id in opened.events:  # one that was lost comes after later ones: its number alone does not say
            return
        opened.events.append(event.id)
        kind = event.kind
        if kind in (EventKind.TALK_BEGIN, EventKind.VOICE_BEGIN):
            self._speech(opened, event.utterance)
        elif kind in (EventKind.TALK_END, EventKind.VOICE_END):
            speech = self._speech(opened, event.utterance)
            if speech is not None:
                speech.utterance.finish(event.sample_index)
                speech.over_at = self._now
                self._end_speech(opened)
        elif kind == EventKind.CANCEL:
            opened.speech.pop(event.utterance, None)
            if _is_new(opened, event.utterance):
                opened.newest = event.utterance
            self._happenings.append(TakenBack(event.utterance))

    def _speech(self, opened: _Open, number: int) -> _Speech | None:
        speech = opened.speech.get(number)
        if speech is None:
            if not _is_new(opened, number):
                return None
            for other in opened.speech.values():  # one voice at a time: an earlier utterance is over, its end was lost
                other.over_at = self._now if other.over_at is None else other.over_at
            if len(opened.speech) >= MAX_OPEN_UTTERANCES:
                return None
            speech = _Speech(Utterance(number), self._now)
            opened.speech[number] = speech
            opened.newest = number
            self._happenings.append(Begun(speech.utterance))
        speech.heard_at = self._now
        return speech

    def _end_speech(self, opened: _Open) -> None:
        for number, speech in list(opened.speech.items()):
            if speech.over_at is None:
                over = self._now - speech.heard_at >= IDLE_END
            else:
                grace = LATE_END if speech.utterance.total is None else END_GRACE
                over = speech.utterance.complete or self._now - speech.over_at >= grace
            if over:
                del opened.speech[number]
                self._happenings.append(Ended(speech.utterance))

    def _next_picture(self, opened: _Open) -> None:
        if opened.current is None:
            self._show_wish(opened)

    def _show_wish(self, opened: _Open) -> None:
        if opened.wish is None or opened.sender is None:
            return
        wish, opened.wish = opened.wish, None
        # Giving an earlier picture up tells what of it the panel shows, so that comes before the comparison.
        opened.sender.abandon(PictureState.CANCELLED)
        self._picture_number = (self._picture_number + 1) & 0xFFFF
        number = self._picture_number
        if wish.pixels is not None and opened.panel is not None:
            picture = opened.panel.picture(number, wish.pixels, wish.utterance, wish.final)
        else:
            picture = jpeg_picture(number, wish.jpeg, *wish.size, utterance=wish.utterance, final=wish.final)
        opened.current = wish
        opened.sender.show(picture, self._now)

    def _picture_ended(self, picture: OutgoingPicture, state: PictureState) -> None:
        opened = self._open
        if opened is None or opened.sender is None:
            return
        current, opened.current = opened.current, None
        if opened.panel is not None:
            opened.panel.learn(picture, state, opened.sender.arrived, opened.sender.sent)
        if state == PictureState.DIFFERS and current is not None and current.differs < MAX_DIFFERS:
            current.differs += 1
            opened.wish = opened.wish or current
        else:
            final = current is not None and current.final
            begin = picture.begin
            self._happenings.append(Shown(begin.picture, begin.utterance, final, state, begin.checksum))


def _is_new(opened: _Open, utterance: int) -> bool:
    return opened.newest is None or 0 < (utterance - opened.newest) & 0xFFFF < 0x8000
