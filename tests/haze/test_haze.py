"""Haze removal: the origin's method against its pixel loop, He's method by its properties."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import minimum_filter, uniform_filter

from planet_lib import haze
from planet_lib.synthetic import synthesize_scene

REAL_CHIPS = Path(__file__).parents[3] / "shared" / "planet_sample" / "train-jpg"
EXTREMES = {
    "black": np.zeros((30, 30, 3), np.uint8),
    "nearly black": np.eye(30, dtype=np.uint8)[..., np.newaxis] * np.uint8([1, 0, 0]),
    "gray": np.full((30, 30, 3), 90, np.uint8),
    "white": np.full((30, 30, 3), 255, np.uint8),
    "black and white": np.indices((30, 30, 3)).sum(axis=0).astype(np.uint8) % 2 * np.uint8(255),
    "one pixel": np.full((1, 1, 3), 7, np.uint8),
}


def dehaze_by_loop(image: np.ndarray) -> np.ndarray:
    """Remove haze pixel by pixel, the reference that `haze.dehaze_pixelwise` equals to the bit."""
    bgr = image[..., ::-1].copy()
    height, width, _ = bgr.shape
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    plane = bgr[..., np.unravel_index(np.argmin(bgr), bgr.shape)[2]]
    airlight = int(gray[plane == plane.max()].max())
    radiance = np.zeros_like(bgr)
    for y in range(height):
        for x in range(width):
            window = bgr[max(y - 10, 0) : y + 10, max(x - 10, 0) : x + 10]
            channel = np.unravel_index(np.argmin(window), window.shape)[2]
            transmission = max(1.0 - (0.95 * int(bgr[y, x, channel]) / airlight), 0.55)
            for c in range(3):
                value = (int(bgr[y, x, c]) - airlight) / transmission + airlight
                radiance[y, x, c] = int(max(0, min(value, 255)))
    return radiance[..., ::-1]


def make_radiance(seed: int = 0, side: int = 128) -> np.ndarray:
    """Make a textured scene that has a dark pixel in every patch, as a forest's shadows are."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.uniform(0, 255, (side, side, 3)), (0, 0), 3)
    leaves = cv2.normalize(texture, None, 20, 160, cv2.NORM_MINMAX)
    leaves[rng.random((side, side)) < 0.15] = 0
    return leaves.astype(np.uint8)


def make_transmission(side: int = 128) -> np.ndarray:
    """Make haze that thins from left to right and hides the scene at the left border."""
    return np.broadcast_to(np.linspace(0, 0.9, side).clip(0.02), (side, side))


def add_haze(radiance: np.ndarray, transmission: np.ndarray, airlight: np.ndarray) -> np.ndarray:
    transmission = transmission[..., np.newaxis]
    return np.rint(radiance * transmission + airlight * (1 - transmission)).astype(np.uint8)


def measure_psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((image.astype(float) - truth) ** 2))


@pytest.fixture(params=sorted(haze.METHODS))
def method(request):
    return request.param


@pytest.mark.parametrize("levels", [2, 4, 255])
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 50), (50, 1), (5, 7), (19, 20), (20, 21), (21, 43), (64, 47)]
)
def test_dehaze_origin_equals_the_loop_at_ties_and_borders(shape, levels):
    rng = np.random.default_rng(levels)
    for lowest in (1, 256 - levels):
        image = rng.integers(lowest, lowest + levels, (*shape, 3), dtype=np.uint8)
        np.testing.assert_array_equal(haze.dehaze_pixelwise(image), dehaze_by_loop(image))


@pytest.mark.parametrize("seed", range(4))
def test_dehaze_origin_equals_the_loop_on_smooth_colours(seed):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (61, 45), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(haze.dehaze_pixelwise(image), dehaze_by_loop(image))


def test_dehaze_origin_equals_the_loop_on_more_pixels_than_float32_can_number():
    image = np.random.default_rng(0).integers(1, 5, (3, 22_000, 3), dtype=np.uint8) * np.uint8(60)
    np.testing.assert_array_equal(haze.dehaze_pixelwise(image), dehaze_by_loop(image))


@pytest.mark.parametrize("colour", [(90, 90, 90), (10, 200, 90), (255, 0, 255), (255, 255, 255)])
def test_dehaze_origin_equals_the_loop_on_one_colour(colour):
    image = np.full((25, 23, 3), colour, np.uint8)
    np.testing.assert_array_equal(haze.dehaze_pixelwise(image), dehaze_by_loop(image))


