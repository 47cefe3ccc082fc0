"""The report as a graph: each rule calls one function of the package, each arrow is a file.

`planet report` (behind `make report`) checks the profile, writes it to runs/<name>/report.json and
runs this file in that folder. By hand:
    snakemake --snakefile Snakefile --directory runs/default --configfile runs/default/report.json
"""

import json
from dataclasses import asdict
from pathlib import Path

from planet_lib.config import INPUTS
from planet_lib.report.contents import is_detection, list_pages, list_runs, name_data
from planet_lib.report.graph import FROM_RUN as ROOT, STAGE, list_code as code

REPORT = ROOT / "reports" / config["name"]
PROFILE = config["profile"]
SEED = PROFILE["seed"]
SYNTHETIC = config["data"] is None
DETECTION = is_detection(config["labels"])
PAGES = list_pages(PROFILE, detection=DETECTION, scenes=bool(config["searches"]))
EXPLORE = PAGES[0].name
MADE = "synthetic/{chips}-{unlabelled}-{enrich}-{seed}".format(seed=SEED, **PROFILE["synthetic"])
SITE = {
    "site": [asdict(page) for page in PAGES],
    "report": config["name"],
    "data_note": name_data(config["source"], config["credit"]),
    "synthetic": SYNTHETIC,
}
EXECUTE = f"{STAGE} planet_lib.report.execute:execute_notebook"
RENDER = f"{STAGE} planet_lib.report.pages:render_page"


def notebook(name):
    """The code of a rule that executes a notebook."""
    return code("planet_lib/report/execute.py", f"notebooks/{name}.ipynb")


def execution(page, **parameters):
    """The arguments of a rule that executes a page's notebook with these parameters."""
    return json.dumps(
        {
            "notebook": str(ROOT / "notebooks" / f"{page.partition('-')[0]}.ipynb"),
            "executed": f"notebooks/{page}.ipynb",
            "parameters": {"run_dir": f"../runs/{config['name']}"} | parameters,
        }
    )


rule report:
    input:
        "data/raw.json",
        "data/dehazed.json",
        REPORT / "index.html",
        [REPORT / page.href for page in PAGES],


if SYNTHETIC:

    rule synthesize_chips:
        input:
            code("planet_lib/synthetic/dataset.py"),
        output:
            f"{MADE}/train_v2.csv",
            f"{MADE}/sample_submission_v2.csv",
            f"{MADE}/chips.sha256",
        params:
            arguments=json.dumps({"folder": MADE, "seed": SEED} | PROFILE["synthetic"]),
        benchmark:
            "seconds/synthesize_chips.tsv"
        shell:
            "{STAGE} planet_lib.synthetic.dataset:write_dataset {params.arguments:q}"


rule store_chips:
    input:
        [f"{MADE}/train_v2.csv", f"{MADE}/chips.sha256"] if SYNTHETIC else [],
        code("planet_lib/data/ingest.py"),
    output:
        "data/chips.csv",
        "data/problems.csv",
        "data/raw.json", # stands for data/raw.npy, whose time Snakemake would change
    params:
        signature=config["signature"],
        arguments=json.dumps(
            {
                "folder": MADE if SYNTHETIC else config["data"],
                "run_dir": ".",
                "source": config["source"],
                "seed": SEED,
                "keep_neighbours": PROFILE["keep_neighbours"],
                "allow_left_out": PROFILE["allow_left_out"],
            }
        ),
    benchmark:
        "seconds/store_chips.tsv"
    threads: workflow.cores
    shell:
        "{STAGE} planet_lib.data.ingest:store_chips {params.arguments:q}"


rule describe_chips:
    input:
        "data/raw.json",
        code("planet_lib/features/statistics.py"),
    output:
        "data/statistics.csv",
    params:
        arguments=json.dumps({"run_dir": "."}),
    benchmark:
        "seconds/describe_chips.tsv"
    priority: 2 # on all cores, before stages on single ones
    threads: workflow.cores
    shell:
        "{STAGE} planet_lib.features.statistics:store_statistics {params.arguments:q}"


