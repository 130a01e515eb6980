# SPDX-License-Identifier: Apache-2.0
"""Work of many threads that start together."""

import threading
from concurrent.futures import ThreadPoolExecutor


def at_once(n, work):
    """work(i) in n threads that start together; what they returned or the first error."""
    barrier = threading.Barrier(n)

    def run(i):
        barrier.wait()
        return work(i)
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(run, range(n)))
