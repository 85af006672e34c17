"""A few threads that send, and a person who may press Ctrl-C at any moment.

Ctrl-C does not break off what the first thread is doing: an exception raised in the middle of a
lock, or of what forgets an object, would leave the lock taken or be lost. Who presses it again
does not want to wait for what still hangs: that breaks off, and the threads are left alone.
"""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from peer.pushing.pushing import Pushing

TELL_EVERY = 0.25

_Ended = SimpleQueue[BaseException | None]


def send_together(
    pushing: Pushing,
    tasks: Iterable[Callable[[], object]],
    at_once: int,
    tell: Callable[[], None],
) -> None:
    """Do the tasks in their order, `at_once` at a time; `tell` is called every TELL_EVERY seconds.

    The first error ends the others and is raised, and so does Ctrl-C as KeyboardInterrupt.
    """
    ended: _Ended = SimpleQueue()
    left, lock = iter(tasks), threading.Lock()

    def send() -> None:
        try:
            while not pushing.stop.is_set():
                with lock:
                    task = next(left, None)
                if task is None:
                    break
                task()
        except BaseException as error:
            ended.put(error)
        else:
            ended.put(None)

    threads = [threading.Thread(target=send, daemon=True) for _ in range(at_once)]
    with _interrupts_go_to(ended):
        try:
            for thread in threads:
                thread.start()
            _wait(ended, at_once, tell)
        except BaseException:
            pushing.give_up(threads)
            raise


def _wait(ended: _Ended, running: int, tell: Callable[[], None]) -> None:
    """Wait for as many ends as there are threads; raise the first error."""
    while running:
        try:
            error = ended.get(timeout=TELL_EVERY)
        except Empty:
            tell()
            continue
        if error is not None:
            raise error
        running -= 1
    tell()


@contextmanager
def _interrupts_go_to(ended: _Ended) -> Iterator[None]:
    """Ctrl-C is put where ends are waited for, unless this process has another use for it.

    When nobody waits there any more, it is raised as soon as all is done.
    """
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def first(*_: object) -> None:
        nonlocal pressed
        pressed = True
        ended.put(KeyboardInterrupt())
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if pressed:
            raise KeyboardInterrupt from None
