"""When the page takes a GPU and when it leaves it, by its own modules in Node, on computers made up here."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

import edge_s2i.web
from edge_s2i.bundle import read_bundle

STATIC = Path(edge_s2i.web.__file__).parent / "static"
PROGRAM = Path(__file__).parent / "web_page" / "gpu_modules.mjs"
DAY = 24 * 3600 * 1000
ADAPTER = {"name": "made-up gpu", "software": False}
FAST = {"generator": {"ms": 2}, "encoder": {"ms": 3}}
SLOW = {"generator": {"ms": 9}, "encoder": {"ms": 8}}

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def ask(question: str, **arguments):
    """What the page's modules answer."""
    request = json.dumps({"ask": question, "static": str(STATIC), **arguments})
    result = subprocess.run(
        ["node", str(PROGRAM)], input=request, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout)


def choose(gpu: dict, cpu: dict = SLOW, **changed):
    given = {"adapter": ADAPTER, "about": "files 1", "kept": None, "now": 100 * DAY, "missing": False, **changed}
    return ask("choose", gpu=gpu, cpu=cpu, **given)


def test_a_gpu_that_is_right_and_fast_is_taken_and_remembered():
    first = choose(FAST)
    assert first["taken"]
    verdict = first["verdict"]
    assert verdict["generator"] == {"chosen": True, "likeness": 99, "cpu": 9, "gpu": 2}
    assert verdict["encoder"] == {"chosen": True, "likeness": pytest.approx(1.0), "cpu": 8, "gpu": 3}
    assert first["log"].count("run generator") == 3 + 7  # every example once, then measured
    assert first["turns"] == 2 * (3 + 7)  # the CPU only ever in its turn

    again = choose(FAST, kept=verdict, now=9000 * DAY)
    assert again["taken"]
    assert again["verdict"] == verdict
    assert again["log"] == ["load", "open generator", "run generator", "open encoder", "run encoder"]


@pytest.mark.parametrize(
    ("gpu", "names"),
    [
        ({"generator": {"off": 0.05}, "encoder": {"off": 0.05}}, []),  # 29 dB and cosine 0.998
        ({"generator": {"off": 0.01}, "encoder": {"off": 0.05}}, ["generator"]),  # 43 dB
        ({"generator": {"off": 0.01}, "encoder": {"off": 0.001}}, ["generator", "encoder"]),
        ({"generator": {"broken": True}, "encoder": {"broken": True}}, []),
        ({"generator": {}, "encoder": {"fails": True}}, ["generator"]),
        ({"generator": {"ms": 9}, "encoder": {"ms": 8.1}}, ["generator"]),  # as fast is fast enough
        ({"generator": {"ms": 400}, "encoder": {"ms": 400}}, []),
    ],
)
def test_each_graph_is_taken_only_if_it_agrees_and_is_as_fast(gpu, names):
    answer = choose(gpu)
    assert [name for name in ("generator", "encoder") if answer["verdict"][name]["chosen"]] == names
    assert answer["taken"] == bool(names)
    assert answer["log"].count("close") == (not names)
    assert answer["verdict"]["key"]


def test_a_slow_gpu_is_not_measured_for_long():
    answer = choose({"generator": {"ms": 2000}, "encoder": {"ms": 2000}})
    assert answer["log"].count("run generator") == 3 + 2
    assert not answer["taken"]


def test_a_refusal_is_remembered_for_a_week_where_nothing_changed():
    verdict = choose({"generator": {"ms": 50}, "encoder": {"ms": 50}})["verdict"]
    same = choose(FAST, kept=verdict, now=106 * DAY)
    assert (same["taken"], same["log"], same["verdict"]) == (False, [], verdict)
    for changed in (
        {"now": 108 * DAY},
        {"about": "files 2"},
        {"adapter": {"name": "another gpu", "software": False}},
    ):
        assert choose(FAST, kept=verdict, **changed)["taken"], changed


def test_a_gpu_that_was_taken_and_computes_otherwise_now_is_left_and_forgotten():
    verdict = choose(FAST)["verdict"]
    for gpu in ({"generator": {"off": 0.5}}, {"generator": {"fails": True}}, {"unopened": "no device"}):
        answer = choose(gpu, kept=verdict)
        assert not answer["taken"]
        assert answer["verdict"]["key"] is None
        assert answer["verdict"]["reason"]
        assert answer["log"][-1] == "close"


def test_a_cpu_in_disguise_is_left_without_its_files_being_asked_for():
    answer = choose(FAST, adapter={"name": "swiftshader", "software": True})
    assert answer["log"] == []
    assert not answer["taken"]
    assert "disguise" in answer["verdict"]["reason"]


def test_files_that_are_not_here_refuse_nothing_for_the_next_start():
    answer = choose(FAST, missing=True)
    assert answer["log"] == ["load"]
    assert answer["verdict"]["key"] is None
    assert "offline" in answer["verdict"]["reason"]


