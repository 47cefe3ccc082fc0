"""The search of one scene: its plan, by which a rerun knows it, and its steps."""

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

import geopandas as gpd

from planet_lib.data.labels import MINE
from planet_lib.errors import ConfigError, DataError
from planet_lib.files import read_json, write_json
from planet_lib.provenance import identify_commit, list_versions
from planet_lib.scenes.areas import compare_sites, name_areas
from planet_lib.scenes.detector import Detector
from planet_lib.scenes.folder import SUMMARY
from planet_lib.scenes.grid import CELLS, lay_grid
from planet_lib.scenes.merge import ProbabilityMap, merge_tiles
from planet_lib.scenes.outputs import (
    MISSING,
    outline_scene,
    write_missing,
    write_overview,
    write_rasters,
    write_sites,
    write_thumbnails,
)
from planet_lib.scenes.read import Scene
from planet_lib.scenes.scan import estimate_scene_airlight, load_scan, scan_scene
from planet_lib.scenes.sites import find_sites, locate_sites
from planet_lib.scenes.source import Source
from planet_lib.scenes.stac import write_item

PLAN = "plan.json"
FITTING = 1.5  # times a detector's ground distance


class Search:
    """The search of one scene: a plan that a rerun recognises, and its steps."""

    def __init__(
        self,
        source: Source,
        detector: Detector,
        out: Path,
        *,
        scaling: str | None,
        stride: int | None,
        threshold: float | None,
        isolated_threshold: float | None,
        areas: gpd.GeoDataFrame | None,
        earlier: gpd.GeoDataFrame | None,
    ) -> None:
        self.source, self.detector = source, detector
        self.areas, self.earlier = areas, earlier
        self.threshold = threshold or detector.thresholds[MINE]
        if isolated_threshold is not None and isolated_threshold < self.threshold:
            raise ConfigError(
                f"isolated threshold is {isolated_threshold:g}; allowed: at least the threshold, "
                f"{self.threshold:g}"
            )
        self.isolated_threshold = max(
            isolated_threshold or detector.isolated_threshold, self.threshold
        )
        self.stride_px = detector.chip_px // 2 if stride is None else stride
        self.done = out / source.name
        self.partial = out / f".{source.name}.partial"
        self.scaling = scaling
        self.plan = {
            "files": [str(path.resolve()) for path in source.paths],
            "stamp": source.stamp,
            "values": source.describe_values(),
            "bands": list(source.bands),
            "scaling": scaling,
            "stride_px": self.stride_px,
            "model": detector.version,
            "ground_distance_m": detector.ground_distance_m,
        }
        self.settings = {
            "threshold": self.threshold,
            "isolated_threshold": self.isolated_threshold,
            "boundaries": _digest(areas),
            "compare": _digest(earlier),
        }

    def run(self) -> None:
        """Search the scene unless it is done already with the same settings."""
        wanted = {"plan": self.plan, "settings": self.settings}
        if (self.done / SUMMARY).exists():
            summary = read_json(self.done / SUMMARY)
            if {key: summary.get(key) for key in wanted} == wanted:
                print(f"{self.source.name}: done already, see {self.done}")
                return
            self._check_same_scene(summary["plan"])
        self._prepare_folder()
        start = time.perf_counter()
        scene = self._open_scene()
        warnings = self._warn(scene)
        self._describe(scene)
        scan_start = time.perf_counter()
        scan_scene(scene, self.detector, self.partial / "bands")
        scan_seconds = time.perf_counter() - scan_start
        probabilities, classes, cells = load_scan(scene.grid, self.partial / "bands")
        mines = probabilities[..., self.detector.labels.index(MINE)]
        found = merge_tiles(scene.grid, mines, classes, cells)
        sites, isolated = find_sites(
            found,
            probabilities,
            self.detector,
            threshold=self.threshold,
            isolated_threshold=self.isolated_threshold,
        )
        sites["provisional"] |= bool(warnings)
        table = self._write(scene, found, sites)
        write_json(
            self.partial / SUMMARY,
            self._summarise(scene, found, table)
            | {
                "warnings": warnings,
                "isolated_left_out": isolated,
                "tiles": int(classes.size),
                "scan_seconds": round(scan_seconds, 1),
                "seconds": round(time.perf_counter() - start, 1),
            }
            | wanted,
        )
        self._publish()
        self._report(table, found)

    def _check_same_scene(self, plan: dict) -> None:
        """Refuse to replace the results of another scene that has the same name."""
        if plan["files"] != self.plan["files"] and plan["stamp"] != self.plan["stamp"]:
            raise DataError(
                f"{self.source.paths[0]}: {self.done} holds the results of another scene of this "
                f"name, {plan['files'][0]}; choose another folder, or move them away"
            )

    def _prepare_folder(self) -> None:
        """Keep the bands of an interrupted search with the same plan, and nothing else."""
        if self.done.exists() and not (self.done / SUMMARY).exists():
            raise DataError(f"{self.done}: not a result of this command; move it away")
        plan = self.partial / PLAN
        if self.partial.exists() and not (plan.exists() and read_json(plan) == self.plan):
            shutil.rmtree(self.partial)
        (self.partial / "bands").mkdir(parents=True, exist_ok=True)
        write_json(plan, self.plan)

    def _open_scene(self) -> Scene:
        grid, native = lay_grid(
            self.source.placement,
            ground_distance_m=self.detector.ground_distance_m,
            chip_px=self.detector.chip_px,
            stride_px=self.stride_px,
        )
        return Scene(self.source, grid, native=native, scaling=self.scaling)

    def _warn(self, scene: Scene) -> list[str]:
        """Warn of what makes all results of a scene doubtful, before there are any."""
        distance = self.source.placement.measure_ground_distance()
        warnings = []
        if distance > FITTING * self.detector.ground_distance_m:
            warnings.append(
                f"{distance:.3g} m a pixel, but {self.detector.name} was trained on "
                f"{self.detector.ground_distance_m:g} m: every site is provisional"
            )
        mean = float(scene.overview[scene.overview_valid].mean())
        low, high = self.detector.brightness
        if not low <= mean <= high:
            warnings.append(
                f"mean level {mean:.0f} of 255, but {self.detector.name} was trained on {low:g} to "
                f"{high:g}: is the scaling right ({scene.scaling})?"
            )
        for warning in warnings:
            print(f"warning: {self.source.name}: {warning}", file=sys.stderr)
        return warnings

    def _describe(self, scene: Scene) -> None:
        source, grid = self.source, scene.grid
        bands = ", ".join(map(str, source.bands))
        print(f"{source.name}: red, green, blue are bands {bands} (by {source.bands_by})")
        print(f"{source.name}: scaling {scene.scaling}")
        print(
            f"{source.name}: {len(grid.tile_rows) * len(grid.tile_columns)} tiles of "
            f"{grid.chip_px} px, every {grid.stride_px} px of {grid.step_m:g} m, "
            f"by {self.detector.name}",
            flush=True,
        )

    def _write(
        self, scene: Scene, found: ProbabilityMap, sites: gpd.GeoDataFrame
    ) -> gpd.GeoDataFrame:
        folder = self.partial
        write_rasters(found, folder)
        write_overview(scene, folder)
        airlight = estimate_scene_airlight(scene, "boundary_constraint")
        thumbnails = write_thumbnails(scene, sites, folder, airlight)
        table = locate_sites(sites)
        name = self.source.name
        table.insert(0, "id", [f"{name}-{i + 1:05d}" for i in range(len(table))])
        table.insert(1, "scene", name)
        table.insert(2, "date", self.source.date)
        table["model"] = self.detector.name
        table["model_version"] = self.detector.version
        table["thumbnail"] = [f"{name}/{file}.jpg" for file in thumbnails]
        table["thumbnail_haze_free"] = [f"{name}/{file}-haze-free.jpg" for file in thumbnails]
        for column in ("area_ha", "area_low_ha", "area_high_ha"):
            table[column] = table[column].astype(float).round(2)
        if self.areas is not None:
            table["areas"] = name_areas(table, self.areas)
        if self.earlier is not None:
            table["change"], missing = compare_sites(table, self.earlier, found)
            write_missing(missing, folder / MISSING)
        write_sites(table, folder, endings=(".geojson",))
        write_item(folder, name=name, outline=outline_scene(scene), date=self.source.date,
                   found=found)  # fmt: skip
        return table

    def _summarise(self, scene: Scene, found: ProbabilityMap, table: gpd.GeoDataFrame) -> dict:
        """Describe the results for whoever draws them: all of `ProbabilityMap`'s geometry too."""
        source, grid, detector = self.source, scene.grid, self.detector
        return {
            "scene": source.name,
            "date": source.date,
            "outline": outline_scene(scene),
            "ground_distance_m": round(source.placement.measure_ground_distance(), 3),
            "size_px": [source.placement.height, source.placement.width],
            "bands": {"numbers": list(source.bands), "found_by": source.bands_by},
            "scaling": vars(scene.scaling),
            "model": {
                "name": detector.name,
                "version": detector.version,
                "ground_distance_m": detector.ground_distance_m,
                "chip_px": detector.chip_px,
            },
            "cells": {
                "crs": grid.crs.to_wkt(),
                "epsg": grid.crs.to_epsg(),
                "transform": list(found.transform)[:6],
                "shape": list(found.classes.shape),
                "side_m": grid.chip_px // CELLS * grid.step_m,
            },
            "overview": {
                "file": "overview.jpg",
                "transform": list(
                    grid.transform(grid.rows.start, grid.columns.start, scene.overview_px)
                )[:6],
                "shape": list(scene.overview.shape[:2]),
            },
            "shares": found.measure_shares(),
            "sites": len(table),
            "provisional": int(table.provisional.sum()),
            "commit": identify_commit(),
            "versions": list_versions(),
        }

    def _publish(self) -> None:
        """Let the finished folder take the place of an older one."""
        older = self.partial.with_suffix(".older")
        shutil.rmtree(older, ignore_errors=True)
        if self.done.exists():
            self.done.rename(older)
        self.partial.rename(self.done)
        shutil.rmtree(older, ignore_errors=True)
        shutil.rmtree(self.done / "bands")
        (self.done / PLAN).unlink()

    def _report(self, table: gpd.GeoDataFrame, found: ProbabilityMap) -> None:
        shares = found.measure_shares()
        missed = ", ".join(
            f"{name.replace('_', ' ')} {share:.1%}"
            for name, share in shares.items()
            if share and name != "assessed"
        )
        print(f"{self.source.name}: {shares['assessed']:.1%} assessed" + (missed and f"; {missed}"))
        sites = f"{len(table)} site{'' if len(table) == 1 else 's'}"
        print(f"{self.source.name}: {sites}, {int(table.provisional.sum())} provisional")


def _digest(areas: gpd.GeoDataFrame | None) -> str | None:
    if areas is None:
        return None
    return hashlib.sha256(json.dumps(areas.to_geo_dict()).encode()).hexdigest()[:16]
