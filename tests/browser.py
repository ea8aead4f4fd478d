"""A person at the page: Debian's Chromium with a fake microphone that plays a recording, driven by Selenium."""

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PATIENCE = 60.0  # seconds: a loaded machine draws slowly

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="Chromium and its driver are not installed (Debian: chromium-driver)"
)


def microphone_file(path: Path, speech: np.ndarray) -> Path:
    """A 48 kHz WAV that the fake microphone plays again and again: 16 kHz speech, and 2 s of silence."""
    soundfile.write(path, np.concatenate([soxr.resample(speech, 16_000, 48_000), np.zeros(96_000)]), 48_000)
    return path


@contextmanager
def served(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[tuple[str, subprocess.Popen]]:
    """`edge-s2i web` on a free port: its link, and the process."""
    command = [sys.executable, "-m", "edge_s2i.cli.main", "web", "--port", "0", "--threads", "1", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
    try:
        line = process.stdout.readline()
        link = re.search(r"https?://\S+", line)
        assert link, line + process.stderr.read()
        yield link[0], process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


@contextmanager
def counted(bundle: Path | None = None) -> Iterator[tuple[str, list[str]]]:
    """The page's server in a thread of this process: its link, and the path of every request that came."""
    from edge_s2i.web.application import make_application
    from edge_s2i.web.serving import make_server, open_socket
    from edge_s2i.web.settings import WebSettings
    from edge_s2i.web.studio import open_studio

    settings = WebSettings(port=0)
    application = make_application(open_studio(bundle, threads=1), settings)
    paths: list[str] = []

    async def counting(scope, receive, send) -> None:
        paths.append(scope["path"])
        await application(scope, receive, send)

    links: list[str] = []
    ready = threading.Event()
    with open_socket(settings) as listener:
        server = make_server(
            counting, settings, listener.getsockname()[1], lambda found: (links.extend(found), ready.set())
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert ready.wait(PATIENCE)
        try:
            yield links[0], paths
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


@contextmanager
def browser(microphone: Path, profile: Path, *, allowed: bool = True, arguments: tuple[str, ...] = ()) -> Iterator:
    """A headless Chromium of its own profile."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
        f"--user-data-dir={profile}",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
        *(("--use-fake-ui-for-media-stream",) if allowed else ()),
        *arguments,
    ):
        options.add_argument(argument)
    if not allowed:
        options.add_experimental_option("prefs", {"profile.default_content_setting_values.media_stream_mic": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Visitor(driver)
    finally:
        driver.quit()


class Visitor:
    """What a person does at the page, and what the page shows."""

    def __init__(self, driver) -> None:
        self.driver = driver

    def open(self, link: str) -> None:
        self.driver.get(link + ("&" if "?" in link else "?") + "debug")

    def ask(self, script: str, *arguments):
        return self.driver.execute_script(f"return ({script})", *arguments)

    def wait(self, script: str, what: str, patience: float = PATIENCE):
        """Waits until an expression of JavaScript is true."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if value := self.ask(script):
                return value
            time.sleep(0.1)
        raise AssertionError(f"{what} did not come in {patience:g} s; {self.ask('document.body?.innerText')}")

    def wait_until_ready(self, mode: str) -> None:
        root = "document.documentElement.dataset"
        self.wait(f"globalThis.edgeS2i?.page && {root}.ready === 'true' && {root}.mode === '{mode}'", f"mode {mode}")

    def click(self, name: str) -> None:
        self.driver.find_element("id", name).click()

    def text(self, name: str) -> str:
        return self.ask("document.getElementById(arguments[0]).textContent", name)

    def hold_to_talk(self) -> dict:
        """Presses in a pause of the fake microphone, lets go after the next word; the final event."""
        from selenium.webdriver.common.action_chains import ActionChains

        self.ask("edgeS2i.page.hear()")
        self.wait("edgeS2i.spoken && edgeS2i.quiet > 4800", "a pause after speech")
        self.ask("(edgeS2i.events = [], edgeS2i.spoken = false)")
        button = self.driver.find_element("id", "talk")
        ActionChains(self.driver).click_and_hold(button).perform()
        self.wait("edgeS2i.spoken && edgeS2i.quiet > 4800", "speech")
        ActionChains(self.driver).release(button).perform()
        return self.final()

    def final(self, which: str = "type === 'final'") -> dict:
        """The first final event of which that is true, its samples and pictures as arrays."""
        self.wait(f"edgeS2i.events.some(({{ type, understood }}) => {which})", "a final picture")
        script = """(() => {
          const text = (array) => {
            let binary = '';
            for (const byte of new Uint8Array(array.buffer, array.byteOffset, array.byteLength)) {
              binary += String.fromCharCode(byte);
            }
            return btoa(binary);
          };
          const { samples, pictures, ...event } = edgeS2i.events.find(({ type, understood }) => WHICH);
          return { ...event, samples: text(samples), pictures: pictures.map(text) };
        })()"""
        event = self.ask(script.replace("WHICH", which))
        event["samples"] = np.frombuffer(base64.b64decode(event["samples"]), "<f4")
        size = event.get("size", 0)
        event["pictures"] = [_pixels(text, size) for text in event["pictures"]]
        return event

    def canvas(self, selector: str) -> np.ndarray:
        """The pixels of a canvas, (H, W, 3) uint8."""
        script = """((canvas) => {
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return [canvas.width, btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(''))];
        })(document.querySelector(arguments[0]))"""
        size, text = self.ask(script, selector)
        return _pixels(text, size)

    def screenshot(self, path: Path, width: int, height: int, scale: float = 1.0) -> None:
        """Saves the page as a screen of that size shows it."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 700}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        time.sleep(0.5)
        self.driver.save_screenshot(str(path))
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def complaints(self) -> list[str]:
        """What the browser's console holds of errors."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


def _pixels(text: str, size: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(size, size, 4)[..., :3]
