"""How housekeeping comes to send mail."""

from typing import Any

import pytest
from django.utils.module_loading import import_string

from dupdash.duplication import supervisor
from dupdash.duplication.dispatch import HOUSEKEEPING
from dupdash.notifications import tasks

pytestmark = pytest.mark.django_db


def test_the_supervisor_rings_for_it_with_each_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[tuple[str, ...]] = []
    monkeypatch.setattr(supervisor, "ring", lambda *call: rung.append(call))
    watching: Any = supervisor.Supervisor()
    watching._ask_for_sweep(1.0)
    names = [call[1] for call in rung if call[0] == HOUSEKEEPING]
    assert import_string(names[-1]) is tasks.send_due
