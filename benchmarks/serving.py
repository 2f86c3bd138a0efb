"""How fast two adapters are served together, beside `transformers` that answers one request after the other, each in a process of its own.

    python benchmarks/serving.py ADAPTER OTHER [--clients 1,4,16] [--answers 32] [--rounds 3]

The same prompts in turn for the one adapter and the other, the same decoding, the same base in the same precision. Every client asks anew
once it is answered. Tokens a second are those of the answers, over the time from the first request to the last answer; an answer ends where
it stops by itself, so that the answers of both are as long on average, not one by one. The first token of the server is the first that a
client hears over HTTP, that of `transformers` what its streamer is given. Of the rounds the fastest counts. Where other programs take the
processors' time, compare what a token costs of it: that depends on them less.

Switching is the time to the first token of an answer of one token: of an adapter that answered just before, and of the other one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# Before this folder, where the package `train` would be found to be train.py.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx2
import psutil

PROMPTS = (
    "The kettle was on before the mug was ready. Who pays for the gas?",
    "My flatmate puts the milk in first and says that it is tradition. I say that it is a crime. Please rule on this.",
    "Is a biscuit that fell into the tea still a biscuit?",
    "Somebody left the lid off the biscuit tin again. The evidence: crumbs on the sofa, a trail to the balcony, and one guilty cat that "
    "looks far too calm. The defence says that the tin was open all along. How does the court see it?",
    "Objection.",
    "Can I appeal a sentence of three weeks of decaf?",
    "I descaled the kettle with vinegar, and now all tea in the office tastes of salad. Nobody knows that it was me. Should I say so?",
    "What is the right temperature for green tea, and who decides?",
)
MODELS = ("first", "second")
LONGEST = 64


@dataclass(frozen=True)
class Measured:
    """Answers of `clients` at once: their tokens, the seconds and processors' time that all took, the seconds to each first token."""

    clients: int
    tokens: int
    seconds: float
    cpu_seconds: float
    first: list[float]

    @property
    def speed(self) -> float:
        return self.tokens / self.seconds


