import polars as pl
import pytest

from curate.splitting.addresses import page_at, thread_at


def thread(address: str | None) -> str | None:
    found: str | None = pl.select(thread_at(pl.lit(address, pl.String))).item()
    return found


def page(address: str | None) -> str | None:
    found: str | None = pl.select(page_at(pl.lit(address, pl.String))).item()
    return found


@pytest.mark.parametrize(
    "address",
    [
        "https://www.reddit.com/r/KettleCourt/comments/1abc9z/the_case/",
        "http://reddit.com/r/KettleCourt/comments/1abc9z",
        "https://old.reddit.com/r/KettleCourt/comments/1abc9z/the_case/k2defgh/?context=3",
        "https://np.reddit.com/r/KettleCourt/comments/1abc9z/_/#thing",
        "https://www.reddit.com/comments/1abc9z",
        "https://www.reddit.com/user/clerk_of_the_caddy/comments/1abc9z/the_case/",
        "https://www.reddit.com/u/clerk-of-the-caddy/comments/1abc9z/the_case/?utm_source=share",
        "https://www.reddit.com/gallery/1abc9z",
        "https://www.reddit.com/poll/1abc9z",
        "https://www.reddit.com/tb/1abc9z",
        "https://www.reddit.com/r/KettleCourt/duplicates/1abc9z/the_case/",
        "http://reddit.com/info/1abc9z/comments/",
        "/r/KettleCourt/comments/1abc9z/der_fall_mit_ü/",
        "//www.reddit.com/r/KettleCourt/comments/1abc9z/",
        "https://redd.it/1abc9z",
        "http://www.redd.it/1ABC9Z/",
        " HTTPS://WWW.REDDIT.COM/R/KettleCourt/Comments/1ABC9Z \n",
        "https://redd.it/t3_1abc9z",
    ],
)
def test_each_form_that_names_a_thread_gives_its_id(address: str) -> None:
    assert thread(address) == "t3_1abc9z"


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "https://i.redd.it/1abc9z.jpg",
        "https://v.redd.it/1abc9z",
        "https://preview.redd.it/1abc9z.png?width=640",
        "https://www.reddit.com/r/KettleCourt/",
        "https://www.reddit.com/r/KettleCourt/wiki/comments",
        "https://www.reddit.com/r/KettleCourt/s/aBcDeF1234",
        "https://www.reddit.com/r/comments/",
        "https://notreddit.com/r/KettleCourt/comments/1abc9z/",
        "https://reddit.com.example.org/r/KettleCourt/comments/1abc9z/",
        "https://example.org/?from=https://redd.it/1abc9z",
        "https://example.org/r/KettleCourt/comments/1abc9z/",
        "the court said /r/KettleCourt/comments/1abc9z/",
        "https://www.reddit.com/r/KettleCourt/comments/not-an-id/",
    ],
)
def test_what_leads_elsewhere_gives_none(address: str | None) -> None:
    assert thread(address) is None


def test_a_page_is_the_same_by_all_the_names_that_it_has() -> None:
    forms = [
        "https://example.org/tea/kettle?cup=2",
        "http://www.example.org/tea/kettle?cup=2",
        " HTTPS://WWW.example.org/tea/kettle?cup=2/ ",
        "https://example.org/tea/kettle?cup=2#the-verdict",
    ]
    assert {page(form) for form in forms} == {"example.org/tea/kettle?cup=2"}
    assert page("https://example.org/tea/Kettle?cup=2") != page("https://example.org/tea/kettle?cup=2")
    assert page("https://example.org/tea?cup=1") != page("https://example.org/tea?cup=2")
    assert page("https://i.redd.it/1abc9z.jpg") == "i.redd.it/1abc9z.jpg"
    assert page("https://news.ycombinator.com/item?id=1") == "news.ycombinator.com/item?id=1"


@pytest.mark.parametrize(
    "address",
    [None, "", "https://example.org", "https://www.example.org/", "https://example.org/#tea", "/tea/kettle", "kettle", "mailto:a/b"],
)
def test_a_host_alone_and_what_is_no_page_are_none(address: str | None) -> None:
    assert page(address) is None
