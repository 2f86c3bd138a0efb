import pytest

from filters.privacy import KINDS, Pii, masked
from filters.rule import RuleError


@pytest.mark.parametrize(
    "address",
    [
        "bob@example.com",
        "bob.o'neil+kettle_1@mail.example.co.uk",
        "BOB@EXAMPLE.COM",
        "élodie@exämple.fr",
        "bob@xn--exmple-cua.fr",
        "mailto:bob@example.com",
        "[bob@example.com](mailto:bob@example.com)",
        "@bob@kettle.social",
        "bob [at] kettle [dot] org",
        "bob(at)kettle.org",
        "bob\\[at\\]kettle.org",
        "bob {AT} mail dot kettle dot org",
        "bob at gmail dot com",
    ],
)
def test_email(address):
    assert masked(f"Write to {address}, or ({address}).") == "Write to [email], or ([email])."
    assert masked(address) == "[email]"


@pytest.mark.parametrize(
    "text",
    [
        *("@ 9:30", "@kettle", "f#%&@$", "Latin@s", "bob@kettle", "a@b", "@.@"),
        *("icon@2x.png", "git@github.com:kettle/court.git", "numpy@2.4.6"),
        *("https://bob@kettle.org/x", "https://medium.com/@bob/story"),
        *("look at kettle.org", "look at kettle dot com", "(at) noon", "connect the dot com", "x" * 70 + "@kettle.org"),
    ],
)
def test_no_email(text):
    assert masked(text) == text


def test_an_email_goes_from_a_web_address_too_and_the_rest_of_it_stays():
    assert masked("https://kettle.org/?m=bob@example.com&a=1 so") == "https://kettle.org/?m=[email]&a=1 so"
    assert masked("[the clerk](mailto:bob@example.com?subject=tea)") == "[the clerk]([email]?subject=tea)"


@pytest.mark.parametrize(
    "number",
    [
        *("(404) 727-6123", "404-727-6123", "404.727.6123", "404 727 6123", "4047276123", "404/727-6123", "404 727 6123", "404‑727‑6123"),
        *("+1 404 727 6123", "+14047276123", "1-404-727-6123", "404-727-6123 ext. 12", "(404)727-6123", "011 44 20 7946 0958"),
        *("+44 20 7946 0958", "+44 (0)20 7946 0958", "+49 30 901820", "+49 (30) 90 18 20", "+33 1 42 68 53 00", "+91 98765 43210"),
    ],
)  # fmt: skip
def test_phone(number):
    assert masked(f"Call {number}!") == "Call [phone]!"
    assert masked(f"Bob: {number}\n{number}") == "Bob: [phone]\n[phone]"


@pytest.mark.parametrize(
    "text",
    [
        *("won 21-14, 300-200", "2014-2018, 2019-2020", "$1,000-2,000 and 10,000,000", "500-1000 words", "3 x 12 + 400"),
        *("ISBN 978-0-13-468599-1", "ISBN 9780134685991", "ISBN 0-306-40615-2", "0306406152", "978-0134685991"),
        *("2020-12-17 19:03:13", "12/24/2020 10:15", "1606943424", "20201217190313", "8:00-9:30, 11:00-12:15"),
        *("4047276-123", "40 47 27 61 23", "123-45-6789", "30322-1007", "3.1415926535", "10.1177/0022167817705499"),
        *("https://kettle.org/4047276123.html", "www.kettle.org/4047276123", "https://kettle.org/?id=404-727-6123"),
        *("555-0134", "988", "911", "116 123"),
    ],
)
def test_no_phone(text):
    assert masked(text) == text


@pytest.mark.parametrize("hotline", ["1-800-273-8255", "18002738255", "(877) 565-8860", "+1 866 488 7386", "+44 800 689 5652"])
def test_a_number_that_is_nobodys_stays(hotline):
    assert masked(f"Call {hotline}, day and night.") == f"Call {hotline}, day and night."


def test_a_number_without_its_plus_is_one_of_the_region():
    text = "Ruf 030 901820 an, or 404-727-6123, or +1 404 727 6123."
    assert masked(text, ("phone",), "DE") == "Ruf [phone] an, or 404-727-6123, or [phone]."
    assert masked(text, ("phone",), "US") == "Ruf 030 901820 an, or [phone], or [phone]."
    assert masked("Ring 32 12 34 56.", ("phone",), "DK") == "Ring [phone]."


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("93.184.216.34", "[ip]"),
        ("Ping 8.8.8.8.", "Ping [ip]."),
        ("IP:93.184.216.34:8080/24", "IP:[ip]:8080/24"),
        ("2001:4860:4860::8888", "[ip]"),
        ("(2606:2800:220:1:248:1893:25C8:1946)", "([ip])"),
        ("192.168.1.1 10.0.0.1 127.0.0.1 169.254.0.1 0.0.0.0", None),
        ("203.0.113.5 256.1.1.1 10.0.19041.1", None),
        ("1.2.3 1.2.3.4.5 01.02.03.04", None),
        ("v1.2.3.4, version 2.3.4.5, Chrome/93.0.45.63, section 4.1.2.3", None),
        ("http://93.184.216.34/x", None),
        ("12:30:45 8:00:00 std::vector a::b 2001:: fe80::1 ::1 2001:db8::1", None),
        ("20:21:22:23:24:25", None),
    ],
)
def test_public_ip(text, left):
    assert masked(text) == (text if left is None else left)


CARDS = {
    "Visa": "4111111111111111",
    "Mastercard": "5555555555554444",
    "Mastercard of the second series": "2221000000000009",
    "American Express": "378282246310005",
    "Discover": "6011111111111117",
    "Diners Club": "30569309025904",
    "JCB": "3530111333300000",
    "UnionPay": "6240008631401148",
}
"""The numbers that payment processors publish for tests."""