@pytest.mark.skipif(not REAL_CHIPS.is_dir(), reason="the real sample is not beside the project")
def test_dehaze_origin_equals_the_loop_on_real_chips():
    paths = sorted(REAL_CHIPS.glob("*.jpg"))
    for path in paths[::250]:
        image = cv2.imread(str(path))[..., ::-1]
        np.testing.assert_array_equal(haze.dehaze_pixelwise(image), dehaze_by_loop(image))
    for path in paths[::35]:
        image = cv2.imread(str(path))[100:160, 80:150, ::-1]
        np.testing.assert_array_equal(haze.dehaze_pixelwise(image), dehaze_by_loop(image))


def test_origin_steps_compose_to_dehaze_origin():
    image = add_haze(make_radiance(), np.full((128, 128), 0.6), np.array([220, 215, 210]))
    airlight = haze.estimate_airlight_pixelwise(image)
    transmission = haze.estimate_transmission_pixelwise(image, airlight)
    assert transmission.min() >= 0.55
    assert transmission.max() <= 1
    radiance = (image - airlight) / transmission[..., np.newaxis] + airlight
    expected = np.clip(radiance, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(haze.dehaze_pixelwise(image), expected)


def test_airlight_origin_is_the_lightest_gray_where_the_darkest_channel_is_brightest():
    image = np.full((4, 4, 3), 50, np.uint8)
    image[0, 0] = 60, 60, 10
    image[1, 1] = 255, 255, 50
    image[2, 2] = 100, 100, 100
    assert haze.estimate_airlight_pixelwise(image) == 100


@pytest.mark.parametrize("method", ["pixelwise_dark_channel", "dark_channel"])
@pytest.mark.parametrize("level", [0, 1, 90, 255])
def test_gray_image_of_one_level_is_unchanged(method, level):
    image = np.full((40, 33, 3), level, np.uint8)
    np.testing.assert_array_equal(haze.remove_haze(image, method=method), image)


@pytest.mark.parametrize("level", [0, 1, 90, 150, 255])
def test_image_of_one_colour_stays_one(method, level):
    cleaned = haze.remove_haze(np.full((70, 33, 3), level, np.uint8), method=method)
    assert np.ptp(cleaned, axis=(0, 1)).max() == 0


@pytest.mark.parametrize("image", EXTREMES.values(), ids=EXTREMES.keys())
@pytest.mark.parametrize("clahe", [False, True])
def test_extreme_image_keeps_shape_and_type(method, image, clahe):
    cleaned = haze.remove_haze(image, method=method, clahe=clahe)
    assert cleaned.shape == image.shape
    assert cleaned.dtype == np.uint8


@pytest.mark.parametrize("image", EXTREMES.values(), ids=EXTREMES.keys())
def test_haziness_is_a_finite_share(image):
    haziness, airlight = haze.measure_haziness(image)
    assert 0 <= haziness <= 1
    assert 0 <= airlight <= 255


def test_haziness_grows_with_haze():
    radiance, airlight = make_radiance(), np.array([220, 220, 220])
    shares = [1, 0.8, 0.6, 0.4, 0.2]
    images = [add_haze(radiance, np.full((128, 128), share), airlight) for share in shares]
    haziness = [haze.measure_haziness(image)[0] for image in images]
    assert haziness == sorted(haziness)


def test_haziness_follows_its_formula():
    image = np.uint8([[[200, 100, 100], [200, 200, 200]]])
    darkness, contrast = 150, 50
    expected = np.exp(-0.5 * (5.1 * (200 - darkness) / 200 + 2.9 * contrast / 200))
    assert haze.measure_haziness(image) == pytest.approx((expected, 200))


def test_haze_free_image_is_nearly_unchanged_by_dark_channel():
    radiance = make_radiance()
    cleaned = haze.dehaze_dark_channel(radiance)
    np.testing.assert_allclose(cleaned.astype(int), radiance, atol=2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("method", "gain_db"), [("dark_channel", 7), ("pixelwise_dark_channel", 3)]
)
def test_known_haze_is_removed_from_a_view_with_depth(seed, method, gain_db):
    radiance, transmission = make_radiance(seed), make_transmission()
    image = add_haze(radiance, transmission, np.array([215, 210, 205]))
    cleaned = haze.remove_haze(image, method=method)
    visible = transmission > 0.2
    before = measure_psnr(image[visible], radiance[visible])
    assert measure_psnr(cleaned[visible], radiance[visible]) > before + gain_db


def test_known_airlight_and_transmission_are_estimated():
    truth, airlight = make_transmission(), np.array([215, 210, 205])
    image = add_haze(make_radiance(), truth, airlight)
    estimated = haze.estimate_airlight_dark_channel(image)
    np.testing.assert_allclose(estimated, airlight, atol=5)
    coarse = haze.estimate_coarse_transmission(image, airlight, omega=1)
    refined = haze.refine_transmission(coarse, image)
    assert np.abs(refined - truth).mean() < 0.06


def test_recover_radiance_inverts_the_haze_model():
    radiance, airlight = make_radiance(), np.float32([215, 210, 205])
    transmission = np.full((128, 128), 0.5, np.float32)
    recovered = haze.recover_radiance(
        add_haze(radiance, transmission, airlight), transmission, airlight
    )
    np.testing.assert_allclose(recovered.astype(int), radiance, atol=1)


def test_recover_radiance_bounds_the_transmission():
    image, airlight = make_radiance(), np.float32([200, 200, 200])
    none = haze.recover_radiance(image, np.zeros((128, 128), np.float32), airlight, t0=0.25)
    low = haze.recover_radiance(image, np.full((128, 128), 0.25, np.float32), airlight)
    np.testing.assert_array_equal(none, low)


@pytest.mark.parametrize("patch_px", [1, 3, 15])
def test_dark_channel_is_the_minimum_of_the_patch(patch_px):
    image = np.random.default_rng(0).integers(0, 256, (40, 31, 3), dtype=np.uint8)
    expected = minimum_filter(image.min(axis=2), patch_px, mode="nearest")
    np.testing.assert_array_equal(haze.compute_dark_channel(image, patch_px=patch_px), expected)


def test_airlight_ignores_a_bright_spot_smaller_than_the_patch():
    image = np.full((100, 100, 3), 40, np.uint8)
    image[:40] = 180, 170, 160
    image[70:75, 70:75] = 255
    airlight = haze.estimate_airlight_dark_channel(image)
    np.testing.assert_array_equal(airlight, [180, 170, 160])


@pytest.mark.parametrize("shape", [(1, 1), (2, 30), (37, 50), (128, 128)])
def test_transmission_stays_in_its_bounds(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    airlight = np.float32([30, 200, 255])
    transmission = haze.estimate_coarse_transmission(image, airlight, omega=0.9)
    refined = haze.refine_transmission(transmission, image)
    assert transmission.shape == refined.shape == shape
    assert transmission.dtype == refined.dtype == np.float32
    assert transmission.min() >= np.float32(0.1)
    assert transmission.max() <= 1
    assert refined.min() >= 0
    assert refined.max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (9, 30), (64, 80)])
