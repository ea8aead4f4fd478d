"""sd_notify as systemd hears it."""

import os
import socket

import pytest

from edge_s2i.device.service import ServiceManager

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")


@pytest.fixture
def manager(tmp_path):
    """A socket in systemd's place."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.setblocking(False)
        yield server


def heard(server) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(server.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_ready_status_and_stopping(manager, tmp_path):
    service = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    assert service.present
    service.ready("listening")
    service.status("3 utterances")
    service.stopping()
    assert heard(manager) == ["READY=1\nSTATUS=listening", "STATUS=3 utterances", "STOPPING=1"]


def test_the_watchdog_is_fed_three_times_in_its_patience(manager, tmp_path):
    now = {"s": 100.0}
    environment = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    service = ServiceManager(environment, clock=lambda: now["s"])
    for _ in range(600):
        service.alive()
        now["s"] += 0.1
    assert heard(manager) == ["WATCHDOG=1"] * 6


@pytest.mark.parametrize("wrong", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {}])
def test_no_watchdog_no_food(manager, tmp_path, wrong):
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), **({"WATCHDOG_USEC": "1000"} if wrong else {}), **wrong}
    ServiceManager(environment).alive()
    assert heard(manager) == []


def test_without_a_manager_nothing_happens():
    service = ServiceManager({})
    assert not service.present
    service.ready("")
    service.alive()
    ServiceManager({"NOTIFY_SOCKET": "/nowhere/notify"}).ready("")


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="abstract sockets are Linux's")
def test_an_abstract_socket():
    name = f"edge-s2i-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name)
        server.setblocking(False)
        ServiceManager({"NOTIFY_SOCKET": "@" + name}).stopping()
        assert heard(server) == ["STOPPING=1"]
