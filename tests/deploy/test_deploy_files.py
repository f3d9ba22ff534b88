"""Tests that nginx, systemd, hadolint and compose accept the files in deploy/."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

DEPLOY = Path("deploy")
HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def check(*command: str, **environment: str) -> str:
    """Run a program, assert that it exits with 0, and return its output."""
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    nginx, openssl = program("nginx"), program("openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    check(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=copies.example.edu", "-keyout",
          str(key), "-out", str(certificate))  # fmt: skip
    site = (DEPLOY / "nginx.conf").read_text()
    for path, replacement in (
        ("/etc/ssl/certs/copies.example.edu.pem", certificate),
        ("/etc/ssl/private/copies.example.edu.key", key),
        ("/var/log/nginx/dupdash.log", tmp_path / "access.log"),
    ):
        assert path in site
        site = site.replace(path, str(replacement))
    main = tmp_path / "nginx.conf"
    main.write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{site}\n}}\n")
    assert "syntax is ok" in check(nginx, "-t", "-c", str(main))


@pytest.mark.parametrize("unit", ["dupdash-web.service", "dupdash-worker.service", "dupdash.target"])
def test_systemd_accepts_the_unit(tmp_path: Path, unit: str) -> None:
    """systemd accepts the units. The test uses a folder with the program, because systemd checks that it exists."""
    verify = program("systemd-analyze")
    python = tmp_path / "python"
    python.touch(mode=0o755)
    for file in DEPLOY.glob("dupdash*.[st]*"):
        text = file.read_text().replace("/opt/dupdash/.venv/bin/python", str(python))
        text = text.replace("User=dupdash", "User=root").replace("Group=dupdash", "Group=root")
        (tmp_path / file.name).write_text(text.replace("WorkingDirectory=/opt/dupdash", f"WorkingDirectory={tmp_path}"))
    said = check(verify, "verify", "--man=no", str(tmp_path / unit))
    assert unit not in said


def test_hadolint_accepts_the_container_file() -> None:
    assert check(str(HADOLINT), str(DEPLOY / "Containerfile")) == ""


def test_everything_that_the_container_file_copies_is_sent_to_the_builder() -> None:
    ignored = Path(".dockerignore").read_text().splitlines()
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY ")]
    assert copied
    for path in copied:
        assert Path(path).exists()
        assert f"!{path}" in ignored


def test_compose_accepts_its_file(tmp_path: Path) -> None:
    compose = program("docker-compose")
    copy = tmp_path / "deploy"
    copy.mkdir()
    (copy / "compose.yaml").write_text((DEPLOY / "compose.yaml").read_text())
    (copy / "dupdash.env").write_text("SECRET_KEY=x\n")
    shown = check(compose, "--file", str(copy / "compose.yaml"), "config", POSTGRES_PASSWORD="a-password")
    assert "postgres://dupdash:a-password@database/dupdash" in shown
