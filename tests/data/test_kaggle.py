"""The competition's files: in any form they give one data set, downloaded and unpacked once."""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import py7zr
import pytest

from planet_lib.data import kaggle_archives
from planet_lib.data.catalogue import scan_dataset, sign_dataset
from planet_lib.data.kaggle import COMPETITION, JPEG_FOLDERS, SUBMISSION_FILE
from planet_lib.data.kaggle_archives import unpack_dataset
from planet_lib.data.kaggle_download import PAGE, fetch_competition
from planet_lib.data.problems import Problem
from planet_lib.errors import DataError

PROJECT = Path(__file__).parents[2]
TABLES = ("train_v2.csv", SUBMISSION_FILE)


def pack_tar(folder: Path, archive: Path, inner: str = "") -> Path:
    with tarfile.open(archive, "w") as target:
        target.add(folder, inner or folder.name)
    return archive


def pack_7z(folder: Path, archive: Path) -> Path:
    tar = pack_tar(folder, archive.with_name(f"{folder.name}.tar"))
    with py7zr.SevenZipFile(archive, "w", filters=[{"id": py7zr.FILTER_COPY}]) as target:
        target.write(tar, tar.name)
    tar.unlink()
    return archive


def pack_zip(archive: Path, *paths: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as target:
        for path in paths:
            target.write(path, path.name)
            target.writestr(f"__MACOSX/{path.parent.name}/._{path.name}", b"junk")
    return archive


def put_archives(chips: Path, source: Path) -> list[Path]:
    tables = [pack_zip(source / f"{name}.zip", chips / name) for name in TABLES]
    return [pack_7z(chips / name, source / f"{name}.tar.7z") for name in JPEG_FOLDERS] + tables


def put_one_zip(chips: Path, source: Path) -> None:
    packed = put_archives(chips, source)
    pack_zip(source / f"{COMPETITION}.zip", *packed)
    for path in packed:
        path.unlink()


def put_mixture(chips: Path, source: Path) -> None:
    pack_tar(chips / "train-jpg", source / "train-jpg.tar", inner=".")
    pack_zip(source / "test-jpg.zip", *(chips / "test-jpg").iterdir())
    shutil.copytree(chips / "test-jpg-additional", source / "test-jpg-additional")
    shutil.copy(chips / "train_v2.csv", source)
    (source / SUBMISSION_FILE).mkdir()  # as Kaggle's own tool writes a table
    shutil.copy(chips / SUBMISSION_FILE, source / SUBMISSION_FILE)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Read a data set's files and times."""
    paths = [folder / name for name in TABLES]
    paths += [path for name in JPEG_FOLDERS for path in (folder / name).glob("*")]
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in paths
        if path.exists()
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (content, _) in snapshot(folder).items()}


@pytest.fixture
def chips(dataset) -> Path:
    """Give an unpacked data set with every folder and table."""
    folder = dataset(["clear primary"] * 3, test=2, additional=1)
    (folder / SUBMISSION_FILE).write_text("image_name,tags\ntest_0,clear\n")
    return folder


@pytest.fixture
def source(tmp_path) -> Path:
    """Give the empty folder that a test puts Kaggle's files into."""
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.mark.parametrize("put", [put_archives, put_one_zip, put_mixture])
def test_every_form_gives_the_same_data_set(chips, source, tmp_path, put):
    put(chips, source)
    before = sorted(source.rglob("*"))
    folder = unpack_dataset(source, tmp_path / "target")
    assert folder == tmp_path / "target"
    assert contents(folder) == contents(chips)
    assert scan_dataset(folder)[0].equals(scan_dataset(chips)[0])
    assert sorted(source.rglob("*")) == before
    assert snapshot(unpack_dataset(source, tmp_path / "again")) == snapshot(folder)


def test_one_archive_may_have_any_name(chips, source, tmp_path):
    put_one_zip(chips, source)
    archive = (source / f"{COMPETITION}.zip").rename(source / "archive (1).zip")
    assert contents(unpack_dataset(archive, tmp_path / "target")) == contents(chips)


