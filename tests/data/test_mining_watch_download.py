"""The download of the gallery, from a server on this machine."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from planet_lib.data.mining_watch import scan_gallery
from planet_lib.data.mining_watch_download import fetch_gallery
from planet_lib.errors import DataError

CONTENTS = {
    "data/training_gallery/a_positives.png": b"sheet" * 70_000,
    "data/training_gallery/unused/b_negatives.png": b"other",
    "data/sampling_locations/a_positives.geojson": b"{}",
    "gee/readme.md": b"not wanted",
}


class Repository:
    """Serves a tree and its files as GitHub does, and notes what was asked for."""

    def __init__(self):
        self.contents = dict(CONTENTS)
        self.asked = []
        self.break_after = None
        self.truncated = False
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                repository.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def list_tree(self):
        return [
            {
                "path": path,
                "size": len(content),
                "sha": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
            }
            for path, content in CONTENTS.items()
        ]

    def answer(self, request):
        path = request.path.lstrip("/")
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        if path == "tree":
            listing = {"tree": self.list_tree(), "truncated": self.truncated}
            content = json.dumps(listing).encode()
        else:
            self.asked.append((path, start))
            content = self.contents[path][start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if self.break_after is not None and len(content) > self.break_after:
            content, self.break_after = content[: self.break_after], None
        request.wfile.write(content)

    def fetch(self, folder):
        fetch_gallery(folder, listing=f"{self.address}tree", files=self.address)


@pytest.fixture
def repository():
    repository = Repository()
    yield repository
    repository.server.shutdown()
    repository.server.server_close()


def read_files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


WANTED = {path: content for path, content in CONTENTS.items() if path.startswith("data/")}


def test_fetch_downloads_sheets_and_points_only(repository, tmp_path, capsys):
    repository.fetch(tmp_path)
    assert read_files(tmp_path) == WANTED
    assert "3 of 3 files" in capsys.readouterr().out


def test_second_call_downloads_only_what_has_changed(repository, tmp_path):
    repository.fetch(tmp_path)
    changed = tmp_path / "data/training_gallery/unused/b_negatives.png"
    changed.write_bytes(b"edited")
    repository.asked.clear()
    repository.fetch(tmp_path)
    assert repository.asked == [("data/training_gallery/unused/b_negatives.png", 0)]
    assert read_files(tmp_path) == WANTED


def test_broken_connection_goes_on_where_it_broke(repository, tmp_path):
    repository.break_after = 300_000
    repository.fetch(tmp_path)
    assert read_files(tmp_path) == WANTED
    starts = [start for path, start in repository.asked if path.endswith("a_positives.png")]
    assert starts[0] == 0
    assert starts[1] > 0


def test_damaged_file_is_refused_and_the_others_are_kept(repository, tmp_path):
    repository.contents["data/training_gallery/unused/b_negatives.png"] = b"wrong"
    with pytest.raises(DataError, match=r"b_negatives.png.*run the same command again"):
        repository.fetch(tmp_path)
    assert (tmp_path / "data/training_gallery/a_positives.png").exists()
    assert not (tmp_path / "data/training_gallery/unused/b_negatives.png").exists()
    with pytest.raises(DataError, match="download broke off; go on with: planet fetch"):
        scan_gallery(tmp_path)
    repository.contents = dict(CONTENTS)
    repository.fetch(tmp_path)
    assert read_files(tmp_path) == WANTED


def test_list_of_a_part_of_the_files_is_refused(repository, tmp_path):
    repository.truncated = True
    with pytest.raises(DataError, match="lists only a part of the files; clone"):
        repository.fetch(tmp_path)


def test_listing_of_another_shape_is_one_line(repository, tmp_path):
    repository.contents["data/page"] = b'{"tree": [{"a": 1}]}'
    with pytest.raises(DataError, match=r"page: answers with no list of files"):
        fetch_gallery(tmp_path, listing=f"{repository.address}data/page", files=repository.address)


def test_page_instead_of_the_listing_is_one_line(repository, tmp_path):
    repository.contents["data/page"] = b"<html>log in</html>"
    with pytest.raises(DataError, match=r"page: answers with no list of files"):
        fetch_gallery(tmp_path, listing=f"{repository.address}data/page", files=repository.address)


def test_unreachable_server_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/tree: cannot be reached"):
        fetch_gallery(tmp_path, listing="http://127.0.0.1:9/tree", files="http://127.0.0.1:9/")
