"""CTC of the phoneme head: equal to a sum over alignments by hand, and it makes a head learn."""

import itertools

import torch

from edge_s2i.losses.phoneme_ctc import phoneme_ctc
from edge_s2i.models.phoneme_head import PHONES_A_FRAME, PhonemeHead


def collapsed(path: tuple[int, ...]) -> list[int]:
    return [symbol for symbol, _ in itertools.groupby(path) if symbol != 0]


def test_loss_is_minus_log_of_all_alignments() -> None:
    torch.manual_seed(0)
    log_probability = torch.randn(2, 4, 3).log_softmax(2)
    phones, counts, steps = torch.tensor([[1, 2], [2, 0]]), torch.tensor([2, 1]), torch.tensor([4, 3])
    expected = []
    for row in range(2):
        wanted = phones[row, : counts[row]].tolist()
        total = sum(
            float(sum(log_probability[row, step, symbol] for step, symbol in enumerate(path)).exp())
            for path in itertools.product(range(3), repeat=int(steps[row]))
            if collapsed(path) == wanted
        )
        expected.append(-torch.log(torch.tensor(total)) / counts[row])
    torch.testing.assert_close(phoneme_ctc(log_probability, steps, phones, counts), torch.stack(expected).mean())


def test_what_cannot_be_said_in_its_steps_does_not_count() -> None:
    log_probability = torch.randn(2, 3, 4).log_softmax(2).requires_grad_()
    phones, counts, steps = torch.tensor([[1, 1, 1], [2, 0, 0]]), torch.tensor([3, 1]), torch.tensor([3, 3])
    both = phoneme_ctc(log_probability, steps, phones, counts)
    alone = phoneme_ctc(log_probability[1:], steps[1:], phones[1:], counts[1:])
    torch.testing.assert_close(both, alone)
    none = phoneme_ctc(log_probability[:1], steps[:1], phones[:1], counts[:1])
    assert float(none) == 0.0
    both.backward()
    assert torch.isfinite(log_probability.grad).all()
    # What somebody says may not be written down: that is no silence.
    unwritten = phoneme_ctc(log_probability, steps, phones, torch.tensor([0, 1]))
    torch.testing.assert_close(unwritten, alone)


def test_a_head_learns_to_read() -> None:
    torch.manual_seed(0)
    head = PhonemeHead(8, symbols=5)
    sounds = torch.randn(5, 8)
    phones = torch.tensor([[1, 2, 3], [4, 4, 2], [3, 1, 4]])
    heard = torch.zeros(3, 8, 1, 9)
    for row in range(3):
        for place, phone in enumerate(phones[row]):
            heard[row, :, 0, 3 * place : 3 * place + 2] = sounds[phone][:, None]
    steps, counts = torch.full((3,), 9 * PHONES_A_FRAME), torch.full((3,), 3)
    optimizer = torch.optim.Adam(head.parameters(), 0.02)
    for _ in range(60):
        loss = phoneme_ctc(head(heard), steps, phones, counts)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    read = head(heard).argmax(2)
    assert read.shape == (3, 9 * PHONES_A_FRAME)
    assert [collapsed(tuple(row.tolist())) for row in read] == phones.tolist()
