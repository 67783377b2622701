"""gunicorn's settings for the tests."""

worker_class = "sync"
control_socket_disable = True  # newer versions open one in the home directory
graceful_timeout = 5
