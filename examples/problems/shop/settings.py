"""The least that a Django project needs. problems.py sets the environment."""

import os

SECRET_KEY = "for the example alone"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE: list[str] = []

CACHES = {
    # What Django has for several processes without a server.
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": os.path.join(os.environ["PROBLEMS_FOLDER"], "cache"),
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
    "forklore": {
        "BACKEND": "forklore.django.ForkloreCache",
        "LOCATION": os.environ["PROBLEMS_SEGMENT"],
        "OPTIONS": {"CAPACITY": "16MB", "TTL_JITTER": 40},
    },
}