@pytest.mark.parametrize("radius_px", [1, 5, 20])
def test_refine_transmission_equals_the_guided_filter_in_float64(shape, radius_px):
    rng = np.random.default_rng(radius_px)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    transmission = rng.uniform(0.3, 0.7, shape)
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / 255

    def mean(plane):
        return uniform_filter(plane, 2 * radius_px + 1, mode="reflect")

    slope = mean(guide * transmission) - mean(guide) * mean(transmission)
    slope /= mean(guide**2) - mean(guide) ** 2 + 1e-3
    offset = mean(transmission) - slope * mean(guide)
    refined = haze.refine_transmission(
        transmission.astype(np.float32), image, radius_px=radius_px, epsilon=1e-3
    )
    np.testing.assert_allclose(refined, mean(slope) * guide + mean(offset), atol=2e-4)


def test_refine_transmission_keeps_a_constant():
    transmission = np.full((128, 128), 0.625, np.float32)
    refined = haze.refine_transmission(transmission, make_radiance())
    np.testing.assert_allclose(refined, 0.625, atol=1e-4)


def test_refine_transmission_moves_an_edge_to_the_image():
    image = np.zeros((60, 60, 3), np.uint8)
    image[:, 30:] = 200
    coarse = np.where(np.arange(60) < 24, 0.9, 0.3) * np.ones((60, 1))
    refined = haze.refine_transmission(coarse.astype(np.float32), image)[30]
    assert np.abs(np.diff(refined)).argmax() == 29


@pytest.fixture(scope="module")
def synthetic_chips():
    """Give synthetic chips whose radiance, transmission and airlight are known."""
    return [chip for scene in range(30) for chip in synthesize_scene(12, scene, enrich=0.3)]


def measure_gains(chips, method) -> np.ndarray:
    truths = [chip.radiance * 255 for chip in chips]
    cleaned = [haze.remove_haze(chip.image, method=method) for chip in chips]
    return np.array(
        [
            measure_psnr(after, truth) - measure_psnr(chip.image, truth)
            for chip, after, truth in zip(chips, cleaned, truths, strict=True)
        ]
    )


