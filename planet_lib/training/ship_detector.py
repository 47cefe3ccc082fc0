"""Train the mine detector that comes with the package, and write it with its card."""

import hashlib
import inspect
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from planet_lib.data.labels import MINE
from planet_lib.data.mining_watch import CREDIT, GALLERY_CHIP_PX, GROUND_DISTANCE_M, load_gallery
from planet_lib.dependencies import digest_dependencies
from planet_lib.errors import DataError
from planet_lib.evaluation.detection import find_threshold
from planet_lib.files import replace_file, write_json
from planet_lib.networks.card import CARD
from planet_lib.networks.files import save_model
from planet_lib.networks.predict import predict_chips
from planet_lib.provenance import list_versions
from planet_lib.training.card import BRIGHTNESS_QUANTILES
from planet_lib.training.detector import (
    BATCH_SIZE,
    EPOCHS,
    IMAGE_PX,
    NEGATIVES_PER_MINE,
    average_networks,
    build_detector,
    embed_frozen,
    fine_tune,
    fit_head,
)
from planet_lib.training.scene_thresholds import measure_scene_thresholds

MEMBERS = (("efficientnet_lite0", 1), ("efficientnet_lite2", 2))  # variants and seeds
FOLDS = 5
MEASURED = (1, 3)  # folds by place that are trained to choose thresholds
SCENE_FOLD = 1  # the one of them that chooses those for scenes
CLEAR = 0.6  # share of clear observations from which a composite counts as clear
SPECIFICITY = 0.98
SCENE_SPECIFICITIES = {"site": 0.98, "isolated": 0.997}  # once tiles are merged
HAZE_QUANTILE = 0.999  # of the mines' dark channels
CELLS = 4  # along a chip, in which the dark channel is measured


def ship_detector(gallery: Path, folder: Path, work: Path) -> None:
    """Train the networks of the detector, choose its thresholds, and write both to a folder.

    Takes two to four hours on one core. What is finished is kept in `work`: the same call goes on,
    and trains again where chips or code have changed.

    Parameters
    ----------
    gallery : Path
        A data set as `planet_lib.data.mining_watch.scan_gallery` reads it.
    folder : Path
        Gets ``model.keras`` and ``card.json``.
    work : Path
        Folder of the trained weights.

    Raises
    ------
    ConfigError
        The weights of ImageNet are not installed.
    DataError
        The gallery cannot be used, or has too few places or chips.
    """
    catalogue, chips = load_gallery(gallery)
    mines = catalogue["tags"].eq(MINE).to_numpy()
    clear = catalogue["clear"].to_numpy() >= CLEAR
    splits = split_by_place(catalogue)
    for fold in MEASURED:
        train, test = splits[fold]
        count, others = int(mines[train].sum()), int((~mines[train]).sum())
        shown = count + min(NEGATIVES_PER_MINE * count, others)
        measurable = int((clear & ~mines)[test].sum())
        if shown < BATCH_SIZE or not measurable:
            raise DataError(
                f"{gallery}: {count} mines and {others} others to train on, {measurable} clear "
                f"others to choose thresholds on (fold {fold}) are too few; add sheets of other "
                "places"
            )
    work.mkdir(parents=True, exist_ok=True)
    measured, tested, scores = {}, {}, {}
    for fold in MEASURED:
        train, test = splits[fold]
        measured[fold] = average_networks(
            [train_member(chips[train], mines[train], *member, work) for member in MEMBERS]
        )
        rows = tested[fold] = test[clear[test]]
        predicted = predict_chips(measured[fold], chips, image_px=GALLERY_CHIP_PX, rows=rows)
        scores[fold] = predicted[:, 0]
    rows = np.concatenate([*tested.values()])
    threshold = find_threshold(mines[rows], np.concatenate([*scores.values()]), SPECIFICITY)
    card = _describe(measured[SCENE_FOLD], chips, mines, threshold=threshold, measured=len(rows))
    others = chips[tested[SCENE_FOLD][~mines[tested[SCENE_FOLD]]]]
    with tempfile.TemporaryDirectory() as temporary:
        _write(measured[SCENE_FOLD], card, Path(temporary))
        card["thresholds"] |= measure_scene_thresholds(Path(temporary), others, SCENE_SPECIFICITIES)
    network = average_networks([train_member(chips, mines, *member, work) for member in MEMBERS])
    _write(network, card, folder)


