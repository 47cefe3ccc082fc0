"""The competition's files: in whatever form they come one data set, fetched and unpacked once."""

import errno
import io
import json
import os
import random
import shutil
import signal
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

from planet_lib.data import kaggle
from planet_lib.data.catalogue import read_catalogue
from planet_lib.data.kaggle import COMPETITION, JPEG_FOLDERS, TIFF_FOLDERS, fetch_competition
from planet_lib.data.kaggle import unpack_dataset as unpack
from planet_lib.errors import DataError

SUBMISSION = "sample_submission_v2.csv"
PROJECT = Path(__file__).parents[2]


def pack_tar(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, folder.name)
    return buffer.getvalue()


def pack_7z(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", filters=[{"id": py7zr.FILTER_COPY}]) as archive:
        archive.writestr(pack_tar(folder), f"{folder.name}.tar")
    return buffer.getvalue()


def pack_zip(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def pack_zip_of_folder(folder: Path) -> bytes:
    return pack_zip(
        *((f"{folder.name}/{path.name}", path.read_bytes()) for path in list_in(folder))
    )


def list_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def list_all(folder: Path) -> list[tuple[Path, int]]:
    return sorted((path, path.stat().st_size) for path in folder.rglob("*"))


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Read what the catalogue's reader would see: the files and their times."""
    paths = [folder / "train_v2.csv", folder / SUBMISSION]
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
    (folder / SUBMISSION).write_text("image_name,tags\ntest_0,clear\n")
    return folder


@pytest.fixture
def source(tmp_path) -> Path:
    """Give the empty folder that a test puts Kaggle's files into."""
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def put_archives(chips: Path, source: Path) -> None:
    for name in JPEG_FOLDERS:
        (source / f"{name}.tar.7z").write_bytes(pack_7z(chips / name))
    for name in ("train_v2.csv", SUBMISSION):
        junk = (f"__MACOSX/._{name}", b"junk")
        (source / f"{name}.zip").write_bytes(pack_zip((name, (chips / name).read_bytes()), junk))


def put_one_zip(chips: Path, source: Path) -> None:
    packed = source / "packed"
    packed.mkdir()
    put_archives(chips, packed)
    everything = pack_zip(*((path.name, path.read_bytes()) for path in list_in(packed)))
    shutil.rmtree(packed)
    (source / f"{COMPETITION}.zip").write_bytes(everything)


def put_mixture(chips: Path, source: Path) -> None:
    (source / "train-jpg.tar").write_bytes(pack_tar(chips / "train-jpg"))
    (source / "test-jpg.zip").write_bytes(pack_zip_of_folder(chips / "test-jpg"))
    shutil.copytree(chips / "test-jpg-additional", source / "test-jpg-additional")
    shutil.copy(chips / "train_v2.csv", source)
    (source / SUBMISSION).mkdir()
    shutil.copy(chips / SUBMISSION, source / SUBMISSION)


def put_zip_and_its_parts(chips: Path, source: Path) -> None:
    put_one_zip(chips, source)
    put_archives(chips, source)


def put_other_case(chips: Path, source: Path) -> None:
    put_archives(chips, source)
    (source / "train-jpg.tar.7z").rename(source / "Train-JPG.TAR.7z")
    (source / "test-jpg.tar.7z").unlink()
    shutil.copytree(chips / "test-jpg", source / "Test-jpg")


def put_flat_tar(chips: Path, source: Path) -> None:
    shutil.copytree(chips, source, dirs_exist_ok=True)
    with tarfile.open(source / "train-jpg.tar", "w") as archive:
        for path in list_in(source / "train-jpg"):
            archive.add(path, f"./{path.name}")
    shutil.rmtree(source / "train-jpg")


@pytest.mark.parametrize(
    "put",
    [put_archives, put_one_zip, put_mixture, put_zip_and_its_parts, put_other_case, put_flat_tar],
)
def test_every_form_gives_the_same_data_set(chips, source, tmp_path, put):
    put(chips, source)
    before = list_all(source)
    folder = unpack(source, tmp_path / "target")
    assert folder == tmp_path / "target"
    assert contents(folder) == contents(chips)
    assert read_catalogue(folder)[0].equals(read_catalogue(chips)[0])
    assert list_all(source) == before


def test_one_archive_may_have_any_name(chips, source, tmp_path):
    put_one_zip(chips, source)
    archive = (source / f"{COMPETITION}.zip").rename(source / "archive (1).zip")
    assert contents(unpack(archive, tmp_path / "target")) == contents(chips)


def test_unpacked_data_set_is_read_where_it_is(chips, tmp_path):
    assert unpack(chips, tmp_path / "target") == chips
    assert not (tmp_path / "target").exists()


def test_folder_beside_its_archive_counts(chips, tmp_path):
    (chips / "train-jpg.tar.7z").write_bytes(b"damaged")
    assert unpack(chips, tmp_path / "target") == chips


def test_folders_are_linked_not_copied(chips, source, tmp_path):
    put_mixture(chips, source)
    folder = unpack(source, tmp_path / "target")
    assert (folder / "test-jpg-additional").resolve() == source / "test-jpg-additional"
    assert (folder / "train_v2.csv").resolve() == source / "train_v2.csv"


def test_tiffs_stay_packed_until_asked_for(chips, source, tmp_path):
    put_archives(chips, source)
    (tmp_path / "train-tif-v2").mkdir()
    (tmp_path / "train-tif-v2/train_0.tif").write_bytes(b"tiff")
    (source / "train-tif-v2.tar.7z").write_bytes(pack_7z(tmp_path / "train-tif-v2"))
    folder = unpack(source, tmp_path / "target")
    assert not (folder / "train-tif-v2").exists()
    unpack(source, tmp_path / "target", folders=(*JPEG_FOLDERS, *TIFF_FOLDERS))
    assert (folder / "train-tif-v2/train_0.tif").read_bytes() == b"tiff"


def test_second_call_unpacks_nothing(chips, source, tmp_path, monkeypatch):
    put_archives(chips, source)
    folder = unpack(source, tmp_path / "target")
    before = snapshot(folder)
    monkeypatch.setattr(kaggle, "unpack_archive", None)
    assert unpack(source, tmp_path / "target") == folder
    assert snapshot(folder) == before


def test_another_archive_leaves_the_unpacked_ones_alone(chips, source, tmp_path, monkeypatch):
    put_archives(chips, source)
    later = (source / "test-jpg.tar.7z").rename(tmp_path / "test-jpg.tar.7z")
    unpack(source, tmp_path / "target")
    later.rename(source / "test-jpg.tar.7z")
    unpacked, original = [], kaggle.unpack_archive

    def record(archive, *arguments):
        unpacked.append(archive.name)
        original(archive, *arguments)

    monkeypatch.setattr(kaggle, "unpack_archive", record)
    assert contents(unpack(source, tmp_path / "target")) == contents(chips)
    assert unpacked == ["test-jpg.tar.7z"]


def test_changed_archive_is_unpacked_again(chips, source, tmp_path):
    put_archives(chips, source)
    folder = unpack(source, tmp_path / "target")
    (chips / "train-jpg/train_0.jpg").write_bytes(b"changed")
    (chips / "train-jpg/train_1.jpg").unlink()
    (source / "train-jpg.tar.7z").write_bytes(pack_7z(chips / "train-jpg"))
    assert unpack(source, folder) == folder
    assert contents(folder) == contents(chips)


def test_unpacking_anew_gives_the_same_bytes_and_times(chips, source, tmp_path):
    put_archives(chips, source)
    first = snapshot(unpack(source, tmp_path / "first"))
    assert snapshot(unpack(source, tmp_path / "second")) == first


def test_archive_that_is_gone_is_gone_from_the_data_set(chips, source, tmp_path):
    put_archives(chips, source)
    folder = unpack(source, tmp_path / "target")
    (source / "test-jpg.tar.7z").unlink()
    unpack(source, tmp_path / "target")
    assert not (folder / "test-jpg").is_symlink()


def test_damaged_archive_leaves_nothing_of_itself(chips, source, tmp_path):
    put_archives(chips, source)
    archive = source / "train-jpg.tar.7z"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-40])
    with pytest.raises(DataError, match=rf"^{archive}: damaged or cut off .*download it again$"):
        unpack(source, tmp_path / "target")
    kept = {path.name for path in (tmp_path / "target/unpacked").iterdir()}
    assert kept <= {path.name for path in source.iterdir()} - {archive.name}
    assert not (tmp_path / "target/train-jpg").exists()
    archive.write_bytes(whole)
    assert contents(unpack(source, tmp_path / "target")) == contents(chips)


