# SPDX-License-Identifier: Apache-2.0
"""What holds for every folder of Python tests."""

import os

# tests/run preloads a sanitizer's runtime for tests that load plugins into this very
# process.  It is here by now; the servers they start are to be themselves.  A test that
# starts another Python for the same purpose sets it again from STK_PRELOAD.
os.environ["STK_PRELOAD"] = os.environ.pop("LD_PRELOAD", os.environ.get("STK_PRELOAD", ""))
