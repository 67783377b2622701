"""The checker among uWSGI's processes."""

import threading

from board import Board
from uwsgi_site import BOARD, Cache
from worker import Worker

Worker(BOARD, Board(BOARD).workers, Cache()).run()
threading.Event().wait()  # a mule that ends is begun again
