"""One worker of all does it: celery -A hello_celery worker, and hello_celery.report.delay() from anywhere"""

import time

from celery import Celery

import forklore

app = Celery("hello", broker="redis://localhost")
cache = forklore.Cache("hello", "64MB")


@app.task(name="hello.report")
def report() -> str:
    try:
        with cache.lock("report", wait=0):  # free when its process dies
            time.sleep(0.5)  # stands for the work
            return "written"
    except forklore.Busy:
        return "another worker is at it"
