"""Read the card of a network: ``card.json``, which describes how to use its files."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from planet_lib.config import Haze, Positive, Share, explain_invalid
from planet_lib.data.labels import LABELS
from planet_lib.errors import DataError, StageError
from planet_lib.files import read_json

CARD = "card.json"
KAGGLE_CHIP = {"chip_px": 256, "ground_distance_m": 3.0}
"""The competition's chips, on which a network was trained whose card does not say."""
CURE = "copy the network's whole folder again, or choose another network"

Level = Annotated[float, Field(ge=0, le=255)]


class _Part(BaseModel):
    """Base of the parts of a card: values of a wrong type are errors, further keys are not."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Thresholds(_Part):
    flat: Share
    tuned: dict[str, Share] = {}
    site: Share | None = None
    isolated: Share | None = None


class _Input(_Part):
    pictures: Annotated[list[Literal["raw", "dehazed"]], Field(min_length=1)]
    image_px: Positive


class _Card(_Part):
    labels: list[str]
    known: list[str]
    thresholds: _Thresholds
    chip_px: Positive
    ground_distance_m: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    input: _Input
    haze: Haze | None
    brightness: Annotated[list[Level], Field(min_length=2, max_length=2)] | None = None
    dark_channel: Level | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.labels != [label for label in LABELS if label in self.labels] or not self.labels:
            raise ValueError(f"labels {self.labels}, expected some of {list(LABELS)} in this order")
        if unknown := sorted(set(self.known) - set(self.labels)):
            raise ValueError(f"known {unknown} are not among its labels")
        if "dehazed" in self.input.pictures and not self.haze:
            raise ValueError("haze is null, but the network takes haze-free pictures")
        return self


def read_card(folder: Path) -> dict:
    """Read the card in a network's folder, as `planet_lib.training.card.write_card` wrote it.

    A card without ``known`` is of a network that was trained on all labels.

    Raises
    ------
    DataError
        The card is missing or damaged, lacks a key or has a wrong value, or the network's labels
        are not among those of `LABELS` or in another order.
    """
    path = folder / CARD
    try:
        card = read_json(path)
        card = {"known": card.get("labels")} | KAGGLE_CHIP | card
        _Card.model_validate(card)
    except ValidationError as error:
        raise DataError(f"{path}: {explain_invalid(error)}; {CURE}") from None
    except (StageError, AttributeError):
        raise DataError(f"{path}: missing or damaged; {CURE}") from None
    return card