rule remove_haze:
    input:
        "data/raw.json",
        code("planet_lib/data/haze_free.py"),
    output:
        "data/dehazed.json", # stands for data/dehazed.npy
    params:
        arguments=json.dumps({"run_dir": "."} | PROFILE["haze"]),
    benchmark:
        "seconds/remove_haze.tsv"
    priority: 2 # on all cores, before stages on single ones
    threads: workflow.cores
    shell:
        "{STAGE} planet_lib.data.haze_free:store_haze_free {params.arguments:q}"


rule explore_chips:
    input:
        "data/chips.csv",
        "data/problems.csv",
        "data/statistics.csv",
        notebook(EXPLORE),
    output:
        f"notebooks/{EXPLORE}.ipynb",
        "results/explore.json",
    params:
        arguments=execution(EXPLORE, samples_per_label=PROFILE["samples_per_label"], seed=SEED),
    benchmark:
        f"seconds/{EXPLORE}.tsv"
    shell:
        "{EXECUTE} {params.arguments:q}"


rule explain_haze_removal:
    input:
        "data/statistics.csv",
        "data/dehazed.json",
        notebook("02_dehaze"),
    output:
        "notebooks/02_dehaze.ipynb",
        "results/dehaze.json",
    params:
        arguments=execution("02_dehaze", seed=SEED, **PROFILE["haze"]),
    benchmark:
        "seconds/02_dehaze.tsv"
    shell:
        "{EXECUTE} {params.arguments:q}"


rule train_network:
    input:
        "data/chips.csv",
        lambda wildcards: [f"data/{store}.json" for store in INPUTS[wildcards.kind]],
        notebook("03_train"),
    output:
        "notebooks/03_train-{network}-{kind}.ipynb",
        update("models/{network}-{kind}/run.json"),
    params:
        arguments=lambda wildcards: execution(
            f"03_train-{wildcards.network}-{wildcards.kind}",
            model=wildcards.network,
            input_mode=wildcards.kind,
            seed=SEED,
            devices=PROFILE["devices"],
            **PROFILE["networks"][wildcards.network],
        ),
    benchmark:
        "seconds/03_train-{network}-{kind}.tsv"
    resources:
        network=1,
    shell:
        "{EXECUTE} {params.arguments:q}"


if PROFILE["ensemble"]:

    rule train_ensemble:
        input:
            "data/chips.csv",
            "data/raw.json",
            "data/dehazed.json",
            notebook("03_ensemble"),
        output:
            "notebooks/03_ensemble.ipynb",
            update("models/ensemble-both/run.json"),
        params:
            arguments=execution("03_ensemble", seed=SEED, **PROFILE["ensemble"]),
        benchmark:
            "seconds/03_ensemble.tsv"
        priority: 1 # the longest stage first, beside the networks
        resources:
            network=1,
        shell:
            "{EXECUTE} {params.arguments:q}"


if PROFILE["cross_validation"]:
    CROSS_VALIDATED = "{network}-{input}".format(**PROFILE["cross_validation"])

    rule cross_validate:
        input:
            "data/chips.csv",
            [f"data/{store}.json" for store in INPUTS[PROFILE["cross_validation"]["input"]]],
            code("planet_lib/training/cross_validate.py"),
        output:
            update(f"cross_validation/{CROSS_VALIDATED}/run.json"),
        params:
            arguments=json.dumps(
                {
                    "run_dir": ".",
                    "model": PROFILE["cross_validation"]["network"],
                    "input_mode": PROFILE["cross_validation"]["input"],
                    "seed": SEED,
                    "settings": PROFILE["networks"][PROFILE["cross_validation"]["network"]],
                }
            ),
        benchmark:
            "seconds/cross_validate.tsv"
        resources:
            network=1,
        shell:
            "{STAGE} planet_lib.training.cross_validate:cross_validate {params.arguments:q}"


