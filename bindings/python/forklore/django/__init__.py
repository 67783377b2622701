"""Forklore as a Django cache backend.

    CACHES = {
        "default": {
            "BACKEND": "forklore.django.ForkloreCache",
            "LOCATION": "mysite",
            "OPTIONS": {"CAPACITY": "256MB"},
        }
    }

Put "forklore.django" into INSTALLED_APPS for its system checks; the backend works without.
"""

from . import checks as checks
from . import values as values
from .backend import ForkloreCache
from .pages import cache_page

__all__ = ["ForkloreCache", "cache_page"]
