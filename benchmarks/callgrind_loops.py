"""The hot loops that callgrind counts: run under valgrind by benchmarks.callgrind, never imported.

python callgrind_loops.py MARKS_LIBRARY RECORDING: every loop once to warm up, then once between the marks.
"""

import ctypes
import sys
from importlib import import_module


def loops(recording):
    """Name and call of every loop that this source tree has."""
    import edge_s2i
    from edge_s2i.audio import log_mel, normalize_log_mel, read_audio

    draw = edge_s2i.load(threads=1)
    samples = read_audio(recording)[:24_000]
    features = normalize_log_mel(log_mel(samples))
    embedding = draw.embed(features)
    yield "log-mel", lambda: log_mel(samples)
    yield "encoder", lambda: draw.embed(features)
    yield "generator", lambda: draw.paint(embedding)
    yield "confidence", lambda: draw.concepts.confidence(embedding)
    try:
        frame, spec = import_module("firmware_bridge.link.frame"), import_module("firmware_bridge.link.spec")
    except ModuleNotFoundError:
        return
    content = frame.Frame(int(spec.Type.AUDIO), 1, bytes(range(240)) * 4)
    encoded = frame.encode_frame(content)
    yield "bridge frame encode", lambda: frame.encode_frame(content)
    yield "bridge frame decode", lambda: frame.FrameDecoder().feed(encoded)


def main():
    marks = ctypes.CDLL(sys.argv[1])
    marks.s2i_end.argtypes = [ctypes.c_char_p]
    for number, (name, call) in enumerate(loops(sys.argv[2])):
        if number == 0:
            marks.s2i_watch()  # not from the start: loading would take minutes
        call()
        call()
        mark = name.encode()
        marks.s2i_begin()
        call()
        marks.s2i_end(mark)


if __name__ == "__main__":
    main()
