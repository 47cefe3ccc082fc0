"""Findings of 04_evaluate: what is more than chance, and what the errors show."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from planet_lib.data.labels import INDEX, LAND, MINE
from planet_lib.evaluation.metrics import F2_THRESHOLD, bootstrap_mean, compare_pairs
from planet_lib.evaluation.run_scores import RunScores
from planet_lib.report.contents import name_label, name_run
from planet_lib.report.findings.writing import join_names, write_minus

NOTABLE = 0.005  # smallest change of an F2 that is named
ENOUGH_CHIPS = 10  # test chips below which the score of a label is not compared
SIGNIFICANT = 0.05


def conclude_thresholds(score: RunScores) -> str:
    """Conclude whether the labels that the lower threshold adds are worth their errors.

    Parameters
    ----------
    score : RunScores
    """
    high, low = (
        score.tables[name][["found", "predicted", "support"]].sum() for name in ("0.5", "0.2")
    )
    added, right = low["predicted"] - high["predicted"], low["found"] - high["found"]
    if added == 0:
        return "No probability lies between the two thresholds, so the choice does not matter."
    break_even = high["found"] / (4 * high["support"] + high["predicted"])
    verdict = "pays" if right / added > break_even else "does not pay"
    return (
        f"The lower threshold adds {added:,} predicted labels, of which {right / added:.0%} are "
        f"true. $F_2$ pooled over all labels rises as long as more than {break_even:.0%} of them "
        f"are, so by this measure the lower threshold {verdict}."
    )


def conclude_choice(scores: Mapping[str, RunScores], best_run: str) -> str:
    """Conclude how far a run leads on the validation chips, and where it stands on the test chips.

    Parameters
    ----------
    scores : mapping of str to RunScores
        By run; `best_run` is the best one on the validation chips.
    best_run : str
    """
    others = {run: score for run, score in scores.items() if run != best_run}
    if not others:
        return "There is no other run to choose."
    second = max(others, key=lambda run: others[run].validation_f2)
    lead = scores[best_run].validation_f2 - scores[second].validation_f2
    rank = 1 + sum(score.f2 > scores[best_run].f2 for score in others.values())
    return (
        f"It leads by {lead:.3f} ({name_run(second)}); on the test chips it has rank {rank} of "
        f"{len(scores)}."
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
        if bootstrap_mean(score.chip_f2 - baselines[name].chip_f2, score.groups, seed=seed)[0] > 0
    ]
    if len(better) == len(scores):
        return f"Every run beats the best baseline ({name}) by more than chance explains."
    rest = f"the best baseline ({name}) by more than chance explains"
    if not better:
        return f"No run beats {rest}: they may have learned no more than it uses."
    names = join_names([name_run(run) for run in better])
    beat = "beats" if len(better) == 1 else "beat"
    return f"{len(better)} of {len(scores)} runs {beat} {rest}: {names}."


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
        f"The mean $F_2$ {verb} by more than chance explains for {join_names(groups[verb])}."
        for verb in ("rises", "falls")
        if groups[verb]
    ]
    if groups["open"]:
        sentences.append(
            f"For {join_names(groups['open'])} the interval includes zero: these test chips do "
            "not settle it."
        )
    return " ".join(sentences)


def conclude_haze_labels(tables: Mapping[str, pd.DataFrame]) -> str:
    """Conclude for which labels haze-free chips change the score most favourably and least.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Scores of each label by run, as returned by `planet_lib.evaluation.metrics.score_labels`.
    """
    changes = [
        tables[run]["f2"] - tables[raw]["f2"]
        for run in tables
        if run.endswith("-dehazed") and (raw := run.replace("-dehazed", "-raw")) in tables
    ]
    support = next(iter(tables.values()))["support"]
    frequent = support.index[support >= ENOUGH_CHIPS]
    if not changes or len(frequent) < 2:
        return ""
    change = pd.concat(changes, axis=1).mean(axis=1)[frequent].sort_values()
    if change.abs().max() < NOTABLE:
        return (
            f"No label on at least {ENOUGH_CHIPS} test chips changes its F2 by {NOTABLE:g} or more."
        )
    return write_minus(
        f"On haze-free chips the F2 of the {len(change)} labels on at least {ENOUGH_CHIPS} test "
        f"chips changes between {change.iloc[0]:+.2f} ({name_label(change.index[0])}) and "
        f"{change.iloc[-1]:+.2f} ({name_label(change.index[-1])}). The extremes of so many labels "
        "are partly chance."
    )


def conclude_mines(found: Mapping[str, np.ndarray]) -> str:
    """Conclude whether the test chips with a mine can rank the runs, and which no run finds.

    Parameters
    ----------
    found : mapping of str to ndarray of shape (M,), bool
        By run, whether it finds each of the test chips with a mine.
    """
    each = np.stack(list(found.values()))
    runs, support = each.shape
    if support == 0:
        return "No test chip has a mine, so this test says nothing about finding one."
    step = f"One mine more or less moves the recall by {1 / support:.0%}"
    if runs == 1:
        return f"Mines found: {each.sum()} of {support}. {step}."
    counts = each.sum(axis=1)
    best, worst = each[counts.argmax()], each[counts.argmin()]
    only_best, only_worst = int((best & ~worst).sum()), int((worst & ~best).sum())
    chance = compare_pairs(only_best, only_worst)
    verdict = (
        "the best and the worst run differ by more than chance explains"
        if chance * runs * (runs - 1) / 2 < SIGNIFICANT
        else "the best and the worst run differ by no more than chance explains"
    )
    return (
        f"Of {support} mine{'s' if support > 1 else ''}, {each.all(axis=0).sum()} found by every "
        f"run and {(~each.any(axis=0)).sum()} by none. {step}; {verdict} (McNemar's exact test)."
    )


def conclude_mine_errors(truth: np.ndarray, probabilities: np.ndarray) -> str:
    """Conclude what finding the missed mines would cost, and what is taken for a mine.

    Parameters
    ----------
    truth : ndarray of shape (N, 17), 0 or 1
    probabilities : ndarray of shape (N, 17), float
    """
    is_mine, likely = truth[:, INDEX[MINE]] == 1, probabilities[:, INDEX[MINE]]
    flagged = likely >= F2_THRESHOLD
    missed, false = is_mine & ~flagged, ~is_mine & flagged
    sentences = []
    if missed.any():
        lowest = likely[missed].min()
        others = int((~is_mine & (likely >= lowest)).sum())
        sentences.append(
            f"To find every mine, the threshold would have to be {lowest:.2g}; then {others:,} "
            f"chips without a mine would be flagged too, instead of {false.sum():,}."
        )
    elif is_mine.any():
        sentences.append("No mine is missed.")
    if false.any():
        count = int(false.sum())
        chances = {
            label: stats.binomtest(
                int(truth[false, INDEX[label]].sum()),
                count,
                truth[:, INDEX[label]].mean(),
                alternative="greater",
            ).pvalue
            for label in LAND
        }
        label = min(chances, key=chances.get)
        share, usual = truth[false, INDEX[label]].mean(), truth[:, INDEX[label]].mean()
        sentences.append(
            f"Of the {count:,} falsely flagged chips, {share:.0%} show {name_label(label)} (of all "
            f"chips {usual:.0%}): this is what the run most likely takes for a mine."
            if chances[label] * len(LAND) < SIGNIFICANT
            else f"Falsely flagged chips: {count:,}; no label stands out among them."
        )
    else:
        sentences.append("No chip is falsely flagged.")
    return " ".join(sentences)


def conclude_weather(
    correct: Mapping[str, np.ndarray], run: str, groups: np.ndarray, *, seed: int
) -> str:
    """Conclude whether a run recognises the weather better than the best other method.

    Parameters
    ----------
    correct : mapping of str to ndarray of shape (N,), bool
        By method, whether it is right about each test chip; `run` is one of them.
    run : str
    groups : ndarray of shape (N,), int
        Group of each test chip, from the catalogue.
    seed : int
        Of the bootstrap.
    """
    others = {name: right.mean() for name, right in correct.items() if name != run}
    other = max(others, key=others.get)
    change = correct[run].astype(float) - correct[other]
    low, high = bootstrap_mean(change, groups, seed=seed)
    verdict = (
        "more than chance explains"
        if low > 0
        else "the network is worse than these two numbers alone"
        if high < 0
        else "which these test chips cannot tell from chance"
    )
    return write_minus(
        f"{name_run(run)} is right on {correct[run].mean():.1%} of the test chips, the best "
        f"classifier of haziness and airlight ({other}) on {others[other]:.1%}: a difference of "
        f"{100 * change.mean():+.1f} percentage points (95 % interval {100 * low:+.1f} to "
        f"{100 * high:+.1f}), {verdict}."
    )


def conclude_leakage(leakage: pd.DataFrame) -> str:
    """Conclude whether random splits overestimate the score, by a t-interval over seeds.

    Parameters
    ----------
    leakage : DataFrame
        As returned by `planet_lib.evaluation.run_scores.measure_leakage`.
    """
    excess = leakage["random"] - leakage["grouped"]
    low, high = stats.ttest_1samp(excess, 0).confidence_interval()
    verdict = (
        "random splits overestimate it"
        if low > 0
        else "random splits do not overestimate it"
        if high < 0
        else "the seeds differ by more, so leakage cannot be shown here"
    )
    return write_minus(
        f"The mean $F_2$ on random splits differs by {excess.mean():+.3f} (95 % interval over "
        f"{len(leakage)} seeds {low:+.3f} to {high:+.3f}): {verdict}."
    )


def conclude_published(
    own: pd.Series, published: pd.Series, support: pd.Series, *, synthetic: bool
) -> str:
    """Conclude whether a run's scores differ from published ones more than chance explains.

    Parameters
    ----------
    own, published, support : Series
        F2 and number of test chips of each label.
    synthetic : bool
        Whether the chips are synthetic.
    """
    frequent = support.index[support >= ENOUGH_CHIPS]
    labels = len(frequent)
    higher, lower = (int(each[frequent].sum()) for each in (own > published, own < published))
    if synthetic:
        return (
            "The published scores are from real chips, these are synthetic: higher scores show "
            "that synthetic chips are easier, not that a network is better."
        )
    if labels == 0:
        return f"No label is on {ENOUGH_CHIPS} test chips, so nothing can be compared."
    chance = compare_pairs(higher, lower)
    verdict = "more than" if chance < SIGNIFICANT else "no more than"
    return (
        f"Of the {labels} labels on at least {ENOUGH_CHIPS} test chips, the best run scores higher "
        f"on {higher} and lower on {lower}. If both were equally good, a split at least so uneven "
        f"would have a probability of {chance:.2g}: the difference is {verdict} chance explains."
    )
