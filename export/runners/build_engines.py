#!/usr/bin/env python3
"""Builds TensorRT engines of a bundle's jetson graphs, on the Jetson that will run them.

    python3 build_engines.py --precision fp16            # in the folder with encoder.fp32.onnx and its cache
    python3 build_engines.py --precision int8 --time

Engines hold for one GPU and one version of TensorRT: build them on the board, with the board's own JetPack. Uses
TensorRT's Python API where it imports and trtexec where that is found. int8 takes its ranges from the *.cache files
that lie beside the graphs, so no speech is needed here; layers that TensorRT has no int8 kernel for stay in fp16. The
generator's memory stays in float32: its logits reach 200, where fp16 has steps of an eighth.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

MODELS = ("encoder", "generator")
WORKSPACE = 256 << 20  # bytes; a Jetson Nano has 4 GB for all
TRTEXEC = ("trtexec", "/usr/src/tensorrt/bin/trtexec")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp16")
    parser.add_argument("--model", choices=MODELS, action="append", help="both if not given")
    parser.add_argument("--trtexec", action="store_true", help="use trtexec even where TensorRT imports")
    parser.add_argument("--time", action="store_true", help="run each engine and print milliseconds (trtexec)")
    parser.add_argument("--dry-run", action="store_true", help="print what would be run and stop")
    options = parser.parse_args()
    for model in options.model or MODELS:
        graph = options.folder / f"{model}.fp32.onnx"
        cache = options.folder / f"{model}.cache"
        engine = options.folder / f"{model}.{options.precision}.engine"
        needed = [graph] + ([cache] if options.precision == "int8" else [])
        missing = [str(path) for path in needed if not path.is_file()]
        if missing:
            return f"{missing[0]} is missing; export with --target jetson and copy the whole folder"
        if options.precision == "int8":
            problem = check_cache(cache)
            if problem:
                return problem
        command = trtexec_command(graph, cache, engine, options.precision)
        if options.dry_run:
            print(" ".join(command))
            continue
        failure = build(graph, cache, engine, options, command)
        if failure:
            return failure
        print(f"{engine}: {engine.stat().st_size:,} bytes")
        if options.time:
            program = find_trtexec()
            if program is None:
                return "timing needs trtexec; it is in /usr/src/tensorrt/bin on a Jetson"
            subprocess.run([program, f"--loadEngine={engine}", "--useSpinWait"], check=False)
    return None


def check_cache(cache):
    """What is wrong with a calibration cache; None for a whole one."""
    lines = cache.read_text().splitlines()
    if not lines or not lines[0].startswith("TRT-"):
        return f"{cache} is not a calibration cache"
    for line in lines[1:]:
        _, _, scale = line.rpartition(": ")
        if len(scale) != 8 or any(digit not in "0123456789abcdef" for digit in scale):
            return f"{cache} is damaged: {line!r} has no scale of eight hexadecimal digits"
    return None


def build(graph, cache, engine, options, command):
    try:
        if options.trtexec:
            raise ImportError("trtexec was asked for")
        import tensorrt
    except ImportError as error:
        if find_trtexec() is None:
            return f"neither TensorRT's Python module ({error}) nor trtexec is here; run this on the Jetson"
        result = subprocess.run(command, check=False)
        return None if result.returncode == 0 else f"trtexec ended with {result.returncode}"
    return build_by_api(tensorrt, graph, cache, engine, options.precision)


def find_trtexec():
    return next((path for path in map(shutil.which, TRTEXEC) if path), None)


def trtexec_command(graph, cache, engine, precision):
    command = [find_trtexec() or "trtexec", f"--onnx={graph}", f"--saveEngine={engine}.partial"]
    command += [f"--memPoolSize=workspace:{WORKSPACE >> 20}"]
    if precision in ("fp16", "int8"):
        command.append("--fp16")
    if precision == "int8":
        command += ["--int8", f"--calib={cache}"]
    if precision != "fp32":
        command += ["--precisionConstraints=obey", "--layerPrecisions=" + ",".join(float_layers(graph))]
    if command[-1] == "--layerPrecisions=":
        del command[-2:]
    command[2] = f"--saveEngine={engine}"
    return command


def float_layers(graph):
    """layer:fp32 for what lies around a Softmax over many slots, read off the graph's names without an ONNX package."""
    content = graph.read_bytes()
    return [
        f"{name}:fp32"
        for name in ("node_softmax", "node_linear_1")
        if name.encode() in content and "gener" in graph.name
    ]


def build_by_api(tensorrt, graph, cache, engine, precision):
    logger = tensorrt.Logger(tensorrt.Logger.WARNING)
    builder = tensorrt.Builder(logger)
    explicit = getattr(tensorrt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(graph.read_bytes()):
        return f"TensorRT cannot read {graph}: {parser.get_error(0).desc()}"
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, WORKSPACE)
    if precision in ("fp16", "int8"):
        config.set_flag(tensorrt.BuilderFlag.FP16)
    if precision == "int8":
        config.set_flag(tensorrt.BuilderFlag.INT8)
        config.int8_calibrator = calibrator_of(tensorrt, cache)
    if precision != "fp32":
        config.set_flag(tensorrt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
        keep = {name.partition(":")[0] for name in float_layers(graph)}
        for number in range(network.num_layers):
            layer = network.get_layer(number)
            if layer.name in keep:
                layer.precision = tensorrt.float32
    content = builder.build_serialized_network(network, config)
    if content is None:
        return f"TensorRT could not build {engine.name}; its log above says why"
    partial = engine.with_name(engine.name + ".partial")
    partial.write_bytes(content)
    partial.rename(engine)
    return None


def calibrator_of(tensorrt, cache):
    """A calibrator that has no speech and needs none: it hands TensorRT the cache."""

    class FromCache(tensorrt.IInt8EntropyCalibrator2):  # type: ignore[name-defined]
        def get_batch_size(self):
            return 1

        def get_batch(self, names):
            return None

        def read_calibration_cache(self):
            return cache.read_bytes()

        def write_calibration_cache(self, content):
            del content

    return FromCache()


if __name__ == "__main__":
    problem = main()
    if problem:
        print(f"build_engines: {problem}", file=sys.stderr)
        sys.exit(2)
