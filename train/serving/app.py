"""The web application: an API of OpenAI's style, the page, and what tells how the server is."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from formats.errors import UserError
from train.answers.engine import BusyError, StoppedError
from train.serving.answers import Answers, Whole
from train.serving.asked import Asked, Desk
from train.serving.bodies import ChatBody, Sampled, TextBody
from train.serving.forms import DONE, ChatForm, Envelope, TextForm, event
from train.serving.guard import NOTE, Guard
from train.serving.metrics import MEDIA_TYPE, Tally
from train.serving.models import models
from train.serving.page.files import HEADERS, START, page_files
from train.serving.receiving import read_body, unless_gone
from train.serving.refusals import RefusedError
from train.serving.streams import Stream, beginning_with

Heard = AsyncGenerator[tuple[int, str | Whole]]


class Api:
    """The endpoints of one server.

    Args:
        desk: who can answer.
        log: is told in a line what failed.
    """

    def __init__(self, desk: Desk, log: Callable[[str], None]) -> None:
        self.tally = Tally()
        self.is_stopping = False
        """Whether new requests are refused, while those that were taken are answered."""
        self._desk = desk
        self._log = log
        self._page = page_files()
        # One thread: prompts are rendered and encoded beside the event loop, and one after the other.
        self._reading = ThreadPoolExecutor(1, "reading")

    def close(self) -> None:
        """Ends the thread that reads prompts."""
        self._reading.shutdown()

    def routes(self) -> list[Route]:
        """The paths that are there."""
        return [
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/completions", self.completions, methods=["POST"]),
            Route("/v1/models", self.list_models),
            Route("/v1/models/{name:path}", self.one_model),
            Route("/health", self.health),
            Route("/metrics", self.metrics),
            Route("/", self.page),
            Route("/page/{name}", self.page),
        ]

    async def chat(self, request: Request) -> Response:
        """The next message of a conversation."""
        body = ChatBody.read(await self._body(request))
        asked = await self._read(self._desk.chat, body)
        return await self._answered(request, body, asked, ChatForm())

    async def completions(self, request: Request) -> Response:
        """What goes on after prompts."""
        body = TextBody.read(await self._body(request))
        asked = await self._read(self._desk.text, body)
        return await self._answered(request, body, asked, TextForm(asked.echoes))

    async def list_models(self, request: Request) -> Response:
        """Who can answer."""
        return JSONResponse({"object": "list", "data": models(self._desk)})

    async def one_model(self, request: Request) -> Response:
        """One of those who can answer."""
        name = request.path_params["name"]
        found = next((model for model in models(self._desk) if model["id"] == name), None)
        if found is None:
            raise RefusedError(404, f"model {name[:80]!r} is not here", param="model", code="model_not_found")
        return JSONResponse(found)

    async def health(self, request: Request) -> Response:
        """Whether requests are taken."""
        load = self._desk.engine.load()
        told = {"status": "stopping" if self.is_stopping else "ok", "running": load.running, "waiting": load.waiting}
        return JSONResponse(told, 503 if self.is_stopping else 200)

    async def metrics(self, request: Request) -> Response:
        """What was counted."""
        return Response(self.tally.text(self._desk.engine.load()), media_type=MEDIA_TYPE)

    async def page(self, request: Request) -> Response:
        """A file of the page on which one talks."""
        file = self._page.get(request.path_params.get("name", START))
        if file is None:
            raise HTTPException(404)
        return Response(file.content, media_type=file.media_type, headers=dict(HEADERS))

    async def _body(self, request: Request) -> bytes:
        if self.is_stopping:
            raise self._refusal(StoppedError())
        return await read_body(request, self._desk.limits.body_bytes)

    async def _read(self, reads: Callable[[Any], Asked], body: Sampled) -> Asked:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, reads, body)
        except Exception as error:
            raise self._refusal(error) from None

    async def _answered(self, request: Request, body: Sampled, asked: Asked, form: ChatForm | TextForm) -> Response:
        envelope = Envelope(form, asked.model, asked.prompt_tokens, asked.extra)
        request.scope[NOTE] = asked.model
        try:
            answers = Answers(self._desk.engine, asked.requests)
        except Exception as error:
            raise self._refusal(error) from None
        try:
            heard = answers.heard()
            if not body.stream:
                wholes = await unless_gone(request, self._wholes(request, heard, asked))
                return JSONResponse(envelope.whole(wholes))
            # The status says whether there is an answer: it waits for the first that is heard of it.
            first = await unless_gone(request, _next(heard))
        except BaseException as error:
            answers.cancel()
            if isinstance(error, ClientDisconnect) or not isinstance(error, Exception):
                raise
            raise self._refusal(error) from None
        return Stream(self._events(request, first, heard, asked, envelope, body.stream_options.include_usage), answers)

    async def _wholes(self, request: Request, heard: Heard, asked: Asked) -> list[Whole]:
        """The answers, once all have ended."""
        wholes: dict[int, Whole] = {}
        async with aclosing(heard):
            async for place, item in heard:
                if isinstance(item, Whole):
                    wholes[place] = item
                    self._count(request, asked, item)
        return [wholes[place] for place in range(len(wholes))]

    async def _events(
        self,
        request: Request,
        first: tuple[int, str | Whole],
        heard: Heard,
        asked: Asked,
        envelope: Envelope,
        with_usage: bool,
    ) -> AsyncGenerator[bytes]:
        """The answers as server-sent events."""
        wholes: list[Whole] = []
        try:
            for place in range(len(asked.requests)):
                if opening := envelope.opening(place):
                    yield opening
            async with aclosing(beginning_with(first, heard)) as items:
                async for place, item in items:
                    if isinstance(item, str):
                        yield envelope.piece(place, item)
                    else:
                        wholes.append(item)
                        self._count(request, asked, item)
                        yield envelope.end(place, item)
        except Exception as error:
            refused = self._refusal(error)
            yield event({"error": {**refused.body()["error"], "status": refused.status}})
            return
        if with_usage:
            yield envelope.usage(wholes)
        yield DONE

    def _count(self, request: Request, asked: Asked, answer: Whole) -> None:
        self.tally.answer(asked.model, answer)
        tokens = request.scope.get("lorum.tokens", 0) + len(answer.reply.token_ids)
        request.scope["lorum.tokens"] = tokens
        request.scope[NOTE] = f"{asked.model} {tokens} tokens"

    def _refusal(self, error: Exception) -> RefusedError:
        """What the client hears of an error; of a failure the log hears more."""
        if isinstance(error, RefusedError):
            return error
        if isinstance(error, BusyError):
            headers = {"Retry-After": f"{error.seconds:.0f}"}
            return RefusedError(429, f"{error}; try again in {error.seconds:.0f} s", code="rate_limit_exceeded", headers=headers)
        if isinstance(error, StoppedError):
            headers = {"Retry-After": "30", "Connection": "close"}
            return RefusedError(503, "the server is shutting down", code="shutting_down", headers=headers)
        if isinstance(error, UserError):
            return RefusedError(400, str(error), code="invalid_value")
        self._log(f"an answer failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
        return RefusedError(500, f"the answer failed ({type(error).__name__})", code="answer_failed")


def create_app(api: Api, *, hosts: frozenset[str] | None, key: str | None, log: Callable[[str], None]) -> Starlette:
    """The application of a server.

    Args:
        hosts, key, log: as `Guard` has them.
    """
    guard = Middleware(Guard, hosts=hosts, key=key, tally=api.tally, log=log)
    handlers = {RefusedError: _refused, HTTPException: _not_there, ClientDisconnect: _gone, Exception: _broken}
    return Starlette(routes=api.routes(), middleware=[guard], exception_handlers=handlers)


async def _next(heard: Heard) -> tuple[int, str | Whole]:
    return await anext(heard)


async def _refused(request: Request, error: Any) -> Response:
    return JSONResponse(error.body(), error.status, error.headers)


async def _not_there(request: Request, error: Any) -> Response:
    said = {404: "there is no such path", 405: "this path is asked in another way"}.get(error.status_code)
    refused = RefusedError(error.status_code, said or HTTPStatus(error.status_code).phrase, headers=error.headers)
    return JSONResponse(refused.body(), refused.status, refused.headers)


async def _gone(request: Request, error: Any) -> Response:
    return Response(status_code=499)


async def _broken(request: Request, error: Any) -> Response:
    return JSONResponse(RefusedError(500, "the server failed; its log says why", code="server_failed").body(), 500)
