"""Where the value of a node's input comes from: through reroutes, muted nodes and groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_STEPS = 1000  # of one path; only a damaged file has longer ones

Frame = tuple[Any, ...]  # the group nodes that one is inside of, outermost first


@dataclass(frozen=True)
class Source:
    """A node's output, inside the groups of `frame`."""

    node: Any
    output: Any
    frame: Frame


@dataclass(frozen=True)
class Constant:
    """An input that nothing feeds: its own value counts."""

    socket: Any


def origin(socket: Any, frame: Frame) -> Source | Constant | None:
    """What feeds an input; None where a muted or empty node cuts it off.

    Raises ValueError for a path that does not end.
    """
    for _ in range(MAX_STEPS):
        link = _link(socket)
        if link is None:
            return Constant(socket)
        node, output = link.from_node, link.from_socket
        if not (node.mute or node.bl_idname in PASSED):
            return Source(node, output, frame)
        step = (
            _muted(node, output, frame)
            if node.mute
            else PASSED[node.bl_idname](node, output, frame)
        )
        if step is None:
            return None
        socket, frame = step
    raise ValueError("its node links do not end")


def _link(socket: Any) -> Any:
    return next((link for link in socket.links if link.is_valid and not link.is_muted), None)


Step = tuple[Any, Frame]


def _muted(node: Any, output: Any, frame: Frame) -> Step | None:
    """A muted node hands on the input that Blender draws a red line from."""
    inner = (link for link in node.internal_links if link.to_socket == output)
    return next(((link.from_socket, frame) for link in inner), None)


def _reroute(node: Any, output: Any, frame: Frame) -> Step | None:
    return node.inputs[0], frame


def _group(node: Any, output: Any, frame: Frame) -> Step | None:
    """Into a group: the input of its active output node that has the socket's identifier."""
    if node.node_tree is None:
        return None
    ends = [inner for inner in node.node_tree.nodes if inner.bl_idname == "NodeGroupOutput"]
    for end in sorted(ends, key=lambda inner: not inner.is_active_output):
        found = by_identifier(end.inputs, output.identifier)
        return None if found is None else (found, (*frame, node))
    return None


def _group_input(node: Any, output: Any, frame: Frame) -> Step | None:
    """Out of a group again, to the input of the node that stands for it."""
    if not frame:
        return None
    found = by_identifier(frame[-1].inputs, output.identifier)
    return None if found is None else (found, frame[:-1])


PASSED = {
    "NodeReroute": _reroute,
    "ShaderNodeGroup": _group,
    "NodeGroupInput": _group_input,
}


def by_identifier(sockets: Any, identifier: str) -> Any:
    """The socket with this identifier, or None; names may repeat, identifiers do not."""
    return next((socket for socket in sockets if socket.identifier == identifier), None)