def one_after_the_other(adapters: Sequence[Path], answers: int, rounds: int) -> Measured:
    """`transformers` with both adapters loaded beside the base, switched by PEFT before each answer."""
    import torch
    from peft import PeftModel
    from transformers.generation.streamers import BaseStreamer

    from formats.rendering.render import Turn, render_prompt
    from formats.tokens.encoding import SampleEncoder
    from train.adapters.folder import generation_config, read_adapter
    from train.bases.base_model import load_for_generation, load_tokenizer, resolve

    read = [read_adapter(folder) for folder in adapters]
    base = resolve(read[0].base)
    tokenizer: Any = load_tokenizer(base)
    encoder = SampleEncoder(read[0].template, tokenizer)
    prompts = [encoder.prompt(render_prompt(read[0].template, [Turn("Speaker_0", text)])) for text in PROMPTS]
    model: Any = PeftModel.from_pretrained(
        load_for_generation(base, read[0].settings.quantisation), str(adapters[0]), adapter_name=MODELS[0]
    )
    model.load_adapter(str(adapters[1]), adapter_name=MODELS[1])
    model.train(False)
    config = generation_config(read[0].decoding.model_copy(update={"max_new_tokens": LONGEST}), read[0].template, tokenizer)

    class Watch(BaseStreamer):
        """Notes when the first token comes; the prompt is put before it."""

        def __init__(self) -> None:
            self.times: list[float] = []

        def put(self, value: Any) -> None:
            self.times.append(time.perf_counter())

        def end(self) -> None:
            pass

    measured = []
    for round_ in range(rounds + 1):
        torch.manual_seed(round_)
        tokens, first, begun, worked = 0, [], time.perf_counter(), time.process_time()
        for number in range(answers if round_ else 2):
            ids = torch.tensor([prompts[number // 2 % len(prompts)]])
            asked, watch = time.perf_counter(), Watch()
            model.set_adapter(MODELS[number % 2])
            with torch.inference_mode():
                said = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config, streamer=watch)
            tokens += said.shape[1] - ids.shape[1]
            first.append(watch.times[1] - asked)
        measured.append(Measured(1, tokens, time.perf_counter() - begun, time.process_time() - worked, first))
    return max(measured[1:], key=lambda one: one.speed)


@contextmanager
def server(adapters: Sequence[Path]) -> Iterator[tuple[str, psutil.Process]]:
    """The address of a server and its process."""
    named = [f"{name}={folder}" for name, folder in zip(MODELS, adapters, strict=True)]
    command = [sys.executable, "-m", "curate.cli", "serve", *named, "--port", "0", "--json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=sys.path[0]) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        if " at http" not in line:
            raise SystemExit(line + process.stderr.read())
        try:
            yield line.split(" at ")[1].split()[0], psutil.Process(process.pid)
        finally:
            process.terminate()


def ask(client: httpx2.Client, number: int, seed: int, longest: int = LONGEST) -> tuple[int, float]:
    """The tokens of an answer, and the seconds to its first piece."""
    body = {
        "model": MODELS[number % 2], "messages": [{"role": "user", "content": PROMPTS[number // 2 % len(PROMPTS)]}],
        "max_tokens": longest, "seed": seed, "stream": True,
    }  # fmt: skip
    tokens, asked, first = 0, time.perf_counter(), None
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                first = first or time.perf_counter() - asked
                tokens = json.loads(line[6:]).get("lorum", {}).get("tokens", tokens)
    if response.status_code != 200 or first is None:
        raise SystemExit(f"status {response.status_code}")
    return tokens, first


def served(address: str, process: psutil.Process, clients: int, answers: int, rounds: int) -> Measured:
    """So many clients, each of which asks anew once it is answered."""
    measured = []
    connections = [httpx2.Client(base_url=address, timeout=600) for _ in range(clients)]
    answers = max(answers, 2 * clients)
    for round_ in range(rounds + 1):

        def run(place: int, seed: int = round_) -> list[tuple[int, float]]:
            count = answers if seed else min(answers, 2 * clients)
            return [ask(connections[place], number, 1000 * seed + number) for number in range(place, count, clients)]

        with ThreadPoolExecutor(clients) as threads:
            begun, worked = time.perf_counter(), sum(process.cpu_times()[:2])
            found = [one for part in threads.map(run, range(clients)) for one in part]
            seconds, worked = time.perf_counter() - begun, sum(process.cpu_times()[:2]) - worked
            measured.append(Measured(clients, sum(tokens for tokens, _ in found), seconds, worked, [first for _, first in found]))
    return max(measured[1:], key=lambda one: one.speed)


def switching(address: str, times: int = 40) -> tuple[float, float]:
    """Median milliseconds to the first token: of the adapter that answered just before, and of the other one."""
    same, other = [], []
    with httpx2.Client(base_url=address, timeout=600) as client:
        for number in range(times):
            place = 4 * (number % 2)
            ask(client, place, 1, 1)
            same.append(ask(client, place, 1, 1)[1])
            ask(client, place + 1, 1, 1)
            other.append(ask(client, place, 1, 1)[1])
    return 1000 * statistics.median(same), 1000 * statistics.median(other)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("adapters", nargs=2, type=Path)
    parser.add_argument("--clients", default="1,4,16")
    parser.add_argument("--answers", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    adapters = [folder.resolve() for folder in given.adapters]
    if given.alone:
        print(json.dumps(asdict(one_after_the_other(adapters, given.answers, given.rounds))))
        return
    print(f"{os.cpu_count()} cores, {given.answers} answers of at most {LONGEST} tokens, best of {given.rounds} rounds")
    command = [sys.executable, __file__, *map(str, adapters), "--alone", "--answers", str(given.answers), "--rounds", str(given.rounds)]
    peer = Measured(**json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))
    print(f"{'':34}{'tokens/s':>10}{'ratio':>8}{'CPU ms a token':>18}{'first token, median and worst':>34}")
    show("transformers, one after the other", peer, peer)
    with server(adapters) as (address, process):
        for clients in map(int, given.clients.split(",")):
            show(
                f"lorum serve, {clients} client{'s' * (clients > 1)}", served(address, process, clients, given.answers, given.rounds), peer
            )
        same, other = switching(address)
    print(f"first token of the adapter that answered before {same:.1f} ms, of the other {other:.1f} ms")


def show(who: str, one: Measured, peer: Measured) -> None:
    first = f"{1000 * statistics.median(one.first):,.0f} ms, {1000 * max(one.first):,.0f} ms"
    print(f"{who:34}{one.speed:>10.1f}{one.speed / peer.speed:>8.2f}{1000 * one.cpu_seconds / one.tokens:>18.1f}{first:>34}", flush=True)


if __name__ == "__main__":
    main()
