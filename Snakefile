"""The report as a graph: each stage is a command of `planet`, each arrow a file.

`planet report` (behind `make report`) checks the profile, writes it to runs/<name>/report.json and
runs this file in that folder. By hand:
    snakemake --snakefile Snakefile --directory runs/default --configfile runs/default/report.json
"""

import json
import shlex
import sys
from pathlib import Path

from planet_lib.config import INPUTS

ROOT = Path(workflow.basedir)
NOTEBOOKS = ROOT / "notebooks"
REPORT = ROOT / "reports" / config["name"]
PLANET = f"{shlex.quote(sys.executable)} -m planet_lib"
PROFILE = config["profile"]
SEED = PROFILE["seed"]
SYNTHETIC = config["data"] is None
MADE = "synthetic/{chips}-{unlabelled}-{enrich}-{seed}".format(seed=SEED, **PROFILE["synthetic"])
DATA = MADE if SYNTHETIC else config["data"]
RUNS = [f"{network}-{kind}" for network in PROFILE["networks"] for kind in PROFILE["inputs"]]
ENSEMBLE = PROFILE["ensemble"]
PAGES = [
    "01_explore",
    "02_dehaze",
    *(f"03_train-{run}" for run in RUNS),
    *(["03_ensemble"] if ENSEMBLE else []),
    "04_evaluate",
    "05_find_mines",
]
ANSWERS = RUNS + (["ensemble-both"] if ENSEMBLE else [])


def library(*names):
    """The package's own files that a stage's result depends on."""
    return [str(ROOT / "planet_lib" / name) for name in names]


def arguments(**values):
    """A notebook's parameters as JSON, its run folder among them."""
    return json.dumps({"run_dir": f"../runs/{config['name']}"} | values)


SYNTHETIC_CHIPS = sorted(str(path) for path in (ROOT / "planet_lib/synthetic").glob("*.*"))
HAZE = sorted(str(path) for path in (ROOT / "planet_lib/haze").glob("*.py"))


rule report:
    input:
        "data/raw.json",
        "data/dehazed.json",
        REPORT / "index.html",
        expand(str(REPORT / "{page}.html"), page=PAGES),


if SYNTHETIC:

    rule synthesize_chips:
        input:
            SYNTHETIC_CHIPS,
        output:
            f"{MADE}/train_v2.csv",
            f"{MADE}/sample_submission_v2.csv",
            f"{MADE}/chips.sha256",
        params:
            chips=PROFILE["synthetic"]["chips"],
            unlabelled=PROFILE["synthetic"]["unlabelled"],
            enrich=PROFILE["synthetic"]["enrich"],
            seed=SEED,
        benchmark:
            "seconds/synthesize_chips.tsv"
        shell:
            "exec 2>&1; {PLANET} synthesize {MADE} --chips {params.chips} --unlabelled {params.unlabelled}"
            " --enrich {params.enrich} --seed {params.seed}"


rule store_chips:
    input:
        [f"{MADE}/train_v2.csv", f"{MADE}/chips.sha256"] if SYNTHETIC else [],
        library("data/catalogue.py", "data/chips.py", "data/labels.py", "data/neighbours.py", "data/splits.py"),
        library("data/arrays.py", "data/store.py", "data/ingest.py", "data/tiff.py"),
    output:
        "data/chips.csv",
        "data/problems.csv",
        "data/raw.json", # stands for data/raw.npy, whose time Snakemake would change
    params:
        source=config["source"],
        signature=config["signature"],
        seed=SEED,
        neighbours="" if PROFILE["keep_neighbours"] else "--part-neighbours",
        allow="--allow-left-out" if PROFILE["allow_left_out"] else "",
    benchmark:
        "seconds/store_chips.tsv"
    threads: workflow.cores
    shell:
        "exec 2>&1; {PLANET} store {DATA:q} . --source {params.source:q} --seed {params.seed}"
        " {params.neighbours} {params.allow}"


rule describe_chips:
    input:
        "data/raw.json",
        library("features/statistics.py"),
        HAZE,
    output:
        "data/statistics.csv",
    benchmark:
        "seconds/describe_chips.tsv"
    threads: workflow.cores
    shell:
        "exec 2>&1; {PLANET} describe ."


rule remove_haze:
    input:
        "data/raw.json",
        HAZE,
        library("data/haze_free.py"),
    output:
        "data/dehazed.json", # stands for data/dehazed.npy
    params:
        method=PROFILE["haze"]["method"],
        clahe="--clahe" if PROFILE["haze"]["clahe"] else "",
    benchmark:
        "seconds/remove_haze.tsv"
    threads: workflow.cores
    shell:
        "exec 2>&1; {PLANET} dehaze . --method {params.method} {params.clahe}"


rule explore_chips:
    input:
        "data/chips.csv",
        "data/problems.csv",
        "data/statistics.csv",
        NOTEBOOKS / "01_explore.ipynb",
        library("report/figures/explore.py", "report/figures/style.py"),
    output:
        "notebooks/01_explore.ipynb",
        "results/explore.json",
    params:
        values=arguments(samples_per_label=PROFILE["samples_per_label"], seed=SEED),
    benchmark:
        "seconds/01_explore.tsv"
    shell:
        "exec 2>&1; {PLANET} execute {NOTEBOOKS:q}/01_explore.ipynb {output[0]} {params.values:q}"


