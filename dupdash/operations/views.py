"""Answers load balancers and Prometheus at ``/healthz``, ``/readyz`` and ``/metrics``."""

from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from dupdash.operations import metrics
from dupdash.operations.readiness import is_ready, readiness


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Respond that the web process works.

    The view uses no database, so that load balancers do not restart web processes during a database outage.
    """
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Respond with status 200 if dupdash can work, otherwise with 503.

    A client with METRICS_TOKEN also gets the details.
    """
    checks = readiness()
    ready = is_ready(checks)
    detailed = _has_token(request)
    body = {
        "ready": ready,
        "checks": {
            check.name: {
                "passed": check.passed,
                "required": check.required,
                **({"detail": check.detail} if detailed and check.detail else {}),
            }
            for check in checks
        },
    }
    return JsonResponse(body, status=200 if ready else 503)


HEALTH_CHECKS = {"/healthz": healthz, "/readyz": readyz}


def health_check_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer health checks before Django checks the host name, because load balancers send them to an IP address."""

    def middleware(request: HttpRequest) -> HttpResponse:
        answer = HEALTH_CHECKS.get(request.path)
        return answer(request) if answer else get_response(request)

    return middleware


@never_cache
@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Respond with the metrics if the client sends METRICS_TOKEN. If this setting is empty, respond with 404."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not _has_token(request):
        return HttpResponse("Send METRICS_TOKEN as a bearer token.\n", status=401, content_type="text/plain")
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    wanted = f"Bearer {settings.METRICS_TOKEN}"
    return bool(settings.METRICS_TOKEN) and constant_time_compare(given, wanted)
