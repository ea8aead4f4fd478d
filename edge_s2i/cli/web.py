"""`edge-s2i web`: the page that draws what is said to it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from edge_s2i.web.settings import DEFAULT_PORT, WebSettings, is_loopback, new_token


def web(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 opens the page to the network, with a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = DEFAULT_PORT,
    token: Annotated[
        str | None,
        typer.Option(help="What visitors must bring; made and printed if not given and the page is open."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="A further host name that the page is asked for by; may be repeated.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM certificate for https, which browsers want before they give a microphone.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="PEM key of the certificate.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle folder or zip; the one that was installed if not given.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="onnx or litert; the first that works if not given.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads that a network may use.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same pictures on every run.")] = 0,
    style: Annotated[str | None, typer.Option(help="The style to begin with; `info` lists them.")] = None,
) -> None:
    """Serve a page that draws what is said to it, computed on this device or in the browser.

    Only this machine can open it unless --host says otherwise.
    """
    if token is None and not is_loopback(host):
        token = new_token()
    settings = WebSettings(
        host=host,
        port=port,
        token=token,
        names=tuple(name or ()),
        certificate=certificate,
        key=key,
        seed=seed,
        style=style,
    )
    from edge_s2i.web.application import make_application
    from edge_s2i.web.serving import serve
    from edge_s2i.web.studio import open_studio

    studio = open_studio(bundle, backend=backend, threads=threads)
    application = make_application(studio, settings)

    def started(links: list[str]) -> None:
        manifest = studio.bundle.manifest
        print(f"edge-s2i web: {'  '.join(links)}", flush=True)
        print(f"bundle {manifest.name}, {len(manifest.concepts):,} concepts; Ctrl-C stops", flush=True)
        if not is_loopback(host) and settings.scheme == "http":
            print(
                "Browsers give a microphone to https pages only, but for localhost: add --certificate and --key.",
                flush=True,
            )

    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    logging.getLogger("edge_s2i.web").setLevel(logging.INFO)
    serve(application, settings, started)
    print("stopped", flush=True)