def test_a_gpu_that_cannot_be_opened_is_refused_and_says_why():
    answer = choose({"unopened": "it did not answer in 30000 ms"})
    assert not answer["taken"]
    assert answer["verdict"]["reason"] == "it did not answer in 30000 ms"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("lost", "the driver was reset"),
        ("error", "out of memory"),
        ("numbers", "it computed no numbers"),
        ("crash", "aborted"),
        ("hangs", "it did not answer in 50 ms"),
    ],
)
def test_a_gpu_that_fails_in_mid_utterance_loses_nothing(how, reason):
    answer = ask("computing", how=how, runs=4)
    assert answer["results"] == [True] * 4  # of the GPU's one, and three of the CPU's on the same feeds
    assert answer["drawn"] == ["generator"] * 3 + ["encoder"]
    assert answer["left"] == [reason]
    assert (answer["ended"], answer["asked"], answer["names"]) == (1, 2, [])


def test_an_adapter_is_asked_for_as_the_runtime_asks_and_named():
    info = {"vendor": "nvidia", "architecture": "ampere", "device": "", "description": "", "isFallbackAdapter": False}
    answer = ask("adapter", gpu=info, switching=True)
    assert answer["found"] == {"name": "nvidia ampere", "software": False}
    assert answer["asked"] == [{"powerPreference": "high-performance"}]
    assert ask("adapter", gpu={"isFallbackAdapter": True}, switching=True)["found"]["software"] is True
    for gpu, switching in ((None, True), (info, False), ("none", True), ("fails", True)):
        assert ask("adapter", gpu=gpu, switching=switching)["found"] is None


def test_likeness_is_a_number_only_of_numbers():
    assert ask("likeness", one=[1.0, 0.0], other=[1.0, 0.0]) == [1, 99]
    cosine, decibels = ask("likeness", one=[0.5, -3.0], other=[0.5, -0.8])
    assert cosine == pytest.approx(0.9236, abs=1e-4)
    assert decibels == pytest.approx(23.0103, abs=1e-4)  # of what is shown: -1 and -0.8
    assert ask("likeness", one=[1.0], other=[1.0, 1.0]) == ["no number", "no number"]


def test_the_facts_say_who_computes_and_why():
    graph = {"chosen": True, "likeness": 93.14, "cpu": 9.41, "gpu": 2.08}
    refused = {"chosen": False, "likeness": 0.98412, "cpu": None, "gpu": None}
    verdict = {"key": "k", "adapter": "nvidia ampere", "generator": graph, "encoder": refused, "reason": ""}
    facts = dict(ask("facts", computing={"threads": 2, "onGpu": ["generator"], "verdict": verdict}))
    assert facts["Draws"] == "the GPU (WebGPU)"
    assert facts["Hears"] == "the CPU (WebAssembly, 2 threads)"
    assert facts["GPU"] == (
        "nvidia ampere: pictures like the CPU's to 93.1 dB in 2.1 ms, on the CPU in 9.4: taken; "
        "hearing like the CPU's to cosine 0.98412, of cosine 0.99990 that are needed"
    )
    lost = dict(ask("facts", computing={"threads": 1, "onGpu": [], "verdict": verdict, "left": "it was lost"}))
    assert lost["Draws"] == "the CPU (WebAssembly, 1 thread)"
    assert lost["GPU"] == "nvidia ampere: left for the CPU, because it was lost"
    assert dict(ask("facts", computing={"threads": 1, "onGpu": [], "verdict": None}))["GPU"].startswith("none")
    assert dict(ask("facts", computing=None))["GPU"] == "not known yet"
    assert "talker.local:8321" in dict(ask("facts", computing="device"))["Hears and draws"]


def test_a_split_into_more_than_a_shader_writes_is_left_to_the_cpu_with_what_leads_to_it():
    onnx = pytest.importorskip("onnx")

    def graph(parts: int) -> bytes:
        # name "n0" to "n3": two in a row lead to the split, one elsewhere
        outputs = [f"o{index}" for index in range(parts)]
        nodes = [
            onnx.helper.make_node("Gemm", ["x", "w"], ["a"], name="n0"),
            onnx.helper.make_node("Relu", ["a"], ["b"], name="n1"),
            onnx.helper.make_node("Split", ["b", "sizes"], outputs, name="n2", axis=1),
            onnx.helper.make_node("Conv", ["y", "o0"], ["z"], name="n3"),
        ]
        return onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [])).SerializeToString()

    def nodes(content: bytes):
        return ask("nodes", file=base64.b64encode(content).decode())

    assert nodes(graph(8)) == ["n0", "n1", "n2"]
    assert nodes(graph(7)) == []
    assert nodes(graph(8)[:-9]) == "the graph ends too early"
    assert nodes(b"\x0f") == "the graph is not ONNX"
    bundle = read_bundle()
    for name in ("encoder", "generator"):
        content = bundle.files[f"{name}.onnx"]
        wide = [
            node.name
            for node in onnx.load_model_from_string(content).graph.node
            if node.op_type == "Split" and len(node.output) > 7
        ]
        found = nodes(content)
        assert set(wide) <= set(found)
        assert bool(wide) == bool(found)


def test_the_gpus_files_are_kept_for_the_time_without_a_server():
    assert ask("keep", paths=["/a", "/b"], here=["/a"], there=["/b"]) == ["/a", "/b"]
    assert ask("keep", paths=["/a"], here=[], there=[]) == "Failed to fetch"
    assert ask("keep", paths=["/a"], here=None, there=[]) == []
