"""Predict labels by kernel ridge regression on features of chips."""

import numpy as np
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

MAX_QUANTILES = 200


def predict_with_ridge(
    features: np.ndarray,
    encoded: np.ndarray,
    train: np.ndarray,
    *,
    alpha: float = 0.3,
    width: float = 0.1,
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
    quantiles = min(MAX_QUANTILES, int(train.sum()))
    ridge = make_pipeline(
        QuantileTransformer(n_quantiles=quantiles, output_distribution="normal"),
        KernelRidge(kernel="rbf", alpha=alpha, gamma=width / features.shape[1]),
    )
    mean = encoded[train].mean(axis=0)
    ridge.fit(features[train], encoded[train] - mean)
    return (ridge.predict(features) + mean).clip(0, 1).astype(np.float32)
