"""The real thing: Cortex-M4F firmware in QEMU, its UART on a pty, speech up, the shipped weights, pictures down."""

import asyncio
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

import edge_s2i
from firmware_bridge.host import Bridge, BridgeSettings, open_line
from firmware_bridge.link.adpcm import AdpcmState, decode_adpcm, encode_adpcm
from firmware_bridge.link.panel import Panel
from firmware_bridge.link.session import SessionSettings
from firmware_bridge.link.spec import PixelOrder
from firmware_bridge.link.tiles import Tiling
from firmware_bridge.simulator.lossy_line import LossyLine
from firmware_bridge.tools import qemu_firmware

RECORDING = Path(edge_s2i.__file__).parent / "examples" / "en-penguin.ogg"
LIMIT = 400.0  # s; a quiet machine needs few

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_time,  # sound comes at the speed of speech
    pytest.mark.skipif(
        qemu_firmware.missing_program() is not None, reason=f"{qemu_firmware.missing_program()} is not installed"
    ),
]


@pytest.fixture
def pty(tmp_path, request):
    side = getattr(request, "param", 128)
    qemu_firmware.build(qemu_firmware.recording_samples(RECORDING), tmp_path / "board.elf", side)
    process, device = qemu_firmware.start(tmp_path / "board.elf")
    yield device
    process.kill()
    process.wait()


def panel_reports(bridge):
    """What the board says of its memory, of pictures that the host has sent: (CRC-32 there, CRC-32 here)."""
    found = [re.search(r"panel ([0-9a-f]{8}) of picture ([0-9a-f]{4})", line) for line in bridge.state.log]
    pairs = [(int(match[1], 16), bridge.state.checksums.get(int(match[2], 16))) for match in found if match]
    return [pair for pair in pairs if pair[1] is not None]


def expected_checksum():
    """Of what the runtime draws from the recording, coded as it goes over the line, in the panel's pixels."""
    samples = qemu_firmware.recording_samples(RECORDING)
    codes, _ = encode_adpcm(samples, AdpcmState())
    heard, _ = decode_adpcm(codes, len(samples), AdpcmState())
    drawing = edge_s2i.load(threads=1)((heard.astype(np.float32) / 32768.0, 16_000))
    pixels = Panel(Tiling(128, 128, 8), PixelOrder.BIG).render(drawing.arrays[0])
    return zlib.crc32(pixels.tobytes())


async def run_until_shown(bridge):
    task = asyncio.create_task(bridge.run())
    try:
        async with asyncio.timeout(LIMIT):
            while not panel_reports(bridge):
                assert not task.done(), task.result()
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_penguin_said_on_the_board_is_drawn_on_its_panel(pty):
    bridge = Bridge(edge_s2i.load(threads=1), lambda: open_line(pty), BridgeSettings())
    asyncio.run(run_until_shown(bridge))
    assert all(there == here for there, here in panel_reports(bridge))
    assert panel_reports(bridge)[0][0] == expected_checksum()
    assert bridge.state.understood == bridge.state.utterances
    assert "penguin" in bridge.state.last_answer
    assert bridge.state.last_account.missing == 0
    assert bridge.state.last_account.total == len(qemu_firmware.recording_samples(RECORDING))


@pytest.mark.parametrize("pty", [64], indirect=True)  # pixels a side: four fifths of all frames are lost
def test_pictures_arrive_whole_with_one_percent_of_bytes_corrupted(pty):
    lines = []

    async def lossy():
        lines.append(LossyLine(await open_line(pty), corrupt=0.01, seed=len(lines)))
        return lines[-1]

    # Short frames: of 56 bytes more than half come through.
    settings = BridgeSettings(draw_anyway=True, partial_seconds=0, session=SessionSettings(audio_samples=64))
    bridge = Bridge(edge_s2i.load(threads=1), lossy, settings)
    asyncio.run(run_until_shown(bridge))
    assert all(there == here for there, here in panel_reports(bridge))
    account = bridge.state.last_account
    assert account.total == len(qemu_firmware.recording_samples(RECORDING))
    assert 0 < account.missing < account.total
    assert sum(line.changed for line in lines) > 0.005 * sum(line.passed for line in lines)
