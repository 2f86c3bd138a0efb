import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.reading.html_text import plain_text

CASES = {
    "plain": ("Tea is  ready\n", "Tea is ready"),
    "entities once": ("a &amp;lt; b &#x27;c&#x27; &nbsp;d", "a &lt; b 'c' d"),
    "entities once in an element": ("<p>a &amp;lt; b &#x27;c&#x27;</p>", "a &lt; b 'c'"),
    "bare less-than": ("milk < tea <b>&</b> sugar", "milk < tea & sugar"),
    "paragraphs": ("<p>one\ntwo</p>\n<p>three</p>", "one two\n\nthree"),
    "unclosed paragraphs": ("one<p>two<p>three", "one\n\ntwo\n\nthree"),
    "line breaks": ("one<br>two<br/>three<br><br><br>four", "one\ntwo\nthree\n\nfour"),
    "spaces across elements": ("a<b> b</b> <i>c </i> d<i>e</i>", "a b c de"),
    "headings": ("<h1>Kettles</h1>of iron<h2>Spouts</h2>", "Kettles\n\nof iron\n\nSpouts"),
    "quote": ("<blockquote><p>boil</p><p>pour<br>wait</p></blockquote><p>Yes.</p>", "> boil\n>\n> pour\n> wait\n\nYes."),
    "quote in quote": ("<blockquote><blockquote>a</blockquote>b</blockquote>c", "> > a\n>\n> b\n\nc"),
    "list": ("tools:<ul><li>kettle</li><li><b>cup</b></li><li></li></ul>done", "tools:\n\n- kettle\n- cup\n\ndone"),
    "numbered list": ('<ol start="3"><li>boil</li><li>pour<br>slowly</li></ol>', "3. boil\n4. pour\n  slowly"),
    "list in list": ("<ul><li>tea<ol><li>green</li><li>black</li></ol></li><li>milk</li></ul>", "- tea\n  1. green\n  2. black\n- milk"),
    "list in quote": ("<blockquote><ul><li>a</li></ul></blockquote>", "> - a"),
    "item without a list": ("<li>tea", "- tea"),
    "table": ("<table><tr><th>tea</th><th>min</th></tr><tr><td>green</td><td>2</td></tr></table>", "tea | min\ngreen | 2"),
    "code": ("run<pre><code>\n  boil()\n\n    pour()  \n</code></pre>then", "run\n\n  boil()\n\n    pour()\n\nthen"),
    "code in quote": ("<blockquote><pre>a\nb</pre></blockquote>", "> a\n> b"),
    "code with break and carriage return": ("<pre>a<br>b\r\nc</pre>", "a\nb\nc"),
    "empty code": ("a<pre> \n</pre>b", "a\n\nb"),
    "a list ends code": ("<pre>a<ul><li>b</li></ul><blockquote>c</blockquote>d</pre><p>e", "a\n\n- b\n\n> c\n\nd\n\ne"),
    "a link around code": ('<a href="https://k.example"><pre>k.example</pre></a> x', "k.example\n\nx"),
    "inline code": ("use <code>a  b</code>!", "use a b!"),
    "link": ('see <a href="https://k.example/a">the kettle</a>.', "see the kettle."),
    "link as address": ('see <a href="https://k.example/a">k.example/a</a>.', "see https://k.example/a."),
    "shortened address": (
        '<p>x<p><a href="https:&#x2F;&#x2F;k.example&#x2F;a&#x2F;long">https:&#x2F;&#x2F;k.example&#x2F;a...</a>, b',
        "x\n\nhttps://k.example/a/long, b",
    ),
    "address shortened in the middle": (
        '<a href="http://www.k.example/a/b/c.html">k.example/…/c.html</a>',
        "http://www.k.example/a/b/c.html",
    ),
    "another address in the text": ('<a href="https://elsewhere.example/">k.example/...</a>', "k.example/..."),
    "an ellipsis that is no address": ('<a href="https://k.example/">…</a>', "…"),
    "script link": ('<a href="javascript:x">javascript:x</a>', "javascript:x"),
    "links side by side": ('<a href="https://a.example">a.example</a><a href="/b">b</a>', "https://a.exampleb"),
    "unclosed link": ('<a href="https://a.example">a.example', "https://a.example"),
    "images": ('hot <img class="emoji" alt=":tea:" src="http://127.0.0.1:9/x.png"> <img alt="a kettle"><img src=x>', "hot :tea: a kettle"),
    "scripts": ("a<script>if (a<b) x()</script><style>p{}</style><!-- c --><?pi?>b", "ab"),
    "zero-width and NUL": ("<p>a\u200b&#x200B;b\0c</p>", "abc"),
    "lone surrogate": ("<p>a\ud800</p>", "a?"),
    "other spaces": ("<p>tea\u3000house\u2028x</p>", "tea\u3000house\u2028x"),
    "preview of a page": (
        '<p>a</p><aside class="onebox" data-onebox-src="https://k.example"><p>seen</p></aside>b',
        "a\n\nhttps://k.example\n\nb",
    ),
    "forum furniture": ('<a class="lightbox"><img alt="cup"><div class="meta">cup.png 5 kB</div></a>', "cup"),
    "nothing": ("<p> </p><!-- -->", ""),
    "empty": ("", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_text_of(name: str) -> None:
    fragment, text = CASES[name]
    assert plain_text(fragment) == text


@pytest.mark.parametrize("tag", ["div", "blockquote", "ul><li", "b", "a href=x", "table"])
def test_a_hundred_thousand_levels_lose_nothing(tag: str) -> None:
    text = plain_text(f"<{tag}>" * 100_000 + "deep" + "<p>kettle" * 100 + "<p>end")
    assert "deep" in text
    assert text.count("kettle") == 100
    assert text.endswith("end")
    assert len(text) < 100_000


TAGS = (
    "p",
    "br",
    "b",
    "ul",
    "ol",
    "li",
    "pre",
    "blockquote",
    "a href='https://k.example'",
    "td",
    "aside",
    "div",
    "img alt='cup'",
    "html",
    "body",
)
TEXT = re.compile(r"w\d+w")


@given(
    st.lists(
        st.one_of(st.sampled_from([f"<{tag}>" for tag in TAGS] + [f"</{tag.split()[0]}>" for tag in TAGS]), st.integers(0, 99)), max_size=40
    )
)
def test_every_word_survives_any_mixture_of_elements(pieces: list[str | int]) -> None:
    fragment = "".join(piece if isinstance(piece, str) else f"w{piece}w" for piece in pieces)
    assert TEXT.findall(plain_text(fragment)) == TEXT.findall(fragment)


def test_threads_do_not_disturb_each_other() -> None:
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(plain_text, (f"<p>{number}<p>{number}" for number in range(2000))))
    assert texts == [f"{number}\n\n{number}" for number in range(2000)]


@given(st.text(alphabet=st.characters(), max_size=60).map(lambda text: text.replace("/", "</") + "<b>&" + text))
def test_any_characters_are_read(fragment: str) -> None:
    assert "\0" not in plain_text(fragment)
