"""Mines in many scenes as a graph: one job a scene.

`planet scenes` (behind `make scenes`) lists the scenes in runs/<name>/scenes.json, runs this file in
that folder and merges the results; a report with SCENES includes it. By hand:
    snakemake --snakefile scenes.smk --directory runs/<name> --configfile runs/<name>/scenes.json
"""

import json

from planet_lib.report.graph import STAGE, list_code

SEARCHES = config["searches"]


rule scenes:
    input:
        [search["record"] for search in SEARCHES.values()],


rule search_scene:
    input:
        list_code("planet_lib/scenes/job.py"),
    output:
        "searched/{scene}.json",
    params:
        arguments=lambda wildcards: json.dumps(SEARCHES[wildcards.scene]),
    benchmark:
        "searched/{scene}.tsv"
    resources:
        network=1,
    shell:
        "{STAGE} planet_lib.scenes.job:search_scene {params.arguments:q}"
