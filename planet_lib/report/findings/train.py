"""Findings of 03_train: whether a network overfits, what it learns last, what it gets wrong."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from planet_lib.data.labels import LABELS
from planet_lib.evaluation.metrics import F2_THRESHOLD
from planet_lib.report.contents import name_label
from planet_lib.report.findings.writing import write_minus

ENOUGH_EPOCHS = 3  # after the best one, to tell how the losses go on


def conclude_training(history: pd.DataFrame, best_epoch: int) -> str:
    """Conclude whether a network overfits or would gain from more epochs.

    Parameters
    ----------
    history : DataFrame
        A row an epoch, with ``loss`` and ``val_loss``.
    best_epoch : int
        The epoch with the lowest validation loss, counted from 1.
    """
    best, later = history.iloc[best_epoch - 1], history.iloc[best_epoch:]
    lowest = f"The validation loss is lowest in epoch {best_epoch} of {len(history)}"
    if len(later) < ENOUGH_EPOCHS:
        return f"{lowest}: too few follow to tell whether more epochs would improve the network."
    rise = later["val_loss"].median() / best["val_loss"] - 1
    change = later["loss"].median() / best["loss"] - 1
    usual = history["val_loss"].iloc[len(history) // 2 :].pct_change().abs().median()
    verdict = (
        "no more than it changes from one epoch to the next, so the network has stopped improving"
        if rise <= usual
        else "from there on the network overfits"
        if change < 0
        else "training is unsteady"
    )
    return write_minus(
        f"{lowest}. After it the validation loss is {rise:+.0%} and the training loss "
        f"{change:+.0%} (medians of {len(later)} epochs): {verdict}."
    )


def conclude_watching(
    watched: np.ndarray, truth: np.ndarray, chips: Sequence[str], best_epoch: int
) -> str:
    """Conclude what a network learns last about the chips that are watched during its training.

    Parameters
    ----------
    watched : ndarray of shape (epochs, M, 17), float
        Probabilities after each epoch.
    truth : ndarray of shape (M, 17), 0 or 1, or -1 where unknown
    chips : sequence of str, length M
    best_epoch : int
        The selected epoch, counted from 1.
    """
    decisions = watched[:best_epoch] >= F2_THRESHOLD
    right = (decisions == (truth == 1)) | (truth < 0)
    wrong = (~right).sum(axis=(1, 2))
    text = (
        f"Wrong of the {(truth >= 0).sum()} decisions about these chips (a label is predicted or "
        f"not): {wrong[0]} after epoch 1, {wrong[-1]} after the selected epoch {best_epoch}."
    )
    last_wrong = np.where(
        right[-1], (~right * np.arange(1, best_epoch + 1)[:, None, None]).max(0), 0
    )
    if not last_wrong.any():
        return text
    chip, label = np.unravel_index(last_wrong.argmax(), last_wrong.shape)
    return (
        f"{text} The last one that it gets right is {name_label(LABELS[label])} on {chips[chip]}, "
        f"from epoch {last_wrong.max() + 1} on."
    )


def conclude_mistakes(truth: np.ndarray, probabilities: np.ndarray) -> str:
    """Conclude which labels a network misses and invents, and whether a threshold could help.

    Parameters
    ----------
    truth : ndarray of shape (N, 17), 0 or 1, or -1 where unknown
    probabilities : ndarray of shape (N, 17), float
    """
    predicted = (probabilities >= F2_THRESHOLD) & (truth >= 0)
    truth = truth == 1
    missed, invented = truth & ~predicted, ~truth & predicted
    faultless = int((truth == predicted).all(axis=1).sum())
    sentences = [f"{faultless:,} of {len(truth):,} chips get exactly their true labels."]
    if missed.any():
        worst = int(missed.sum(axis=0).argmax())
        near = float((probabilities[missed] >= F2_THRESHOLD / 2).mean())
        cure = (
            "a lower threshold would find many of them"
            if near >= 0.5
            else "only a threshold below half of it would find most of them"
        )
        sentences.append(
            f"Missed labels: {missed.sum():,}, most often {name_label(LABELS[worst])} (on "
            f"{missed[:, worst].sum():,} of its {truth[:, worst].sum():,} chips); {near:.0%} of "
            f"them have at least half the threshold, so {cure}."
        )
    if invented.any():
        worst = int(invented.sum(axis=0).argmax())
        sentences.append(
            f"Labels predicted falsely: {invented.sum():,}, most often "
            f"{name_label(LABELS[worst])} ({invented[:, worst].sum():,} of its "
            f"{predicted[:, worst].sum():,} predictions)."
        )
    return " ".join(sentences)


def describe_mistakes(truth: np.ndarray, predicted: np.ndarray) -> str:
    """Describe what is wrong with the predicted labels of one chip.

    Parameters
    ----------
    truth, predicted : ndarray of shape (17,), 0 or 1
        The truth is -1 where it is unknown.

    Returns
    -------
    str
        A line for the missed and a line for the false labels, where there are any.
    """
    predicted = predicted.astype(bool)
    kinds = {"missed": (truth == 1) & ~predicted, "false": predicted & (truth == 0)}
    lines = [
        f"{kind}: {', '.join(name_label(LABELS[i]) for i in np.flatnonzero(chosen))}"
        for kind, chosen in kinds.items()
        if chosen.any()
    ]
    return "\n".join(lines) or "no mistake"
