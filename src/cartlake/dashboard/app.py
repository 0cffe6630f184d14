"""The web application: which page stands where, who may see it, and what is answered when something is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from cartlake.dashboard.access import Access, cookie_name
from cartlake.dashboard.actions import ACTIONS, Action, Form
from cartlake.dashboard.catalogue import PAGES, Asked, Page
from cartlake.dashboard.guard import Guard
from cartlake.dashboard.layout import Layout, address, bare, layout
from cartlake.dashboard.reader import Looking, NothingYet, View
from cartlake.dashboard.rendering import render
from cartlake.errors import CartlakeError, Locked, UsageError

STATIC = Path(__file__).parent / "static"
FORM_BYTES = 1 << 20
SEEN = "x-cartlake-seen"
NO_CONTENT, SEE_OTHER, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN = 204, 303, 400, 401, 403
NOT_FOUND, CONFLICT, TOO_LARGE, BROKEN = 404, 409, 413, 500
SIGN_IN = "/sign-in"


def application(reader: Looking, access: Access) -> ASGIApp:
    """The dashboard of the reader's lake."""
    site = _Site(reader, access)
    routes = [
        *(Route(action.path, site.acting(action), methods=["POST"]) for action in ACTIONS),
        *(Route(page.path, site.showing(page), methods=["GET"]) for page in PAGES),
        Route(SIGN_IN, site.ask_who, methods=["GET"]),
        Route(SIGN_IN, site.sign_in, methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={HTTPException: site.refuse}), access)


class _Site:
    """What answers to requests."""

    def __init__(self, reader: Looking, access: Access) -> None:
        self._reader = reader
        self._access = access
        self._project = reader.settings.project.name

    # pages

    def showing(self, page: Page) -> Callable[[Request], Response]:
        def show(request: Request) -> Response:
            token = request.query_params.get("token")
            if token is not None:
                return self._let_in(request, token, address(request, "token"))
            is_free = self._access.looks_are_free and not page.shows_people
            if not (is_free or self._access.is_known(request)):
                return self._who(address(request), UNAUTHORIZED)
            return self._show(request, page)

        return show

    def _show(
        self,
        request: Request,
        page: Page,
        form: Form | None = None,
        said: str = "",
        problem: CartlakeError | None = None,
    ) -> Response:
        """The page as the lake stands; with the form that somebody sent, what is `said` of it or was wrong with it."""
        asked = Asked(request.path_params, tuple(request.query_params.multi_items()), form.cells if form else {})
        around = layout(request, page, self._access, self._project)
        around = replace(around, done=said or around.done, problem=problem)
        seen = request.headers.get(SEEN)

        def found(view: View) -> tuple[Layout, object]:
            stamp = "-".join(map(str, view.stamp))
            shown = None if seen == stamp else page.find(view, asked)
            return replace(around, stamp=stamp, publication=view.publication.publication_id), shown

        try:
            around, shown = self._reader.look(found)
        except NothingYet:
            return self._html(replace(around, page="empty"), None)
        except CartlakeError as error:
            return self._problem(error, _status(error))
        if seen == around.stamp:
            return Response(status_code=NO_CONTENT)
        return self._html(around, shown, _status(problem))

    # actions

    def acting(self, action: Action) -> Callable[[Request], Awaitable[Response]]:
        page = next(page for page in PAGES if page.name == action.page)

        async def act(request: Request) -> Response:
            form = await _form(request)
            if not self._access.is_known(request):
                return self._who("/", UNAUTHORIZED)
            if not self._access.is_own_form(request, form.one("mark")):
                raise HTTPException(FORBIDDEN, "this form did not come from a page of this dashboard")
            return await run_in_threadpool(self._act, request, action, page, form)

        return act

    def _act(self, request: Request, action: Action, page: Page, form: Form) -> Response:
        try:
            outcome = action.act(self._reader.settings, request.path_params, form)
        except CartlakeError as error:
            return self._show(request, page, form, problem=error)
        if outcome.said:
            return self._show(request, page, form, said=outcome.said)
        return RedirectResponse(f"{outcome.path}?{urlencode({'done': outcome.done})}", SEE_OTHER)

    # who is there

    async def ask_who(self, request: Request) -> Response:
        return self._who(request.query_params.get("next", "/"))

    async def sign_in(self, request: Request) -> Response:
        form = await _form(request)
        return self._let_in(request, form.one("token"), form.one("next"))

    def _let_in(self, request: Request, token: str, goal: str) -> Response:
        if not self._access.knows(token):
            error = UsageError(
                "token_wrong", "this is not the token", hint="Each start of the dashboard has a new one."
            )
            return self._who(goal, FORBIDDEN, error)
        answer = RedirectResponse(_within(goal), SEE_OTHER)
        answer.set_cookie(cookie_name(request), self._access.session, httponly=True, samesite="strict")
        return answer

    def _who(self, goal: str, status: int = 200, problem: CartlakeError | None = None) -> Response:
        around = bare("Sign in", "sign_in", self._project, problem)
        return self._html(around, {"next": _within(goal), "looks_are_free": self._access.looks_are_free}, status)

    # what is wrong

    async def refuse(self, _: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else BROKEN
        said = "there is no such page" if status == NOT_FOUND else str(getattr(error, "detail", "")) or "refused"
        return self._problem(UsageError("request", said), status)

    def _problem(self, error: CartlakeError, status: int) -> Response:
        return self._html(bare("This did not work", "problem", self._project, error), None, status)

    def _html(self, around: Layout, page: object, status: int = 200) -> Response:
        return HTMLResponse(render("base.html", layout=around, page=page), status)


async def _form(request: Request) -> Form:
    """The fields of a form. Raises HTTPException for one that is too long or no text."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise HTTPException(TOO_LARGE, "this form is too long")
    try:
        return Form(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict"))
    except ValueError:
        raise HTTPException(BAD_REQUEST, "this is not a form") from None


def _within(goal: str) -> str:
    """The address if it is one of ours."""
    is_ours = goal.startswith("/") and not goal.startswith(("//", "/\\")) and goal.isprintable()
    return goal if is_ours else "/"


def _status(error: CartlakeError | None) -> int:
    if error is None:
        return 200
    if isinstance(error, Locked):
        return CONFLICT
    if isinstance(error, UsageError):
        return NOT_FOUND if error.code.endswith("_unknown") else BAD_REQUEST
    return BROKEN
