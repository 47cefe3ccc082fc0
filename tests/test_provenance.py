"""The commit that a report names is that of its own checkout."""

import subprocess

import pytest

from planet_lib import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Give a folder that stands for the checkout."""
    folder = tmp_path / "outer" / "checkout"
    folder.mkdir(parents=True)
    monkeypatch.setattr(provenance, "ROOT", folder)
    return folder


def commit(folder):
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    subprocess.run(
        ["git", "-C", folder, *author, "commit", "-qm", "a", "--allow-empty"], check=True
    )
    head = ["git", "-C", folder, "rev-parse", "--short", "HEAD"]
    return subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()


def test_commit_is_that_of_the_checkout(checkout):
    assert provenance.identify_commit() == "not a git checkout"
    assert commit(checkout) == provenance.identify_commit()


def test_outer_repository_does_not_count(checkout):
    commit(checkout.parent)
    assert provenance.identify_commit() == "not a git checkout"


def test_machine_without_git_is_no_failure(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance.identify_commit() == "unknown: git is not installed"
