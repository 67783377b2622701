"""What gunicorn reads when it is started in this folder."""

worker_class = "sync"  # a process serves one request at a time
control_socket_disable = True  # newer versions open one in the home directory
