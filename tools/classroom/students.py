"""What a student of a rehearsal does: start a server, run a lesson on it, and have the answers marked."""

import asyncio
import json
import uuid

import aiohttp

LIMIT = 6  # in Monte Carlo standard errors
# Lesson 2 fits the centered program, whose draws of τ are known to be wrong; its θ and σ are right.
LESSONS = {
    "02-centered-model": ("samples", ("theta", "sigma")),
    "04-noncentered-repair": ('runs["noncentered, adapt_delta 0.99"]', ("theta", "tau", "sigma")),
}


class Failed(Exception):
    """Something in the rehearsal went wrong; the message is for the reader."""


class Kernel:
    """A lesson's kernel on a user's own server, spoken to as JupyterLab does."""

    def __init__(self, http: aiohttp.ClientSession, url: str, socket: aiohttp.ClientWebSocketResponse):
        self.http, self.url, self.socket = http, url, socket

    async def run(self, code: str) -> str:
        """Run a cell; what it prints is returned, an error raised."""
        ident = uuid.uuid4().hex
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        content |= {"user_expressions": {}, "stop_on_error": True}
        header = {"msg_id": ident, "msg_type": "execute_request", "username": "", "session": ident}
        header |= {"version": "5.3"}
        await self.socket.send_json(
            {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        )
        text = []
        while True:
            message = await self.socket.receive_json(timeout=1800)
            if message["parent_header"].get("msg_id") != ident:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "stream" and content["name"] == "stdout":
                text.append(content["text"])
            elif kind == "error":
                raise Failed(f"{content['ename']}: {content['evalue']} in the cell\n{code}")
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(text)


async def call(http: aiohttp.ClientSession, method: str, url: str, **options):
    """Ask a server for something; its answer, as JSON."""
    async with http.request(method, url, **options) as answer:
        if answer.status >= 400:
            raise Failed(f"{method} {url}: {answer.status} {await answer.text()}")
        return await answer.json() if "json" in answer.content_type else None


async def start_server(http: aiohttp.ClientSession, url: str, user: str) -> None:
    """Start a user's server and wait until it is up."""
    await call(http, "POST", f"{url}/hub/api/users/{user}/server")
    while not (await call(http, "GET", f"{url}/hub/api/users/{user}"))["servers"].get("", {}).get("ready"):
        await asyncio.sleep(0.5)


async def run_lesson(http: aiohttp.ClientSession, url: str, user: str, lesson: str) -> list[dict]:
    """Run every cell of a lesson on a user's server, and mark its draws against the exact posterior."""
    home, path = f"{url}/user/{user}/api", f"course/lessons/{lesson}.md"
    notebook = (await call(http, "GET", f"{home}/contents/{path}?type=notebook"))["content"]
    wanted = {"path": path, "type": "notebook", "name": lesson, "kernel": {"name": "python3"}}
    session = await call(http, "POST", f"{home}/sessions", json=wanted)
    ident = session["kernel"]["id"]
    address = f"{home}/kernels/{ident}/channels".replace("http", "ws", 1)
    async with http.ws_connect(address, max_msg_size=0) as socket:
        kernel = Kernel(http, home, socket)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                await kernel.run("".join(cell["source"]))
        samples, _ = LESSONS[lesson]
        marked = f"helpers.score({samples}, helpers.exact_posterior(data))"
        scores = await kernel.run(f"print({marked}.write_json())")
    await call(http, "DELETE", f"{home}/sessions/{session['id']}")
    return json.loads(scores)


def wrong(lesson: str, scores: list[dict]) -> list[str]:
    """Say which of a lesson's answers are not within `LIMIT` standard errors of the exact ones."""
    errors = {row["quantity"]: row["error_in_mcse"] for row in scores}
    return [
        f"lesson {lesson[:2]}: {name} is {errors[name]:.1f} MCSE off"
        for name in LESSONS[lesson][1]
        if not abs(errors[name]) < LIMIT
    ]
