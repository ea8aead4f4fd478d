"""Between capture and understanding: bounded, in order, and honest about what did not fit."""

import threading
from time import sleep

import numpy as np
import pytest

from edge_s2i.runtime.audio_queue import AudioQueue, Block, Mark


def block(count: int, value: float = 0.0) -> np.ndarray:
    return np.full(count, value, np.float32)


def test_blocks_and_marks_come_out_in_order():
    queue = AudioQueue(100)
    queue.put(block(10, 1))
    queue.mark("press")
    queue.put(block(20, 2))
    queue.close()
    items = [queue.get(), queue.get(), queue.get(), queue.get()]
    assert [type(item) for item in items] == [Block, Mark, Block, type(None)]
    assert items[0].samples[0] == 1
    assert items[2].samples[0] == 2
    assert items[0].arrived <= items[2].arrived
    assert queue.waiting == 0
    assert queue.greatest == 30


def test_what_does_not_fit_is_counted_and_told_where_it_is_missing():
    queue = AudioQueue(100)
    assert queue.put(block(60))
    assert not queue.put(block(60))
    assert not queue.put(block(50))
    assert queue.put(block(40))
    assert queue.dropped == 110
    assert queue.get().lost == 0
    assert queue.get().lost == 110
    assert not queue.put(block(60)) or queue.waiting <= 100


def test_loss_at_the_end_is_told_too():
    queue = AudioQueue(100)
    queue.put(block(100))
    queue.put(block(7))
    queue.close()
    queue.get()
    assert queue.get() is None
    assert queue.take_lost() == 7
    assert queue.take_lost() == 0


def test_tiny_blocks_do_not_make_it_grow():
    queue = AudioQueue(10**9)
    for _ in range(10_000):
        queue.put(block(1))
    for _ in range(50_000):
        queue.mark("press")
        queue.mark("release")
    assert len(queue._items) < 10_000
    assert queue.dropped > 5_000


def test_a_writer_that_may_wait_loses_nothing():
    queue = AudioQueue(100)
    blocks = [block(30, value) for value in range(50)] + [block(1_000, 50)]

    def write():
        for item in blocks:
            queue.put(item, wait=True)
        queue.close()

    writer = threading.Thread(target=write)
    writer.start()
    received = []
    while (item := queue.get(5.0)) is not None:
        received.append(item.samples[0])
        sleep(0.0005)
    writer.join()
    assert received == list(range(51))
    assert queue.dropped == 0
    assert queue.greatest <= 1_000


def test_closing_frees_a_writer_that_waits():
    queue = AudioQueue(10)
    queue.put(block(10))
    writer = threading.Thread(target=lambda: queue.put(block(10), wait=True))
    writer.start()
    queue.close()
    writer.join(5.0)
    assert not writer.is_alive()
    assert queue.dropped == 0


def test_marks_that_say_the_same_again_are_one():
    queue = AudioQueue(10)
    for name in ("press", "press", "release", "release", "press"):
        queue.mark(name)
    queue.close()
    names = []
    while (item := queue.get()) is not None:
        names.append(item.name)
    assert names == ["press", "release", "press"]


def test_waiting_in_vain_is_a_timeout():
    with pytest.raises(TimeoutError):
        AudioQueue(10).get(0.01)
