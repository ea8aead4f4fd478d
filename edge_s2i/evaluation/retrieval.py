"""Retrieval by cosine similarity: R@k and mAP with any number of right answers, defined once, in NumPy.

Definitions:

* R@k of a query is 1 if at least one of its k most similar gallery items is relevant, else 0 (Hodosh et al.
  2013, "Framing image description as a ranking task", section 5; Karpathy & Fei-Fei 2015). It is never
  divided by the number of relevant items or by k.
* AP of a query is the mean, over its relevant items, of the precision at each one's rank (Manning et al.
  2008, "Introduction to information retrieval", section 8.4); mAP is its mean over queries. With one relevant
  item it is the reciprocal rank.
* Ties count against the system: an irrelevant item as similar as a relevant one is ranked before it, so an
  encoder that has collapsed to one point scores 0 and not 1.
"""

from dataclasses import dataclass

import numpy as np

RECALL_CUTS = (1, 5, 10)

_QUERY_BLOCK = 512  # queries compared at once: 512 x 10,000 float32 similarities are 20 MB


@dataclass(frozen=True)
class Retrieval:
    """Per-query outcomes of one retrieval task; queries without a relevant item in the gallery are left out.

    queries: (Q,) indices of the queries kept; ranks: (Q,) 1-based rank of the best-ranked relevant item;
    average_precisions: (Q,); relevant: (Q,) how many relevant items each has; gallery: how many items there
    are.
    """

    queries: np.ndarray
    ranks: np.ndarray
    average_precisions: np.ndarray
    relevant: np.ndarray
    gallery: int

    def recall_at(self, k: int) -> np.ndarray:
        """(Q,) float64 of 0 and 1: whether a relevant item is among the k first."""
        return (self.ranks <= k).astype(np.float64)

    def chance_recall_at(self, k: int) -> float:
        """What a random order gives on average for R@k on these queries."""
        return float(np.mean([chance_recall(self.gallery, m, k) for m in self.relevant])) if self.ranks.size else 0.0

    def chance_average_precision(self) -> float:
        """What a random order gives on average for mAP on these queries."""
        if not self.ranks.size:
            return 0.0
        return float(np.mean([chance_average_precision(self.gallery, m) for m in self.relevant]))


def relevant_ranks(similarities: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """1-based ranks, ascending, that the relevant items of one query get; ties go to the irrelevant.

    similarities: (G,) higher is more similar; relevant: (G,) bool. Returns (relevant.sum(),) int64.
    """
    wanted = np.sort(similarities[relevant])[::-1]
    others = np.sort(similarities[~relevant])
    # Irrelevant items at least as similar come first; then the relevant ones, best first.
    ahead = others.size - np.searchsorted(others, wanted, side="left")
    return ahead + np.arange(1, wanted.size + 1)


def average_precision(ranks: np.ndarray) -> float:
    """Mean precision at the ranks (ascending, 1-based, one per relevant item) of one query."""
    return float(np.mean(np.arange(1, ranks.size + 1) / ranks))


def retrieve(
    queries: np.ndarray, query_labels: np.ndarray, gallery: np.ndarray, gallery_labels: np.ndarray
) -> Retrieval:
    """Ranks a gallery for every query by inner product; a gallery item of the query's label is relevant.

    queries: (Q, D) and gallery: (G, D), unit length for cosine; query_labels: (Q,) and gallery_labels: (G,)
    of any comparable type. Queries whose label the gallery lacks are left out of the result.
    """
    labels, codes = np.unique(np.concatenate([query_labels, gallery_labels]), return_inverse=True)
    query_codes, gallery_codes = codes[: len(query_labels)], codes[len(query_labels) :]
    present = np.zeros(len(labels), bool)
    present[gallery_codes] = True
    kept = np.flatnonzero(present[query_codes])
    ranks = np.zeros(kept.size, np.int64)
    precisions = np.zeros(kept.size)
    counts = np.zeros(kept.size, np.int64)
    gallery32 = np.ascontiguousarray(gallery, np.float32)
    for start in range(0, kept.size, _QUERY_BLOCK):
        block = kept[start : start + _QUERY_BLOCK]
        similarities = np.asarray(queries[block], np.float32) @ gallery32.T
        for row, query in enumerate(block):
            found = relevant_ranks(similarities[row], gallery_codes == query_codes[query])
            ranks[start + row] = found[0]
            precisions[start + row] = average_precision(found)
            counts[start + row] = found.size
    return Retrieval(kept, ranks, precisions, counts, len(gallery))


def chance_recall(gallery: int, relevant: int, k: int) -> float:
    """Probability that a random order of `gallery` items has one of `relevant` items among its first k."""
    k = min(k, gallery)
    missed = 1.0
    for i in range(k):
        missed *= max(0, gallery - relevant - i) / (gallery - i)
    return 1.0 - missed


def chance_average_precision(gallery: int, relevant: int) -> float:
    """Expected AP of a random order of `gallery` items of which `relevant` are right.

    A right item at rank i (uniform over ranks) has i - 1 items before it, of which a share
    (relevant - 1) / (gallery - 1) is right, so E[AP] = mean_i (1 + (i - 1)(relevant - 1)/(gallery - 1)) / i.
    """
    if gallery == 1:
        return 1.0
    share = (relevant - 1) / (gallery - 1)
    places = np.arange(1, gallery + 1)
    return float(np.mean((1.0 + (places - 1) * share) / places))
