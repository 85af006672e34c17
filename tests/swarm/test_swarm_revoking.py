"""A revoked member is out everywhere: at once with the tracker up, at next contact without it."""

import datetime
import json
import re
from pathlib import Path

import pytest
from swarm import Peer, Swarm, write_random

pytestmark = pytest.mark.swarm


def links(swarm: Swarm, peer: Peer) -> set[str]:
    """The machines that a machine has an open connection to."""
    return {each["name"] for each in swarm.ok(peer, "peers")["peers"] if each["connected"]}
