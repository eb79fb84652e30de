"""Several connected processes, forked from the test's own: cheap, and with its objects."""

import os
import pickle
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from torch import distributed


def together(work: Callable[[int], Any], folder: Path, count: int = 2) -> list[Any]:
    """What ``work(rank)`` gives in each of ``count`` processes, connected by gloo.

    Args:
        work: to do; its result must be picklable.
        folder: empty, for the rendezvous.
        count: of processes.
    """
    context = get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in range(count)]

    def run(rank: int) -> None:
        try:
            store = distributed.FileStore(str(folder / "rendezvous"), count)
            distributed.init_process_group("gloo", store=store, rank=rank, world_size=count)
            pipes[rank][1].send_bytes(pickle.dumps((True, work(rank))))
        except BaseException:
            pipes[rank][1].send_bytes(pickle.dumps((False, traceback.format_exc())))
        finally:
            os._exit(0)  # what pytest would do at its end is not this process' business

    processes = [context.Process(target=run, args=(rank,)) for rank in range(count)]
    for process in processes:
        process.start()
    found = []
    for reader, writer in pipes:
        writer.close()
        assert reader.poll(120), "a process does not answer"
        found.append(pickle.loads(reader.recv_bytes()))
        reader.close()
    for process in processes:
        process.join()
        process.close()
    for is_done, result in found:
        assert is_done, result
    return [result for _, result in found]
