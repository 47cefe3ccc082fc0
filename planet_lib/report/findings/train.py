"""Findings of 03_train: whether a network overfits, what it learns last, what it gets wrong."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from planet_lib.data.labels import LABELS
from planet_lib.evaluation.metrics import F2_THRESHOLD
from planet_lib.report.contents import name_label
from planet_lib.report.findings.writing import write_minus


def conclude_training(history: pd.DataFrame, best_epoch: int) -> str:
    """Conclude whether a network overfits or would gain from more epochs.

    Parameters
    ----------
    history : DataFrame
        A row an epoch, with ``loss`` and ``val_loss``.
    best_epoch : int
        The epoch with the lowest validation loss, counted from 1.
    """
    after = len(history) - best_epoch
    if after == 0:
        return (
            f"The validation loss is lowest in the last epoch, {best_epoch}: more epochs may "
            "improve the network further."
        )
    best, last = history.iloc[best_epoch - 1], history.iloc[-1]
    change = {name: last[name] / best[name] - 1 for name in ("loss", "val_loss")}
    verdict = (
        "the network has begun to overfit, and more epochs would not improve it"
        if change["loss"] < 0
        else "training has converged"
    )
    return write_minus(
        f"In the {after} epoch{'s' if after > 1 else ''} after epoch {best_epoch} the training "
        f"loss changed by {change['loss']:+.0%} and the validation loss by "
        f"{change['val_loss']:+.0%}: {verdict}."
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
        f"Of the {(truth >= 0).sum()} decisions about these chips (a label is predicted or not), "
        f"{wrong[0]} are wrong after epoch 1 and {wrong[-1]} after the selected epoch {best_epoch}."
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
    sentences = [f"{faultless} of {len(truth):,} chips get exactly their true labels."]
    if missed.any():
        worst = int(missed.sum(axis=0).argmax())
        near = float((probabilities[missed] >= F2_THRESHOLD / 2).mean())
        cure = (
            "a lower threshold would find many of them"
            if near >= 0.5
            else "no threshold would find most of them"
        )
        sentences.append(
            f"{missed.sum():,} labels are missed, most often {name_label(LABELS[worst])} (on "
            f"{missed[:, worst].sum()} of its {truth[:, worst].sum()} chips); {near:.0%} of them "
            f"have at least half the threshold, so {cure}."
        )
    if invented.any():
        worst = int(invented.sum(axis=0).argmax())
        sentences.append(
            f"{invented.sum():,} labels are predicted falsely, most often "
            f"{name_label(LABELS[worst])} ({invented[:, worst].sum()} of its "
            f"{predicted[:, worst].sum()} predictions)."
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
