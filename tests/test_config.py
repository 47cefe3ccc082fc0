"""Profiles: the shipped ones load, others extend the default, and every mistake is named."""

import pytest
from pydantic import ValidationError

from planet_lib.config import CONFIG_FOLDER, load_profile
from planet_lib.errors import ConfigError


@pytest.fixture
def load(tmp_path):
    """Return a function that loads a profile from the text of its differences."""

    def load_changes(text: str):
        (tmp_path / "default.yaml").write_bytes((CONFIG_FOLDER / "default.yaml").read_bytes())
        (tmp_path / "mine.yaml").write_bytes(text.encode("latin-1"))
        return load_profile("mine", tmp_path)

    return load_changes


@pytest.mark.parametrize("name", [path.stem for path in CONFIG_FOLDER.glob("*.yaml")])
def test_shipped_profiles_load(name):
    assert load_profile(name).networks


def test_empty_profile_is_the_default(load):
    assert load("# nothing differs\n") == load_profile("default")


def test_profile_changes_only_what_it_lists(load):
    profile, default = load("haze: {clahe: true}\nseed: 7"), load_profile("default")
    assert profile.haze.clahe is not default.haze.clahe
    assert profile.haze.method == default.haze.method
    assert profile.seed == 7
    changed = {"haze": default.haze, "seed": default.seed}
    assert profile.model_copy(update=changed) == default


def test_profile_replaces_the_networks_of_the_default(load):
    default = load_profile("default")
    profile = load("networks: {densenet: {epochs: 2}}")
    assert list(profile.networks) == ["densenet"]
    expected = default.networks["densenet"].model_copy(update={"epochs": 2})
    assert profile.networks["densenet"] == expected


def test_options_of_a_network_extend_those_of_the_default(load):
    options = load("networks: {densenet: {options: {growth: 8}}}").networks["densenet"].options
    assert options == load_profile("default").networks["densenet"].options | {"growth": 8}


def test_list_replaces_the_list_of_the_default(load):
    assert load("inputs: [dehazed]").inputs == ["dehazed"]


def test_loaded_profile_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        load_profile("default").seed = 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sed: 3", "unknown key 'sed'; did you mean 'seed'?"),
        ("zzz: 3", "unknown key 'zzz'; allowed: allow_left_out, cross_validation, devices"),
        ("synthetic: {chip: 99}", "unknown key 'synthetic.chip'; did you mean 'chips'?"),
        ("haze: {methd: dark_channel}", "unknown key 'haze.methd'; did you mean 'method'?"),
        ("networks: {cnn: {epoch: 3}}", "unknown key 'networks.cnn.epoch'; did you mean 'epochs'?"),
        ("networks: {cn: {epochs: 3}}", "networks.cn: 'cn'; allowed: 'cnn', 'densenet',"),
        ("haze: {method: dark}", "haze.method: 'dark'; allowed: 'boundary_constraint', "),
        ("inputs: [raw, hazy]", "inputs.1: 'hazy'; allowed: 'raw', 'dehazed' or 'both'"),
        ("seed: 1.5", "seed: input should be a valid integer, not 1.5"),
        ("seed: '1'", "seed: input should be a valid integer, not '1'"),
        ("seed: true", "seed: input should be a valid integer, not True"),
        ("haze: {clahe: 1}", "haze.clahe: input should be a valid boolean, not 1"),
        ("haze: dark_channel", "haze: input should be a valid dictionary"),
        (
            "{inputs: [raw], cross_validation: {network: cnn, input: dehazed}}",
            "cross_validation: cnn on dehazed is none of the profile's networks and inputs",
        ),
        (
            "{networks: {cnn: {epochs: 3}}, cross_validation: {network: densenet, input: raw}}",
            "cross_validation: densenet on raw is none of the profile's networks and inputs",
        ),
        ("networks: [cnn]", "networks: input should be a valid dictionary"),
        ("networks: {cnn: {options: 3}}", "networks.cnn.options: input should be a valid dict"),
        ("networks: {densenet121: {epochs: 3}}", "networks.densenet121.image_px: field required"),
    ],
)  # fmt: skip
def test_misspelt_key_or_wrong_type_is_named(load, text, expected):
    with pytest.raises(ConfigError) as raised:
        load(text)
    assert f"mine.yaml: {expected}" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("seed: -1", "seed"),
        ("synthetic: {chips: 49}", "synthetic.chips"),
        ("synthetic: {enrich: 1.01}", "synthetic.enrich"),
        ("networks: {cnn: {image_px: 31}}", "networks.cnn.image_px"),
        ("networks: {cnn: {image_px: 257}}", "networks.cnn.image_px"),
        ("networks: {cnn: {epochs: 0}}", "networks.cnn.epochs"),
        ("networks: {cnn: {learning_rate: 0.0}}", "networks.cnn.learning_rate"),
        ("networks: {cnn: {learning_rate: .nan}}", "networks.cnn.learning_rate"),
        ("networks: {cnn: {max_label_weight: 0.5}}", "networks.cnn.max_label_weight"),
        ("networks: {}", "networks"),
        ("inputs: []", "inputs"),
        ("gallery_chips: 0", "gallery_chips"),
    ],
)
def test_value_out_of_range_is_named_with_its_bound(load, text, key):
    with pytest.raises(ConfigError, match=rf"mine\.yaml: {key}: .*(greater|less|at least) .*\d"):
        load(text)


@pytest.mark.parametrize("text", ["networks: {cnn: }", "networks: {cnn: 3}"])
def test_network_that_is_not_a_section_is_named(load, text):
    with pytest.raises(ConfigError, match=r"networks\.cnn"):
        load(text)


def test_number_that_yaml_reads_as_text_is_accepted_or_its_spelling_suggested(load):
    try:
        assert load("networks: {cnn: {learning_rate: 1e-4}}").networks["cnn"].learning_rate == 1e-4
    except ConfigError as error:
        assert "1.0e-4" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "text",
    ["inputs: [raw, raw]", "seed: 1\nseed: 2", "networks: {cnn: {learning_rate: .inf}}"],
    ids=["input twice", "key twice", "infinite"],
)
def test_profile_that_contradicts_itself_is_an_error(load, text):
    with pytest.raises(ConfigError):
        load(text)


@pytest.mark.parametrize("text", ["- seed", "seed", "3"])
def test_yaml_without_keys_is_an_error(load, text):
    with pytest.raises(ConfigError, match=r"mine\.yaml: expected keys and values"):
        load(text)


@pytest.mark.parametrize("text", ["seed: [", "seed: 1\n\tinputs: 2", "a: b: c"])
def test_broken_yaml_is_one_line_with_its_position(load, text):
    with pytest.raises(
        ConfigError, match=r"mine\.yaml: not YAML \(.*line \d+, column \d+"
    ) as raised:
        load(text)
    assert "\n" not in str(raised.value)


def test_profile_that_is_not_utf8_is_an_error(load):
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load("# S\xe3o Paulo\nseed: 1\n")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("smokee", "did you mean 'smoke'"),
        ("xyz", "allowed: default, mining, mining-smoke"),
    ],
)
def test_misspelt_profile_is_named_with_the_nearest(name, expected):
    with pytest.raises(ConfigError, match=f"no profile '{name}'; {expected}"):
        load_profile(name)
