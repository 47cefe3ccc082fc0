"""Findings of 06_scenes: how much of the scenes was assessed, and what the sites are worth."""

from collections.abc import Mapping
from urllib.parse import quote

import geopandas as gpd

from planet_lib.report.findings.writing import join_names, write_text

REASONS = {
    "no_data": "without data",
    "cloud": "under cloud",
    "out_of_domain": "unlike what the detector was trained on",
}
SCENE_FILES = {
    "sites.geojson": "sites",
    "probability.tif": "probability (cloud-optimised GeoTIFF)",
    "assessed.tif": "what was assessed (cloud-optimised GeoTIFF)",
    "stac-item.json": "STAC item",
}


def conclude_outcomes(searched: int, failed: Mapping[str, str]) -> str:
    """Conclude how many scenes were searched, and list why others were not."""
    total = searched + len(failed)
    if not failed:
        return f"All of the scenes given were searched: {total}."
    reasons = "".join(
        f"\n- {write_text(name)}: {write_text(reason.partition(': ')[2] or reason)}"
        for name, reason in failed.items()
    )  # without the path: the page may be published
    return (
        f"{searched} of {total} scenes were searched. About the others this page says nothing:\n"
        f"{reasons}"
    )


def conclude_assessed(summaries: Mapping[str, dict]) -> str:
    """Conclude which share of the scenes' ground was assessed, and list the warnings.

    Parameters
    ----------
    summaries : mapping of str to dict
        As from `planet_lib.scenes.results.read_outcomes`.
    """
    ground = {name: _measure_ground(summary) for name, summary in summaries.items()}
    shares = {
        kind: sum(ground[name] * each["shares"][kind] for name, each in summaries.items())
        / sum(ground.values())
        for kind in ("assessed", *REASONS)
    }
    hidden = [f"{shares[kind]:.1%} is {why}" for kind, why in REASONS.items() if shares[kind] > 0]
    text = f"{shares['assessed']:.1%} of the ground was assessed"
    if hidden:
        text += f"; {join_names(hidden)}. There may be mines that nobody has looked for."
    else:
        text += "."
    warnings = [
        f"\n- {write_text(name)}: {write_text(warning)}"
        for name, each in summaries.items()
        for warning in each["warnings"]
    ]
    return text + ("\n\n**Warnings.**\n" + "".join(warnings) if warnings else "")


def conclude_sites(sites: gpd.GeoDataFrame) -> str:
    """Conclude how many sites there are, how large, and how many are provisional."""
    if sites.empty:
        return (
            "No site reaches the threshold. That holds for the ground that was assessed, and for "
            "mines that the detector can see."
        )
    count, provisional = len(sites), int(sites.provisional.sum())
    area = sites[["area_ha", "area_low_ha", "area_high_ha"]].astype(float).sum()
    return (
        f"{count:,} site{'s' if count > 1 else ''}, together {area.area_ha:,.0f} ha "
        f"({area.area_low_ha:,.0f} to {area.area_high_ha:,.0f}); {provisional:,} provisional: "
        "below the stricter threshold, at the edge of ground that was not assessed, or under a "
        "warning about the whole scene."
    )


def conclude_missing(missing: gpd.GeoDataFrame) -> str:
    """Conclude how many earlier sites were not found again, and how many could not be."""
    if missing.empty:
        return "No earlier site within the scenes is missing."
    gone = int(missing.change.eq("gone").sum())
    text = f"Earlier sites within the scenes that are gone: {gone:,}"
    if hidden := len(missing) - gone:
        text += f"; that could not be looked at, so that a mine may still be there: {hidden:,}"
    return f"{text}."


def list_files(summaries: Mapping[str, dict], folder: str, *, compared: bool = False) -> str:
    """List links to the results of all scenes and of each.

    Parameters
    ----------
    summaries : mapping of str to dict
    folder : str
        Address of the results, relative to the page.
    compared : bool
        Whether there was a comparison with earlier sites.
    """
    tables = ", ".join(
        f"[{name}]({folder}/sites{ending})"
        for ending, name in ((".geojson", "GeoJSON"), (".gpkg", "GeoPackage"),
                             (".kml", "KML"), (".csv", "CSV"))
    )  # fmt: skip
    lines = [
        f"- **[Map of all sites]({folder}/map.html)**, to look at and to review, also offline",
        f"- Sites of all scenes: {tables}",
    ]
    if compared:
        lines.append(f"- [Earlier sites that were not found again]({folder}/missing.geojson)")
    for name in summaries:
        place = f"{folder}/{quote(name)}"
        links = ", ".join(f"[{text}]({place}/{file})" for file, text in SCENE_FILES.items())
        lines.append(f"- {write_text(name)}: {links}")
    return "\n".join(lines)


def _measure_ground(summary: Mapping) -> float:
    """Measure the ground of a scene in square metres, that without data included."""
    height, width = summary["size_px"]
    return height * width * summary["ground_distance_m"] ** 2
