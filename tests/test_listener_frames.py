"""Frames of a listener at the moments that another encoder hears, after a warp."""

import torch

from edge_s2i.training.listener_frames import at_steps
from edge_s2i.training.log_mel_augmentation import LogMelAugmentationConfig, draw_warp
from edge_s2i.training.teacher import frames_lesson


def test_frames_are_read_where_their_sound_was() -> None:
    # Frame k says when its sound was: it is about log-mel frames 4 k to 4 k + 3.
    frames = (4.0 * torch.arange(20) + 1.5)[None, :, None].expand(2, 20, 3)
    lengths = torch.tensor([20, 10])
    times = torch.tensor([[-3.0, 4.0, 30.5, 70.0], [2.0, 35.0, 41.0, 60.0]])
    shown, inside = at_steps(frames, lengths, times)
    assert shown.shape == (2, 3, 1, 4)
    assert inside.tolist() == [[False, True, True, True], [True, True, False, False]]
    torch.testing.assert_close(shown[0, :, 0, 1:], times[0, 1:].expand(3, 3))
    torch.testing.assert_close(shown[1, 0, 0, 1], torch.tensor(35.0))  # near the end frames are those that there are


def test_a_lesson_follows_the_warp_and_leaves_out_whom_nobody_heard() -> None:
    torch.manual_seed(0)
    shown = (4.0 * torch.arange(30) + 1.5)[None, :, None].repeat(3, 1, 2)
    lengths = torch.tensor([30, 0, 30])
    drawn = draw_warp(torch.tensor([120, 90, 118, 118]), LogMelAugmentationConfig(speed=(0.8, 1.25)))
    lesson = frames_lesson(shown, lengths, drawn)
    assert lesson.rows is not None
    assert lesson.rows.tolist() == [0, 2]  # the last is made up
    assert lesson.frames is not None
    assert lesson.inside is not None
    asked = drawn.times(8 * torch.arange(lesson.frames.shape[3]))[lesson.rows]
    inner = lesson.inside & (asked > 4) & (asked < 112)
    torch.testing.assert_close(lesson.frames[:, 0, 0][inner], asked[inner])
    right = lesson.frames.clone()
    assert float(lesson.distance(right)) == 0.0
    mean = lesson.frames[:, 0, 0][lesson.inside].mean()
    assert 0.9 < float(lesson.distance(torch.full_like(right, float(mean)))) < 1.1