rule explain_haze_removal:
    input:
        "data/statistics.csv",
        "data/dehazed.json",
        NOTEBOOKS / "02_dehaze.ipynb",
        library("report/figures/haze.py", "report/figures/style.py", "evaluation/haze_truth.py"),
        HAZE,
        SYNTHETIC_CHIPS,
    output:
        "notebooks/02_dehaze.ipynb",
        "results/dehaze.json",
    params:
        values=arguments(seed=SEED, **PROFILE["haze"]),
    benchmark:
        "seconds/02_dehaze.tsv"
    shell:
        "exec 2>&1; {PLANET} execute {NOTEBOOKS:q}/02_dehaze.ipynb {output[0]} {params.values:q}"


rule train_network:
    input:
        "data/chips.csv",
        lambda wildcards: [f"data/{store}.json" for store in INPUTS[wildcards.kind]],
        NOTEBOOKS / "03_train.ipynb",
        library("networks/batch_norm.py", "networks/batches.py", "training/checkpoints.py", "training/callbacks.py"),
        library("dependencies.py", "training/loss.py", "networks/files.py", "networks/architectures.py"),
        library("training/optimizers.py", "networks/predict.py", "training/train.py"),
        library("networks/card.py", "training/devices.py", "training/failures.py", "networks/safety.py", "evaluation/metrics.py"),
        library("report/figures/training.py", "report/figures/style.py"),
    output:
        "notebooks/03_train-{network}-{kind}.ipynb",
        update("models/{network}-{kind}/run.json"),
    params:
        values=lambda wildcards: arguments(
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
        "exec 2>&1; {PLANET} execute {NOTEBOOKS:q}/03_train.ipynb {output[0]} {params.values:q}"


if ENSEMBLE:

    rule train_ensemble:
        input:
            "data/chips.csv",
            "data/raw.json",
            "data/dehazed.json",
            NOTEBOOKS / "03_ensemble.ipynb",
            library("evaluation/baselines.py", "networks/batch_norm.py", "networks/batches.py", "features/descriptors.py", "training/ensemble.py"),
            library("dependencies.py", "training/loss.py", "training/base_learners.py", "networks/files.py", "networks/architectures.py"),
            library("training/optimizers.py", "networks/predict.py"),
            library("evaluation/metrics.py", "data/splits.py", "features/statistics.py"),
            library("report/figures/ensemble.py", "report/figures/style.py", "networks/pretrained/model.keras"),
        output:
            "notebooks/03_ensemble.ipynb",
            update("models/ensemble-both/run.json"),
        params:
            values=arguments(seed=SEED, **ENSEMBLE),
        benchmark:
            "seconds/03_ensemble.tsv"
        resources:
            network=1,
        shell:
            "exec 2>&1; {PLANET} execute {NOTEBOOKS:q}/03_ensemble.ipynb {output[0]} {params.values:q}"


rule evaluate_runs:
    input:
        expand("models/{run}/run.json", run=ANSWERS),
        "data/statistics.csv",
        NOTEBOOKS / "04_evaluate.ipynb",
        library("evaluation/baselines.py", "evaluation/run_scores.py", "evaluation/metrics.py", "report/figures/evaluation.py", "report/figures/style.py"),
    output:
        "notebooks/04_evaluate.ipynb",
        "results/evaluate.json",
        "results/headline.png",
    params:
        values=arguments(runs=ANSWERS, seed=SEED),
    benchmark:
        "seconds/04_evaluate.tsv"
    shell:
        "exec 2>&1; {PLANET} execute {NOTEBOOKS:q}/04_evaluate.ipynb {output[0]} {params.values:q}"


rule find_mines:
    input:
        "results/evaluate.json",
        NOTEBOOKS / "05_find_mines.ipynb",
        library("evaluation/metrics.py", "evaluation/submission.py", "report/figures/mines.py", "report/figures/style.py"),
    output:
        "notebooks/05_find_mines.ipynb",
        "results/find_mines.json",
        "results/submission.csv",
    params:
        values=arguments(gallery_chips=PROFILE["gallery_chips"]),
    benchmark:
        "seconds/05_find_mines.tsv"
    shell:
        "exec 2>&1; {PLANET} execute {NOTEBOOKS:q}/05_find_mines.ipynb {output[0]} {params.values:q}"


rule render_page:
    input:
        "notebooks/{page}.ipynb",
        library("report/notebook.py", "report/pages.py", "report/markdown.py"),
        sorted((ROOT / "planet_lib/report/templates").iterdir()),
    output:
        REPORT / "{page}.html",
    shell:
        "exec 2>&1; {PLANET} render {input[0]} {output:q}"


rule publish_index:
    input:
        "results/explore.json",
        "results/dehaze.json",
        "results/evaluate.json",
        "results/find_mines.json",
        expand("notebooks/{page}.ipynb", page=PAGES),
        library("report/pages.py", "report/build.py"),
        sorted((ROOT / "planet_lib/report/templates").iterdir()),
    output:
        REPORT / "index.html",
        REPORT / "results.json",
        REPORT / "submission.csv",
    shell:
        "exec 2>&1; {PLANET} publish . {REPORT:q}"
