"""Tests the zip file for Moodle's installer, and the required parts of every PHP file of the plugin."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PLUGIN = ROOT / "moodle_plugin" / "local_asyncduplicate"
PHP_FILES = sorted(PLUGIN.rglob("*.php"))


def make(folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "plugin", folder], capture_output=True, text=True, check=True, timeout=60
    )
    return Path(done.stdout.strip())


def test_zip_has_one_folder_with_every_file_of_the_plugin(tmp_path):
    with zipfile.ZipFile(make(tmp_path)) as archive:
        names = set(archive.namelist())
        version = archive.read("asyncduplicate/version.php").decode()
    files = {f"asyncduplicate/{path.relative_to(PLUGIN).as_posix()}" for path in PLUGIN.rglob("*") if path.is_file()}
    assert names == files
    assert {"asyncduplicate/LICENSE", "asyncduplicate/README.md", "asyncduplicate/db/install.xml"} <= names
    assert "'local_asyncduplicate'" in version


def test_same_files_make_the_same_zip(tmp_path):
    first, second = make(tmp_path / "first"), make(tmp_path / "second")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_zip_is_named_after_the_release(tmp_path):
    release = re.search(r"release = '([^']+)'", (PLUGIN / "version.php").read_text())
    assert release is not None
    assert make(tmp_path).name == f"local_asyncduplicate-{release[1]}.zip"


@pytest.mark.parametrize("path", PHP_FILES, ids=lambda path: str(path.relative_to(PLUGIN)))
def test_php_files_start_with_moodles_header(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<?php\n// This file is part of Moodle - https://moodle.org/\n")
    assert "@package    local_asyncduplicate" in text
    assert "@license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later" in text
    assert "\t" not in text
    assert "\r" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_language_strings_are_sorted_and_complete():
    text = (PLUGIN / "lang" / "en" / "local_asyncduplicate.php").read_text(encoding="utf-8")
    names = re.findall(r"^\$string\['([^']+)'\]", text, re.MULTILINE)
    assert names == sorted(set(names))
    used = set()
    for path in PHP_FILES:
        used |= set(re.findall(r"(?:get_string|lang_string)\('(\w+)', 'local_asyncduplicate'", path.read_text()))
    assert used <= set(names)


@pytest.mark.skipif(shutil.which("php") is None, reason="there is no PHP here")
def test_every_php_file_can_be_parsed():
    # One process checks all files, because before PHP 8.3 `php -l` takes only one file.
    script = (
        "foreach (array_slice($argv, 1) as $file) { try { token_get_all(file_get_contents($file), TOKEN_PARSE); }"
        " catch (ParseError $e) { echo $file, ': ', $e->getMessage(), PHP_EOL; $bad = true; } }"
        " exit(isset($bad) ? 1 : 0);"
    )
    done = subprocess.run(["php", "-r", script, "--", *map(str, PHP_FILES)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
