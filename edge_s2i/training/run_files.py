"""What a run leaves behind: final weights as safetensors beside its checkpoints and logs."""

from pathlib import Path

import lightning

from edge_s2i.models.speech_weights import SpeechWeights
from edge_s2i.training.embedding_cache import EmbeddingCache


class SaveWeights(lightning.Callback):
    """Writes RUN/<stage>.safetensors by the module's `save_weights(path)` after every validation and at the end."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def path(self, trainer: lightning.Trainer) -> Path:
        """Where the weights of `trainer`'s run go."""
        return Path(trainer.default_root_dir) / f"{self.stage}.safetensors"

    def _save(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            path = self.path(trainer)
            path.parent.mkdir(parents=True, exist_ok=True)
            module.save_weights(path)  # type: ignore[operator]

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._save(trainer, pl_module)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._save(trainer, pl_module)


class SaveSpeech(SaveWeights):
    """SaveWeights of the speech stage, and at the end RUN/embeddings.safetensors: what the picture stage reads."""

    def __init__(self) -> None:
        super().__init__("speech")

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        super().on_fit_end(trainer, pl_module)
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        path = self.path(trainer).with_name("embeddings.safetensors")
        path.unlink(missing_ok=True)  # of an earlier run's weights
        if not pl_module.embeddings:
            return
        weights = SpeechWeights.load(self.path(trainer))
        cache = trainer.datamodule.cache  # type: ignore[attr-defined]
        EmbeddingCache.of(weights, cache, str(pl_module.device)).save(path)
