"""Describe the results of a scene as an item of the SpatioTemporal Asset Catalog (STAC 1.1)."""

from datetime import UTC, datetime
from pathlib import Path

from planet_lib.files import write_json
from planet_lib.scenes.merge import ProbabilityMap
from planet_lib.scenes.outputs import CLASSES, PROBABILITY, SITES

ITEM = "stac-item.json"
FIRST_SATELLITE = "1972-07-23T00:00:00Z"  # Landsat 1; a scene without a date is younger
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
ASSETS = {
    "probability": (PROBABILITY, COG_TYPE, ["data"]),
    "assessed": (CLASSES, COG_TYPE, ["data-mask"]),
    "sites": (SITES, "application/geo+json", ["data"]),
    "overview": ("overview.jpg", "image/jpeg", ["thumbnail"]),
    "scene": ("scene.json", "application/json", ["metadata"]),
}


def write_item(
    folder: Path, *, name: str, outline: dict, date: str | None, found: ProbabilityMap
) -> None:
    """Write the STAC item beside the files of a scene.

    Parameters
    ----------
    folder : Path
    name : str
    outline : dict
        GeoJSON geometry in WGS 84.
    date : str or None
        ``YYYY-MM-DD``; without it the item says between which times the scene was taken.
    found : ProbabilityMap
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ring = outline["coordinates"][0]
    longitudes, latitudes = zip(*ring, strict=True)
    times = {"datetime": f"{date}T00:00:00Z"} if date else {
        "datetime": None, "start_datetime": FIRST_SATELLITE, "end_datetime": now
    }  # fmt: skip
    code = found.grid.crs.to_epsg()
    projection = {"proj:code": f"EPSG:{code}"} if code else {"proj:wkt2": found.grid.crs.to_wkt()}
    write_json(
        folder / ITEM,
        {
            "type": "Feature",
            "stac_version": "1.1.0",
            "stac_extensions": ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"],
            "id": name,
            "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
            "geometry": outline,
            "properties": {
                **times,
                "created": now,
                "title": f"Probability of artisanal mines in {name}",
                **projection,
                "proj:shape": list(found.classes.shape),
                "proj:transform": list(found.transform)[:6],
            },
            "links": [],
            "assets": {
                key: {"href": f"./{file}", "type": kind, "roles": roles}
                for key, (file, kind, roles) in ASSETS.items()
            },
        },
    )
