"""Tests that a request with its files must not be larger than UPLOAD_LIMIT."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _limit(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000


def test_file_above_the_limit_is_refused(as_administrator: Client) -> None:
    answer = as_administrator.post("/presets/", {"file": SimpleUploadedFile("x", b"x" * 2000)})
    assert answer.status_code == 413
    assert "larger than 1000\xa0bytes. Nothing was stored." in answer.content.decode()


def test_form_above_the_limit_is_refused(as_administrator: Client) -> None:
    assert as_administrator.post("/presets/", {"name": "x" * 2000}).status_code == 413


def test_form_below_the_limit_is_read(as_administrator: Client) -> None:
    assert as_administrator.post("/presets/", {"name": ""}).status_code == 422


def test_web_services_refuse_in_the_format_of_moodle(client: Client) -> None:
    answer = client.post("/webservice/rest/server.php", {"wstoken": "x" * 2000})
    assert answer.status_code == 200
    assert "<ERRORCODE>invalidparameter</ERRORCODE>" in answer.content.decode()


def test_list_of_copies_may_be_larger(as_administrator: Client, settings: Settings) -> None:
    settings.ROLLOVER_FILE_MIB = 1
    file = SimpleUploadedFile("x.csv", b"x" * 2000)
    assert as_administrator.post("/rollover/new/", {"file": file}).status_code == 422
    file = SimpleUploadedFile("x.csv", b"x" * 2**21)
    assert as_administrator.post("/rollover/new/", {"file": file}).status_code == 413