def test_full_disk_is_said_and_cleaned_up(chips, source, tmp_path, monkeypatch):
    put_archives(chips, source)

    def fill(archive, folder, place):
        (folder / "half").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kaggle, "unpack_archive", fill)
    with pytest.raises(DataError, match=r"the disk is full while unpacking .*make room"):
        unpack(source, tmp_path / "target")
    assert list((tmp_path / "target/unpacked").iterdir()) == []


def test_killed_at_any_moment_it_goes_on_to_the_same_data_set(source, tmp_path):
    made = tmp_path / "made"
    for name in JPEG_FOLDERS:
        (made / name).mkdir(parents=True)
        for i in range(1500):
            (made / name / f"{name}_{i}.jpg").write_bytes(random.Random(i).randbytes(999))
        (source / f"{name}.tar").write_bytes(pack_tar(made / name))
    code = (
        "import sys; from pathlib import Path; from planet_lib.data.kaggle import unpack_dataset;"
        "print(flush=True); unpack_dataset(*map(Path, sys.argv[1:]))"
    )
    rng = random.Random(0)
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", code, source, tmp_path / "target"],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
        for name in JPEG_FOLDERS:
            seen = tmp_path / "target" / name
            assert not seen.exists() or len(list_in(seen)) == 1500
        for unpacked in (tmp_path / "target/unpacked").glob("*.tar"):
            assert (unpacked / "archive.json").exists()
    assert contents(unpack(source, tmp_path / "target")) == contents(made)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such folder; point DATA at the one that has train_v2.csv"),
        (
            lambda path: path.write_bytes(b""),
            r"no archive; give a folder, or a file ending in .tar",
        ),
        (lambda path: path.mkdir() or (path / "a.zip").touch(), "no archive is named as Kaggle"),
    ],
    ids=["nothing", "another file", "other archives"],
)
def test_source_without_kaggles_files_is_refused(tmp_path, make, reason):
    make(tmp_path / "given")
    with pytest.raises(DataError, match=reason):
        unpack(tmp_path / "given", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_archive_of_other_files_is_refused(tmp_path):
    (tmp_path / "holiday.zip").write_bytes(pack_zip(("beach.jpg", b"beach")))
    with pytest.raises(DataError, match="holds none of the competition's files"):
        unpack(tmp_path / "holiday.zip", tmp_path / "target")


def test_folders_that_differ_only_in_case_are_refused(chips, tmp_path):
    shutil.copytree(chips / "train-jpg", chips / "Train-jpg")
    if len(list(chips.glob("[Tt]rain-jpg"))) == 1:
        pytest.skip("this file system does not tell case")
    with pytest.raises(DataError, match=r"train-jpg: differs only in case from Train-jpg"):
        unpack(chips, tmp_path / "target")


def test_users_own_files_are_never_replaced(chips, source, tmp_path):
    put_archives(chips, source)
    (tmp_path / "target/train-jpg").mkdir(parents=True)
    with pytest.raises(DataError, match=r"train-jpg: is in the way; unpack to another folder"):
        unpack(source, tmp_path / "target")
    with pytest.raises(DataError, match="holds the archives themselves"):
        unpack(source, source)


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
        server.files = {f"{name}.tar.7z": pack_7z(chips / name) for name in JPEG_FOLDERS}
        for name in ("train_v2.csv", SUBMISSION):
            server.files[f"{name}/{name}"] = (chips / name).read_bytes()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, address)
        for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLEHUB_CACHE", "KAGGLE_API_ENVIRONMENT"):
            monkeypatch.delenv(name, raising=False)
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
    message = str(caught.value)
    assert "\n" not in message
    assert f"{kaggle.PAGE}/data into {folder}, then make report DATA={folder}" in message
    assert "KAGGLEHUB_CACHE" not in os.environ


