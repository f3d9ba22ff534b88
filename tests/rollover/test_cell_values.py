"""Tests parsing cells: a date with two possible meanings is refused, and the message names both."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dupdash.rollover.reading.cell_values import UnclearValue, read_date, read_flag, read_moment

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "text",
    [
        "2027-02-01",
        "2027/2/1",
        "20270201",
        "1.2.2027",
        "01.02.27",
        "1 Feb 2027",
        "1st February 2027",
        "Feb 1, 2027",
        "1801486800",
    ],
)
def test_clear_date_is_read(text: str) -> None:
    assert read_date(text, BERLIN) == date(2027, 2, 1)


@pytest.mark.parametrize(("text", "day"), [("13/02/2027", (2, 13)), ("02-13-2027", (2, 13)), ("5/5/2027", (5, 5))])
def test_date_that_has_one_reading_is_read(text: str, day: tuple[int, int]) -> None:
    assert read_date(text, BERLIN) == date(2027, *day)


@pytest.mark.parametrize("text", ["01/02/2027", "1-2-2027"])
def test_date_with_two_readings_is_refused_with_both(text: str) -> None:
    with pytest.raises(UnclearValue, match="2 January 2027 or 1 February 2027"):
        read_date(text, BERLIN)


def test_date_with_a_short_year_and_three_readings_is_refused() -> None:
    with pytest.raises(UnclearValue, match="3 February 2001 or 2 January 2003 or 1 February 2003"):
        read_date("01/02/03", BERLIN)


@pytest.mark.parametrize("text", ["soon", "2027-02-30", "46054", "2027", "31.04.2027", "1 Foo 2027", "0000-00-00"])
def test_invalid_date_is_refused(text: str) -> None:
    with pytest.raises(UnclearValue, match="is not a date"):
        read_date(text, BERLIN)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-02-01 20:00", datetime(2027, 2, 1, 19, 0, tzinfo=UTC)),
        ("2027-07-01T20:00:30", datetime(2027, 7, 1, 18, 0, 30, tzinfo=UTC)),
        ("1.7.2027 8:00 pm", datetime(2027, 7, 1, 18, 0, tzinfo=UTC)),
        ("2027-02-01", datetime(2027, 1, 31, 23, 0, tzinfo=UTC)),
        ("2027-02-01T20:00Z", datetime(2027, 2, 1, 20, 0, tzinfo=UTC)),
        ("2027-10-31T02:30+01:00", datetime(2027, 10, 31, 1, 30, tzinfo=UTC)),
    ],
)
def test_time_is_read_in_the_time_zone_of_the_site(text: str, moment: datetime) -> None:
    assert read_moment(text, BERLIN) == moment


def test_time_that_occurs_twice_is_refused_with_both_readings() -> None:
    with pytest.raises(UnclearValue, match="00:30 UTC and at 01:30 UTC"):
        read_moment("2027-10-31 02:30", BERLIN)


def test_time_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnclearValue, match="does not exist in Europe/Berlin"):
        read_moment("2027-03-28 02:30", BERLIN)


@pytest.mark.parametrize("text", ["2027-02-01 25:00", "2027-02-01 13:00 pm"])
def test_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(UnclearValue, match="no valid time of day"):
        read_moment(text, BERLIN)


@pytest.mark.parametrize(("text", "value"), [("1", True), ("Yes", True), ("TRUE", True), ("0", False), (" no ", False)])
def test_switch_is_read(text: str, value: bool) -> None:
    assert read_flag(text) is value


def test_switch_that_is_neither_yes_nor_no_is_refused() -> None:
    with pytest.raises(UnclearValue, match="neither yes nor no"):
        read_flag("perhaps")


@given(st.text(max_size=30))
def test_any_text_gives_a_value_or_an_error_message(text: str) -> None:
    for parse in (lambda: read_date(text, BERLIN), lambda: read_moment(text, BERLIN), lambda: read_flag(text)):
        said = "."
        try:
            parse()
        except UnclearValue as error:
            said = str(error)
        assert said.endswith(".")
