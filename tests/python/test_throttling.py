"""The throttles for Django REST framework, in a real view of its."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import caches
from django.test import override_settings

from .django_site import configured

pytest.importorskip("rest_framework")

Fork = Callable[[Callable[[], object]], Any]


@pytest.fixture(autouse=True)
def cache(name: str) -> Iterator[Any]:
    framework = {"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None}
    with override_settings(REST_FRAMEWORK=framework), configured(name):
        yield caches["default"]


class User:
    is_authenticated = True

    def __init__(self, pk: int) -> None:
        self.pk = pk


def asked(throttle: type, times: int, user: Any = None, scope: str | None = None) -> list[Any]:
    from rest_framework.response import Response
    from rest_framework.test import APIRequestFactory, force_authenticate
    from rest_framework.views import APIView

    class View(APIView):
        throttle_classes = [throttle]  # noqa: RUF012
        throttle_scope = scope

        def get(self, request: Any) -> Response:
            return Response("let through")

    responses = []
    for _ in range(times):
        request = APIRequestFactory().get("/")
        force_authenticate(request, user=user or AnonymousUser())
        responses.append(View.as_view()(request))
    return responses


def test_so_many_and_no_more() -> None:
    from forklore.django.throttling import AnonRateThrottle

    class Three(AnonRateThrottle):
        rate = "3/hour"

    responses = asked(Three, 5)
    assert [response.status_code for response in responses] == [200] * 3 + [429] * 2
    assert 1190 <= int(responses[3]["Retry-After"]) <= 1200
    assert [response.status_code for response in asked(Three, 2, User(5))] == [200] * 2  # not for users


def test_a_rate_of_nothing_lets_nobody_through() -> None:
    from forklore.django.throttling import AnonRateThrottle

    class Never(AnonRateThrottle):
        rate = "0/min"

    responses = asked(Never, 2)
    assert [response.status_code for response in responses] == [429] * 2
    assert "Retry-After" not in responses[0]


def test_by_user_and_with_a_burst() -> None:
    from forklore.django.throttling import UserRateThrottle

    class Burst(UserRateThrottle):
        rate = "60/hour"
        burst = 2

    for pk in (1, 2):
        assert [response.status_code for response in asked(Burst, 3, User(pk))] == [200, 200, 429]


def test_by_scope() -> None:
    from forklore.django.throttling import ScopedRateThrottle

    class Scoped(ScopedRateThrottle):
        THROTTLE_RATES = {"uploads": "1/day"}  # noqa: RUF012

    assert [response.status_code for response in asked(Scoped, 2, User(1), "uploads")] == [200, 429]
    assert [response.status_code for response in asked(Scoped, 2, User(1))] == [200, 200]  # a view without a scope


def test_exact_over_workers(cache: Any, fork: Fork) -> None:
    from forklore.django.throttling import UserRateThrottle

    class Hundred(UserRateThrottle):
        rate = "100/day"

    def work() -> None:
        through = sum(response.status_code == 200 for response in asked(Hundred, 50, User(1)))
        caches["default"].handle.incr("through", through, initial=0)

    cache.get("opened")
    children = [fork(work) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert cache.handle.get("through") == 100