def test_fetched_files_unpack_to_the_data_set(service, chips, tmp_path):
    fetch_competition(tmp_path / "fetched")
    assert {path.name for path in (tmp_path / "fetched").iterdir()} == {
        "train_v2.csv", SUBMISSION, *(f"{name}.tar.7z" for name in JPEG_FOLDERS)
    }  # fmt: skip
    assert contents(unpack(tmp_path / "fetched", tmp_path / "target")) == contents(chips)


def test_files_are_found_under_their_older_names(service, chips, tmp_path):
    service.files["train_v2.csv"] = service.files.pop("train_v2.csv/train_v2.csv")
    service.files["train-jpg.tar"] = pack_tar(chips / "train-jpg")
    del service.files["train-jpg.tar.7z"]
    fetch_competition(tmp_path / "fetched")
    assert contents(unpack(tmp_path / "fetched", tmp_path / "target")) == contents(chips)


def test_what_is_there_is_not_fetched(service, chips, tmp_path):
    shutil.copytree(chips / "train-jpg", tmp_path / "fetched/train-jpg")
    (tmp_path / "fetched/test-jpg.zip").write_bytes(b"")
    fetch_competition(tmp_path / "fetched")
    assert not {name for name in service.asked if name.startswith(("train-jpg", "test-jpg.t"))}
    service.asked.clear()
    fetch_competition(tmp_path / "fetched")
    assert service.asked == []


