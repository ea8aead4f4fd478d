"""Which concepts are taken for which: counted, ordered and named."""

import numpy as np

from edge_s2i.evaluation.confusions import attractors, captioned, confusions

SAID = ["cat", "cat", "cat", "dog", "dog", "tree", "tree", "apple"]
HEARD = ["dog", "dog", "cat", "dog", "cat", "", "dog", "dog"]
CONFIDENCE = np.array([0.4, 0.6, 0.9, 0.9, 0.2, 0.0, 0.8, 0.3])


def test_pairs_come_most_frequent_first_then_by_how_much_of_the_concept_they_are():
    found = confusions(SAID, HEARD, CONFIDENCE, CONFIDENCE >= 0.5)
    assert [(pair["said"], pair["heard_as"], pair["clips"]) for pair in found] == [
        ("cat", "dog", 2),
        ("apple", "dog", 1),
        ("dog", "cat", 1),
        ("tree", "dog", 1),
    ]
    assert found[0]["clips_said"] == 3
    assert found[0]["confidence"] == 0.5
    assert found[0]["understood"] == 1
    assert confusions(SAID, HEARD, CONFIDENCE, CONFIDENCE >= 0.5, most=1) == found[:1]


def test_rightly_heard_and_refused_clips_are_no_confusions():
    assert confusions(["cat", "dog"], ["cat", ""], np.ones(2), np.ones(2, bool)) == []
    assert attractors(["cat", "dog"], ["cat", ""]) == []


def test_attractors_count_clips_and_concepts():
    assert attractors(SAID, HEARD) == [
        {"heard_as": "dog", "clips": 4, "concepts": 3},
        {"heard_as": "cat", "clips": 1, "concepts": 1},
    ]


def test_captions_are_added_where_there_are_any():
    pairs = [{"said": "red-boat", "heard_as": "yeti", "clips": 1}]
    assert captioned(pairs, {"red-boat": "red boat"}) == [
        {**pairs[0], "said_caption": "red boat", "heard_as_caption": "yeti"}
    ]
    assert captioned([{"heard_as": "red-boat"}], {"red-boat": "red boat"})[0]["heard_as_caption"] == "red boat"