def test_boundary_comes_nearer_to_the_truth_than_the_dark_channel(synthetic_chips):
    hazy = [
        chip
        for chip in synthetic_chips
        if "cloudy" not in chip.tags and 0.3 < chip.transmission.mean() < 0.9
    ]
    assert len(hazy) > 20
    gains = measure_gains(hazy, "boundary_constraint")
    assert np.median(gains) > 8
    assert np.median(gains - measure_gains(hazy, "dark_channel")) > 3


def test_boundary_estimates_the_transmission(synthetic_chips):
    seen = [chip for chip in synthetic_chips if chip.transmission.min() > 0.3]
    errors = []
    for chip in seen:
        airlight = haze.estimate_airlight_boundary_constraint(chip.image)
        estimated = haze.estimate_transmission_boundary_constraint(chip.image, airlight)
        errors.append(np.abs(estimated - chip.transmission).mean())
    assert np.median(errors) < 0.06


def test_boundary_changes_a_chip_without_haze_less_than_the_dark_channel(synthetic_chips):
    changes = {"boundary_constraint": [], "dark_channel": []}
    for chip in synthetic_chips:
        radiance = np.rint(chip.radiance * 255).astype(np.uint8)
        for method, seen in changes.items():
            cleaned = haze.remove_haze(radiance, method=method).astype(int)
            seen.append(np.abs(cleaned - radiance).mean())
    assert np.median(changes["boundary_constraint"]) < 3
    assert np.mean(changes["boundary_constraint"]) < 0.6 * np.mean(changes["dark_channel"])


def test_boundary_leaves_overcast_as_it_is():
    rng = np.random.default_rng(0)
    overcast = rng.integers(195, 225, (256, 256, 3), dtype=np.uint8)
    np.testing.assert_allclose(
        haze.dehaze_boundary_constraint(overcast).astype(int), overcast, atol=1
    )


def test_boundary_blackens_no_cloud_and_casts_no_halo():
    airlight = np.float32([160, 163, 158])
    image = add_haze(make_radiance(side=256), np.full((256, 256), 0.7), airlight)
    without = haze.dehaze_boundary_constraint(image)
    cv2.circle(image, (128, 128), 30, (235, 236, 233), -1)
    cleaned = haze.dehaze_boundary_constraint(image, airlight=airlight).astype(int)
    distance = np.hypot(*(np.indices((256, 256)) - 128))
    assert cleaned[distance < 30].min() >= 230
    np.testing.assert_allclose(cleaned[distance > 31], without[distance > 31], atol=8)


def test_boundary_keeps_the_colour_of_bright_ground():
    image = make_radiance(side=256) // 2
    image[60:130, 60:130] = 190, 150, 110
    sand = haze.dehaze_boundary_constraint(image)[90, 90].astype(int)
    np.testing.assert_allclose(sand, [190, 150, 110], atol=12)


def test_boundary_takes_the_airlight_from_clouds_that_are_brighter_than_overcast():
    image = make_radiance()
    overcast = haze.estimate_airlight_boundary_constraint(image)
    image[32:64, 48:80] = 250, 240, 230
    np.testing.assert_array_equal(
        haze.estimate_airlight_boundary_constraint(image), [250, 240, 230]
    )
    image[32:64, 48:80] = 250, 240, 10
    np.testing.assert_array_equal(haze.estimate_airlight_boundary_constraint(image), overcast)


@pytest.mark.parametrize("airlight", [[160, 20, 160], [0, 0, 0], [np.nan] * 3])
def test_airlight_as_dark_as_shadows_is_refused(airlight):
    with pytest.raises(ValueError, match=r"airlight is .*; allowed: above"):
        haze.dehaze_boundary_constraint(make_radiance(), airlight=np.array(airlight))


@pytest.mark.parametrize("tile_px", [64, 200, 1024])
@pytest.mark.parametrize("clahe", [False, True])
def test_scene_in_tiles_has_no_seams(synthetic_chips, method, tile_px, clahe):
    chips = [chip.image for chip in synthetic_chips[:6]]
    scene = np.vstack([np.hstack(chips[:3]), np.hstack(chips[3:])])[:501, :707]
    before = scene.copy()
    whole = haze.remove_haze(scene, method=method)
    tiled = haze.remove_haze_in_tiles(scene, method=method, tile_px=tile_px)
    np.testing.assert_allclose(tiled.astype(int), whole, atol=1)
    np.testing.assert_array_equal(scene, before)
    if clahe:
        equalized = haze.remove_haze_in_tiles(scene, method=method, tile_px=tile_px, clahe=True)
        np.testing.assert_array_equal(equalized, haze.equalize_contrast(tiled))


