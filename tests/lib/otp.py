# SPDX-License-Identifier: Apache-2.0
"""One-time passwords of RFC 6238, as an authenticator app makes them."""

import base64
import hashlib
import hmac
import struct
import time

DAY = 86400  # a period in which a test ends


def code_of(secret, period=DAY, shift=0):
    """The code of a base32 secret, `shift` periods from now."""
    counter = struct.pack(">Q", int(time.time()) // period + shift)
    mac = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at:at + 4], 'big') & 0x7fffffff) % 1000000:06}"


def wrong(*secrets, period=DAY):
    """A code that is none of these devices' around now."""
    right = {code_of(s, period, shift) for s in secrets for shift in range(-2, 3)}
    return next(c for c in (f"{n:06}" for n in range(20)) if c not in right)
