import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.cleaning import Quotes, Repair, Unescape, tidy
from filters.invisible import Invisible
from filters.privacy import Pii
from filters.transform import Transform, apply_transforms

CLEANING = (Repair(), Invisible(), Quotes(), Pii())


def _text(transform, posts, text):
    return transform.apply(posts({"text": text}))["text"].item()


# What every transform keeps to


@pytest.mark.parametrize("transform", [Unescape(), *CLEANING], ids=lambda transform: transform.name())
def test_rows_ids_and_nulls_stay_and_the_table_given_is_not_changed(transform, posts):
    before = posts(
        {"id": "t1_a", "text": None, "title": None},
        {"id": "t1_b", "text": ""},
        {"id": "t1_c", "text": "> so\n\nno\u200b, bob@kettle.org donâ€™t &amp;", "title": "no\u200b, bob@kettle.org donâ€™t &amp;"},
        {"id": "t1_d", "text": "The kettle is warm."},
    )
    copy = before.clone()
    after = transform.apply(before)
    assert before.equals(copy)
    assert after["text"].to_list()[:2] == [None, ""]
    assert after["text"][2] != before["text"][2]
    assert after["text"][3] == "The kettle is warm."
    assert after.drop("title", "text", "quoted", strict=False).equals(before.drop("title", "text"))
    assert transform.apply(before.clear()).height == 0


PIECES = [
    *("> ", ">", ">!so!<", "\n", "\n\n", "\r\n", "\r", "```", "~~~", "    ", "\t", " ", "a", "the kettle", "é", "’", "“", "â€™", "Ã©", "Â"),
    *("\x92", "\x00", "\x0b", "\u200b", "\u200c", "\u200d", "\u200e", "\ufe0f", "\ufeff", "\u202e", "\U000e0067", "\U000e007f"),
    *("👩", "🏴", "ب", "क्", "u/kettle_fan", "/u/abc", "bob@kettle.org", "@", "[", "]", "(", ")", "404-727-6123", "+44 20 7946 0958"),
    *("4111 1111 1111 1111", "8.8.8.8", "2001:4860::8888", "1.", "DE89370400440532013000", "https://kettle.org/", "www.", "mailto:"),
    *(" at ", " dot ", "(at)", "reddit.com/user/", ":", "-"),
]  # fmt: skip


@pytest.mark.parametrize("transform", CLEANING, ids=lambda transform: transform.name())
@given(texts=st.lists(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=40), max_size=6))
def test_twice_is_once(transform, posts, texts):
    once = transform.apply(posts(*({"text": text, "title": text} for text in texts)))
    assert transform.apply(once).equals(once)


# What changed


class Shout(Transform):
    def apply(self, posts):
        return posts.with_columns(pl.col("text").str.to_uppercase())


class Sign(Transform):
    def apply(self, posts):
        return posts.with_columns(author=pl.lit("clerk"))


class Count(Transform):
    def apply(self, posts):
        return posts.with_columns(length=pl.col("text").str.len_chars())


def test_each_post_says_which_transforms_changed_it(posts):
    table = posts({"text": "warm"}, {"text": "WARM"}, {"text": "warm", "author": "clerk"}, {"text": None, "author": None})
    after = apply_transforms(table, [Shout(), Count(), Sign()])
    assert after["changed_by"].to_list() == [["shout", "sign"], ["sign"], ["shout"], ["sign"]]
    assert after["length"].to_list() == [4, 4, 4, None]


def test_where_nothing_changed_the_list_is_empty(posts):
    for transforms in ([], [Count()]):
        after = apply_transforms(posts({"text": "a"}, {"text": None}), transforms)
        assert after["changed_by"].to_list() == [[], []]
        assert after.schema["changed_by"] == pl.List(pl.String)
        assert apply_transforms(posts().clear(), transforms).schema["changed_by"] == pl.List(pl.String)


def test_transforms_made_later_are_added_to_the_record(posts):
    first = apply_transforms(posts({"text": "a"}, {"text": "B"}), [Shout()])
    assert apply_transforms(first, [Count(), Sign()])["changed_by"].to_list() == [["shout", "sign"], ["sign"]]
    assert apply_transforms(first, [])["changed_by"].to_list() == [["shout"], []]
    assert apply_transforms(first, [Shout()])["changed_by"].to_list() == [["shout"], []]


def test_the_order_is_the_one_given(posts):
    # Behind a zero-width space a quote begins its line only once that is gone.
    text = "\u200b> So you say.\n\nNo."
    assert apply_transforms(posts({"text": text}), [Invisible(), Quotes()])["text"].item() == "No."
    assert apply_transforms(posts({"text": text}), [Quotes(), Invisible()])["text"].item() == "> So you say.\n\nNo."


def test_the_record_has_room_for_sixty_four(posts):
    assert apply_transforms(posts({"text": "a"}), [Count()] * 63 + [Shout()])["changed_by"].to_list() == [["shout"]]
    with pytest.raises(ValueError, match="65 transforms"):
        apply_transforms(posts({}), [Count()] * 65)


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("a\n\n\n\nb", "a\n\nb"),
        ("a\n \n\t\n\u3000\n\nb", "a\n\nb"),
        ("a\n\n\nb", "a\n\n\nb"),
        ("\n\n  a  \n ", "a"),
        ("\n    code", "    code"),
        ("\tcode", "\tcode"),
        ("\n \n", ""),
        ("", ""),
    ],
)
def test_tidy_leaves_no_blank_ends_and_no_large_gaps(text, tidied):
    assert tidy(text) == tidied


# Unescape


