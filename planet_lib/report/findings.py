"""Conclusions that the notebooks print as findings: what a table shows, in a sentence or two."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from planet_lib.data.labels import INDEX, LABELS, WEATHER
from planet_lib.evaluation.haze_truth import STRENGTHS
from planet_lib.evaluation.metrics import bootstrap_mean, bound_proportion
from planet_lib.evaluation.run_scores import RunScores
from planet_lib.report.contents import name_label, name_run

JUST_NOTICEABLE = 2.0  # CIEDE2000 difference of two colours that is just seen


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
    share = _rank_hazy(haziness, weather)
    if share is None:
        return "There are not both hazy and clear chips, so haziness separates nothing here."
    verdict = "a threshold separates the two" if share == 1 else "no threshold separates the two"
    return (
        f"In {share:.0%} of all pairs of a hazy and a clear chip the hazy one has the higher "
        f"haziness (chance: 50%): {verdict}."
    )


def conclude_haze_removal(before: np.ndarray, after: np.ndarray, weather: np.ndarray) -> str:
    """Conclude how much of what tells hazy from clear chips is left after haze removal.

    Parameters
    ----------
    before, after : ndarray of shape (N,), float
        Haziness of the same chips.
    weather : ndarray of shape (N,), int
        Index into `planet_lib.data.labels.WEATHER`, -1 for none.
    """
    start, end = _rank_hazy(before, weather), _rank_hazy(after, weather)
    if start is None or end is None:
        return "There are not both hazy and clear chips, so the two cannot be compared."
    verdict = (
        "Haze removal makes the weather harder to recognise, as it should."
        if abs(end - 0.5) < abs(start - 0.5)
        else "The weather is as easy to recognise as before: haze removal has not equalised them."
    )
    return (
        f"Haziness ranks a hazy chip above a clear one in {start:.0%} of all pairs before and "
        f"in {end:.0%} after haze removal (chance: 50%). {verdict}"
    )


def conclude_truth(scores: pd.DataFrame, method: str) -> str:
    """Conclude under which haze a method comes nearer to the true colours than doing nothing.

    Parameters
    ----------
    scores : DataFrame
        As returned by `planet_lib.evaluation.haze_truth.score_chips_by_strength`.
    method : str
        A key of `planet_lib.haze.METHODS`.
    """
    errors = scores.pivot_table("ciede2000", "strength", "method").reindex(STRENGTHS)
    change = (errors[method] - errors["as taken"]).dropna().rename("“{}”".format)
    better, worse = change[change < 0], change[change >= 0]
    everywhere = " at every haze strength" if better.empty or worse.empty else ""
    parts = []
    if len(better):
        size = f"most at {better.idxmin()} ({better.min():+.1f})"
        parts.append(f"lowers the colour error{everywhere}, {size}")
    if len(worse):
        size = "visible" if worse.max() >= JUST_NOTICEABLE else "too little to be seen"
        where = everywhere or f" at {_join(worse.index)}"
        parts.append(
            f"raises {'it' if parts else 'the colour error'}{where} (by up to "
            f"{worse.max():.1f}, {size})"
        )
    return _write_minus(
        f"Compared with the chip as taken, {name_label(method)} {', but '.join(parts)}."
    )


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
    return _write_minus(
        f"In the {after} epoch{'s' if after > 1 else ''} after epoch {best_epoch} the training "
        f"loss changed by {change['loss']:+.0%} and the validation loss by "
        f"{change['val_loss']:+.0%}: {verdict}."
    )


def conclude_ladder(ladder: pd.DataFrame) -> str:
    """Conclude which steps of the ensemble gain more than chance explains.

    Parameters
    ----------
    ladder : DataFrame
        As returned by `planet_lib.evaluation.ladder.score_ladder`.
    """
    gains = ladder["gain"].dropna().astype(float)
    settled = gains[ladder.loc[gains.index, "gain_low"].astype(float) > 0]
    if settled.empty:
        return "No step gains more than chance explains: every interval includes zero."
    rest = len(gains) - len(settled)
    others = f" The gain of the other {rest} may be chance." if rest else ""
    return (
        f"{len(settled)} of {len(gains)} steps gain more than chance explains; most by "
        f"“{settled.idxmax()}” ({settled.max():+.3f}).{others}"
    )


def conclude_baselines(
    scores: Mapping[str, RunScores], baselines: Mapping[str, RunScores], *, seed: int
) -> str:
    """Conclude which runs are better than the best baseline by more than chance.

    Parameters
    ----------
    scores : mapping of str to RunScores
        By run.
    baselines : mapping of str to RunScores
        Of the same test chips, by name.
    seed : int
        Of the bootstrap.
    """
    name = max(baselines, key=lambda key: baselines[key].f2)
    better = [
        run
        for run, score in scores.items()
        if bootstrap_mean(score.chip_f2 - baselines[name].chip_f2, seed=seed)[0] > 0
    ]
    if len(better) == len(scores):
        return f"Every run beats the best baseline ({name}) by more than chance explains."
    rest = f"the best baseline ({name}) by more than chance explains"
    if not better:
        return f"No run beats {rest}: they may have learned no more than it uses."
    return f"{len(better)} of {len(scores)} runs beat {rest}: {_join(list(map(name_run, better)))}."


def conclude_haze_gain(haze_gain: Mapping[str, Mapping]) -> str:
    """Conclude for which runs the change against the network's raw run is more than chance.

    Parameters
    ----------
    haze_gain : mapping
        As returned by `planet_lib.evaluation.run_scores.compare_inputs`.
    """
    if not haze_gain:
        return "No network was trained on chips as taken and on others, so nothing is compared."
    groups: dict[str, list[str]] = {"rises": [], "falls": [], "open": []}
    for run, change in haze_gain.items():
        low, high = change["interval"]
        groups["rises" if low > 0 else "falls" if high < 0 else "open"].append(name_run(run))
    if not groups["rises"] + groups["falls"]:
        return "Every interval includes zero: these test chips do not settle whether haze matters."
    sentences = [
        f"The mean $F_2$ {verb} by more than chance explains for {_join(groups[verb])}."
        for verb in ("rises", "falls")
        if groups[verb]
    ]
    if groups["open"]:
        sentences.append(
            f"For {_join(groups['open'])} the interval includes zero: these test chips do "
            "not settle it."
        )
    return " ".join(sentences)


def conclude_mines(found: Mapping[str, int], support: int) -> str:
    """Conclude whether the test chips with a mine can rank the runs.

    Parameters
    ----------
    found : mapping of str to int
        Mines found, by run.
    support : int
        Test chips with a mine.
    """
    if support == 0:
        return "No test chip has a mine, so this test says nothing about finding one."
    bounds = [bound_proportion(count, support) for count in found.values()]
    overlap = max(low for low, _ in bounds) <= min(high for _, high in bounds)
    verdict = (
        "the intervals of all runs overlap, so these chips cannot rank them"
        if overlap
        else "the intervals of the best and the worst run do not overlap"
    )
    return f"One mine more or less moves the recall by {1 / support:.0%}; {verdict}."


def conclude_weather(correct: Mapping[str, np.ndarray], run: str, *, seed: int) -> str:
    """Conclude whether a run recognises the weather better than the best other method.

    Parameters
    ----------
    correct : mapping of str to ndarray of shape (N,), bool
        By method, whether it is right about each test chip; `run` is one of them.
    run : str
    seed : int
        Of the bootstrap.
    """
    others = {name: right.mean() for name, right in correct.items() if name != run}
    other = max(others, key=others.get)
    change = correct[run].astype(float) - correct[other]
    low, high = bootstrap_mean(change, seed=seed)
    verdict = (
        "more than chance explains"
        if low > 0
        else "the network is worse than these two numbers alone"
        if high < 0
        else "which these test chips cannot tell from chance"
    )
    return _write_minus(
        f"{name_run(run)} is right on {correct[run].mean():.1%} of the test chips, the best "
        f"classifier of haziness and airlight ({other}) on {others[other]:.1%}: a difference of "
        f"{100 * change.mean():+.1f} percentage points (95 % interval {100 * low:+.1f} to "
        f"{100 * high:+.1f}), {verdict}."
    )


def conclude_leakage(leakage: pd.DataFrame) -> str:
    """Conclude whether random splits overestimate the score.

    Parameters
    ----------
    leakage : DataFrame
        As returned by `planet_lib.evaluation.run_scores.measure_leakage`.
    """
    excess = leakage["random"] - leakage["grouped"]
    verdict = (
        "random splits overestimate it"
        if excess.min() > 0
        else "the sign depends on the seed, so leakage cannot be shown here"
        if excess.max() > 0
        else "random splits do not overestimate it"
    )
    return _write_minus(
        f"The mean $F_2$ on random splits differs by {excess.mean():+.3f} "
        f"({excess.min():+.3f} to {excess.max():+.3f} over {len(leakage)} seeds): {verdict}."
    )


def conclude_search(flagged: int, mine: Mapping[str, int]) -> str:
    """Conclude how many of the flagged chips can be expected to have a mine.

    Parameters
    ----------
    flagged : int
        Unlabelled chips that reach the threshold.
    mine : mapping
        ``predicted`` and ``found`` of the test chips at the same threshold.
    """
    predicted, found = mine["predicted"], mine["found"]
    if predicted == 0:
        return "No test chip reached the threshold, so the precision of the search is unknown."
    low, high = (round(flagged * share) for share in bound_proportion(found, predicted))
    return (
        f"{found} of {predicted} mines predicted for test chips were right. If the unlabelled "
        f"chips are like the test chips, {low} to {high} of the {flagged:,} flagged ones have a "
        "mine (95 % interval)."
    )


def _rank_hazy(haziness: np.ndarray, weather: np.ndarray) -> float | None:
    """Return the share of pairs in which the hazy chip ranks above the clear one, ties half."""
    hazy, clear = (weather == WEATHER.index(label) for label in ("haze", "clear"))
    if not (hazy.any() and clear.any()):
        return None
    known = hazy | clear
    return float(roc_auc_score(hazy[known], haziness[known]))


def _join(names: Sequence[str]) -> str:
    """Join names as in a sentence; a semicolon separates names that hold commas."""
    separator = "; " if any("," in name for name in names) else ", "
    *rest, last = names
    if not rest:
        return last
    return f"{separator.join(rest)}{separator.rstrip(', ')} and {last}"


def _write_minus(text: str) -> str:
    """Write a true minus sign before numbers."""
    return re.sub(r"(?<![\w%])-(?=\d)", "\N{MINUS SIGN}", text)