def test_broken_download_goes_on_where_it_stopped(service, tmp_path):
    service.files["train-jpg.tar.7z"] = random.Random(0).randbytes(3 * 2**20)
    service.cut_at = 2**21 + 99  # the client writes whole MiB
    assert_fetch_fails(tmp_path / "fetched", "train-jpg.tar.7z: no connection to Kaggle.*goes on")
    present = {path.name for path in (tmp_path / "fetched").iterdir()}
    assert present == {"downloading", "train_v2.csv", SUBMISSION}
    service.cut_at = None
    fetch_competition(tmp_path / "fetched")
    assert 2**21 in service.starts
    for name, content in service.files.items():
        assert (tmp_path / "fetched" / Path(name).name).read_bytes() == content


def test_file_damaged_on_its_way_is_not_kept(service, tmp_path):
    service.headers = {"x-goog-hash": "md5=AAAAAAAAAAAAAAAAAAAAAA=="}
    assert_fetch_fails(tmp_path / "fetched", "train_v2.csv: damaged on its way; run again")
    assert not (tmp_path / "fetched/train_v2.csv").exists()


def test_withdrawn_files_are_named_after_the_others_came(service, tmp_path):
    del service.files["train-jpg.tar.7z"], service.files["test-jpg.tar.7z"]
    assert_fetch_fails(tmp_path / "fetched", r"Kaggle has no train-jpg, test-jpg for programs")
    assert (tmp_path / "fetched/test-jpg-additional.tar.7z").exists()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (403, f"accept the rules at {kaggle.PAGE}/rules"),
        (404, "Kaggle has no train_v2.csv, .*test-jpg-additional for programs"),
        (503, "Kaggle answers with error 503; try again later"),
    ],
)
def test_refusal_of_kaggle_says_what_to_do(service, tmp_path, status, reason):
    service.refusal = status
    assert_fetch_fails(tmp_path / "fetched", reason)


def test_wrong_token_is_said(service, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "bad")
    assert_fetch_fails(tmp_path / "fetched", "does not know this token.*kaggle.com/settings/api")


def test_missing_token_is_said_without_asking_kaggle(service, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    assert_fetch_fails(tmp_path / "fetched", "no Kaggle token; make one at https://www.kaggle.com")
    assert service.asked == []


def test_unreadable_token_file_is_named(service, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (tmp_path / "home/.kaggle").mkdir(parents=True)
    (tmp_path / "home/.kaggle/kaggle.json").write_text("{")
    assert_fetch_fails(tmp_path / "fetched", r"kaggle.json; make one at")


def test_no_network_is_said(service, tmp_path, monkeypatch):
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")
    nobody = "http://127.0.0.1:9"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, nobody)
    assert_fetch_fails(tmp_path / "fetched", r"no connection to Kaggle \(ConnectionError\)")


def test_full_disk_is_said_when_fetching(service, tmp_path, monkeypatch):
    kagglehub = pytest.importorskip("kagglehub")

    def fill(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kagglehub, "competition_download", fill)
    assert_fetch_fails(tmp_path / "fetched", "the disk is full; make room and run again")


def test_unpacking_needs_no_kaggle_client():
    code = "import sys; sys.modules['kagglehub'] = sys.modules['requests'] = None"
    code += "; import planet_lib.data.kaggle"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT)