def split_by_place(catalogue: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split the chips into folds of whole places: pairs of train and test rows.

    Raises
    ------
    DataError
        There are fewer places than folds.
    """
    if (places := catalogue["place"].nunique()) < FOLDS:
        raise DataError(
            f"{places} places are too few for {FOLDS} folds; add sheets of other places"
        )
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    mines = catalogue["tags"].eq(MINE)
    return list(splitter.split(mines, mines, catalogue["place"]))


def train_member(
    chips: np.ndarray, mines: np.ndarray, variant: str, seed: int, work: Path
) -> keras.Model:
    """Train one network of the detector, or load it where it was trained on the same.

    Parameters
    ----------
    chips : ndarray of shape (N, 48, 48, 3), uint8
    mines : ndarray of shape (N,), bool
    variant : str
        A name of `planet_lib.networks.efficientnet.VARIANTS`.
    seed : int
    work : Path
        Folder of the trained weights, named after chips, code, variant and seed.

    Returns
    -------
    keras.Model
        As from `planet_lib.training.detector.build_detector`.
    """
    digest = hashlib.sha256(f"{variant} {seed}".encode())
    digest.update(digest_dependencies(Path(inspect.getfile(fit_head))).encode())
    digest.update(np.ascontiguousarray(chips))
    digest.update(np.ascontiguousarray(mines))
    file = work / f"{digest.hexdigest()[:12]}.weights.h5"
    network = build_detector(variant)
    if file.exists():
        network.load_weights(file)
        return network
    guess = fit_head(network, embed_frozen(network, chips), mines)
    fine_tune(network, chips, mines, guess, seed=seed)
    with replace_file(file) as partial:
        network.save_weights(partial)
    return network


def measure_dark_channels(chips: np.ndarray) -> np.ndarray:
    """Measure the haze of chips: the mean over their cells of the lowest level in any channel.

    Parameters
    ----------
    chips : ndarray of shape (N, S, S, 3), uint8

    Returns
    -------
    ndarray of shape (N,), float
        0 to 255. The dark channel is that of He, Sun and Tang (2009), in blocks.
    """
    count, side = chips.shape[:2]
    blocks = chips.min(axis=-1).reshape(count, CELLS, side // CELLS, CELLS, side // CELLS)
    return blocks.min(axis=(2, 4)).mean(axis=(1, 2))


def compress_model(path: Path) -> None:
    """Compress a saved network; weights in half precision take about half of their size."""
    with (
        replace_file(path) as partial,
        zipfile.ZipFile(path) as stored,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_BZIP2) as packed,
    ):
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))


def _write(network: keras.Model, card: dict[str, Any], folder: Path) -> None:
    (path,) = save_model(network, folder)
    compress_model(path)
    write_json(folder / CARD, card)


def _describe(
    network: keras.Model,
    chips: np.ndarray,
    mines: np.ndarray,
    *,
    threshold: float,
    measured: int,
) -> dict[str, Any]:
    levels = np.quantile(chips.mean(axis=(1, 2, 3)), BRIGHTNESS_QUANTILES)
    haze = np.quantile(measure_dark_channels(chips[mines]), HAZE_QUANTILE)
    return {
        "labels": [MINE],
        "credit": CREDIT,
        "thresholds": {"flat": threshold, "tuned": {MINE: threshold}},
        "chip_px": GALLERY_CHIP_PX,
        "ground_distance_m": GROUND_DISTANCE_M,
        "brightness": levels.tolist(),
        "dark_channel": float(haze),
        "input": {
            "mode": "raw",
            "pictures": ["raw"],
            "image_px": GALLERY_CHIP_PX,
            "channels": 3,
            "values": [0, 255],
        },
        "haze": None,
        "training": {
            "model": "EfficientNet-Lites of ImageNet, fine-tuned",
            "enlarged_to_px": IMAGE_PX,
            "members": [f"{variant}, seed {seed}" for variant, seed in MEMBERS],
            "epochs": EPOCHS,
            "chips": len(chips),
            "mines": int(mines.sum()),
            "thresholds_from": f"{measured} chips of places not seen in training",
            "specificities": {"chip": SPECIFICITY} | SCENE_SPECIFICITIES,
            "parameters": network.count_params(),
            "versions": list_versions(),
        },
    }
