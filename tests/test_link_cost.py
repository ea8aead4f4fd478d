"""Encoding and decoding in C cost no more instructions than they did."""

import json
import platform

import pytest

from firmware_bridge.tools.c_cost import BASELINE, TOLERANCE, UNITS, measure, missing_program


@pytest.mark.slow
@pytest.mark.skipif(missing_program() is not None, reason=f"{missing_program()} is not installed")
def test_no_encoder_or_decoder_costs_more_than_the_baseline():
    baseline = json.loads(BASELINE.read_text(encoding="utf-8"))
    if baseline["machine"] != platform.machine():
        pytest.skip(f"the baseline is of {baseline['machine']}")
    counts = measure()
    assert set(counts) == set(UNITS) == set(baseline["instructions"])
    for key, count in counts.items():
        assert 0 < count <= TOLERANCE * baseline["instructions"][key], key
