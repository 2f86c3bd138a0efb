import pytest

from filters.authorship import KNOWN_BOTS, Bots, NoAuthor
from filters.rule import RuleError


def test_a_reply_without_author_is_dropped_and_stays_as_context(target, context):
    assert target(NoAuthor(), {"author": None}, {"author": "crust_fund"}) == ["no_author", None]
    assert context(NoAuthor(), {"author": None}) == [None]


@pytest.mark.parametrize(
    "author",
    [
        "AutoModerator",
        "automoderator",
        "RemindMeBot",
        "sneakpeekbot",
        "kettlefacts_bot",
        "haiku_detector-bot",
        "TEA_BOT",
        "x-Bot",
        "KettleBot",
        "tea2Bot",
    ],
)
def test_a_bot_is_known_by_its_name_on_both_sides(author, target, context):
    assert target(Bots(), {"author": author}) == ["bots"]
    assert context(Bots(), {"author": author}) == ["bots"]


@pytest.mark.parametrize(
    "author", ["robot", "Talbot", "abbot_of_tea", "bot", "BottledTea", "kettle_bot_fan", "jackrobot", "SABOT", "_both", None]
)
def test_a_person_is_not_a_bot_by_a_syllable(author, target):
    assert target(Bots(), {"author": author}) == [None]


@pytest.mark.parametrize(
    "text",
    [
        "Rule 4.\n\n*I am a bot, and this action was performed automatically.*",
        "i am a bot and this action was performed automatically",
        "^(I'm a bot, bleep, bloop.)",
        "I’m a bot, beep boop",
        "BEEP BOOP I'm a bot",
        "Beep. Boop. I'm a robot.\nHere is a copy of the kettle's diary.",
        "Three cups are 710 ml.\n\n---\n\n^(I'm a bot that converts cups.)",
        "^(Hi, I'm a bot for kettles with only 1 spout)",
        "^(This is a bot. It does its best.)",
        "Tea!\n***\n^^I ^^am ^^a ^^bot. ^^Complaints ^^go ^^to ^^the ^^clerk.",
        "Find the verdict below.\n\nI'm a bot working hard to find verdicts.",
        "Countdown: 3 days.\n---\nI'm a bot, if you want to send feedback, write to the clerk.",
        "The kettle was deleted.\n\nI am a bot",
        "*This comment was left automatically (by a bot). If something is wrong, report it.*",
        "^(I am a Future Kettle and this action was performed automatically.)",
        "Your post broke rule 4.\n\n*If you disagree* **DO NOT** *reply to this automated comment.*",
        "**warm, the kettle is.**\n\n*-crust_fund*\n\n***\n\n^(Commands: 'opt out', 'delete')",
        "Hey, crust_fund, just a quick heads-up:  \n**kettel** is actually spelled **kettle**.",
        "Kettles are old.\n\n^[ [^Exclude ^me](https://reddit.com/message/compose?to=KettleBot&message=!no)",
        "Links made [short](https://www.reddit.com/message/compose/?to=%2Fu%2Fcrust_fund&subject=delete%20g5) for you.",
    ],
)
def test_a_post_that_confesses_is_a_bot_whoever_posts_it(text, target, context):
    assert target(Bots(), {"text": text}, {"text": text, "author": None}) == ["bots", "bots"]
    assert context(Bots(), {"text": text}) == ["bots"]


@pytest.mark.parametrize(
    "text",
    [
        "I am a bottle of milk, and this action is mine.", "I'm a bot fancier.", "Am I a bot, bleep?", "He said he's a bot.", "", None,
        "I'm a bot lol", "What if I'm a bot", "I am a bot", "Nah, I'm a robot, beep boop.", "No I mean beep boop beep boop boop",
        "Your form was automatically sent.", "This kettle is boiled automatically.", "I'm a robotics clerk, and this action was mine.",
        "I'm a bot-any student.", "He filed it automatically; the clerk is a bot.",
        "Just a quick heads-up: the court sits at nine.", "This automated comment of theirs is no reply.", "(Commands are for the court.)",
        "Write to [the clerks](https://www.reddit.com/message/compose?to=/r/KettleCourt).",
        "Write to [me](https://www.reddit.com/message/compose/?to=abbot_of_tea), not to the court.",
    ],
)  # fmt: skip
def test_a_post_about_bots_is_not_a_bot(text, target):
    assert target(Bots(), {"text": text}) == [None]


def test_names_of_ones_own_forum_are_added_without_regard_to_case(target):
    rule = Bots(names=("Tally_Clerk_9000",))
    authors = [{"author": name} for name in ("tally_clerk_9000", "TALLY_CLERK_9000", "tally_clerk_900", "AutoModerator")]
    assert target(rule, *authors) == ["bots", "bots", None, "bots"]


def test_names_are_taken_as_those_of_authors_are(target):
    rule = Bots(names=("u/Tally_Clerk", "/u/usher ", " gong"))
    assert target(rule, *({"author": name} for name in ("tally_clerk", "Usher", "gong", "u"))) == ["bots", "bots", "bots", None]


@pytest.mark.parametrize("name", ["", " ", "u/", "/u/ "])
def test_an_empty_name_is_refused(name):
    with pytest.raises(RuleError) as refused:
        Bots(names=("usher", name))
    assert str(refused.value) == "bots: a name in names is empty; leave it out"


def test_an_author_whose_posts_mostly_begin_alike_is_a_bot_and_unknown_is_none(target, context):
    shares = [{"identical_share": share} for share in (1.0, 0.75, 0.7, 0.1, 0.0, None)]
    expected = ["bots", "bots", None, None, None, None]
    assert target(Bots(), *shares) == context(Bots(), *shares) == expected
    assert target(Bots(identical=0.05), *shares) == ["bots"] * 4 + [None] * 2
    assert target(Bots(identical=1), *shares) == [None] * 6


def test_where_no_share_is_looked_at_it_is_not_needed():
    assert "identical_share" in Bots().keeps().meta.root_names()
    assert "identical_share" not in Bots(identical=1).keeps().meta.root_names()


@pytest.mark.parametrize("share", [0, -0.5, 1.2, 70])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(RuleError) as refused:
        Bots(identical=share)
    assert str(refused.value) == f"bots: identical is {share}; expected a share of an author's posts, over 0 and at most 1"


def test_a_very_long_text_and_a_table_without_rows_are_judged(posts, target):
    assert target(Bots(), {"text": "tea " * 100_000 + "\n^(I am a bot, and this action was performed automatically.)"}) == ["bots"]
    assert posts().select(Bots().keeps()).height == 0


def test_the_list_is_in_the_form_in_which_it_is_compared():
    assert [name for name in KNOWN_BOTS if name != name.lower()] == []
    assert len(set(KNOWN_BOTS)) == len(KNOWN_BOTS)
