# mypy: disable-error-code="import-untyped"
"""The Django app, which is there for the system checks of forklore.django.checks."""

from django.apps import AppConfig


class ForkloreConfig(AppConfig):
    name = "forklore.django"
    label = "forklore"
    verbose_name = "Forklore"
