"""The C library keeps to its budgets, and builds without a warning for every processor that it promises."""

import shutil

import pytest

from firmware_bridge.tools.c_sizes import MAX_RAM, MAX_STACK, MAX_TEXT, TARGETS, measure

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_library_builds_and_keeps_to_its_budget(target):
    if shutil.which(target.compiler) is None:
        pytest.skip(f"{target.compiler} is not installed")
    cost = measure(target)
    assert cost.data == cost.bss == 0  # no globals
    assert 0 < cost.board_text < cost.whole_text
    assert cost.board_context <= MAX_RAM
    if cost.worst_stack is not None:
        assert 64 < cost.worst_stack <= MAX_STACK
    if target.name == "Cortex-M4F":
        assert cost.board_text <= MAX_TEXT
