"""What gunicorn reads when it is started in this folder."""

workers = 4
threads = 4
worker_class = "gthread"
control_socket_disable = True  # newer versions open one in the home directory
