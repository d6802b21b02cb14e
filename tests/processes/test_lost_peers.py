"""A process that died is told in words, whichever library notices it."""

from __future__ import annotations

import pytest
from torch.distributed import DistBackendError

from slr_accel.errors import RunError
from slr_accel.processes.lost_peers import lost_peers_explained


@pytest.mark.parametrize(
    "text",
    [
        "[enforce fail at gloo/transport/tcp/pair.cc] Connection closed by peer [127.0.0.1]:5",
        "NCCL error in: NCCLUtils.hpp:328, remote process exited or there was a network error",
        "[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALL...)",
        "NCCL communicator was aborted on rank 0.",
    ],
)
def test_a_lost_peer_is_told_with_the_way_on(text: str) -> None:
    told = "another process of this run has died; the same command"
    with pytest.raises(RunError, match=told), lost_peers_explained():
        raise DistBackendError(text)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), lost_peers_explained():
        raise RuntimeError("shapes differ")
