"""Puts what base and adapter said side by side with the forum: everything that is measured once the answers are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from train.adapters.folder import Adapter
from train.answers.reply import Reply
from train.evaluation.copying import NOTABLE, Overlap, overlaps
from train.evaluation.diversity import diversity, matched_size
from train.evaluation.endings import termination
from train.evaluation.figures import Copying, Evaluation, Example, Figures, Forum, Wording
from train.evaluation.held_out import HeldOut, RealReply, real_reply, threads_of, training_replies
from train.evaluation.intervals import FEWEST, NOTHING, Estimate, Threads, bootstrap, enough, mean, mean_difference, share, share_difference
from train.evaluation.keys import sample_key
from train.evaluation.lengths import lengths, wasserstein
from train.evaluation.perplexity import Losses, perplexity, perplexity_ratio, stop_difference
from train.evaluation.style import difference, style, tell_apart
from train.evaluation.toxicity import Scores, ToxicityMeter, toxicity, toxicity_difference
from train.evaluation.words import words
from train.settings import EvalSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Measured:
    """What one model did: its losses, and its answers with both decodings."""

    losses: Losses
    greedy: list[Reply]
    shipped: list[Reply]


def compared(
    adapter: Adapter,
    samples: Path,
    settings: EvalSettings,
    chosen: Sequence[HeldOut],
    scored: Sequence[HeldOut],
    base: Measured,
    tuned: Measured,
    meter: ToxicityMeter | None,
    tokenizer: "PreTrainedTokenizerBase",
) -> Evaluation:
    """Everything that is measured of the texts, once they are there.

    Args:
        chosen: what was asked.
        scored: the samples of which the losses were measured.
    """
    seed, limit, template = settings.seed, settings.max_new_tokens, adapter.template
    threads, threads_scored = threads_of(chosen), threads_of(scored)
    real = [real_reply(row, template, tokenizer, limit) for row in chosen]
    texts = {
        "forum": [reply.text for reply in real],
        "base": [reply.text for reply in base.shipped],
        "adapter": [reply.text for reply in tuned.shipped],
    }
    said = {who: [words(text) for text in own] for who, own in texts.items()}
    size = matched_size(*said.values())
    tokens = {who: [len(ids) for ids in _token_ids(tokenizer, own)] for who, own in texts.items()}
    trained = training_replies(samples, template)
    found = overlaps([text for own in texts.values() for text in own], [reply for _, reply in trained]) if trained else []
    shared = {who: found[place * len(chosen) : (place + 1) * len(chosen)] for place, who in enumerate(texts)} if trained else {}
    scores = {who: meter.score(own) for who, own in texts.items()} if meter else {}

    def wording(who: str) -> Wording:
        counts = [len(each) for each in said[who]]
        return Wording(
            lengths=lengths(tokens[who], counts, None if who == "forum" else tokens["forum"], seed, threads),
            diversity=diversity(said[who], size, seed, threads),
            copying=_copying(shared[who], seed, threads) if who in shared else None,
            toxicity=toxicity(scores[who], seed, threads) if who in scores else None,
        )

    told = {who: tell_apart(texts["forum"], texts[who], seed) for who in ("base", "adapter")}

    def figures(who: str, of: Measured) -> Figures:
        return Figures(
            perplexity=perplexity(of.losses, seed, threads_scored),
            greedy=termination(of.greedy, limit),
            shipped=termination(of.shipped, limit),
            wording=wording(who),
            style=style(texts["forum"], texts[who], told[who], seed, threads),
        )

    of_base, of_adapter = figures("base", base), figures("adapter", tuned)
    forum = Forum(share(sum(reply.whole for reply in real), len(real)), wording("forum"))
    differences = {
        "perplexity_ratio": perplexity_ratio(tuned.losses, base.losses, seed, threads_scored),
        "stop_probability": stop_difference(tuned.losses, base.losses, seed, threads_scored),
        "greedy_rate": _rates_differ(tuned.greedy, base.greedy),
        "shipped_rate": _rates_differ(tuned.shipped, base.shipped),
        "length_distance": bootstrap(
            np.array([tokens["adapter"], tokens["base"], tokens["forum"]], np.float64).T,
            lambda drawn: wasserstein(drawn[..., [0, 2]]) - wasserstein(drawn[..., [1, 2]]),
            seed,
            threads,
        ),
        "copied_words": _words_differ(shared, "adapter", "base", seed, threads),
        "copied_words_over_forum": _words_differ(shared, "adapter", "forum", seed, threads),
        "toxicity": toxicity_difference(scores["adapter"], scores["base"], seed, threads) if scores else NOTHING,
        "style_auc": difference(told["adapter"], told["base"], seed, threads),
    }
    about = {
        "adapter": adapter.folder.name,
        "base_model": Path(adapter.base).name if Path(adapter.base).is_absolute() else adapter.base,
        "template": template.name,
        "prompts": len(chosen),
        "threads": len(set(threads.tolist())),
        "max_new_tokens": limit,
        "decoding": adapter.decoding.model_dump(exclude={"max_new_tokens"}),
        "training_replies": len(trained),
        "matched_words": size,
        "toxicity_scorer": meter.scorer if meter else None,
        "toxicity_thresholds": meter.thresholds if meter else {},
        "settings": settings.model_dump(),
    }
    keys = [sample_key(*sample) for sample in trained] if settings.shown else []
    shown = chosen_to_show([overlap.words for overlap in shared.get("adapter", ())], len(chosen), settings.shown)
    examples = tuple(_example(place, adapter, chosen, real, base, tuned, shared, keys) for place in shown)
    notes = _notes(adapter, settings, chosen, scored, len(trained), scores)
    return Evaluation(about, of_base, of_adapter, forum, differences, examples, notes)


def _token_ids(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return ids


def _copying(found: Sequence[Overlap], seed: int, threads: Threads) -> Copying:
    lengths_found = np.array([overlap.words for overlap in found], np.float64)
    notable = share(int((lengths_found >= NOTABLE).sum()), len(found))
    return Copying(mean(lengths_found, seed, threads), notable, int(lengths_found.max(initial=0)), tuple(map(int, lengths_found)))


def _rates_differ(adapter: Sequence[Reply], base: Sequence[Reply]) -> Estimate:
    return share_difference(*([reply.ending != "length" for reply in replies] for replies in (adapter, base)))


def _words_differ(shared: dict[str, list[Overlap]], one: str, other: str, seed: int, threads: Threads) -> Estimate:
    if not shared:
        return NOTHING
    ours, theirs = (np.array([overlap.words for overlap in shared[who]], np.float64) for who in (one, other))
    return mean_difference(ours, theirs, seed, threads)


def chosen_to_show(copied: Sequence[int], prompts: int, count: int) -> list[int]:
    """The first prompts, in the order in which they were drawn, the last of them replaced by that where the adapter copies most."""
    places = list(range(min(count, prompts)))
    worst = max(range(len(copied)), key=lambda place: copied[place], default=0)
    if places and copied and copied[worst] >= NOTABLE and worst not in places:
        places[-1] = worst
    return places


def _example(
    place: int,
    adapter: Adapter,
    chosen: Sequence[HeldOut],
    real: Sequence[RealReply],
    base: Measured,
    tuned: Measured,
    shared: dict[str, list[Overlap]],
    keys: Sequence[str],
) -> Example:
    plain = adapter.template.escaper.unescape
    found = {who: own[place] for who, own in shared.items() if own[place].words >= NOTABLE}
    return Example(
        prompt=plain(chosen[place].prompt),
        forum=plain(chosen[place].reply),
        base=base.shipped[place].text,
        adapter=tuned.shipped[place].text,
        endings={"base": base.shipped[place].ending, "adapter": tuned.shipped[place].ending},
        # What is marked of the forum's reply stands in the part within the limit, which is its beginning.
        overlaps={who: overlap for who, overlap in found.items() if who != "forum" or real[place].text in plain(chosen[place].reply)},
        copied_from={who: tuple(keys[source] for source in overlap.sources) for who, overlap in found.items()},
    )


def _notes(
    adapter: Adapter,
    settings: EvalSettings,
    chosen: Sequence[HeldOut],
    scored: Sequence[HeldOut],
    trained: int,
    scores: Mapping[str, Scores],
) -> tuple[str, ...]:
    """What could not be measured, or not as it should be, in sentences."""
    notes = []
    prompts = len(chosen)
    if prompts < settings.prompts:
        notes.append(f"Only {prompts} different held-out prompts, not {settings.prompts}: hold more threads out for narrower intervals.")
    if prompts < FEWEST:
        notes.append(f"Fewer than {FEWEST} prompts: no interval but of shares, and style is not measured.")
    elif not enough(prompts, threads_of(chosen)):
        notes.append(f"The prompts are of fewer than {FEWEST} threads: no interval but of shares. Hold more threads out.")
    if len(scored) < FEWEST:
        notes.append(f"Fewer than {FEWEST} held-out samples: no interval of perplexities.")
    elif not enough(len(scored), threads_of(scored)):
        notes.append(f"The held-out samples are of fewer than {FEWEST} threads: no interval of perplexities. Hold more threads out.")
    if adapter.settings.eval_every:
        of_validation = [sum(row.split != "test" for row in rows) for rows in (chosen, scored)]
        if any(of_validation):
            notes.append(
                f"The training chose its weights by the validation split. As the test split has no more, {of_validation[0]} of the prompts "
                f"and {of_validation[1]} of the samples for perplexity are of it: they flatter the adapter a little."
            )
    if not trained:
        notes.append("The training split is empty: copying is not measured.")
    if not scores:
        notes.append('Toxicity is not measured: eval.toxicity is "none".')
    elif (both := int((scores["adapter"].known & scores["base"].known).sum())) < prompts:
        notes.append(f"Toxicity is compared at {both} of the {prompts} prompts: elsewhere an answer has no words that could be scored.")
    return tuple(notes)
