"""Where raters go: the project's page, and for each rater a view of the tasks that are theirs and still open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grader.errors import InputError
from labels.label_studio.connect import Project, Studio, refusals

_PREFIX = "Tasks of "


def project_page(studio: Studio, project: Project) -> str:
    """The address of a project's tasks."""
    return f"{studio.url}/projects/{project.id}/data"


def rater_links(studio: Studio, project: Project, raters: Sequence[str]) -> dict[str, str]:
    """A link for each rater to a view of their tasks; views that are missing are made.

    Parameters
    ----------
    studio : Studio
    project : Project
    raters : sequence of str
        As tasks name them in ``raters``. Of one whose account is known by that name or e-mail, only tasks without an
        annotation of that account are shown.

    Returns
    -------
    dict
        Empty where the server makes no views: raters then filter the project's page by ``raters`` themselves.
    """
    if not raters:
        return {}
    try:
        with refusals(studio.url, f"project {project.id}"):
            there = {_title(view): view.id for view in studio.client.views.list(project=project.id)}
            people = {} if all(_PREFIX + name in there for name in raters) else _accounts(studio)
            for name in raters:
                if _PREFIX + name not in there:
                    data: Any = _view(name, people.get(name.casefold()))
                    there[_PREFIX + name] = studio.client.views.create(project=project.id, data=data).id
    except InputError:
        return {}
    page = project_page(studio, project)
    return {name: f"{page}?tab={there[_PREFIX + name]}" for name in raters}


def _accounts(studio: Studio) -> dict[str, int]:
    """The server's accounts by e-mail address and by what stands before its @, where that is one account's alone."""
    accounts: dict[str, int | None] = {}
    for user in studio.client.users.list():
        email = (user.email or "").casefold()
        for name in {email, email.partition("@")[0]} - {""}:
            accounts[name] = None if name in accounts else user.id
    return {name: number for name, number in accounts.items() if number is not None}


def _title(view: Any) -> str:
    data = view.data if isinstance(view.data, Mapping) else getattr(view.data, "__dict__", {})
    return str(data.get("title", ""))


def _view(name: str, account: int | None) -> dict[str, Any]:
    filters = [_filter("filter:tasks:data.raters", "contains", name)]
    if account is not None:
        filters.append(_filter("filter:tasks:annotators", "not_contains", account, kind="List"))
    return {"title": _PREFIX + name, "filters": {"conjunction": "and", "items": filters}}


def _filter(column: str, operator: str, value: object, kind: str = "String") -> dict[str, Any]:
    return {"filter": column, "operator": operator, "type": kind, "value": value}


def raters_of(tasks: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Everybody whom a task is for, sorted."""
    return tuple(sorted({str(name) for task in tasks for name in task["data"].get("raters") or ()}))
