"""The table of the whole path's stages says what was timed."""

import pytest

pytest.importorskip("onnx")

from benchmarks.path_stages import REFERENCE, REST, WHOLE, table


def test_the_rest_is_what_no_stage_accounts_for():
    found = [
        {REFERENCE: 40.0, WHOLE: 4.0, "encoder": 1.0, "generator": 2.0, "total": 4.0},
        {REFERENCE: 50.0, WHOLE: 5.0, "encoder": 1.5, "generator": 2.5, "total": 5.0},
        {REFERENCE: 66.0, WHOLE: 6.0, "encoder": 2.0, "generator": 3.0, "total": 6.0},
    ]
    lines = table(found).splitlines()
    assert "| encoder | 1.00 | 1.50 | 25% |" in lines
    assert f"| {REST} | 1.00 | 1.00 | 25% |" in lines
    assert f"| {REFERENCE} | 40.00 | 50.00 |  |" in lines
    assert lines[-1] == "10.0 times as fast as it, least by least; 10.0, median of neighbours."
