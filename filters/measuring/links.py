"""How much of a text is links and quotes."""

from dataclasses import dataclass

import polars as pl

from filters.cleaning import without_quotes

COLUMNS = ("urls", "only_links")

_ADDRESS = r"(?i:https?://|\bwww\.)[^\s<>\[\]()]+(?:\([^\s<>()]*\)[^\s<>\[\]()]*)*"  # brackets in pairs, as in Wikipedia's
_BRACKET = r"\]\((?:[^\s()]|\([^\s()]*\))*(?:\s+\"[^\"]*\")?\)"
_IMAGE = r"<image>|\*?Processing (?:img|gif|video) [\w-]+\.{3}\*?"

SIGN = r"://|www\.|WWW\.|\]\(|<image>|Processing (?:img|gif|video) "
"""What every address, link and image holds; a few literals, which are sought fast."""

NO_PROSE = rf"!\[[^\[\]]*{_BRACKET}|{_BRACKET}|{_ADDRESS}|{_IMAGE}"
"""Images, addresses, and what a Markdown link adds to the words it stands under."""

LINK = rf"!?\[[^\[\]]*{_BRACKET}|{_ADDRESS}|{_IMAGE}"
"""Images, addresses and Markdown links whole."""


@dataclass(frozen=True)
class Links:
    """The texts that may hold links, by their rows, and the same without them."""

    rows: pl.Series
    texts: pl.Series
    prose: pl.Series

    @classmethod
    def of(cls, texts: pl.Series) -> "Links":
        """The links of texts without null."""
        rows = texts.str.contains(SIGN).arg_true()
        return cls(rows, texts[rows], texts[rows].str.replace_all(NO_PROSE, ""))

    def without(self, texts: pl.Series) -> pl.Series:
        """All the texts, without their links."""
        place = pl.int_range(len(texts), dtype=pl.UInt32, eager=True)
        return pl.concat([texts, self.prose])[place.scatter(self.rows, pl.int_range(len(self.rows), eager=True) + len(texts))]

    def columns(self, height: int) -> pl.DataFrame:
        """The columns `COLUMNS`, for all texts, of which there are `height`."""
        characters = self.texts.str.len_chars()
        urls = ((characters - self.prose.str.len_chars()) / characters).cast(pl.Float32)
        left = self.texts.str.replace_all(LINK, "")
        only = (left != self.texts) & ~left.str.contains(r"[\p{L}\p{N}]")
        return pl.DataFrame(
            {
                "urls": pl.zeros(height, pl.Float32, eager=True).scatter(self.rows, urls),
                "only_links": pl.repeat(False, height, eager=True).scatter(self.rows, only),
            }
        )


def quoted(texts: pl.Series) -> pl.Series:
    """The column `quoted` of texts without null: the share of their lines that the transform `quotes` would strip."""
    quotes = without_quotes(texts)
    return pl.zeros(len(texts), pl.Float32, eager=True).scatter(quotes["row"], quotes["share"]).alias("quoted")
