"""What gunicorn reads for the stampede: 8 workers of 8 threads, and room for every client's connection."""

workers = 8
threads = 8
worker_class = "gthread"
worker_connections = 64  # 8 times that is what the clients open: no worker hoards what others could answer
backlog = 2048
control_socket_disable = True  # newer versions open one in the home directory
