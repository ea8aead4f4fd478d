"""From trained weights to what devices run: ONNX graphs, compressed, compared with torch, and written as a bundle."""
