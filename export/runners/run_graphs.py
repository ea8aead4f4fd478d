"""Runs the graphs of a job folder on whatever engine this Python has: onnxruntime, ai-edge-litert or tflite-runtime.

Stands alone: it runs in Pythons that know nothing of edge-s2i, the oldest with NumPy 1 and the slowest emulated.
`export/runtimes.py` says what lies in the folder.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np


def run_onnx(graph, names, feeds):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    wanted = [item.name for item in session.get_inputs()]
    return [session.run(None, {name: feed[name] for name in wanted})[0] for feed in feeds]


def run_litert(graph, names, feeds):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter
    interpreter = Interpreter(model_content=graph, num_threads=1)
    runner = interpreter.get_signature_runner(next(iter(interpreter.get_signature_list())))
    details = runner.get_input_details()
    output, given = next(iter(runner.get_output_details().items()))
    outputs = []
    for feed in feeds:
        values = {}
        for name, detail in details.items():
            numbered = re.fullmatch(r"args_(\d+)", name)
            value = feed[names[int(numbered.group(1))] if numbered else name]
            values[name] = quantized(value, detail)
        outputs.append(dequantized(runner(**values)[output], given))
    return outputs


def quantized(value, detail):
    kind, (scale, zero) = np.dtype(detail["dtype"]), detail["quantization"]
    if kind.itemsize == 1 and scale > 0:
        limits = np.iinfo(kind)
        return np.clip(np.rint(value / scale) + zero, limits.min, limits.max).astype(kind)
    return np.ascontiguousarray(value, dtype=kind)


def dequantized(value, detail):
    scale, zero = detail["quantization"]
    if value.dtype.itemsize == 1 and scale > 0:
        return (value.astype(np.float32) - zero) * np.float32(scale)
    return value


def main(folder):
    content = json.loads((folder / "jobs.json").read_text())
    run = run_onnx if content["engine"] == "onnx" else run_litert
    for number, job in enumerate(content["jobs"]):
        feeds = [
            {
                name: np.frombuffer((folder / item["file"]).read_bytes(), item["type"]).reshape(item["shape"])
                for name, item in feed.items()
            }
            for feed in job["feeds"]
        ]
        result: dict
        try:
            outputs = run((folder / job["graph"]).read_bytes(), job["inputs"], feeds)
        except Exception as error:
            result = {"error": (str(error).splitlines() or [type(error).__name__])[0]}
        else:
            for place, output in enumerate(outputs):
                (folder / f"output-{number}-{place}").write_bytes(np.ascontiguousarray(output).tobytes())
            result = {"outputs": [{"type": str(o.dtype), "shape": list(o.shape)} for o in outputs]}
        (folder / f"result-{number}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
