"""A SLURM cluster of one node in a folder of its own: Debian's daemons, without a database."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from planet_lib.errors import ConfigError, StageError
from planet_lib.files import count_cores

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
PATHS = "/usr/sbin:/sbin"
MEMORY_MB = 2000  # of a job, as in docs/cluster/slurm
START_SECONDS = 30
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=3600
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory_mb}
PartitionName=all Nodes={host} Default=YES State=UP MaxTime=INFINITE
"""


def find_programs() -> dict[str, str]:
    """Find the programs of SLURM and MUNGE.

    Raises
    ------
    ConfigError
        One is missing.
    """
    path = os.pathsep.join([os.environ["PATH"], PATHS])
    programs = {name: shutil.which(name, path=path) for name in PROGRAMS}
    missing = [name for name, found in programs.items() if found is None]
    if missing:
        raise ConfigError(
            f"{', '.join(missing)}: not installed; on Debian and Ubuntu: "
            "apt-get install slurmctld slurmd slurm-client munge"
        )
    return programs


@contextmanager
def run_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Run a cluster whose only node is this machine.

    Parameters
    ----------
    folder : Path
        For keys, state and logs; made. Everybody must be able to enter the folder around it.

    Yields
    ------
    dict of str
        Environment of the commands that use the cluster.

    Raises
    ------
    ConfigError
        A program of SLURM is missing.
    StageError
        A daemon does not start, or the node is not ready after half a minute.
    """
    programs = find_programs()
    for part in ("state", "spool"):
        (folder / part).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    controller_port, node_port = find_free_ports(2)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            host=socket.gethostname().partition(".")[0],
            user=getpass.getuser(),
            controller_port=controller_port,
            node_port=node_port,
            cores=count_cores(),
            memory_mb=count_cores() * MEMORY_MB,
        )
    )
    (folder / "bin").mkdir()
    wrapper = folder / "bin" / "srun"  # Snakemake's jobs call it without SLURM_CONF
    wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {programs["srun"]} "$@"\n')
    wrapper.chmod(0o755)
    environment = os.environ | {
        "SLURM_CONF": str(configuration),
        "PATH": os.pathsep.join([str(wrapper.parent), os.environ["PATH"]]),
    }
    commands = (
        [programs["munged"], "--foreground", f"--socket={folder}/munge.socket", f"--key-file={key}",
         f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed",
         f"--log-file={folder}/munged.log"],
        [programs["slurmctld"], "-D", "-f", str(configuration)],
        [programs["slurmd"], "-D", "-f", str(configuration)],
    )  # fmt: skip
    with ExitStack() as daemons:
        for command in commands:
            daemons.enter_context(run_daemon(command, folder, environment))
        wait_for_node(programs["sinfo"], environment, folder)
        yield environment


@contextmanager
def run_daemon(command: Sequence[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run a daemon in the foreground of its own, and end it."""
    said = folder / f"{Path(command[0]).name}.out"
    with said.open("w") as out:
        daemon = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        time.sleep(1)
        if daemon.poll() is not None:
            raise StageError(f"{command[0]}: does not start, see {said}")
        yield
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            daemon.kill()


def wait_for_node(sinfo: str, environment: dict[str, str], folder: Path) -> None:
    """Wait until the node takes jobs."""
    for _ in range(START_SECONDS):
        state = subprocess.run(
            [sinfo, "--noheader", "--format=%T"], env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if state.stdout.strip() == "idle":
            return
        time.sleep(1)
    raise StageError(f"the node is {state.stdout.strip() or 'not there'}; see the logs in {folder}")


def find_free_ports(count: int) -> list[int]:
    """Find ports that nothing listens on."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
