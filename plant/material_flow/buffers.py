"""Pieces, and the buffers between stages in which they wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from plant.jobs.jobs import JobKind

if TYPE_CHECKING:
    from plant.material_flow.demand import LotUnit
    from plant.material_flow.stages import Stage
    from plant.material_flow.workstations import Workstation

UNLIMITED: Final = 2**62
"""The capacity of a buffer that is never full."""


class Piece(NamedTuple):
    """A piece as it left a stage.

    maker: the stage that made it.  reworks: how often it has been reworked.
    kinds: the kind of job of each stage that has worked on it, by the stage's key, which a repair repeats.
    unit: its place in a lot that is made for an order, if there is one.
    """

    id_json: bytes
    maker: Stage
    kinds: Mapping[str, JobKind]
    reworks: int
    unit: LotUnit | None = None


class Buffer:
    """A bounded buffer of pieces between two stages, first in first out.

    waiting_for_piece: starved machines that need a piece from here, in the order in which they started to wait.
    waiting_for_room: blocked machines, each with its finished piece, in the same order.
    No machine waits for a piece while there is one, except one that is stopped by a command, which would keep it from
    the others. None waits for room while there is room.
    """

    __slots__ = ("capacity", "pieces", "waiting_for_piece", "waiting_for_room")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.pieces: deque[Piece] = deque()
        self.waiting_for_piece: dict[Workstation, None] = {}
        self.waiting_for_room: deque[tuple[Workstation, Piece]] = deque()

    def put(self, workstation: Workstation, piece: Piece, now_ms: int) -> bool:
        """Pass a piece to a waiting machine or store it; return False if its machine is blocked."""
        taker = next((each for each in self.waiting_for_piece if not each.is_stopped), None)
        if taker is not None:
            taker.receive(piece, self, now_ms)
        elif len(self.pieces) < self.capacity:
            self.pieces.append(piece)
        else:
            self.waiting_for_room.append((workstation, piece))
            return False
        return True

    def take(self, now_ms: int, is_wanted: Callable[[Piece], bool] | None = None) -> Piece | None:
        """Remove and return the oldest piece that is wanted, or the oldest of all; None if there is none."""
        if not self.pieces:
            return None
        place = next((i for i, piece in enumerate(self.pieces) if is_wanted(piece)), 0) if is_wanted else 0
        piece = self.pieces[place]
        del self.pieces[place]
        self.refill(now_ms)
        return piece

    def refill(self, now_ms: int) -> None:
        """Store the pieces of blocked machines as far as there is room, and let these machines continue."""
        while self.waiting_for_room and len(self.pieces) < self.capacity:
            workstation, piece = self.waiting_for_room.popleft()
            self.pieces.append(piece)
            workstation.start_next_job(now_ms)

    def remove(self, workstation: Workstation) -> list[Piece]:
        """Remove a machine that no longer exists; return the piece that it was blocked with, if any, as a list."""
        self.waiting_for_piece.pop(workstation, None)
        lost = [piece for blocked, piece in self.waiting_for_room if blocked is workstation]
        self.waiting_for_room = deque(each for each in self.waiting_for_room if each[0] is not workstation)
        return lost


def count_removed(pieces: Iterable[Piece]) -> None:
    """Count pieces as removed, each at the stage that made it."""
    for piece in pieces:
        piece.maker.lose(piece, "removed")
