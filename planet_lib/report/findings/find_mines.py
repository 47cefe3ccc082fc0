"""Findings of 05_find_mines: what the flagged chips are worth, and how far to look."""

import math
from collections.abc import Mapping, Sequence

from scipy.stats import beta, betabinom

WANTED = 0.9  # share of the mines that a search should find
TAIL = 0.025  # beyond each end of an interval
JEFFREYS = 0.5  # prior counts of a share, on both sides


def conclude_search(flagged: int, unlabelled: int, mine: Mapping[str, int]) -> str:
    """Conclude how many of the flagged chips can be expected to have a mine.

    Parameters
    ----------
    flagged, unlabelled : int
        Unlabelled chips that reach the threshold, and all of them.
    mine : mapping
        ``predicted`` and ``found`` of the test chips at the same threshold.
    """
    predicted, found = mine["predicted"], mine["found"]
    if unlabelled == 0:
        return "These data have no unlabelled chips to search."
    if flagged == 0:
        return (
            "No chip reaches the threshold. This does not mean that there is no mine: the order of "
            "the chips can be right where all probabilities are too low."
        )
    if predicted == 0:
        return "No test chip reached the threshold, so the precision of the search is unknown."
    right = betabinom(flagged, found + JEFFREYS, predicted - found + JEFFREYS)
    low, high = (int(right.ppf(share)) for share in (TAIL, 1 - TAIL))
    return (
        f"Of the test chips, {predicted} reach the threshold, {found} of them with a mine. If the "
        f"unlabelled chips are like the test chips, {low} to {high} of the {flagged:,} flagged "
        "ones have a mine (95 % interval)."
    )


def conclude_effort(ranks: Sequence[int], held_out: int, unlabelled: int) -> str:
    """Conclude how many unlabelled chips to look at, from the ranks of known mines.

    Parameters
    ----------
    ranks : sequence of int
        Of the held-out chips with a mine, from 1, ascending; as in
        `planet_lib.evaluation.mines.measure_effort`.
    held_out, unlabelled : int
        Numbers of chips.
    """
    mines = len(ranks)
    if mines == 0:
        return (
            f"None of the {held_out:,} labelled chips that this run has not learned from has a "
            "mine, so these data cannot tell how far to look."
        )
    wanted = math.ceil(WANTED * mines)
    depth = ranks[wanted - 1]
    low = beta.ppf(TAIL, wanted, mines + 1 - wanted)  # of an order statistic
    advice = (
        " If the unlabelled chips are ranked as well, look at the first "
        f"{math.ceil(depth / held_out * unlabelled):,} of {unlabelled:,}, whatever their "
        "probabilities."
        if unlabelled
        else ""
    )
    unranked = round(wanted * (held_out + 1) / (mines + 1))
    return (
        f"The first {depth:,} of {held_out:,} held-out chips hold {wanted} of {mines} mines; in "
        f"no particular order, it would take about {unranked:,} chips.{advice} From {mines} "
        f"mine{'s' if mines > 1 else ''} this is only certain to find at least {low:.0%} of all "
        "mines (95 % interval)."
    )
