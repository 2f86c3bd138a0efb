"""The result of an evaluation, as `Evaluation.to_dict` gives it, with figures that a real run had."""

from typing import Any


def found(value: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "interval": None if low is None else [low, high]}


def ended(by_stop: int, by_other_end: int, by_limit: int, looped: int, rate: dict[str, Any]) -> dict[str, Any]:
    stopped = by_stop + by_other_end
    counts = {"stopped": stopped, "by_stop": by_stop, "by_other_end": by_other_end, "by_limit": by_limit, "looped": looped, "empty": 0}
    shares = {**{name: found(count / 64) for name, count in counts.items()}, "stopped": rate}
    return {"prompts": 64, "max_new_tokens": 128, "rate": stopped / 64, "mean_tokens": 20.0, "counts": counts, "shares": shares}


def wording(tokens: list[int], median: dict[str, Any], distance: dict[str, Any]) -> dict[str, Any]:
    return {
        "lengths": {"tokens": tokens, "median_tokens": median, "median_words": median, "quantiles": [1, 2, 3, 4, 5], "distance": distance},
        "diversity": {
            "words": 1013,
            "distinct": [found(0.26, 0.24, 0.29), found(0.68, 0.64, 0.72), found(0.9, 0.87, 0.93)],
            "repetition": found(0.02, 0.01, 0.04),
        },
        "copying": {"mean_words": found(3.17, 2.98, 3.38), "notable": found(0.0, 0.0, 0.06), "longest": 9, "words": [3, 9]},
        "toxicity": {"scored": 64, "mean": found(0.06, 0.05, 0.08), "over": found(0.0, 0.0, 0.06)},
    }


NOTHING = {"value": None, "interval": None}

RESULT: dict[str, Any] = {
    "version": 1,
    "confidence": 0.95,
    "notable_words": 8,
    "about": {"prompts": 64, "max_new_tokens": 128, "matched_words": 1013},
    "base": {
        "perplexity": {
            "reply": found(132.2, 111.4, 158.3),
            "with_stop": found(135.7, 118.1, 156.4),
            "stop_probability": found(2.4e-11, 1.9e-11, 3e-11),
            "samples": 64,
            "tokens": 1408,
        },
        "greedy": ended(0, 4, 60, 59, found(0.0625, 0.02, 0.15)),
        "shipped": ended(0, 7, 57, 55, found(0.109, 0.05, 0.21)),
        "wording": wording([128] * 57 + [20] * 7, found(128, 127, 128), found(95.7, 88.3, 102.1)),
        "style": {
            "auc": found(0.96, 0.91, 0.99),
            "same_length_auc": found(0.8, 0.72, 0.87),
            "length_auc": found(0.94, 0.88, 0.98),
            "prompts": 64,
        },
    },
    "adapter": {
        "perplexity": {
            "reply": found(68.2, 58.8, 79.0),
            "with_stop": found(33.1, 28.8, 37.8),
            "stop_probability": found(0.64, 0.6, 0.68),
            "samples": 64,
            "tokens": 1408,
        },
        "greedy": ended(57, 0, 7, 7, found(0.89, 0.79, 0.95)),
        "shipped": ended(64, 0, 0, 0, found(1.0, 0.94, 1.0)),
        "wording": wording(list(range(4, 68)), found(17.5, 15, 21), found(3.39, 1.85, 5.57)),
        "style": {
            "auc": found(0.89, 0.81, 0.94),
            "same_length_auc": found(0.84, 0.76, 0.9),
            "length_auc": found(0.58, 0.48, 0.68),
            "prompts": 64,
        },
    },
    "forum": {"whole": found(0.98, 0.92, 1.0), "wording": wording(list(range(6, 70)), found(21, 19, 22.5), NOTHING)},
    "differences": {
        "perplexity_ratio": found(0.52, 0.48, 0.55),
        "stop_probability": found(0.64, 0.6, 0.68),
        "greedy_rate": found(0.83, 0.7, 0.9),
        "shipped_rate": found(0.89, 0.78, 0.95),
        "length_distance": found(-92.3, -99.7, -83.9),
        "copied_words": found(0.297, 0.0309, 0.609),
        "copied_words_over_forum": found(0.188, -0.0938, 0.469),
        "toxicity": found(0.02, -0.01, 0.04),
        "style_auc": found(-0.07, -0.16, -0.001),
    },
    "examples": [
        {
            "prompt": "### Comment:\nBefore verdict, the milk.\n\n### Response:\n",
            "forum": "One pot.",
            "base": "The court will be giving the judges to play.",
            "adapter": "Then milk goes in after as the statute says, always.",
            "endings": {"base": "length", "adapter": "stop"},
            "overlaps": {"adapter": {"words": 9, "begin": 5, "end": 43, "sources": [3]}},
            "copied_from": {"adapter": ["0" * 64]},
        }
    ],
    "notes": ["Only 64 different held-out prompts, not 128: hold more threads out for narrower intervals."],
}
