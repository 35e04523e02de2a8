"""Work spread over all cores in processes that start afresh, so that threads of libraries are no danger."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, NamedTuple

from grouper.fault import Text, UserError


class Task(NamedTuple):
    """A function of a module with its arguments, all of which can be sent to a process; `size`: its share of work."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    size: int = 1


def in_processes(tasks: Mapping[str, Task], processes: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the result of each task by its key, as they come; the largest begin first.

    processes: 0 is one a core. What a task raises is raised here, and no further task begins.
    """
    count = min(processes or os.cpu_count() or 1, len(tasks))
    if count <= 1:
        for key, task in tasks.items():
            yield key, task.function(*task.arguments)
        return
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, fresh, initializer=_end_with_parent) as pool:
        ordered = sorted(tasks, key=lambda key: (-tasks[key].size, key))
        with _left_to_this_process(signal.SIGINT):
            running = {pool.submit(tasks[key].function, *tasks[key].arguments): key for key in ordered}
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        except BrokenExecutor as error:
            raise UserError(
                Text(
                    "写工作簿的进程意外结束（可能内存不足）；请重新运行",
                    "a process that writes workbooks ended unexpectedly (out of memory?): run again",
                )
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _left_to_this_process(number: signal.Signals) -> Iterator[None]:
    """Keep a signal, Ctrl-C for one, from the processes that are started meanwhile: this one answers it for all."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


def _end_with_parent() -> None:
    """Let this process end when the one that started it is gone, killed for instance; otherwise it would wait on."""
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
