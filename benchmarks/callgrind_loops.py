"""The hot loops that callgrind counts: run under valgrind by benchmarks.callgrind, never imported.

python callgrind_loops.py MARKS RECORDING [LINK_LIBRARY]: each loop twice to warm up, then RUNS times between marks.
"""

import ctypes
import gc
import sys
from importlib import import_module
from itertools import chain

RUNS = 3  # between marks, of each loop; the least counts


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
    content = frame.Frame(type=int(spec.Type.AUDIO), payload=bytes(range(240)) * 4)
    encoded = frame.encode_frame(content)
    yield "bridge frame encode", lambda: frame.encode_frame(content)
    yield "bridge frame decode", lambda: frame.FrameDecoder().feed(encoded)


def link_loops(library):
    """The C link's loops of link_loops.c."""
    link = ctypes.CDLL(library)
    yield "C link encode", lambda: link.bench_encode(10)
    yield "C link decode", lambda: link.bench_decode(10)


def main():
    marks = ctypes.CDLL(sys.argv[1])
    marks.s2i_end.argtypes = [ctypes.c_char_p]
    gc.disable()
    every = chain(loops(sys.argv[2]), *(link_loops(path) for path in sys.argv[3:4]))
    for number, (name, call) in enumerate(every):
        if number == 0:
            marks.s2i_watch()  # not from the start: loading would take minutes
        call()
        call()
        mark = name.encode()
        for _ in range(RUNS):
            gc.collect()  # and not in between: what it costs depends on everything else that lives
            marks.s2i_begin()
            call()
            marks.s2i_end(mark)


if __name__ == "__main__":
    main()
