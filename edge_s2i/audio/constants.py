"""The audio front end's constants, said once; NumPy, torch, ONNX and C are tested against these."""

SAMPLE_RATE = 16_000  # Hz
WINDOW_LENGTH = 400  # samples: 25 ms at 16 kHz
HOP_LENGTH = 160  # samples: 10 ms at 16 kHz, so 100 frames a second
FFT_LENGTH = 512  # samples: the next power of two above the window
MEL_BANDS = 64
MEL_LOW_HZ = 20.0
MEL_HIGH_HZ = 7_600.0
LOG_FLOOR = 1e-6  # added to mel power before the natural log: about -60 dB below full scale
NORMALIZE_EPSILON = 1e-3  # added to the standard deviation of an utterance's log-mel

MIN_SECONDS = 0.2
MAX_SECONDS = 4.0
