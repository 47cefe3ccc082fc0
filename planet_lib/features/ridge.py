"""Predict labels by kernel ridge regression on features of chips."""

import numpy as np
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

MAX_QUANTILES = 200
WIDTH = 0.1  # the kernel's gamma, times the number of features; chosen in docs/training.md


def predict_with_ridge(
    features: np.ndarray,
    encoded: np.ndarray,
    train: np.ndarray,
    *,
    alpha: float = 0.3,
    width: float = WIDTH,
) -> np.ndarray:
    """Predict all labels of every chip by kernel ridge regression with a Gaussian kernel.

    Each feature is first mapped to a normal distribution by its quantiles on the training chips.

    Parameters
    ----------
    features : ndarray of shape (N, D)
    encoded : ndarray of shape (N, 17), 0 or 1
        Only the rows of training chips are used.
    train : ndarray of shape (N,), bool
    alpha : float
        Strength of the regularisation. The default, as that of `width`, was chosen on the sample
        (``docs/training.md``).
    width : float
        The kernel's gamma, times D.

    Returns
    -------
    ndarray of shape (N, 17), float32
        Regression values clipped to 0-1.
    """
    ridge = make_pipeline(
        _map_to_normal(int(train.sum())),
        KernelRidge(kernel="rbf", alpha=alpha, gamma=width / features.shape[1]),
    )
    mean = encoded[train].mean(axis=0)
    ridge.fit(features[train], encoded[train] - mean)
    return (ridge.predict(features) + mean).clip(0, 1).astype(np.float32)


def measure_similarity(
    features: np.ndarray, train: np.ndarray, *, width: float = WIDTH
) -> np.ndarray:
    """Measure how similar each training chip is to each chip in the eyes of the ridge.

    The ridge predicts a weighted sum over the training chips; this kernel is in every weight.

    Parameters
    ----------
    features : ndarray of shape (N, D)
    train : ndarray of shape (N,), bool
    width : float
        As for `predict_with_ridge`.

    Returns
    -------
    ndarray of shape (N, training chips), float
        From 0 to 1, the similarity of a chip to itself.
    """
    normal = _map_to_normal(int(train.sum())).fit(features[train]).transform(features)
    return rbf_kernel(normal, normal[train], gamma=width / features.shape[1])


def _map_to_normal(chips: int) -> QuantileTransformer:
    quantiles = min(MAX_QUANTILES, chips)
    return QuantileTransformer(n_quantiles=quantiles, output_distribution="normal")
