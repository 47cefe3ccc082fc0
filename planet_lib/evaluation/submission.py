"""The submission: predicted labels of the unlabelled chips, as a CSV file in Kaggle's format."""

from pathlib import Path

import numpy as np
import pandas as pd

from planet_lib.data.labels import decode_labels, encode_tags
from planet_lib.errors import DataError
from planet_lib.files import replace_file


def write_submission(path: Path, names: np.ndarray, labels: np.ndarray) -> None:
    """Check the predictions and write them as ``image_name,tags``, one row per chip.

    Parameters
    ----------
    path : Path
        Not written, and left as it is, where the check fails.
    names : ndarray of shape (N,), str
        Names of the chips.
    labels : ndarray of shape (N, 17), bool

    Raises
    ------
    DataError
        A chip is listed twice or has no label.
    """
    table = pd.DataFrame({"image_name": names, "tags": decode_labels(labels)}, dtype=str)
    check_submission(table, expected=set(names))
    with replace_file(path) as partial:
        table.to_csv(partial, index=False)


def check_submission(table: pd.DataFrame, *, expected: set[str]) -> None:
    """Check that a submission lists every chip once, with at least one label and no unknown one.

    Parameters
    ----------
    table : DataFrame
        Columns ``image_name`` and ``tags``.
    expected : set of str
        Names of the chips that it must list.

    Raises
    ------
    DataError
        The message names the chip and what is wrong with it.
    """
    repeated = table["image_name"][table["image_name"].duplicated()]
    if len(repeated):
        raise DataError(f"submission: {repeated.iloc[0]} is listed twice")
    if missing := expected - set(table["image_name"]):
        raise DataError(f"submission: {min(missing)} is missing")
    if unknown := set(table["image_name"]) - expected:
        raise DataError(f"submission: {min(unknown)} is not among the chips to label")
    for name, tags in zip(
        table["image_name"], table["tags"].astype(object).fillna(""), strict=True
    ):
        if not tags.strip():
            raise DataError(f"submission: {name} has no label")
        try:
            encode_tags([tags])
        except DataError as error:
            raise DataError(f"submission: {name}: {error}") from None
