"""What the server answers over HTTP, and to whom."""

import re
from pathlib import Path

import pytest

from edge_s2i.web.settings import WebSettings

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.testclient import TestClient

from edge_s2i.web.application import make_application
from edge_s2i.web.gate import CONTENT_SECURITY_POLICY
from edge_s2i.web.studio import open_studio

TOKEN = "0123456789abcdef-token"


@pytest.fixture(scope="module")
def studio(tiny_bundle):
    return open_studio(tiny_bundle, threads=1)


def client_of(studio, settings: WebSettings | None = None, host: str = "127.0.0.1:8321") -> TestClient:
    return TestClient(make_application(studio, settings or WebSettings()), base_url=f"http://{host}")


def test_the_page_comes_with_strict_headers(studio):
    answer = client_of(studio).get("/")
    assert answer.status_code == 200
    assert "<title>" in answer.text
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe-inline" not in CONTENT_SECURITY_POLICY
    assert "'unsafe-eval'" not in CONTENT_SECURITY_POLICY
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "microphone=(self)" in answer.headers["permissions-policy"]


def test_the_page_needs_nothing_inline_and_nothing_from_elsewhere(studio):
    client = client_of(studio)
    for path in client.get("/assets.json").json()["files"]:
        if path.endswith((".js", ".css", ".svg", ".webmanifest")) or path == "/":
            text = client.get(path).text
            found = re.findall(r"https?://[^\s\"')]+", text)
            assert set(found) <= {"http://www.w3.org/2000/svg"}, path
    page = client.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=", page)


def test_every_file_of_the_page_is_served_with_its_type(studio):
    client = client_of(studio)
    listing = client.get("/assets.json").json()
    assert listing["offline"] is True
    assert listing["detector"] in listing["files"]
    types = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".css": "text/css"}
    assert len(listing["gpu"]) == 3
    assert not set(listing["gpu"]) & set(listing["files"])  # which every browser keeps for offline use
    for path in [*listing["files"], *listing["gpu"]]:
        answer = client.get(path, headers={"Accept-Encoding": "br"})
        assert answer.status_code == 200, path
        kind = types.get(Path(path).suffix)
        assert kind is None or answer.headers["content-type"].startswith(kind), path
        again = client.get(path, headers={"Accept-Encoding": "br", "If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""
    wasm = client.get("/vendor/ort-wasm-simd-threaded.wasm", headers={"Accept-Encoding": "gzip"})
    assert wasm.status_code == 406
    assert "Brotli" in wasm.text


def test_modules_import_only_what_is_served(studio):
    client = client_of(studio)
    listing = client.get("/assets.json").json()
    files = {*listing["files"], *listing["gpu"]}
    for path in (name for name in files if name.endswith(".js")):
        for imported in re.findall(r"(?:from|import|new URL\()\s*['\"](\.[^'\"$]+)['\"]", client.get(path).text):
            target = (Path("/web") / Path(path[1:]).parent / imported).resolve()
            assert "/" + str(target.relative_to("/web")) in files, f"{path} imports {imported}"


def test_a_new_version_has_a_new_service_worker(studio, monkeypatch):
    """Which is how a browser that was here before learns of files that it has not kept."""
    from edge_s2i.web import application

    workers = []
    for addition in ("", "// changed"):
        assets = application.read_assets()
        assets["/app/words.js"] = assets["/app/words.js"].followed_by(addition)
        monkeypatch.setattr(application, "read_assets", lambda assets=assets: dict(assets))
        client = client_of(studio)
        workers.append(client.get("/service-worker.js").text)
        assert client.get("/assets.json").json()["version"] in workers[-1]
        monkeypatch.undo()
    assert workers[0] != workers[1]


def test_bundle_files_are_the_loaded_ones(studio):
    client = client_of(studio)
    assert client.get("/bundle/encoder.onnx").content == studio.bundle.files["encoder.onnx"]
    assert client.get("/bundle/manifest.json").json() == studio.bundle.manifest.to_json()


@pytest.mark.parametrize(
    "path", ["/app/../../assets.py", "/vendor/vendor.json", "/%2e%2e/settings.py", "/etc/passwd", "/app"]
)
def test_nothing_else_is_served(studio, path):
    assert client_of(studio).get(path).status_code == 404


def test_another_name_is_not_answered(studio, caplog):
    # A page elsewhere whose name was pointed at this machine: DNS rebinding.
    for host in ("evil.example:8321", "127.0.0.1.evil.example", "192.168.1.5:8321"):
        answer = client_of(studio, host=host).get("/")
        assert answer.status_code == 421
        assert host.partition(":")[0] in caplog.text
    for host in ("localhost:8321", "127.0.0.1:8321", "[::1]:8321"):
        assert client_of(studio, host=host).get("/").status_code == 200


def test_a_network_page_is_asked_for_by_address_or_by_a_name_it_was_given(studio):
    settings = WebSettings(host="0.0.0.0", token=TOKEN, names=("talker.local",))
    cookie = {"Cookie": f"edge-s2i={TOKEN}"}
    for host, status in (("192.168.1.5:8321", 200), ("talker.local:8321", 200), ("evil.example:8321", 421)):
        assert client_of(studio, settings, host).get("/", headers=cookie).status_code == status


def test_only_reading_is_answered(studio):
    client = client_of(studio)
    assert client.head("/").status_code == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert client.request(method, "/").status_code == 405


def test_a_token_is_needed_for_everything(studio, caplog):
    client = client_of(studio, WebSettings(token=TOKEN))
    for path in (
        "/",
        "/assets.json",
        "/bundle/encoder.onnx",
        "/app/main.js",
        "/?token=wrong",
        f"/app/main.js?token={TOKEN}",
    ):
        answer = client.get(path, follow_redirects=False)
        assert answer.status_code == 401, path
    assert TOKEN not in caplog.text
    welcome = client.get(f"/?token={TOKEN}", follow_redirects=False)
    assert welcome.status_code == 303
    assert welcome.headers["location"] == "/"
    assert {"HttpOnly", "SameSite=strict"} <= set(welcome.headers["set-cookie"].split("; "))
    assert client.get("/app/main.js").status_code == 200  # by the cookie
    bearer = client_of(studio, WebSettings(token=TOKEN)).get("/", headers={"Authorization": f"Bearer {TOKEN}"})
    assert bearer.status_code == 200
    for cookie in ("edge-s2i=wrong", 'edge-s2i="', "edge-s2i=\u00e4", "\x00"):
        headers = [(b"cookie", cookie.encode("latin-1", "replace"))]
        assert client_of(studio, WebSettings(token=TOKEN)).get("/", headers=headers).status_code == 401


def test_a_bundle_without_onnx_cannot_be_computed_in_a_browser(studio):
    from dataclasses import replace

    from edge_s2i.bundle import GraphInfo
    from edge_s2i.web.assets import bundle_assets

    graph = GraphInfo(parameters=1, macs=1, tflite="generator.tflite")
    bundle = replace(studio.bundle, manifest=replace(studio.bundle.manifest, generator=graph))
    assert bundle_assets(bundle) == {}
