"""Findings of 03_ensemble: what its steps gain, whether likeness carries labels, who is right."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from planet_lib.evaluation.metrics import F2_THRESHOLD
from planet_lib.report.findings.writing import join_names


def conclude_ladder(ladder: pd.DataFrame) -> str:
    """Conclude which steps of the ensemble gain more than chance explains.

    Parameters
    ----------
    ladder : DataFrame
        As returned by `planet_lib.evaluation.ladder.score_ladder`.
    """
    gains = ladder["gain"].dropna().astype(float)
    low, high = (ladder.loc[gains.index, name].astype(float) for name in ("gain_low", "gain_high"))
    settled, lost = gains[low > 0], gains[high < 0]
    names = [f"“{step}”" for step in lost.index]
    harm = f" Lost by more than chance explains: {join_names(names)}." if names else ""
    if settled.empty:
        return f"No step gains more than chance explains.{harm}"
    rest = len(gains) - len(settled) - len(lost)
    others = f" Steps whose interval includes zero: {rest}." if rest else ""
    return (
        f"{len(settled)} of {len(gains)} steps gain more than chance explains; most by "
        f"“{settled.idxmax()}” ({settled.max():+.3f}).{harm}{others}"
    )


def conclude_similarity(nearest: np.ndarray, truth: np.ndarray, training: np.ndarray) -> str:
    """Conclude whether the most similar training chip has the labels of a chip.

    Parameters
    ----------
    nearest : ndarray of shape (N,), int
        For each chip the row of the most similar training chip.
    truth : ndarray of shape (N, 17), 0 or 1
    training : ndarray of shape (T, 17), 0 or 1
        Labels of the training chips.
    """
    both = truth.astype(int) @ training.T.astype(int)
    either = truth.sum(axis=1)[:, None] + training.sum(axis=1) - both
    shared = both / np.maximum(either, 1)
    near, any_other = shared[np.arange(len(truth)), nearest].mean(), shared.mean()
    verdict = (
        "what looks alike to the ridge tends to have the same labels"
        if near > any_other
        else "to look alike to the ridge means nothing for the labels"
    )
    return (
        f"Over {len(truth):,} chips that the ridge has not learned from, the most similar training "
        f"chip shares {near:.0%} of the labels that either of the two has, any training chip "
        f"{any_other:.0%}: {verdict}."
    )


def conclude_disagreement(members: Mapping[str, np.ndarray], truth: np.ndarray) -> str:
    """Conclude which member is right where the members disagree, and whether their mean is.

    Parameters
    ----------
    members : mapping of str to ndarray of shape (N, 17), float
        Probabilities by member.
    truth : ndarray of shape (N, 17), 0 or 1
    """
    decisions = {name: p >= F2_THRESHOLD for name, p in members.items()}
    stacked = np.stack(list(decisions.values()))
    disputed = stacked.any(axis=0) & ~stacked.all(axis=0)
    if not disputed.any():
        return "The members agree about every label of every chip, so averaging changes nothing."
    mean = np.mean(list(members.values()), axis=0) >= F2_THRESHOLD
    right = {
        name: float((decision == truth)[disputed].mean())
        for name, decision in (decisions | {"their mean": mean}).items()
    }
    shares = join_names([f"{name} {share:.0%}" for name, share in right.items()])
    better = right.pop("their mean") > max(right.values())
    verdict = "better than any one of them" if better else "no better than the best of them"
    return (
        f"The members disagree about {disputed.sum():,} of {truth.size:,} decisions "
        f"({disputed.mean():.1%}). On these they are right in this share of cases: {shares}. "
        f"The mean is {verdict} where they disagree."
    )
