"""The branches of a Claude Code session: a tree of lines, in which a rewind begins a new branch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grader.readers.blocks import as_text
from grader.readers.shapes.common import objects

Line = Mapping[str, Any]
_CHATTER = ("<local-command-",)


@dataclass(slots=True, kw_only=True)
class _Node:
    """One line of talk in the tree, and those that follow it."""

    line: Line
    children: list[_Node] = field(default_factory=list)

    def below(self) -> Iterator[_Node]:
        """The line itself and all that follow it."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node.children


def is_talk(line: Line) -> bool:
    """Whether a line is something that was said: not bookkeeping, nor the chatter of local commands."""
    if line.get("type") not in ("user", "assistant") or not isinstance(line.get("message"), Mapping):
        return False
    if line.get("isMeta") is True:
        return False
    text = _text(line["message"])
    return line["type"] == "assistant" or not (text.startswith(_CHATTER) or "<command-name>" in text)


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content.lstrip()
    return next((part["text"].lstrip() for part in objects(content) if isinstance(part.get("text"), str)), "")


def branches(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines of talk of each branch, in file order; the last one is the branch that the session went on with.

    A line's parent is found through all lines (bookkeeping is part of the chain). Two ways on exclude each other only
    where both are fresh prompts of the user, or replies with different message ids; results of parallel calls fork,
    too, and stay together. Where the chain is missing or leads out of the file, the order of the file counts.
    """
    nodes, roots = _tree(lines)
    if not nodes:
        return []
    place = {id(node): at for at, node in enumerate(nodes)}
    ends = _ends(_ways(roots) or [roots])
    shown = [[node for node in nodes if id(node) not in hidden] for hidden in ends]
    return [[node.line for node in branch] for branch in sorted(shown, key=lambda branch: place[id(branch[-1])])]


def _tree(lines: Sequence[Line]) -> tuple[list[_Node], list[_Node]]:
    """Nodes of the talk in file order, and those without a parent."""
    by_uuid = {line["uuid"]: line for line in lines if isinstance(line.get("uuid"), str)}
    chained = any(_parent_uuid(line) in by_uuid for line in lines)
    unique = len(by_uuid) == sum(isinstance(line.get("uuid"), str) for line in lines)
    nodes: list[_Node] = []
    roots: list[_Node] = []
    talk_of: dict[str, _Node | None] = {}  # uuid -> the line of talk at it, or the nearest before it
    for line in lines:
        uuid, parent_uuid = line.get("uuid"), _parent_uuid(line)
        last = nodes[-1] if nodes else None
        if not chained or not unique or (parent_uuid is not None and parent_uuid not in talk_of):
            parent = last  # no chain: the order of the file
        else:
            parent = None if parent_uuid is None else talk_of[parent_uuid]
        node = parent
        if is_talk(line):
            node = _Node(line=line)
            nodes.append(node)
            (roots if parent is None else parent.children).append(node)
        if isinstance(uuid, str):
            talk_of[uuid] = node
    return nodes, roots


def _parent_uuid(line: Line) -> str | None:
    """The line before this one; a boundary of a compaction names it apart."""
    for key in ("parentUuid", "logicalParentUuid"):
        if isinstance(line.get(key), str):
            return str(line[key])
    return None


def _ways(children: Sequence[_Node]) -> list[list[_Node]]:
    """Children that exclude each other, by the prompt or the reply that they are; empty where fewer than two do."""
    prompts = [[child] for child in children if _is_prompt(child.line)]
    replies: dict[str, list[_Node]] = {}
    for child in children:
        if child.line["type"] == "assistant":
            replies.setdefault(as_text(child.line["message"].get("id")), []).append(child)
    ways = (prompts if len(prompts) > 1 else []) + (list(replies.values()) if len(replies) > 1 else [])
    return ways if len(ways) > 1 else []


def _is_prompt(line: Line) -> bool:
    """Whether a line is a fresh prompt of the user, not the result of a call nor the summary of a compaction."""
    if line["type"] != "user" or line.get("isCompactSummary"):
        return False
    content = line["message"].get("content")
    return not any(part.get("type") == "tool_result" for part in objects(content))


def _ends(ways: list[list[_Node]]) -> Iterator[set[int]]:
    """For each branch the nodes that are not in it: all that is below the ways not taken."""
    waiting: list[tuple[list[list[_Node]], set[int]]] = [(ways, set())]
    while waiting:
        ways, hidden = waiting.pop()
        for way in ways:
            rivals = {id(node) for other in ways if other is not way for start in other for node in start.below()}
            inner = next((found for start in way for node in start.below() if (found := _ways(node.children))), None)
            if inner is None:
                yield hidden | rivals
            else:
                waiting.append((inner, hidden | rivals))