def test_unpacked_data_set_is_read_where_it_is(chips, tmp_path):
    (chips / "train-jpg.tar.7z").write_bytes(b"damaged")
    assert unpack_dataset(chips, tmp_path / "target") == chips
    assert not (tmp_path / "target").exists()


def test_target_inside_the_source_is_read(chips, source):
    put_archives(chips, source)
    assert unpack_dataset(source, source / "runs/dataset") == source / "runs/dataset"


def test_only_changed_archives_are_unpacked_again(chips, source, tmp_path, monkeypatch):
    unpacked, original = [], kaggle_archives.unpack_archive

    def record(archive, *arguments):
        unpacked.append(archive.name)
        original(archive, *arguments)

    def unpack() -> list[str]:
        unpacked.clear()
        unpack_dataset(source, tmp_path / "target")
        return unpacked

    monkeypatch.setattr(kaggle_archives, "unpack_archive", record)
    put_archives(chips, source)
    added = (source / "test-jpg.tar.7z").rename(tmp_path / "test-jpg.tar.7z")
    assert len(unpack()) == 4
    assert unpack() == []
    added.rename(source / "test-jpg.tar.7z")
    assert unpack() == ["test-jpg.tar.7z"]
    (chips / "train-jpg/train_0.jpg").write_bytes(b"changed")
    (chips / "train-jpg/train_1.jpg").unlink()
    pack_7z(chips / "train-jpg", source / "train-jpg.tar.7z")
    assert unpack() == ["train-jpg.tar.7z"]
    assert contents(tmp_path / "target") == contents(chips)
    (source / "test-jpg.tar.7z").unlink()
    assert unpack() == []
    assert not (tmp_path / "target/test-jpg").is_symlink()


def test_damaged_archive_leaves_nothing_of_itself(chips, source, tmp_path):
    put_archives(chips, source)
    archive = source / "train-jpg.tar.7z"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-40])
    with pytest.raises(DataError, match=rf"^{archive}: cannot be unpacked .*download it again"):
        unpack_dataset(source, tmp_path / "target")
    kept = {path.name for path in (tmp_path / "target/unpacked").iterdir()}
    assert kept <= {path.name for path in source.iterdir()} - {archive.name}
    assert not (tmp_path / "target/train-jpg").exists()
    archive.write_bytes(whole)
    assert contents(unpack_dataset(source, tmp_path / "target")) == contents(chips)


def test_full_disk_is_an_error_and_leaves_nothing(chips, source, tmp_path, monkeypatch):
    put_archives(chips, source)
    monkeypatch.setattr(shutil, "copyfileobj", fill_disk)
    with pytest.raises(DataError, match=r"\.csv\.zip: the disk is full; make room"):
        unpack_dataset(source, tmp_path / "target")
    assert list((tmp_path / "target/unpacked").iterdir()) == []


