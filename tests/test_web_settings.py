"""What `edge-s2i web` may be told, its links and its limits."""

from pathlib import Path

import pytest

from edge_s2i.cli.main import main
from edge_s2i.errors import RequestError
from edge_s2i.web.rate import TokenBucket
from edge_s2i.web.settings import Limits, WebSettings, new_token

pytest.importorskip("starlette")
pytest.importorskip("httpx")


from edge_s2i.web.serving import links, open_socket

TOKEN = "0123456789abcdef-token"


def test_a_page_that_is_open_to_the_network_needs_a_token():
    with pytest.raises(RequestError, match="needs a token"):
        WebSettings(host="0.0.0.0")
    assert WebSettings(host="0.0.0.0", token=new_token()).token


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"port": 70_000}, "port"),
        ({"seed": -1}, "seed"),
        ({"token": "short"}, "at least 16"),
        ({"token": "a token with blanks in it"}, "letters"),
        ({"certificate": Path("there-is-none.pem")}, "belong together"),
        ({"certificate": Path("no.pem"), "key": Path("no.pem")}, "does not exist"),
    ],
)
def test_wrong_settings_are_told(changes, reason):
    with pytest.raises(RequestError, match=reason):
        WebSettings(**changes)
    with pytest.raises(RequestError, match="idle_seconds"):
        Limits(idle_seconds=0)


def test_links_are_what_a_person_opens():
    assert links(WebSettings(), 8321) == ["http://127.0.0.1:8321/"]
    assert links(WebSettings(host="::1"), 8321) == ["http://[::1]:8321/"]
    opened = links(WebSettings(host="0.0.0.0", token=TOKEN, names=("talker.local",)), 80)
    assert opened[0] == f"http://localhost:80/?token={TOKEN}"
    assert opened[-1] == f"http://talker.local:80/?token={TOKEN}"


def test_the_command_refuses_in_one_line(capsys, tiny_bundle):
    listener = open_socket(WebSettings(port=0))
    port = str(listener.getsockname()[1])
    for arguments, reason in (
        (["--port", port], "cannot be listened on"),
        (["--token", "abc"], "at least 16"),
        (["--style", "baroque"], "unknown"),
        (["--host", "no.such.host.invalid"], "cannot be listened on"),
    ):
        assert main(["web", "--bundle", str(tiny_bundle), *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("edge-s2i: ")
        assert captured.err.count("\n") == 1
        assert reason in captured.err
    listener.close()


def test_token_buckets_let_through_what_they_say():
    now = [0.0]
    bucket = TokenBucket(2.0, 4.0, lambda: now[0])
    assert [bucket.take(1) for _ in range(5)] == [True, True, True, True, False]
    now[0] = 1.0
    assert [bucket.take(1) for _ in range(3)] == [True, True, False]
    now[0] = 100.0
    assert not bucket.take(5)
    assert bucket.take(4)
