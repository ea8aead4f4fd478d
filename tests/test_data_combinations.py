"""People x roles x skin tones: which combinations there are, and that training meets no held-out one."""

import json
from pathlib import Path

import pytest
from tiny_packages import tar_bytes

from edge_s2i.data.combinations import NEUTRAL, PEOPLE, TONES, UNSEEN, Combination, read_combinations
from edge_s2i.data.emoji import Icon, IconSet, read_emoji
from edge_s2i.data.planning import ClipPlanner, Inventory, add_combinations, add_emoji, with_splits

ROLES = ("cook", "farmer", "judge", "pilot", "singer")
CODES = {"person": "1F9D1", "man": "1F468", "woman": "1F469"}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Five whole roles; a mage without a woman, a waving hand, and a prince whose tones are four."""
    entries = []

    def add(label: str, code: str, tones: int = 5) -> None:
        skins = [{"label": f"{label} {t}", "hexcode": f"{code}-1F3F{t}", "tone": t} for t in range(1, tones + 1)]
        entries.append({"label": label, "hexcode": code, "group": 1, "subgroup": 25, "tags": [], "skins": skins})

    for number, role in enumerate(ROLES):
        for person, code in CODES.items():
            add(role if person == "person" else f"{person} {role}", f"{code}-200D-1F{number}00")
    for label in ("mage", "man mage", "waving hand", "person"):
        add(label, f"1FF{len(entries)}")
    for label in ("prince", "man prince", "woman prince"):
        add(label, f"1FE{len(entries)}", tones=4)
    path = tmp_path / "emojibase-data-17.0.0.tgz"
    path.write_bytes(tar_bytes({"package/en/data.json": json.dumps(entries).encode()}))
    return path


def icons(combinations: list[Combination]) -> IconSet:
    return IconSet("noto", "MIT", "Somebody", "1", {one.code: Icon("<svg/>") for one in combinations})


def test_every_role_person_and_tone_is_there_once(archive: Path) -> None:
    found = read_combinations(archive)
    assert len(found) == len(ROLES) * len(PEOPLE) * (len(TONES) + 1)
    assert {one.factors["role"] for one in found} == set(ROLES)
    assert len({tuple(sorted(one.factors.items())) for one in found}) == len(found)
    dark = next(one for one in found if one.label == "woman pilot with medium-dark skin")
    assert dark.factors == {"person": "woman", "role": "pilot", "tone": "medium-dark"}
    assert dark.code == "1f469-200d-1f300-1f3f4"


def test_a_fifth_is_held_out_and_every_two_parts_are_trained_together(archive: Path) -> None:
    found = read_combinations(archive)
    toned = [one for one in found if one.factors["tone"] != NEUTRAL]
    held_out = [one for one in found if one.held_out]
    assert len(held_out) * 5 == len(toned)
    assert all(one.factors["tone"] != NEUTRAL for one in held_out)
    trained = [one.factors for one in found if not one.held_out]
    for one in held_out:
        for left_out in one.factors:
            others = {name: value for name, value in one.factors.items() if name != left_out}
            assert any(others.items() <= factors.items() for factors in trained), one.label


def test_held_out_combinations_are_in_no_training_picture_and_no_training_clip(archive: Path) -> None:
    found = read_combinations(archive)
    inventory, sets = Inventory(), [icons(found)]
    add_emoji(inventory, read_emoji(archive), sets)
    before = {picture.key for picture in inventory.pictures}
    add_combinations(inventory, found, sets)
    keys = [picture.key for picture in inventory.pictures]
    assert len(keys) == len(set(keys)) == len(found)  # a neutral role is the corpus's own concept, and drawn once
    assert before < set(keys)
    assert inventory.concepts["pilot"].factors == {"person": "person", "role": "pilot", "tone": NEUTRAL}
    pictures = with_splits(inventory.pictures, inventory.held_out)
    assert {p.concept for p in pictures if p.split == UNSEEN} == inventory.held_out
    assert len(inventory.held_out) == sum(one.held_out for one in found)
    training: dict[str, list[str]] = {}
    for picture in pictures:
        training.setdefault(picture.concept, []).extend([picture.key] if picture.split == "train" else [])
    planner = ClipPlanner(inventory, training)
    planner.add_synthesis(2, ["flite"])  # whose casting needs no program
    assert {clip.concept for clip in planner.clips if clip.split == UNSEEN} == inventory.held_out
    assert all((clip.split == UNSEEN) == (clip.concept in inventory.held_out) for clip in planner.clips)
    assert all(clip.picture is None for clip in planner.clips if clip.split == UNSEEN)


def test_without_the_option_nothing_knows_parts(archive: Path) -> None:
    inventory = Inventory()
    add_emoji(inventory, read_emoji(archive), [icons(read_combinations(archive))])
    assert not any(concept.factors for concept in inventory.concepts.values())
    assert {p.split for p in with_splits(inventory.pictures)} <= {"train", "test"}
