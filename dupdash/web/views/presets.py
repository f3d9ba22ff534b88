"""Lets administrators create, change and delete presets of options for the request form."""

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from dupdash.duplication.driver_choice import expected_driver
from dupdash.duplication.name_display import isolate
from dupdash.moodle.driver_abilities import Driver
from dupdash.web.decorators import require_safe_or_POST
from dupdash.web.forms.presets import PresetForm
from dupdash.web.models import OptionPreset
from dupdash.web.presentation.options import summarize, switches
from dupdash.web.responses import PersonRequest, see_other
from dupdash.web.stored_moodle_health import health_of
from dupdash.web.undo import offer_undo


@require_safe_or_POST
def presets(request: PersonRequest) -> HttpResponse:
    """List the presets, and create one from the form below the list."""
    form = PresetForm(request.POST if request.method == "POST" else None, preset=OptionPreset())
    if request.method == "POST" and _saved(form):
        messages.success(
            request, f"The preset “{isolate(form.preset.name)}” is saved. Everybody can use it in the request form."
        )
        return see_other("presets")
    context = {
        "form": form,
        "switch_groups": switches(form.chosen_options, request.user, _driver(request)),
        "presets": [
            {"preset": preset, "options": summarize(preset.options, _driver(request))}
            for preset in OptionPreset.objects.all()
        ],
    }
    return render(request, "presets/presets.html", context, status=422 if request.method == "POST" else 200)


@require_safe_or_POST
def edit_preset(request: PersonRequest, preset_id: int) -> HttpResponse:
    preset = get_object_or_404(OptionPreset, pk=preset_id)
    form = PresetForm(request.POST if request.method == "POST" else None, preset=preset)
    if request.method == "POST" and _saved(form):
        messages.success(
            request,
            f"The preset “{isolate(preset.name)}” is changed. Earlier copies stay as they are.",
        )
        return see_other("presets")
    context = {
        "form": form,
        "preset": preset,
        "switch_groups": switches(form.chosen_options, request.user, _driver(request)),
    }
    return render(request, "presets/edit.html", context, status=422 if request.method == "POST" else 200)


@require_safe_or_POST
def delete_preset(request: PersonRequest, preset_id: int) -> HttpResponse:
    preset = get_object_or_404(OptionPreset, pk=preset_id)
    if request.method != "POST":
        return render(
            request, "presets/delete.html", {"preset": preset, "options": summarize(preset.options, _driver(request))}
        )
    again = {"name": preset.name} | {name: str(int(value)) for name, value in preset.values.items() if value}
    preset.delete()
    offer_undo(request, f"The preset “{isolate(preset.name)}” is deleted.", reverse("presets"), again)
    return see_other("presets")


def _driver(request: PersonRequest) -> Driver:
    return expected_driver(health_of(request), visible=True)


def _saved(form: PresetForm) -> bool:
    if not form.is_valid():
        return False
    try:
        with transaction.atomic():
            form.save()
    except IntegrityError:
        form.add_error("name", "Somebody created a preset with this name at the same moment. Enter another name.")
        return False
    return True
