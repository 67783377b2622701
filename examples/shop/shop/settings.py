"""The least that a Django project needs. demo.py sets the environment; without it the shop runs too, by
`gunicorn --workers 4 shop.wsgi` in examples/shop."""

import os

SECRET_KEY = "for the demo alone"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"

CACHES = {
    "default": {
        "BACKEND": "forklore.django.ForkloreCache",
        "LOCATION": os.environ.get("SHOP_SEGMENT", "shop"),
        "TIMEOUT": None,
        "OPTIONS": {"CAPACITY": "32MB"},
    }
}

WORK_SECONDS = 0.003  # what a real page would spend waiting for its database
DEMO_DIRECTORY = os.environ.get("SHOP_DEMO_DIRECTORY")
