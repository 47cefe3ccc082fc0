"""How much the way of dividing chips into training and test chips flatters a detector."""

import numpy as np
import pandas as pd

from planet_lib.data.labels import INDEX
from planet_lib.data.splits import FOLDS, assign_folds
from planet_lib.features.trees import predict_with_trees

EARLY, LATE = "2021-01-01", "2023-01-01"
TREES = 200


def predict_by_division(
    statistics: pd.DataFrame, encoded: np.ndarray, catalogue: pd.DataFrame, label: str, *, seed: int
) -> dict[str, np.ndarray]:
    """Predict a label by extra trees on simple statistics, for several divisions of the chips.

    Parameters
    ----------
    statistics : DataFrame of N rows
        As returned by `planet_lib.features.statistics.load_statistics`.
    encoded : ndarray of shape (N, 17), integer
        1, 0, or -1 where unknown.
    catalogue : DataFrame of N rows
        ``group``, and ``start`` and ``end`` of the composites.
    label : str
    seed : int

    Returns
    -------
    dict of ndarray of shape (N,), float
        Probabilities of the chips that were tested, NaN of the others: ``random`` and ``by place``
        (five folds, each predicted from the other four), ``by time`` (trained on composites that
        end before 2021, tested on those from 2023 on; not there where either has only one class).
    """
    column = INDEX[label]
    folds = {
        "random": assign_folds(encoded, seed=seed),
        "by place": assign_folds(encoded, seed=seed, groups=catalogue["group"].to_numpy()),
    }
    predicted = {}
    for name, fold_of in folds.items():
        predicted[name] = np.full(len(encoded), np.nan)
        for fold in range(FOLDS):
            test = fold_of == fold
            trained = predict_with_trees(statistics, encoded, ~test, seed=seed, trees=TREES)
            predicted[name][test] = trained[test, column]
    early = (catalogue["end"] < EARLY).to_numpy() & (catalogue["end"] != "").to_numpy()
    late = (catalogue["start"] >= LATE).to_numpy()
    if all(len(np.unique(encoded[part, column])) == 2 for part in (early, late)):
        trained = predict_with_trees(statistics, encoded, early, seed=seed, trees=TREES)
        predicted["by time"] = np.where(late, trained[:, column], np.nan)
    return predicted
