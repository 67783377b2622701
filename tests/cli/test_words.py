"""Words that make no sense, help, files, modes and other users' segments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import forklore

from .conftest import PROGRAM, ROOT, call, done, objects

COMMANDS = ["list", "stats", "keys", "get", "set", "delete", "remove", "verify"]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def test_help() -> None:
    text = done("--help").text
    for command in COMMANDS:
        assert f"  {command} " in text
        assert "--json" in done(command, "--help").text
    version = (ROOT / "CMakeLists.txt").read_text().split("project(forklore VERSION ")[1].split()[0]
    assert done("--version").text == f"forklore {version}\n"


@pytest.mark.parametrize(
    "words",
    [[], ["bogus"], ["--bogus"], ["\x1b[31m"], ["stats"], ["stats", "a", "b"], ["get", "a"], ["set", "a", "b"],
     ["set", "a", "b", "c", "d"], ["delete", "a"],
     ["delete", "a", "b", "--bogus"], ["stats", "a b"], ["stats", ""], ["stats", "--bogus", "a"],
     ["keys", "a", "--limit", "-1"], ["keys", "a", "--limit", "x"], ["get", "a", ""], ["get", "a", "k" * 1025],
     ["list", "--owner", "nobody of this host"], ["stats", "a", "--mode", "99"], ["stats", "a", "--mode", "7777"],
     ["get", "a", "k", "--raw", "--json"], ["stats", "--path", ""]],
)  # fmt: skip
def test_wrong_words(words: list[str]) -> None:
    answer = call(*words)
    assert (answer.exit, answer.out) == (2, b""), answer
    assert answer.error.startswith("forklore: ") and answer.error[:-1].isprintable()


def test_a_segment_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    with forklore.Cache("in-a-file", place="file", path=str(path), capacity="1MB") as cache:
        cache.set("k", "v")
        assert done("get", "--path", str(path), "k").text == "v\n"
        done("set", "--path", "segment", "other", "w", cwd=tmp_path)
        assert cache.get("other") == "w"
        assert objects("stats", "--path", str(path))[0]["entries"] == 2
    assert done("verify", "--path", str(path)).text == "sound\n"
    with forklore.Cache("in-a-file", place="file", path=str(path), capacity="1MB") as cache:
        assert cache.get("k") == "v"
    done("remove", "--yes", "--path", str(path))
    assert not path.exists()
    assert call("get", "--path", str(path), "k").exit == 1
    other = tmp_path / "other"
    other.write_bytes(b"x" * 200_000)
    for command in (["stats"], ["remove", "--yes"], ["verify"]):
        assert call(*command, "--path", str(other)).exit == 1
    assert other.read_bytes() == b"x" * 200_000


def test_a_mode_is_accepted_by_word_alone(name: str) -> None:
    with forklore.Cache(name, "1MB", mode=0o660) as cache:
        cache.set("k", "v")
        answer = call("get", name, "k")
        assert (answer.exit, "--mode 0660" in answer.error) == (1, True), answer
        assert done("get", name, "k", "--mode", "0660").text == "v\n"
        [one] = [one for one in objects("list") if one["name"] == name]
        assert "--mode 0660" in one["error"]
        [one] = [one for one in objects("list", "--mode", "660") if one["name"] == name]
        assert one["entries"] == 1


def test_from_the_package() -> None:
    """python -m forklore becomes the program if the package has it, and else says how to get it."""
    has = (Path(forklore.__file__).parent / "bin/forklore").exists()
    for command in ([sys.executable, "-m", "forklore"], [Path(sys.executable).parent / "forklore"]):
        run = subprocess.run([*command, "bogus"], capture_output=True, text=True, timeout=30, check=False)
        assert (run.returncode, run.stdout) == (2 if has else 1, "")
        assert ("there is no command bogus" if has else "FORKLORE_CLI=ON") in run.stderr


def as_user(uid: int, work: str) -> None:
    """Runs Python in a process of that user."""
    script = f"""
import os, pickle, forklore  # what is imported later may lie where that user may not read
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
{work}
"""
    subprocess.run([sys.executable, "-c", script], timeout=60, check=True)


@as_root
def test_another_users_segment(name: str) -> None:
    """Root finds a sole owner; of several it asks for one."""
    try:
        for uid in (1, 2):
            as_user(uid, f"forklore.Cache({name!r}, '1MB').set('k', 'of {uid}')")
            if uid == 1:
                assert done("get", name, "k").text == "of 1\n"
                assert [one["uid"] for one in objects("list") if one["name"] == name] == [1]
        answer = call("get", name, "k")
        assert (answer.exit, "several users have one of this name (daemon, bin)" in answer.error) == (1, True)
        assert done("get", name, "k", "--owner", "2").text == "of 2\n"
        assert done("get", name, "k", "--owner", "daemon").text == "of 1\n"
        assert len([one for one in objects("list", "--owner", "bin") if one["name"] == name]) == 1
        done("remove", "--yes", name, "--owner", "1")
        done("set", name, "k", "by root")
        assert done("get", name, "k").text == "by root\n"
        assert done("verify", name).text == "sound\n"
        with forklore.Cache(name, "1MB") as own:
            own.set("k", "of root")
            assert done("get", name, "k").text == "of root\n"
    finally:
        forklore.remove(name, owner=1)
        forklore.remove(name, owner=2)


@as_root
def test_what_another_user_may_not_see(cache: forklore.Cache, name: str, tmp_path: Path) -> None:
    cache.set("k", "secret")
    program = tmp_path / "forklore"
    program.write_bytes(Path(PROGRAM).read_bytes())
    program.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055) if folder != Path("/") else None
    for words in (["get", name, "k"], ["get", name, "k", "--owner", "0"], ["remove", name, "--yes", "--owner", "0"]):
        refused = subprocess.run(
            [program, *words], user=1, group=1, extra_groups=[], capture_output=True, timeout=30, check=False
        )
        assert (refused.returncode, refused.stdout) == (1, b""), refused
        assert refused.stderr.count(b"\n") == 1
    assert cache.get("k") == "secret"
