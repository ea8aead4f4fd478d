"""onnxruntime-web in a real browser without a window: a page on 127.0.0.1 runs the jobs and posts what came out."""

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from export.runtimes import Job, Result, read_results, write_jobs

_RUNNERS = Path(__file__).parent / "runners"
_TIMEOUT = 300  # s
_MOST = 1 << 26  # bytes that the page may post at once
_TYPES = {".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm"}
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PAGE = b"""<!doctype html><meta charset="utf-8"><script type="module">
import * as ort from "/dist/ort.wasm.min.mjs";
import { runJobs } from "/run_jobs.mjs";
const read = async (name) => new Uint8Array(await (await fetch("/jobs/" + name)).arrayBuffer());
const write = (name, body) => fetch("/jobs/" + name, { method: "POST", body });
ort.env.wasm.wasmPaths = "/dist/";
try { await runJobs(ort, read, write); } finally { await fetch("/done", { method: "POST" }); }
</script>"""


class Chromium:
    """onnxruntime-web's WebAssembly in headless Chromium."""

    engine = "onnx"

    def __init__(self, name: str, web: Path | None, lacking: str | None) -> None:
        self.name = name
        self._web, self._lacking = web, lacking
        self._program = next((path for path in map(shutil.which, _NAMES) if path), None)

    def missing(self) -> str | None:
        return "chromium is not installed" if self._program is None else self._lacking

    def run(self, jobs: Sequence[Job]) -> list[Result]:
        if not jobs:
            return []
        assert self._program is not None
        assert self._web is not None
        with tempfile.TemporaryDirectory(prefix="edge-s2i-parity-") as name:
            folder = Path(name) / "jobs"
            folder.mkdir()
            write_jobs(folder, "onnx", jobs)
            done = threading.Event()
            dist = self._web / "node_modules" / "onnxruntime-web" / "dist"
            server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Page, folder, dist, done))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            command = [
                self._program,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                f"--user-data-dir={name}/profile",
                f"http://127.0.0.1:{server.server_port}/",
            ]
            try:
                browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    finished = done.wait(_TIMEOUT)
                finally:
                    browser.terminate()
                    try:
                        browser.wait(15)
                    except subprocess.TimeoutExpired:
                        browser.kill()
                        browser.wait()
            finally:
                server.shutdown()
                server.server_close()
            if not finished:
                return [f"the page did not finish in {_TIMEOUT} s"] * len(jobs)
            return read_results(folder, jobs)


class _Page(BaseHTTPRequestHandler):
    """Serves the page, onnxruntime-web and the jobs; takes results into the jobs' folder alone."""

    def __init__(self, folder: Path, dist: Path, done: threading.Event, *arguments) -> None:
        self._folder, self._dist, self._done = folder, dist, done
        super().__init__(*arguments)

    def do_GET(self) -> None:
        place, _, name = self.path.lstrip("/").rpartition("/")
        if self.path == "/":
            self._answer(_PAGE, ".html")
            return
        folder = {"jobs": self._folder, "dist": self._dist, "": _RUNNERS}.get(place)
        file = None if folder is None or not name or name.startswith(".") else folder / name
        if file is None or not file.is_file():
            self.send_error(404)
            return
        self._answer(file.read_bytes(), file.suffix)

    def do_POST(self) -> None:
        place, _, name = self.path.lstrip("/").rpartition("/")
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MOST:
            self.send_error(413)
            return
        body = self.rfile.read(length)
        if self.path == "/done":
            self._done.set()
        elif place == "jobs" and name.startswith(("result-", "output-")):
            (self._folder / name).write_bytes(body)
        else:
            self.send_error(404)
            return
        self._answer(b"", ".html")

    def _answer(self, content: bytes, suffix: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", _TYPES.get(suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments) -> None:
        """Says nothing: the gate's table is the report."""
