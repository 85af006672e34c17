"""Which cipher this machine's processor is good at."""

import functools
from pathlib import Path

from protocol.noise import Cipher


@functools.cache
def preferred_ciphers() -> tuple[Cipher, ...]:
    """AES-GCM first where the processor has AES instructions, else ChaChaPoly first."""
    if _has_aes():
        return (Cipher.AESGCM, Cipher.CHACHAPOLY)
    return (Cipher.CHACHAPOLY, Cipher.AESGCM)


def _has_aes() -> bool:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    for line in text.splitlines():
        if line.startswith(("flags", "Features")):
            return "aes" in line.split()
    return False