def test_scene_is_read_from_a_memory_map(tmp_path, method):
    scene = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (90, 40, 3))
    scene[...] = make_radiance()[:90, :40]
    tiled = haze.remove_haze_in_tiles(scene, method=method, tile_px=16)
    expected = haze.remove_haze(np.array(scene), method=method)
    np.testing.assert_allclose(tiled.astype(int), expected, atol=1)


@pytest.mark.parametrize("tile_px", [0, -8, 100])
def test_tile_that_parts_a_block_is_refused(tile_px):
    with pytest.raises(ValueError, match=f"tile_px is {tile_px}; allowed: multiples of 8"):
        haze.remove_haze_in_tiles(make_radiance(), tile_px=tile_px)


def test_airlight_of_the_scene_is_taken_for_its_parts(method):
    image = add_haze(make_radiance(), make_transmission(), np.array([215, 210, 205]))
    airlight = haze.METHODS[method].estimate_airlight(image)
    given = haze.remove_haze(image, method=method, airlight=airlight)
    np.testing.assert_array_equal(given, haze.remove_haze(image, method=method))
    other = haze.remove_haze(image, method=method, airlight=airlight * 0.9)
    assert (other != given).any()


def test_equalize_contrast_is_opencv_on_lightness():
    image = make_radiance(side=256)
    lab = cv2.cvtColor(image[..., ::-1].copy(), cv2.COLOR_BGR2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(lab[..., 0].copy())
    expected = cv2.cvtColor(lab, cv2.COLOR_LAB2BGR)[..., ::-1]
    np.testing.assert_array_equal(haze.equalize_contrast(image), expected)


def test_clahe_follows_the_method(method):
    image = make_radiance()
    expected = haze.equalize_contrast(haze.remove_haze(image, method=method))
    np.testing.assert_array_equal(haze.remove_haze(image, method=method, clahe=True), expected)


@pytest.mark.parametrize("clahe", [False, True])
def test_image_is_read_only_and_of_any_memory_order(method, clahe):
    image = make_radiance()
    expected = haze.remove_haze(image.copy(), method=method, clahe=clahe)
    view = image[..., ::-1].copy()[..., ::-1]
    transposed = image.transpose(1, 0, 2).copy().transpose(1, 0, 2)
    for same in (image, view, transposed):
        same.setflags(write=False)
        np.testing.assert_array_equal(haze.remove_haze(same, method=method, clahe=clahe), expected)


def test_result_is_a_new_array(method):
    image = make_radiance()
    before = image.copy()
    haze.remove_haze(image, method=method)[:] = 0
    np.testing.assert_array_equal(image, before)
    assert haze.remove_haze(image, method=method).any()


def test_threads_give_what_one_gives(method):
    images = [make_radiance(seed) for seed in range(8)]
    expected = [haze.remove_haze(image, method=method) for image in images]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda image: haze.remove_haze(image, method=method), images))
    np.testing.assert_array_equal(results, expected)


@pytest.mark.parametrize(
    ("image", "error", "said"),
    [
        ([[[1, 2, 3]]], TypeError, "is a list"),
        (np.zeros((4, 4, 3), np.uint16), TypeError, "dtype uint16"),
        (np.zeros((4, 4, 3), np.float32), TypeError, "dtype float32"),
        (np.full((4, 4, 3), np.nan), TypeError, "dtype float64"),
        (np.zeros((4, 4), np.uint8), ValueError, r"shape \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, r"shape \(4, 4, 4\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), ValueError, r"shape \(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"shape \(0, 4, 3\)"),
    ],
)
def test_other_images_are_refused_with_the_cure(method, image, error, said):
    with pytest.raises(error, match=rf"image.*{said}.*allowed: .*;"):
        haze.remove_haze(image, method=method)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patch_px", 0),
        ("patch_px", 4),
        ("omega", 0),
        ("omega", 1.5),
        ("t0", 0),
        ("t0", 2),
        ("radius_px", 0),
        ("epsilon", 0),
    ],
)
def test_option_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"{name} is {value}; allowed"):
        haze.dehaze_dark_channel(make_radiance(), **{name: value})


def test_unknown_method_lists_the_allowed():
    with pytest.raises(ValueError, match="'dcp'; allowed: boundary_constraint, dark_channel, pix"):
        haze.remove_haze(make_radiance(), method="dcp")