@pytest.mark.parametrize(
    ("text", "unescaped"),
    [
        ("kettle &amp; court", "kettle & court"),
        ("&amp;gt; so", "&gt; so"),
        ("&gt; so &lt;b&gt; &quot;x&quot; it&#39;s &#x27; &#X27;", "> so <b> \"x\" it's ' '"),
        ("a&nbsp;b", "a\xa0b"),
        ("https://kettle.org/?a=1&copy=2&lt=3", "https://kettle.org/?a=1&copy=2&lt=3"),
        ("Q&A; R&D", "Q&A; R&D"),
        ("&unheard_of; &; &#; &#x;", "&unheard_of; &; &#; &#x;"),
        ("&#0; &#1114112;", "\ufffd \ufffd"),
    ],
)
def test_unescape_resolves_entities_that_have_their_semicolon(text, unescaped, posts):
    assert _text(Unescape(), posts, text) == unescaped


def test_unescape_is_made_only_where_it_is_asked_for():
    assert not Unescape.by_default
    assert all(transform.by_default and not transform.last for transform in CLEANING)


# Repair


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("The clerk donâ€™t know", "The clerk don’t know"),
        ("cafÃ© “so”", "café “so”"),
        ("schÃ¶n", "schön"),
        ("Â£5", "£5"),
        ("warm ðŸ˜‚", "warm 😂"),
        ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет"),
        ("it\x92s", "it’s"),
        ("‚Äúso‚Äù", "“so”"),
        ("sound “line”\nand donâ€™t", "sound “line”\nand don’t"),
    ],
)
def test_repair_mends_what_was_decoded_in_the_wrong_way(text, repaired, posts):
    assert _text(Repair(), posts, text) == repaired


@pytest.mark.parametrize(
    "text",
    [
        "“Curly” ‘quotes’ — dashes… and ﬁne ligatures ｆｕｌｌ width",
        "José, fiancé’s résumé, naïve, SÃO? Ünïcödé",
        "¯\\_(ツ)_/¯ Привет 你好 سلام שלום",
        "e\u0301 stays apart",
        "line\r\nends\x0b &amp; entities \x1b[31m",
        "plain",
        "à à À Ã",
    ],
)
def test_repair_leaves_sound_text(text, posts):
    assert _text(Repair(), posts, text) == text


# Quotes


@pytest.mark.parametrize(
    ("text", "left", "share"),
    [
        ("> The kettle is cold.\n\nIt is not.", "It is not.", 0.5),
        (">The kettle\n>is cold.\nIt is not.", "It is not.", 2 / 3),
        ("Yes.\n\n> Is it?\n\nNo.", "Yes.\n\nNo.", 1 / 3),
        ("Yes.\n> Is it?\nNo.", "Yes.\nNo.", 1 / 3),
        ("Yes.\n\n\n\n> Is it?\n>\n> So?\n\n\n\nNo.\n\n> End", "Yes.\n\nNo.", 3 / 5),
        ("   > three spaces\nNo.", "No.", 0.5),
        (">> nested\n>>> deeper\nNo.", "No.", 2 / 3),
        ("> >!so!<\nNo.", "No.", 0.5),
        ("> Is it?\r\n\r\nNo.\r\n", "No.", 0.5),
        ("> “Ünïcödé” 🫖\nNo.", "No.", 0.5),
        (">\n\nNo.", "No.", 0.0),
        ("> q\n\n    code", "    code", 0.5),
        ("```\ncode\n```\n> q", "```\ncode\n```", 0.25),
    ],
)
def test_quotes_are_taken_out_with_the_gap_they_leave(text, left, share, posts):
    after = Quotes().apply(posts({"text": text}))
    assert after["text"].item() == left
    assert after["quoted"].item() == pytest.approx(share)


@pytest.mark.parametrize(
    "text",
    [
        "2 > 1",
        "No. > quote in a line",
        ">!The clerk did it.!<",
        ">:( no",
        ">:)",
        ">_< oh",
        ">.> hm",
        ">= 3 kettles",
        "    > indented code",
        "\t> so",
        "```\n> in code\n```",
        "~~~ text\n> in code\n```\n> still\n~~~~",
        "````\n```\n> in code\n````",
        "```\n> never closed",
        "-> so",
        "",
        "a\n\n\n\n\nb  ",
    ],
)
def test_what_is_no_quote_stays_as_it_is(text, posts):
    after = Quotes().apply(posts({"text": text}))
    assert after["text"].item() == text
    assert after["quoted"].item() == 0


@pytest.mark.parametrize(
    ("text", "left"), [("> The kettle is cold.", "The kettle is cold."), (">a\n\n> b\n", "a\n\nb"), ("> > a\n>b", "a\nb"), ("> \n>", "")]
)
def test_a_text_of_nothing_but_quotes_is_its_authors_own(text, left):
    changed = Quotes().apply(pl.DataFrame({"title": [None], "text": [text]}, schema={"title": pl.String, "text": pl.String}))
    assert changed.select("text", "quoted").row(0) == (left, 0.0)


def test_quotes_are_no_matter_of_titles(posts):
    assert Quotes().apply(posts({"title": "> so", "text": "> so\nNo."})).row(0, named=True)["title"] == "> so"


def test_the_share_is_unknown_where_the_text_is_and_stays_known_after_the_quotes_are_gone(posts):
    once = Quotes().apply(posts({"text": None}, {"text": "> so\nNo."}, {"text": "No."}))
    assert once.schema["quoted"] == pl.Float32
    assert once["quoted"].to_list() == [None, 0.5, 0]
    assert Quotes().apply(once)["quoted"].to_list() == [None, 0.5, 0]


def test_a_very_long_text_of_quotes(posts):
    text = "> so\n" * 50_000 + "No."
    assert _text(Quotes(), posts, text) == "No."
