"""Findings of 01_explore: how rare mines are, which labels go together, what haziness tells."""

import numpy as np
import pandas as pd

from planet_lib.data.labels import INDEX, LABELS
from planet_lib.evaluation.haze_ranking import rank_hazy_chips
from planet_lib.evaluation.metrics import bound_proportion
from planet_lib.report.contents import name_label


def conclude_rarity(mines: int, chips: int, mines_in_test: int) -> str:
    """Conclude what recall the test chips with a mine can show at best.

    Parameters
    ----------
    mines, chips, mines_in_test : int
        Labelled chips with a mine, all labelled chips, and test chips with a mine.
    """
    low, _ = bound_proportion(mines_in_test, mines_in_test)
    verdict = (
        f"Even a network that finds all of these is only shown to have a recall of at least "
        f"{low:.0%} (95 % interval)."
        if mines_in_test
        else "The test says nothing about finding one."
    )
    return (
        f"{mines:,} of {chips:,} labelled chips ({mines / chips:.1%}) have a mine, {mines_in_test} "
        f"of them in the test split. {verdict}"
    )


def conclude_cooccurrence(encoded: np.ndarray, label: str) -> str:
    """Conclude which label is most over- and which most under-represented beside another.

    Parameters
    ----------
    encoded : ndarray of shape (N, 17), 0 or 1
    label : str
        One of `planet_lib.data.labels.LABELS`.
    """
    chosen = encoded[encoded[:, INDEX[label]] == 1]
    if not len(chosen):
        return f"No chip has the label {name_label(label)}, so it co-occurs with nothing."
    shares = pd.DataFrame({"here": chosen.mean(axis=0), "all": encoded.mean(axis=0)}, LABELS)
    excess = (shares["here"] - shares["all"]).drop(label)
    more, less = (
        f"{name_label(other)} ({shares.loc[other, 'here']:.0%} against "
        f"{shares.loc[other, 'all']:.0%} of all chips)"
        for other in (excess.idxmax(), excess.idxmin())
    )
    return (
        f"Next to {name_label(label)}, the most over-represented label is {more} and the most "
        f"under-represented {less}. A network can use both as hints, and be misled by both."
    )


def conclude_haziness(haziness: np.ndarray, weather: np.ndarray) -> str:
    """Conclude how well haziness alone separates hazy from clear chips.

    Parameters
    ----------
    haziness : ndarray of shape (N,), float
    weather : ndarray of shape (N,), int
        Index into `planet_lib.data.labels.WEATHER`, -1 for none.
    """
    share = rank_hazy_chips(haziness, weather)
    if share is None:
        return "There are not both hazy and clear chips, so haziness separates nothing here."
    verdict = "a threshold separates the two" if share == 1 else "no threshold separates the two"
    return (
        f"In {share:.1%} of all pairs of a hazy and a clear chip the hazy one has the higher "
        f"haziness (chance: 50%): {verdict}."
    )
