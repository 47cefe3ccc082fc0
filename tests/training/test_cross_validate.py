"""Cross-validation over groups: who predicts whom, and that nothing is trained twice."""

from functools import wraps

import numpy as np
import pytest
from small_runs import CHIPS, SMALLEST, write_store

from planet_lib.data.labels import LABELS
from planet_lib.data.store import load_catalogue
from planet_lib.training import cross_validate as module
from planet_lib.training.cross_validate import cross_validate

SETTINGS = {
    "image_px": 32,
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 0.02,
    "patience": 9,
    "max_label_weight": 3.0,
    "options": SMALLEST,
}


pytestmark = pytest.mark.slow


def run(folder):
    return cross_validate(
        folder, model="densenet", input_mode="raw", seed=1, settings=dict(SETTINGS)
    )


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("folds") / "run", chips=CHIPS | {"unlabelled": 4})


@pytest.fixture(scope="module")
def watched(run_dir):
    """Cross-validate, and note the splits of each fold."""
    seen, fit = [], module.fit_network
    with pytest.MonkeyPatch.context() as patch:

        @wraps(fit)
        def note(examples, *arguments, **settings):
            seen.append(examples.splits)
            return fit(examples, *arguments, **settings)

        patch.setattr(module, "fit_network", note)
        return run(run_dir), seen


def test_each_labelled_chip_is_tested_once_with_its_whole_group(run_dir, watched):
    _, folds = watched
    catalogue = load_catalogue(run_dir)
    labelled = catalogue["labelled"].to_numpy()
    tested = np.array([splits == "test" for splits in folds])
    assert (tested.sum(axis=0) == labelled).all()
    for splits in folds:
        assert set(splits[labelled]) == {"train", "validation", "test"}
        assert set(splits[~labelled]) == {"unlabelled"}
        assert (catalogue.assign(split=splits).groupby("group")["split"].nunique() == 1).all()


def test_labelled_chips_have_probabilities_and_others_none(run_dir, watched):
    probabilities, _ = watched
    labelled = load_catalogue(run_dir)["labelled"].to_numpy()
    assert probabilities.shape == (len(labelled), len(LABELS))
    assert np.isfinite(probabilities[labelled]).all()
    assert np.isnan(probabilities[~labelled]).all()


def test_finished_cross_validation_is_not_repeated(run_dir, watched, monkeypatch):
    @wraps(module.fit_network)
    def refuse(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(module, "fit_network", refuse)
    np.testing.assert_array_equal(run(run_dir), watched[0])


def test_interrupted_cross_validation_goes_on_at_the_next_fold(
    run_dir, watched, monkeypatch, tmp_path
):
    copy = write_store(tmp_path / "run", chips=CHIPS | {"unlabelled": 4})
    fit, done = module.fit_network, []

    @wraps(fit)
    def stop_at_third(*arguments, **settings):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return fit(*arguments, **settings)

    monkeypatch.setattr(module, "fit_network", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        run(copy)
    calls = []

    @wraps(fit)
    def count(*arguments, **settings):
        calls.append(1)
        return fit(*arguments, **settings)

    monkeypatch.setattr(module, "fit_network", count)
    np.testing.assert_allclose(run(copy), watched[0], atol=1e-6)
    assert len(calls) == 3
