"""Contact sheets during training: the same concepts at every step, each drawing beside the real picture."""

from pathlib import Path

import lightning
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from edge_s2i.training.picture_data import PictureData, step_generator


def tile(rows: list[list[Tensor]], gap: int = 2) -> Image.Image:
    """Rows of (3, S, S) pictures in [-1, 1] -> one picture; missing cells at a row's end stay grey."""
    side = rows[0][0].shape[-1]
    width, height = max(len(row) for row in rows), len(rows)
    sheet = torch.full((3, height * (side + gap) - gap, width * (side + gap) - gap), 200, dtype=torch.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            pixels = ((picture.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
            top, left = y * (side + gap), x * (side + gap)
            sheet[:, top : top + side, left : left + side] = pixels.cpu()
    return Image.fromarray(sheet.permute(1, 2, 0).numpy())


class SampleSheet(lightning.Callback):
    """Every `every` steps writes RUN/sheets/step-NNNNNN.png from the EMA weights.

    A row is a concept said by one held-out voice, or told by its code: for up to `styles` of its pictures the real one
    and the drawing in that style, then two more latents in the first style. Rows are spread evenly over the concepts
    and never change.
    """

    def __init__(self, every: int = 500, concepts: int = 16, styles: int = 4) -> None:
        self.every = every
        self.concepts = concepts
        self.styles = styles
        self._plan: tuple[list[list[int]], dict[str, Tensor]] | None = None

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:  # type: ignore[no-untyped-def]
        if self._writes(trainer) and trainer.global_step % self.every == 0:
            self.write(trainer, pl_module)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self._writes(trainer):
            self.write(trainer, pl_module)

    def _writes(self, trainer: lightning.Trainer) -> bool:
        return self.every > 0 and trainer.is_global_zero and not trainer.fast_dev_run  # type: ignore[attr-defined]

    @torch.no_grad()
    def write(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> Path:
        """Draws the sheet and returns its path."""
        data: PictureData = trainer.datamodule  # type: ignore[attr-defined]
        assert data.corpus is not None
        if self._plan is None:
            self._plan = self._make_plan(data)
        pictures, inputs = self._plan
        drawn = module.draw(**{name: value.to(module.device) for name, value in inputs.items()}).cpu()  # type: ignore[operator]
        rows, cursor = [], 0
        for row in pictures:
            cells = []
            for picture in row:
                cells += [data.corpus.pictures[picture].float() / 127.5 - 1, drawn[cursor]]
                cursor += 1
            cells += [drawn[cursor], drawn[cursor + 1]]
            cursor += 2
            rows.append(cells)
        path = Path(trainer.default_root_dir) / "sheets" / f"step-{trainer.global_step:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        tile(rows).save(partial, format="PNG")
        partial.replace(path)
        return path

    def _make_plan(self, data: PictureData) -> tuple[list[list[int]], dict[str, Tensor]]:
        corpus, examples = data.corpus, data.validation
        assert corpus is not None
        usable = examples.usable
        count = min(self.concepts, len(usable))
        chosen = usable[torch.linspace(0, len(usable) - 1, count).round().long()]
        random = step_generator(data.seed, 0, 0, purpose=2)
        pictures, embedding, style = [], [], []
        for concept in chosen:
            speech = examples.speech.draw(concept[None], torch.zeros(1))[0]
            start, size = int(examples.pictures.offset[concept]), int(examples.pictures.count[concept])
            row = examples.pictures.rows[start : start + size]
            row = row[: self.styles]
            pictures.append(row.tolist())
            embedding += [examples.embeddings[speech].float()] * (len(row) + 2)
            style += [*corpus.style[row].tolist(), int(corpus.style[row[0]]), int(corpus.style[row[0]])]
        inputs = {
            "embedding": torch.stack(embedding),
            "latent": torch.randn(len(embedding), data.latent_dim, generator=random),
            "style": F.one_hot(torch.tensor(style), len(corpus.styles)).float(),
        }
        return pictures, inputs