if DETECTION:

    rule evaluate_detectors:
        input:
            expand("models/{run}/run.json", run=list_runs(PROFILE)),
            rules.cross_validate.output if PROFILE["cross_validation"] else [],
            "data/statistics.csv",
            "data/dehazed.json",
            notebook("04_detection"),
        output:
            "notebooks/04_detection.ipynb",
            "results/evaluate.json",
        params:
            arguments=execution(
                "04_detection",
                runs=list_runs(PROFILE),
                cross_validated=CROSS_VALIDATED if PROFILE["cross_validation"] else "",
                gallery_chips=PROFILE["gallery_chips"],
                seed=SEED,
            ),
        benchmark:
            "seconds/04_detection.tsv"
        shell:
            "{EXECUTE} {params.arguments:q}"


else:

    rule evaluate_runs:
        input:
            expand("models/{run}/run.json", run=list_runs(PROFILE)),
            "data/statistics.csv",
            notebook("04_evaluate"),
        output:
            "notebooks/04_evaluate.ipynb",
            "results/evaluate.json",
        params:
            arguments=execution("04_evaluate", runs=list_runs(PROFILE), seed=SEED),
        benchmark:
            "seconds/04_evaluate.tsv"
        shell:
            "{EXECUTE} {params.arguments:q}"


    rule find_mines:
        input:
            "results/evaluate.json",
            "data/dehazed.json",
            notebook("05_find_mines"),
        output:
            "notebooks/05_find_mines.ipynb",
            "results/find_mines.json",
            "results/submission.csv",
        params:
            arguments=execution("05_find_mines", gallery_chips=PROFILE["gallery_chips"]),
        benchmark:
            "seconds/05_find_mines.tsv"
        shell:
            "{EXECUTE} {params.arguments:q}"


if config["searches"]:

    include: "scenes.smk"

    rule merge_scenes:
        input:
            rules.scenes.input,
            code("planet_lib/scenes/job.py"),
        output:
            "scenes/outcomes.json",
        params:
            arguments=json.dumps(
                {
                    "run_dir": ".",
                    "searches": config["searches"],
                    "boundaries": config["boundaries"],
                }
            ),
        benchmark:
            "seconds/merge_scenes.tsv"
        shell:
            "{STAGE} planet_lib.scenes.job:merge_searches {params.arguments:q}"

    rule explain_scenes:
        input:
            "data/raw.json",
            "scenes/outcomes.json",
            notebook("06_scenes"),
        output:
            "notebooks/06_scenes.ipynb",
            "results/scenes.json",
        params:
            arguments=execution("06_scenes"),
        benchmark:
            "seconds/06_scenes.tsv"
        shell:
            "{EXECUTE} {params.arguments:q}"


rule render_page:
    input:
        "notebooks/{page}.ipynb",
        code("planet_lib/report/pages.py"),
    output:
        REPORT / "{page}.html",
    params:
        site=json.dumps(SITE), # a change of what is derived from input and output does not count
        arguments=lambda wildcards, input, output: json.dumps(
            {"notebook": input[0], "page": output[0]} | SITE
        ),
    shell:
        "{RENDER} {params.arguments:q}"


rule publish_index:
    input:
        "data/chips.csv",
        "data/raw.json",
        "results/explore.json",
        "results/dehaze.json",
        "results/evaluate.json",
        [] if DETECTION else "results/find_mines.json",
        "results/scenes.json" if config["searches"] else [],
        [REPORT / page.href for page in PAGES],
        code("planet_lib/report/publish.py"),
    output:
        REPORT / "index.html",
        REPORT / "results.json",
        [] if DETECTION else REPORT / "submission.csv",
    params:
        arguments=json.dumps(
            {"run_dir": ".", "report_dir": str(REPORT), "profile": PROFILE}
            | {"detection": DETECTION, "scenes": bool(config["searches"])}
            | SITE
        ),
    shell:
        "{STAGE} planet_lib.report.publish:publish_index {params.arguments:q}"


onerror:
    for failed in sorted(Path("unfinished").absolute().glob("*.ipynb")):
        page = str(failed.with_suffix(".html"))
        arguments = json.dumps({"notebook": str(failed), "page": page} | SITE)
        shell("({RENDER} {arguments:q}) && echo half-run copy as a page: {page:q} || true")
