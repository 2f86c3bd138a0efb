import pytest

from filters.authorship import KNOWN_BOTS, Bots, NoAuthor


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
    ],
)
def test_a_post_that_confesses_is_a_bot_whoever_posts_it(text, target, context):
    assert target(Bots(), {"text": text}, {"text": text, "author": None}) == ["bots", "bots"]
    assert context(Bots(), {"text": text}) == ["bots"]


@pytest.mark.parametrize(
    "text", ["I am a bottle of milk, and this action is mine.", "I'm a bot fancier.", "Am I a bot, bleep?", "He said he's a bot.", "", None]
)
def test_a_post_about_bots_is_not_a_bot(text, target):
    assert target(Bots(), {"text": text}) == [None]


def test_names_of_ones_own_forum_are_added_without_regard_to_case(target):
    rule = Bots(names=("Tally_Clerk_9000",))
    authors = [{"author": name} for name in ("tally_clerk_9000", "TALLY_CLERK_9000", "tally_clerk_900", "AutoModerator")]
    assert target(rule, *authors) == ["bots", "bots", None, "bots"]


def test_the_list_is_in_the_form_in_which_it_is_compared():
    assert [name for name in KNOWN_BOTS if name != name.lower()] == []
    assert len(set(KNOWN_BOTS)) == len(KNOWN_BOTS)
