"""A process that times stages of the source tree on its PYTHONPATH: started by benchmarks.latency, never imported.

python worker.py REFERENCE RECORDING [STAGE=FACTOR ...]: says "ready" with the names of its stages, then for each line
"STAGE REPEATS" on stdin answers "SECONDS REFERENCE_SECONDS", both processor time, the least of REPEATS turns, one turn
of the stage and one of the reference kernel. STAGE=FACTOR slows a stage down, to see whether a gate notices.
"""

import sys
from pathlib import Path
from time import thread_time

TURN = 0.005  # seconds: a turn of a stage is at least as long


def stages(recording):
    """Name to call, on one thread."""
    import edge_s2i
    from edge_s2i.audio import log_mel, normalize_log_mel, read_audio

    draw = edge_s2i.load(threads=1)
    content = Path(recording).read_bytes()
    samples = read_audio(content)[:24_000]
    features = normalize_log_mel(log_mel(samples))
    embedding = draw.embed(features)
    return {
        "log-mel": lambda: log_mel(samples),
        "encoder": lambda: draw.embed(features),
        "generator": lambda: draw.paint(embedding),
        "whole path": lambda: draw(content, draw_anyway=True),
    }


def reference(path):
    """The kernel that stages are compared with: a few convolutions by the same engine on the same thread."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    item = session.get_inputs()[0]
    feed = {item.name: np.random.default_rng(0).standard_normal(item.shape).astype(np.float32)}
    return lambda: session.run(None, feed)


def slowed(call, factor):
    """`call`, `factor` times as slow in processor time."""

    def slow():
        start = thread_time()
        call()
        until = start + factor * (thread_time() - start)
        while thread_time() < until:
            pass

    return slow


def least(call, other, repeats):
    """Least processor time of each of two calls that take turns; a short one runs several times in its turn."""
    times: tuple[list, list] = ([], [])
    for _ in range(repeats):
        for place, run in zip(times, (call, other), strict=True):
            spent = 0.0
            while spent < TURN:
                start = thread_time()
                run()
                place.append(thread_time() - start)
                spent += place[-1]
    return min(times[0]), min(times[1])


def main():
    calls, kernel = stages(sys.argv[2]), reference(sys.argv[1])
    for argument in sys.argv[3:]:
        stage, _, factor = argument.partition("=")
        calls[stage] = slowed(calls[stage], float(factor))
    for call in (*calls.values(), kernel):
        call()
        call()
    print("ready", *(name.replace(" ", "_") for name in calls), flush=True)
    for line in sys.stdin:
        stage, repeats = line.split()
        print(*least(calls[stage.replace("_", " ")], kernel, int(repeats)), flush=True)


if __name__ == "__main__":
    main()
