"""Where the boxes of a graph stand: in layers from left to right, each beside what it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, GAP_X, GAP_Y, EDGE = 146, 28, 18, 10, 8


@dataclass(frozen=True)
class Box:
    name: str
    x: int
    y: int


@dataclass(frozen=True)
class Edge:
    """A line from the right side of one box to the left side of another."""

    source: str
    target: str
    path: str


@dataclass(frozen=True)
class Drawing:
    boxes: Sequence[Box]
    edges: Sequence[Edge]
    width: int
    height: int


def draw(inputs: Mapping[str, Sequence[str]]) -> Drawing:
    """Each name with those that it is made from, which are names too; nothing comes from itself."""
    layers = _layers(inputs)
    tallest = max(map(len, layers), default=0)
    height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 2 * EDGE
    boxes = {}
    for column, names in enumerate(layers):
        top = (height - len(names) * (HEIGHT + GAP_Y) + GAP_Y) // 2
        for row, name in enumerate(names):
            boxes[name] = Box(name, EDGE + column * (WIDTH + GAP_X), top + row * (HEIGHT + GAP_Y))
    edges = [
        Edge(source, name, _path(boxes[source], boxes[name])) for name, sources in inputs.items() for source in sources
    ]
    return Drawing(list(boxes.values()), edges, len(layers) * (WIDTH + GAP_X) - GAP_X + 2 * EDGE, height)


def around(inputs: Mapping[str, Sequence[str]], name: str) -> set[str]:
    """Everything that `name` comes from, and everything that comes from it."""
    outputs: dict[str, list[str]] = {}
    for target, sources in inputs.items():
        for source in sources:
            outputs.setdefault(source, []).append(target)
    return _reached(inputs, name) | _reached(outputs, name)


def _reached(steps: Mapping[str, Sequence[str]], start: str) -> set[str]:
    found: set[str] = set()
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += steps.get(name, ())
    return found


def _layers(inputs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Each name one layer after the last of its inputs, within its layer near them."""
    depth: dict[str, int] = {}

    def depth_of(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((depth_of(source) for source in inputs[name]), default=-1)
        return depth[name]

    layers: list[list[str]] = [[] for _ in range(1 + max(map(depth_of, inputs), default=-1))]
    for name in inputs:
        layers[depth[name]].append(name)
    place = {name: float(row) for row, name in enumerate(layers[0])} if layers else {}
    for layer in layers[1:]:
        near = {name: sum(place[source] for source in inputs[name]) / len(inputs[name]) for name in layer}
        layer.sort(key=lambda name: near[name])
        place |= {name: float(row) for row, name in enumerate(layer)}
    return layers


def _path(source: Box, target: Box) -> str:
    x1, y1, x2, y2 = source.x + WIDTH, source.y + HEIGHT // 2, target.x, target.y + HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}"
