"""A board in Python that does what the C library does, with a panel in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edge_s2i.errors import LinkError
from firmware_bridge.link.adpcm import AdpcmState, encode_adpcm
from firmware_bridge.link.frame import Frame, FrameDecoder, encode_frame, encoded_length
from firmware_bridge.link.messages import (
    Ack,
    Answer,
    Audio,
    Event,
    Hello,
    HelloAck,
    HelloRequest,
    Message,
    PictureAck,
    PictureBegin,
    PictureCancel,
    PictureData,
    Ping,
    Pong,
    Refuse,
    Status,
    decode_message,
    schema_hash,
)
from firmware_bridge.link.spec import (
    ACK_DELAY,
    CHUNK_BYTES,
    CONTROL_RETRY,
    CONTROL_TRIES,
    HELLO_INTERVAL,
    OUTSIDE_SESSIONS,
    REFUSED_INTERVAL,
    SILENCE_LIMIT,
    VERSION,
    AudioFormat,
    EventKind,
    Flag,
    HelloFlag,
    PictureFormat,
    PictureState,
    PixelOrder,
    Refusal,
    Type,
)
from firmware_bridge.link.tiles import RECORD_HEAD, Tiling, decode_records, pack_map, picture_checksum, unpack_map


@dataclass
class _Incoming:
    begin: PictureBegin
    state: PictureState
    received: np.ndarray
    sequence: int = 0
    checksum: int = 0


@dataclass
class _Pending:
    event: Event
    sent_at: float
    tries: int = 1


@dataclass
class BoardCounters:
    """As STATUS reports them."""

    frames_sent: int = 0
    frames_lost: int = 0
    stale: int = 0
    malformed: int = 0
    unknown: int = 0
    pictures: int = 0


@dataclass
class SimulatedBoard:
    """One board; `write` takes what it sends. Times are seconds."""

    write: Callable[[bytes], None]
    name: str = "simulated board"
    boot_nonce: int = 1
    width: int = 128
    height: int = 128
    tile_side: int = 8
    pixel_order: PixelOrder = PixelOrder.BIG
    picture_formats: PictureFormat = PictureFormat.TILES
    audio_formats: AudioFormat = AudioFormat.S16LE | AudioFormat.IMA_ADPCM
    max_payload: int = 1024
    credits: int = 4096
    version: int = VERSION
    schema: int = field(default_factory=schema_hash)
    on_answer: Callable[[Answer], None] | None = None

    def __post_init__(self) -> None:
        self.decoder = FrameDecoder(self.max_payload)
        self.counters = BoardCounters()
        self.tiling = Tiling(self.width, self.height, self.tile_side)
        self.memory = np.zeros((self.height, self.width), np.uint16)
        self.jpeg = bytearray()
        self.open = False
        self.refused = ""
        self.answers: list[Answer] = []
        self._session = 0
        self._host_nonce: int | None = None
        self._audio_format = 0
        self._audio_samples = 320
        self._sequence = 0
        self._expected: int | None = None
        self._utterance = 0
        self._sample_index = 0
        self._talking = False
        self._adpcm = AdpcmState()
        self._event_id = 0
        self._events: dict[int, _Pending] = {}
        self._picture: _Incoming | None = None
        self._unacknowledged = 0
        self._ack_since = 0.0
        self._ack_due = False
        self._now = 0.0
        self._heard_at = 0.0
        self._hello_at = 0.0
        self._hello()

    def receive(self, content: bytes, now: float) -> None:
        """Takes what the line brought."""
        self._now = now
        for frame in self.decoder.feed(content):
            try:
                self._take(frame)
            except LinkError:
                self.counters.malformed += 1
        self._poll_picture()

    def poll(self, now: float) -> None:
        """Does what is due."""
        self._now = now
        if self.open and now - self._heard_at >= SILENCE_LIMIT / 1000:
            self._close()
            self._hello()
        if not self.open:
            if now - self._hello_at >= (REFUSED_INTERVAL if self.refused else HELLO_INTERVAL) / 1000:
                self._hello()
            return
        for number, pending in list(self._events.items()):
            if now - pending.sent_at >= CONTROL_RETRY / 1000:
                pending.tries += 1
                pending.sent_at = now
                if pending.tries > CONTROL_TRIES:
                    del self._events[number]
                else:
                    self._send(pending.event, Flag.RETRY)
        self._poll_picture()

    def event(self, kind: EventKind) -> bool:
        """Something happens on the board; False without a session."""
        if not self.open:
            return False
        begins = kind in (EventKind.TALK_BEGIN, EventKind.VOICE_BEGIN)
        if begins:
            self._utterance = (self._utterance + 1) & 0xFFFF
            self._sample_index = 0
            self._adpcm = AdpcmState()
        self._talking = begins
        event = Event(self._event_id, kind, self._utterance, self._sample_index)
        self._event_id = (self._event_id + 1) & 0xFFFF
        self._events[event.id] = _Pending(event, self._now)
        self._send(event)
        return True

    def audio(self, samples: np.ndarray) -> None:
        """Sends (N,) int16 of the utterance, in frames as long as the host asked for."""
        if not self.open or not self._talking or not self._audio_format:
            return
        for start in range(0, len(samples), self._audio_samples):
            part = samples[start : start + self._audio_samples]
            state = self._adpcm
            if self._audio_format == AudioFormat.IMA_ADPCM:
                content, self._adpcm = encode_adpcm(part, state)
            else:
                content, state = part.astype("<i2").tobytes(), AdpcmState()
            self._send(
                Audio(
                    self._utterance,
                    self._sample_index,
                    len(part),
                    self._audio_format,
                    state.step_index,
                    state.predictor,
                    content,
                )
            )
            self._sample_index += len(part)

    def status(self) -> None:
        """Sends a STATUS."""
        heard = self.decoder.counters
        framing = heard.stuffing_errors + heard.length_errors + heard.oversize
        self._send(
            Status(
                uptime_ms=round(1000 * self._now),
                frames_received=heard.frames,
                frames_sent=self.counters.frames_sent,
                checksum_errors=heard.checksum_errors,
                framing_errors=framing,
                frames_lost=self.counters.frames_lost,
                frames_dropped=0,
                samples_dropped=0,
                receive_high_water=0,
                send_high_water=0,
                heap_free=0xFFFFFFFF,
            )
        )

    def send_raw(self, frame_type: int, payload: bytes) -> None:
        """Sends a frame of any type in this session."""
        frame = Frame(frame_type, payload, self._sequence, self._session, version=self.version)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.write(encode_frame(frame))

    def _send(self, message: Message, flags: int = 0) -> None:
        session = 0 if message.TYPE in OUTSIDE_SESSIONS else self._session
        frame = Frame(message.TYPE, message.encode(), self._sequence, session, flags, self.version)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.counters.frames_sent += 1
        self.write(encode_frame(frame))

    def _hello(self) -> None:
        self._hello_at = self._now
        self.refused = ""
        self._send(
            Hello(
                boot_nonce=self.boot_nonce,
                schema=self.schema,
                audio_formats=self.audio_formats,
                picture_formats=self.picture_formats,
                panel_width=self.width,
                panel_height=self.height,
                pixel_order=self.pixel_order,
                tile_side=self.tile_side,
                max_payload=self.max_payload,
                credits=self.credits,
                flags=HelloFlag.READABLE_PANEL,
                name=self.name,
            )
        )

    def _close(self) -> None:
        self.open = False
        self._talking = False
        self._expected = None
        self._events.clear()
        self._picture = None
        self._unacknowledged = 0

    def _take(self, frame: Frame) -> None:
        if frame.major != self.version >> 4 and frame.type != Type.REFUSE:
            if not self.refused:
                self.refused = f"this board speaks version {self.version >> 4} of the link"
                self._send(Refuse(Refusal.VERSION, self.version, self.refused))
                self._hello_at = self._now
                self._close()
            return
        if frame.type in OUTSIDE_SESSIONS:
            self._take_outside(decode_message(frame.type, frame.payload))
            return
        if not self.open or frame.session != self._session:
            self.counters.stale += 1
            return
        self._heard_at = self._now
        ahead = 0 if self._expected is None else (frame.sequence - self._expected) & 0xFFFF
        if ahead < 0x8000:
            self.counters.frames_lost += ahead
            self._ack_due = self._ack_due or ahead > 0
            self._expected = (frame.sequence + 1) & 0xFFFF
        self._take_in_session(frame)

    def _take_in_session(self, frame: Frame) -> None:
        message = decode_message(frame.type, frame.payload)
        if message is None:
            self.counters.unknown += 1
        elif isinstance(message, Ping):
            self._send(Pong(message.token))
        elif isinstance(message, Ack):
            if message.type == Type.EVENT:
                self._events.pop(message.id, None)
        elif isinstance(message, Answer):
            self._send(Ack(Type.ANSWER, message.id))
            if message.id not in [answer.id for answer in self.answers[-4:]]:
                self.answers.append(message)
                if self.on_answer is not None:
                    self.on_answer(message)
        elif isinstance(message, PictureBegin | PictureData | PictureCancel):
            self._take_picture(message, frame)

    def _take_outside(self, message: Message | None) -> None:
        if isinstance(message, HelloAck) and message.boot_nonce == self.boot_nonce:
            self._heard_at = self._now
            if message.audio_format and message.audio_format not in set(self.audio_formats):
                raise LinkError(f"HELLO_ACK: audio_format is {message.audio_format}; it must be 0 or one of HELLO's")
            if self.open and (self._session, self._host_nonce) == (message.session, message.host_nonce):
                return
            self._close()
            self._session, self._host_nonce = message.session, message.host_nonce
            self._audio_format = message.audio_format
            self._audio_samples = message.audio_samples or 320
            self.open = True
        elif isinstance(message, HelloRequest):
            if not (self.open and message.host_nonce == self._host_nonce):
                self._close()
                self._hello()
        elif isinstance(message, Refuse):
            self._close()
            self.refused = message.text
            self._hello_at = self._now

    def _take_picture(self, message: PictureBegin | PictureData | PictureCancel, frame: Frame) -> None:
        current = self._picture
        ahead = 0 if current is None else (message.picture - current.begin.picture) & 0xFFFF
        if ahead >= 0x8000:
            return  # of a picture before this one, late
        if isinstance(message, PictureBegin):
            if current is None or ahead:
                current = self._begin(message)
            current.sequence = frame.sequence
            if not self._check_whole(current):
                self._acknowledge(current)
            return
        if current is None or ahead:
            state = PictureState.UNKNOWN if isinstance(message, PictureData) else PictureState.CANCELLED
            self._send(PictureAck(message.picture, state, frame.sequence))
            return
        current.sequence = frame.sequence
        if isinstance(message, PictureCancel):
            if current.state == PictureState.RECEIVING:
                current.state = PictureState.CANCELLED
            self._acknowledge(current)
        elif current.state != PictureState.RECEIVING:
            self._ack_due = True
        else:
            self._draw(current, message)

    def _begin(self, begin: PictureBegin) -> _Incoming:
        if begin.format == self.picture_formats & PictureFormat.JPEG and begin.units == -(-begin.size // CHUNK_BYTES):
            self.jpeg = bytearray(begin.size)
            self._picture = _Incoming(begin, PictureState.RECEIVING, ~unpack_map(begin.dirty, begin.units))
            return self._picture
        fits = begin.format == self.picture_formats & PictureFormat.TILES and (
            begin.width,
            begin.height,
            begin.tile_side,
        ) == (
            self.width,
            self.height,
            self.tile_side,
        )
        if fits and begin.units == self.tiling.count:
            received = ~unpack_map(begin.dirty, begin.units)
            self._picture = _Incoming(begin, PictureState.RECEIVING, received)
        else:
            self._picture = _Incoming(begin, PictureState.REFUSED, np.zeros(0, bool))
        return self._picture

    def _draw(self, current: _Incoming, message: PictureData) -> None:
        if not self._unacknowledged:
            self._ack_since = self._now
        self._unacknowledged += encoded_length(len(message.content) + 2)
        if current.begin.format == PictureFormat.JPEG:
            self._store(current, message.content)
            self._check_whole(current)
            return
        for index, content in decode_records(self.tiling, message.content):
            if not current.received[index]:
                current.received[index] = True
                box = self.tiling.box(index)
                self.memory[box] = np.frombuffer(content, np.uint16).reshape(self.memory[box].shape)
        self._check_whole(current)

    def _store(self, current: _Incoming, content: bytes) -> None:
        at = 0
        while at < len(content):
            unit = int.from_bytes(content[at : at + 2], "little")
            first = unit * CHUNK_BYTES
            length = min(CHUNK_BYTES, len(self.jpeg) - first)
            chunk = content[at + RECORD_HEAD : at + RECORD_HEAD + length]
            if unit >= current.begin.units or len(chunk) != length:
                raise LinkError(f"chunk {unit} is impossible")
            self.jpeg[first : first + length] = chunk
            current.received[unit] = True
            at += RECORD_HEAD + length

    def _check_whole(self, current: _Incoming) -> bool:
        if current.state != PictureState.RECEIVING or not current.received.all():
            return False
        is_jpeg = current.begin.format == PictureFormat.JPEG
        current.checksum = picture_checksum(bytes(self.jpeg) if is_jpeg else self.memory.tobytes())
        right = current.checksum == current.begin.checksum
        current.state = PictureState.WHOLE if right else PictureState.DIFFERS
        self.counters.pictures += right
        self._acknowledge(current)
        return True

    def _acknowledge(self, current: _Incoming) -> None:
        received = pack_map(current.received) if current.state == PictureState.RECEIVING else b""
        self._unacknowledged, self._ack_due = 0, False
        self._send(PictureAck(current.begin.picture, current.state, current.sequence, current.checksum, received))

    def _poll_picture(self) -> None:
        current = self._picture
        if current is None:
            return
        late = self._unacknowledged and self._now - self._ack_since >= ACK_DELAY / 1000
        if self._ack_due or late or self._unacknowledged >= self.credits // 4:
            self._acknowledge(current)
