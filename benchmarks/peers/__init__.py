"""Reference architectures of the field, written from their papers, with random weights: what the same work costs them.

`python -m benchmarks.peers` exports them to ONNX and times them beside ours, in the same runtime and the same run.
"""