@pytest.mark.parametrize("digits", CARDS.values(), ids=CARDS.keys())
def test_card(digits):
    assert masked(f"Mine is {digits}.") == "Mine is [card]."
    wrong = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    assert masked(wrong, ("card",)) == wrong
    assert masked(f"https://kettle.org/{digits}") == f"https://kettle.org/{digits}"
    assert masked(f"0.{digits} {digits}x", ("card",)) == f"0.{digits} {digits}x"


@pytest.mark.parametrize("number", ["4111 1111 1111 1111", "4111-1111-1111-1111", "3782 822463 10005", "3056 930902 5904"])
def test_card_in_groups(number):
    assert masked(f"({number}, 12/27)") == "([card], 12/27)"


@pytest.mark.parametrize("text", ["01101111 01101111 01100111 01100001", "1236095180459003909", "4111 1111-1111 1111", "1111111111111117"])
def test_no_card(text):
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("DE89 3704 0044 0532 0130 00", "[iban]"),
        ("DE89370400440532013000,", "[iban],"),
        ("gb29nwbk60161331926819", "[iban]"),
        ("FR14 2004 1010 0505 0001 3M02 606 CALL ME", "[iban] CALL ME"),
        ("AT61 1904 3002 3457 3201 CODE", "[iban] CODE"),
        ("MT84 MALT 0110 0001 2345 MTLC AST0 01S please", "[iban] please"),
        ("DE89 3704 0044 0532 0130 01", None),
        ("XX89370400440532013000", None),
        ("list=PL72C62342291D5DAE", None),
        ("https://kettle.org/DE89370400440532013000", None),
    ],
)
def test_iban(text, left):
    assert masked(text, ("iban",)) == (text if left is None else left)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("u/kettle_fan", "[user]"),
        ("/u/kettle-fan's", "[user]'s"),
        ("U/Kettle_Fan, so../u/abc|/u/abc|", "[user], so..[user]|[user]|"),
        ("u/kettle\\_fan\\_", "[user]"),
        ("**u/kettle_fan** (u/_abc-)", "**[user]** ([user])"),
        ("r/u_kettle_fan /r/u_kettle_fan", "[user] [user]"),
        ("[u/kettle_fan](https://www.reddit.com/u/kettle_fan)", "[user]"),
        ("[me](/u/kettle_fan)", "[me]([user])"),
        ("https://www.reddit.com/user/kettle_fan/comments/abc/def/?x=1 so", "[user] so"),
        ("old.reddit.com/u/kettle_fan.", "[user]."),
        ("https://np.reddit.com/r/u_kettle_fan/", "[user]"),
        ("r/kettlecourt /r/kettlecourt https://www.reddit.com/r/kettlecourt", None),
        ("u/op u/x and/u/or", None),
        ("https://forum.kettle.org/u/kettle https://kettle.org/user/kettle", None),
        ("notreddit.com/user/kettle", None),
        ("u/averyveryverylongnamethatnobodyhas", None),
        ("/u/[deleted]", None),
    ],
)
def test_user(text, left):
    assert masked(text) == (text if left is None else left)


MIXED = "u/bob: bob@kettle.org, 404-727-6123, 8.8.8.8, 4111 1111 1111 1111, DE89 3704 0044 0532 0130 00"


def test_kinds_choose(posts):
    assert masked(MIXED) == "[user]: [email], [phone], [ip], [card], [iban]"
    for kind in KINDS:
        left = Pii(kinds=(kind,)).apply(posts({"text": MIXED, "title": MIXED})).select("title", "text").row(0)
        assert left == (masked(MIXED, (kind,)),) * 2
        assert [name for name in KINDS if f"[{name}]" in left[1]] == [kind]
    assert Pii(kinds=()).apply(posts({"text": MIXED}))["text"].item() == MIXED


def test_a_placeholder_holds_nothing_to_replace():
    placeholders = " ".join(f"[{kind}]" for kind in KINDS)
    assert masked(placeholders) == placeholders


def test_whatever_is_found_alone_is_found_in_a_table(posts):
    texts = [
        *("bob@kettle.org", "bob (at) kettle.org", "bob at gmail dot com", "+33 1 42 68 53 00", "+49 (30) 90 18 20", "404-727-6123"),
        *("8.8.8.8", "2001:4860::8888"),
        *("4111 1111 1111 1111", "NO93 8601 1117 947", "gb29 nwbk 6016 1331 9268 19", "u/abc", "r/u_abc", "R/u_abc", "reddit.com/user/abc"),
        *("reddit.com/USER/abc", "bob At gmail DOT Com", "+4532123456", "u/_\\_a", "bob (At) kettle.org"),
    ]  # fmt: skip
    masks = Pii().apply(posts(*({"text": text, "title": None} for text in texts)))["text"].to_list()
    assert masks == [masked(text) for text in texts]
    assert all(mask.strip("[]") in KINDS for mask in masks), masks


@pytest.mark.parametrize(
    "piece", ["a", "1", "1.", "1 ", "a@", "a.", "4111 ", "+1", "ab12 ", ":2001", "u/", "\\_", "www.", "(at)", "[", "https://a"]
)
def test_a_very_long_text_is_read_in_time(piece):
    masked(piece * 5_000)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(RuleError) as refused:
        Pii(kinds=("email", "fax"))
    assert str(refused.value) == "pii.kinds: unknown kind 'fax'; known: email, iban, card, ip, phone, user"
    for region in ("Germany", "de", "XX", ""):
        with pytest.raises(RuleError) as refused:
            Pii(region=region)
        assert str(refused.value).startswith(f"pii.region: found {region!r}; expected the two capital letters of a country")
