"""The profile of a report: its schema, and loading one from ``config/``."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from planet_lib.errors import ConfigError, suggest

CONFIG_FOLDER = Path(__file__).parents[1] / "config"
BASE_PROFILE = "default"
INPUTS = {"raw": ("raw",), "dehazed": ("dehazed",), "both": ("raw", "dehazed")}
"""Inputs of a network, and the chip stores that each is read from."""

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Base of a profile's sections: unknown keys and values of a wrong type are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _refuse_repeats(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise ValueError("a value is given twice")
    return values


class Synthetic(Section):
    """Synthetic chips, generated where DATA is not given."""

    chips: Annotated[int, Field(ge=50, description="labelled chips")]
    unlabelled: Annotated[int, Field(ge=0, description="chips to label")]
    enrich: Annotated[Share, Field(description="share of scenes that are rich in rare labels")]


class Haze(Section):
    """Haze removal, for the haze-free chips."""

    method: Literal["boundary_constraint", "dark_channel", "pixelwise_dark_channel"]
    clahe: Annotated[bool, Field(description="equalize the local contrast afterwards (CLAHE)")]


class Network(Section):
    """One network and its training, the same for each input."""

    image_px: Annotated[int, Field(ge=32, le=256, description="side of the input in pixels")]
    epochs: Positive
    batch_size: Positive
    learning_rate: Annotated[float, Field(gt=0, le=1, description="of Adam, at its peak")]
    patience: Annotated[int, Field(gt=0, description="stop after as many epochs without gain")]
    max_label_weight: Annotated[
        float, Field(ge=1, description="bound on a rare label's loss weight")
    ]
    colour_jitter: Annotated[
        float, Field(ge=0, le=0.5, description="standard deviation of the random gain per channel")
    ] = 0.0
    options: dict = {}


class Ensemble(Section):
    """The ensemble for small data sets, and its cross-validation."""

    epochs: Annotated[int, Field(gt=0, description="epochs of fine-tuning the pretrained network")]
    seeds: Annotated[int, Field(gt=0, description="repeats of the five-fold cross-validation")]


class CrossValidation(Section):
    """The network that predicts every chip in cross-validation, for the page of the detector."""

    network: Annotated[str, Field(description="one of the profile's networks")]
    input: Literal[tuple(INPUTS)]


class Profile(Section):
    """All settings of a report."""

    seed: Annotated[int, Field(ge=0)]
    synthetic: Synthetic
    keep_neighbours: Annotated[bool, Field(description="keep adjoining chips in one split")]
    allow_left_out: Annotated[bool, Field(description="continue with over 1 % unusable chips")]
    haze: Haze
    inputs: Annotated[
        list[Literal[tuple(INPUTS)]],
        Field(min_length=1),
        AfterValidator(_refuse_repeats),
    ]
    networks: Annotated[
        dict[Literal["cnn", "densenet", "resnet", "densenet121"], Network], Field(min_length=1)
    ]
    ensemble: Ensemble | None
    cross_validation: CrossValidation | None
    devices: Annotated[int, Field(gt=0, description="number of GPUs that share each batch")]
    samples_per_label: Positive
    gallery_chips: Positive

    @field_validator("cross_validation")
    @classmethod
    def _is_trained(
        cls, chosen: CrossValidation | None, info: ValidationInfo
    ) -> CrossValidation | None:
        networks, inputs = info.data.get("networks", {}), info.data.get("inputs", [])
        if chosen and (chosen.network not in networks or chosen.input not in inputs):
            raise ValueError(
                f"{chosen.network} on {chosen.input} is none of the profile's networks and inputs"
            )
        return chosen


def load_profile(name: str, folder: Path = CONFIG_FOLDER) -> Profile:
    """Load ``<name>.yaml``, which lists the differences from ``default.yaml``.

    Parameters
    ----------
    name : str
    folder : Path, optional
        Folder of the profiles.

    Returns
    -------
    Profile

    Raises
    ------
    ConfigError
        The profile does not exist, or one of its keys or values is wrong. The message suggests the
        nearest allowed word.
    """
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in names:
        raise ConfigError(f"{folder}: no profile {name!r}; {suggest(name, names)}")
    path = folder / f"{name}.yaml"
    base = folder / f"{BASE_PROFILE}.yaml"
    content = _read_yaml(base) if path == base else _overlay(_read_yaml(base), _read_yaml(path))
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain_invalid(error)}") from None


class _StrictLoader(yaml.SafeLoader):
    """YAML loader for which a repeated key is an error; by default the last one wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key!r} is given twice")
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path) -> dict:
    try:
        content = yaml.load(path.read_text(), _StrictLoader) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values")
    return content


def _overlay(base: dict, changes: dict) -> dict:
    merged = dict(base)
    for key, value in changes.items():
        both_sections = isinstance(value, dict) and isinstance(base.get(key), dict)
        # A profile lists all of its networks: those of the default that it omits are not trained.
        if both_sections and key == "networks":
            merged[key] = {
                name: _overlay(base[key].get(name, {}), network)
                if isinstance(network, dict)
                else network
                for name, network in value.items()
            }
        else:
            merged[key] = _overlay(base[key], value) if both_sections else value
    return merged


def explain_invalid(error: ValidationError) -> str:
    """Explain in one line the first value that a schema refuses, and where it stands."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part != "[key]"]
    where = ".".join(path)
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; {suggest(path[-1], _list_keys(path[:-1]))}"
    if first["type"] == "literal_error":
        return f"{where}: {first['input']!r}; allowed: {first['ctx']['expected']}"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if first["type"] == "float_type" and _is_number(first["input"]):
        message += f" (YAML needs a point: {float(first['input']):.1e})".replace("e-0", "e-")
    came = "" if isinstance(first["input"], dict) else f", not {first['input']!r}"
    return f"{where}: {message}{came}" if where else message


def _list_keys(section: list[str]) -> list[str]:
    sections = {
        "synthetic": Synthetic,
        "haze": Haze,
        "networks": Network,
        "ensemble": Ensemble,
        "cross_validation": CrossValidation,
    }
    return list((sections[section[0]] if section else Profile).model_fields)


def _is_number(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(float(text))
    except ValueError:
        return False