def fill_disk(*_arguments) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_nothing_is_written_outside_the_target(chips, source, tmp_path):
    absolute = str(tmp_path / "x.jpg")
    outside = ["../../x.jpg", "train-jpg/../../x.jpg", "train-jpg/..", r"..\..\x.jpg", absolute]
    with tarfile.open(source / f"{COMPETITION}.tar", "w") as archive:
        archive.add(chips / "train-jpg", "../train-jpg")
        for name in outside:
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("train-jpg/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "../../../../secret"
        archive.addfile(link)
    with zipfile.ZipFile(source / "test-jpg.zip", "w") as archive:
        for name in outside:
            archive.writestr(name, b"")
    target = tmp_path / "target"
    before = set(tmp_path.rglob("*"))
    unpack_dataset(source, target)
    written = set(tmp_path.rglob("*")) - before - {target}
    assert all(path.is_relative_to(target) for path in written)
    assert not any(path.is_symlink() for path in written if path.parent != target)
    assert (target / "train-jpg/train_0.jpg").exists()


@pytest.mark.slow
def test_killed_at_any_moment_it_continues_to_the_same_data_set(source, tmp_path):
    made = tmp_path / "made/train-jpg"
    made.mkdir(parents=True)
    for i in range(4000):
        (made / f"train_{i}.jpg").write_bytes(random.Random(i).randbytes(999))
    pack_tar(made, source / "train-jpg.tar")
    pack_tar(made, source / "test-jpg.tar", inner="test-jpg")
    code = (
        "import sys; from pathlib import Path;"
        "from planet_lib.data.kaggle_archives import unpack_dataset;"
        "print(flush=True); unpack_dataset(*map(Path, sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, source, tmp_path / "target"]
    for seconds in (0.05, 0.2, 0.4):
        with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(seconds)
            process.kill()
        for chips in (tmp_path / "target").glob("t*-jpg"):
            assert len(list(chips.iterdir())) == 4000
    folder = unpack_dataset(source, tmp_path / "target")
    for name in ("train-jpg", "test-jpg"):
        chips = {path.name: path.read_bytes() for path in (folder / name).iterdir()}
        assert chips == {path.name: path.read_bytes() for path in made.iterdir()}
    assert not list((folder / "unpacked").glob("partial-*"))


def test_source_without_kaggles_files_is_refused(chips, source, tmp_path):
    holiday = pack_zip(source / "holiday.zip", chips / "train-jpg/train_0.jpg")
    for given in (source, holiday):
        with pytest.raises(DataError, match=rf"^{given}: none of Kaggle's files, such as train_v2"):
            unpack_dataset(given, tmp_path / "target")
    with pytest.raises(
        DataError, match=r"no archive; give a folder, or a file ending in \.tar\.7z"
    ):
        unpack_dataset(chips / "train_v2.csv", tmp_path / "target")


def test_users_own_files_are_never_replaced(chips, source, tmp_path):
    put_archives(chips, source)
    (tmp_path / "target").mkdir()
    (tmp_path / "target/train_v2.csv").write_text("mine")
    with pytest.raises(OSError, match="File exists"):
        unpack_dataset(source, tmp_path / "target")
    assert (tmp_path / "target/train_v2.csv").read_text() == "mine"


def put_mirror(chips: Path, source: Path) -> None:
    """Lay the files out as a public copy of the data set does."""
    inner = source / "planet/planet"
    for name in ("train-jpg", "test-jpg"):
        shutil.copytree(chips / name, inner / name)
    shutil.copy(chips / "train_v2.csv", inner / "train_classes.csv")
    shutil.copy(chips / SUBMISSION_FILE, inner)
    shutil.copytree(
        chips / "test-jpg-additional", source / "test-jpg-additional/test-jpg-additional"
    )


def put_deeper(chips: Path, source: Path) -> None:
    for name in JPEG_FOLDERS:
        shutil.copytree(chips / name, source / name / name)
    for name in TABLES:
        shutil.copy(chips / name, source)


def put_other_spelling(chips: Path, source: Path) -> None:
    for name in JPEG_FOLDERS:
        shutil.copytree(chips / name, source / name.upper().replace("-", "_"))
    for name in TABLES:
        shutil.copy(chips / name, source / name.upper())


def put_backslashes(chips: Path, source: Path) -> None:
    with zipfile.ZipFile(source / f"{COMPETITION}.zip", "w") as archive:
        for name in [*TABLES, *JPEG_FOLDERS]:
            for path in (chips / name).iterdir() if (chips / name).is_dir() else [chips / name]:
                inner = zipfile.ZipInfo()
                inner.filename = "planet\\" + str(path.relative_to(chips)).replace("/", "\\")
                archive.writestr(inner, path.read_bytes())


@pytest.mark.parametrize("put", [put_mirror, put_deeper, put_other_spelling, put_backslashes])
def test_every_layout_gives_the_same_data_set(chips, source, tmp_path, put):
    put(chips, source)
    folder = unpack_dataset(source, tmp_path / "target")
    assert contents(folder) == contents(chips)
    assert scan_dataset(folder)[0].equals(scan_dataset(chips)[0])
    assert scan_dataset(folder)[1] == scan_dataset(chips)[1]


def test_zip_of_a_mirror_is_read(chips, source, tmp_path):
    put_mirror(chips, source)
    archive = Path(shutil.make_archive(str(tmp_path / "planets"), "zip", source))
    assert contents(unpack_dataset(archive, tmp_path / "target")) == contents(chips)


def test_half_unpacked_folder_gives_way_to_its_archive(chips, source, tmp_path):
    put_deeper(chips, source)
    partial = source / "train-jpg/train-jpg"
    pack_tar(partial, source / "train-jpg.tar")
    (partial / "train_1.jpg").unlink()
    folder = unpack_dataset(source, tmp_path / "target")
    assert contents(folder) == contents(chips)
    assert (
        Problem(
            "train-jpg/train-jpg", "another train-jpg, of 2 chips; one of 3 is read", "left out"
        )
        in scan_dataset(folder)[1]
    )


def test_archive_is_not_unpacked_beside_a_folder_with_all_chips(chips, source, tmp_path):
    put_deeper(chips, source)
    (source / "train-jpg.tar").write_bytes(b"damaged")
    assert contents(unpack_dataset(source, tmp_path / "target")) == contents(chips)


def test_archives_that_are_not_read_are_listed(chips, source, tmp_path):
    put_archives(chips, source)
    (source / "old").mkdir()
    for name in ("test-jpg (1).zip", "old/test-jpg.tar.7z"):
        (source / name).write_bytes(b"not read")
    folder = unpack_dataset(source, tmp_path / "target")
    assert contents(folder) == contents(chips)
    assert [problem for problem in scan_dataset(folder)[1] if "archive" in problem.problem] == [
        Problem("test-jpg (1).zip", "an archive without one of Kaggle's names", "left out"),
        Problem("old/test-jpg.tar.7z", "another archive of the same name", "left out"),
    ]


def test_second_table_of_labels_is_listed(chips, tmp_path):
    (chips / "train_classes.csv").write_text("image_name,tags\ntrain_0,haze\n")
    folder = unpack_dataset(chips, tmp_path / "target")
    assert contents(folder) == contents(chips)
    (problem,) = {*scan_dataset(folder)[1]} - {*scan_dataset(chips)[1]}
    assert problem.file == "train_classes.csv"
    (chips / "train_classes.csv").unlink()
    assert unpack_dataset(chips, tmp_path / "target") == chips


def test_data_set_stays_the_same_where_its_archives_are_read_again(chips, source, tmp_path):
    put_archives(chips, source)
    before = sign_dataset(unpack_dataset(source, tmp_path / "target"))
    assert sign_dataset(unpack_dataset(source, tmp_path / "target")) == before


class FakeKaggle(BaseHTTPRequestHandler):
    """Kaggle's download call and its file host, on the loopback address."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["fileName"]
        server = self.server
        server.asked.append(name)
        if self.headers["Authorization"] != "Bearer good":
            self.answer(401)
        elif server.refusal or name not in server.files:
            self.answer(server.refusal or 404)
        else:
            self.answer(302, {"Location": f"/files/{name}"})

    def do_GET(self):
        content = self.server.files[self.path.removeprefix("/files/")]
        wanted = self.headers["Range"]
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.server.starts.append(start)
        headers = {"Accept-Ranges": "bytes", **self.server.headers}
        self.answer(206 if wanted else 200, headers, content[start:])

    def answer(self, status: int, headers: dict[str, str] | None = None, content: bytes = b""):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.cut_at])
        self.close_connection = self.server.cut_at is not None and len(content) > 0

    def log_message(self, *arguments):
        pass


@pytest.fixture
def service(chips, tmp_path, monkeypatch):
    """Give a server with the competition's files, which kagglehub takes for Kaggle."""
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeKaggle) as server:
        server.asked, server.starts, server.headers = [], [], {}
        server.refusal = server.cut_at = None
        archives = [pack_7z(chips / name, tmp_path / f"{name}.tar.7z") for name in JPEG_FOLDERS]
        server.files = {path.name: path.read_bytes() for path in archives}
        server.files |= {f"{name}/{name}": (chips / name).read_bytes() for name in TABLES}
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, address)
        # It searches the source of every caller for libraries: a second under TensorFlow.
        monkeypatch.setattr("kagglehub.clients.search_lib_in_call_stack", lambda *_: None)
        for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_ENVIRONMENT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("KAGGLEHUB_CACHE", "")  # restored after the test
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home/.kaggle"))
        monkeypatch.setenv("KAGGLE_API_TOKEN", "good")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def assert_fetch_fails(folder: Path, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        fetch_competition(folder)
    assert "\n" not in str(caught.value)
    assert f"with a browser from {PAGE}/data" in str(caught.value)


def test_downloaded_files_unpack_to_the_data_set(service, chips, tmp_path):
    service.files["train_v2.csv"] = service.files.pop("train_v2.csv/train_v2.csv")  # an older name
    fetch_competition(tmp_path / "fetched")
    names = {path.name for path in (tmp_path / "fetched").iterdir()}
    assert names == {*TABLES, *(f"{name}.tar.7z" for name in JPEG_FOLDERS)}
    assert contents(unpack_dataset(tmp_path / "fetched", tmp_path / "target")) == contents(chips)


def test_what_is_there_is_not_downloaded(service, chips, tmp_path):
    shutil.copytree(chips, tmp_path / "fetched")
    (tmp_path / "fetched" / SUBMISSION_FILE).rename(tmp_path / f"fetched/{SUBMISSION_FILE}.zip")
    fetch_competition(tmp_path / "fetched")
    assert service.asked == []


def test_broken_download_continues_where_it_stopped(service, tmp_path):
    service.files["train-jpg.tar.7z"] = random.Random(0).randbytes(3 * 2**20)
    service.cut_at = 2**21 + 99  # the client writes whole MiB
    assert_fetch_fails(tmp_path / "fetched", "train-jpg.tar.7z: the download stopped.*to continue")
    present = {path.name for path in (tmp_path / "fetched").iterdir()}
    assert present == {"downloading", *TABLES}
    service.cut_at = None
    fetch_competition(tmp_path / "fetched")
    assert 2**21 in service.starts
    for name, content in service.files.items():
        assert (tmp_path / "fetched" / Path(name).name).read_bytes() == content


def test_file_damaged_during_the_download_is_not_kept(service, tmp_path):
    service.headers = {"x-goog-hash": "md5=AAAAAAAAAAAAAAAAAAAAAA=="}
    assert_fetch_fails(tmp_path / "fetched", r"train_v2.csv: .*\(DataCorruptionError\); run again")
    assert not (tmp_path / "fetched/train_v2.csv").exists()


def test_files_that_kaggle_lacks_are_named_after_the_others_came(service, tmp_path):
    del service.files["train-jpg.tar.7z"], service.files["test-jpg.tar.7z"]
    assert_fetch_fails(tmp_path / "fetched", "Kaggle serves no train-jpg, test-jpg to programs")
    assert (tmp_path / "fetched/test-jpg-additional.tar.7z").exists()


TOKEN = "one at https://www.kaggle.com/settings/api"


@pytest.mark.parametrize(
    ("refusal", "token", "config", "reason"),
    [
        (403, "good", "", f"accept the rules at {PAGE}/rules"),
        (503, "good", "", "returned error 503; try again later"),
        (None, "bad", "", f"Kaggle does not know this token; create {TOKEN}"),
        (None, "", "", f"no Kaggle token .*; create {TOKEN}"),
        (None, "", "{", f"no Kaggle token .*kaggle.json.; create {TOKEN}"),
    ],
)
def test_refusal_names_the_cure(service, tmp_path, monkeypatch, refusal, token, config, reason):
    service.refusal = refusal
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    if config:
        (tmp_path / "home/.kaggle").mkdir(parents=True)
        (tmp_path / "home/.kaggle/kaggle.json").write_text(config)
    assert_fetch_fails(tmp_path / "fetched", reason)


def test_no_network_is_an_error(service, tmp_path, monkeypatch):
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")
    nobody = "http://127.0.0.1:9"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, nobody)
    assert_fetch_fails(tmp_path / "fetched", r"the download stopped \(ConnectionError\)")


def test_full_disk_during_the_download_is_an_error(service, tmp_path, monkeypatch):
    kagglehub = pytest.importorskip("kagglehub")
    monkeypatch.setattr(kagglehub, "competition_download", fill_disk)
    assert_fetch_fails(tmp_path / "fetched", "the disk is full; make room and run again")
