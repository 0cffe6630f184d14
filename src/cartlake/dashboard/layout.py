"""What stands around every page."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from cartlake.dashboard.access import Access
from cartlake.dashboard.actions import DONE
from cartlake.dashboard.catalogue import MENU, Page
from cartlake.errors import CartlakeError


@dataclass(frozen=True)
class Layout:
    """`page` names the template and `section` the entry of the menu; `stamp` says which state of the lake is shown."""

    page: str
    section: str
    title: str
    named: str
    project: str
    url: str
    form_mark: str
    is_known: bool
    done: str
    is_live: bool = False
    stamp: str = ""
    publication: int = 0
    problem: CartlakeError | None = None
    menu: tuple[Page, ...] = MENU

    @property
    def parent(self) -> Page | None:
        """The page of the menu to which this page belongs, if it is another one."""
        return next((page for page in MENU if page.name == self.section != self.page), None)


def layout(request: Request, page: Page, access: Access, project: str) -> Layout:
    is_known = access.is_known(request)
    return Layout(
        page=page.name,
        section=page.section or page.name,
        title=page.title,
        named=request.path_params.get(page.named, ""),
        project=project,
        url=address(request),
        form_mark=access.form_mark if is_known else "",
        is_known=is_known,
        done=DONE.get(request.query_params.get("done", ""), ""),
        is_live=page.is_live,
    )


def bare(title: str, template: str, project: str, problem: CartlakeError | None = None) -> Layout:
    """Around what is no page of its own."""
    return Layout(template, "", title, "", project, "/", "", is_known=False, done="", problem=problem)


def address(request: Request, *without: str) -> str:
    """The path and the query that were asked for, but for these fields."""
    url = request.url.remove_query_params(list(without)) if without else request.url
    return url.path + (f"?{url.query}" if url.query else "")
