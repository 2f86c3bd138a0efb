"""Who wrote a post."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.lists import account_names
from filters.numbers import Number
from filters.rule import TARGET, Judges, Rule, RuleError

KNOWN_BOTS = (
    "alotabot", "amputatorbot", "anti-gif-bot", "auddbot", "autocrosspostbot", "automoderator", "autotldr", "autourbanbot",
    "autowikiabot", "autowikibot", "b0trank", "bobby-b-bot", "bookstorebot", "botdefense", "by-accident-bot", "changetip",
    "checks_out_bot", "cheer_up_bot", "clichebot9000", "clickablelinkbot", "colorizebot", "colorizethis", "commonmisspellingbot",
    "communitymodbot", "compilebot", "could-of-bot", "darnit_bot", "darthplagueisbot", "deepfrybot", "deltabot", "dogetipbot",
    "doggobotlovesyou", "dreamprocessor", "drunkanimalfactbot", "election_info_bot", "eyebleachbot", "factorial-bot",
    "fast-parenthesis-bot", "friendly-bot", "gandalf_bot", "garlicbot", "gfy_mirror", "gfycat_details_fixer", "gfycatlinkfixerbot",
    "gifendore", "gifreversingbot", "gifv-bot", "good_good_gb_bb", "goodbot_badbot", "goodmod_badmod", "gram_bot", "gyazo_bot",
    "haiku-detector", "haikubot-1911", "haikubotinaction", "haikusbot", "havoc_bot", "hce_replacement_bot", "helperbot_", "hug-bot",
    "i-am-dad-bot", "i_am_a_haiku_bot", "ilinknsfwsubreddits", "image_linker_bot", "imagesofnetwork", "imdb_preview", "imguralbumbot",
    "imgurtranscriber", "isreactionarybot", "jacksfilmsbot", "jiffierbot", "link_demobilizer", "linkfixerbot", "livetwitchclips",
    "lyrics-matcher-bot", "magic_eye_bot", "mailmygovnnbot", "massdropbot", "mentioned_videos", "metric_units", "mlbvideoconverterbot",
    "morejpeg_auto", "movieguide", "multiusebot", "navigatorbot", "news-summary", "nflvideoconverterbot", "nice-scores", "ocr_bot",
    "octopusfunfacts", "opfeels", "originalpostsearcher", "payrespects-bot", "phonebatterylevelbot", "picdescriptionbot",
    "portmanteau-bot", "profanitycounter", "qkme_transcriber", "quoteme-bot", "rarchives", "reddit-book-bot", "redditmp4bot",
    "redditsilverbot", "redditstreamable", "remembertosmilebot", "remindmebot", "repliesnice", "reposthunterbot", "repostsleuthbot",
    "resavr_bot", "rogersimon10bot", "saferbot", "safestbot", "savethevideo", "savevideo", "savevideobot", "serendipitybot",
    "shakespeare-bot", "smallsubbot", "snapshillbot", "sneakpeekbot", "songacronymbot", "spellingbotwithtumor", "stabbot", "stabbot_crop",
    "streamablemirrors", "sub_doesnt_exist_bot", "substitute-bot", "thank_mr_skeltal_bot", "thelinkfixerbot", "timestamp_bot",
    "timezone_bot", "titletoimagebot", "tl_dr_bot", "topredditbot", "totes_meta_bot", "totesmessenger", "transcribersofreddit",
    "translator-bot", "tumblrdirect", "turtle__bot", "tweet_poster", "tweetposter", "tweetsincommentsbot", "tweettranscriberbot",
    "user_simulator", "userleansbot", "uwutranslator", "vettedbot", "video_descriptbotbot", "video_descriptionbot", "videodownloadbot",
    "videotrim", "vreddit_bot", "vredditdownloader", "vredditshare", "wandering-dwarf-miner", "wikipedia_answer_bot", "wikisummarizerbot",
    "wikitextbot", "xkcd_transcriber", "yourewelcome_bot", "youtubefactsbot", "youtubot",
)  # fmt: skip
"""Accounts on Reddit, in lower case, that answer automatically: the better known of those that readers voted on at botranks.com and that
filters of research code name. Most of their names do not say so by their ending, or not in their own upper and lower case."""

BOT_NAME = r"(?:[-_](?i:bot)|[a-z0-9]Bot)$"

_GAP = r"[ \n^*_~]+"
"""Between the words of a signature, which is often small print: `^I ^am ^a ^bot`."""

_I_AM = rf"(?-u:\b)I(?:['’]|{_GAP}a)m{_GAP}a{_GAP}"
_LEFT = r"(?:left|performed|sent|made|posted|generated|written|created|submitted)"
_NOISE = r"(?:bl?eep|boop|bloop)"
_MARKS = r"[^a-z0-9]{1,20}"

BOT_SENTENCES = (
    # I am a bot, and this action was performed …; I'm a bot, bleep, bloop; I'm a bot, if you want to send feedback, …
    rf"{_I_AM}bot[,.!|]?{_GAP}[|(]?(?:and{_GAP}this|{_NOISE}|if{_GAP}you|downvote|contact|visit)",
    # I'm a bot that converts …, working hard to …, for linking …
    rf"{_I_AM}bot{_GAP}(?:that{_GAP}(?:[a-z]+s |tr[iy])|working|here{_GAP}to|for{_GAP}[a-z]+ing|created|made|built|designed|programmed)",
    # Beep. Boop. I'm a robot.
    rf"{_NOISE}{_MARKS}{_NOISE}{_MARKS}{_I_AM}(?:ro)?bot",
    # ^(I'm a bot …, ^(Hi, I'm a bot …, ^(This is a bot. …
    rf"\^[ ^*_~(]*(?:hi,? )?(?:{_I_AM}|this{_GAP}is{_GAP}a{_GAP})bot",
    # as the last line of more
    rf"[a-z0-9][^a-z0-9\n]{{0,9}}\n[^a-z0-9]{{0,20}}{_I_AM}bot[^a-z0-9]{{0,9}}$",
    # This comment was left automatically (by a bot)
    rf"this{_GAP}(?:action|comment|post|reply|message){_GAP}(?:was|has{_GAP}been|is){_GAP}{_LEFT}{_GAP}(?:automatically|by{_GAP}a{_GAP}bot)",
    # DO NOT reply to this automated comment
    rf"reply{_GAP}to{_GAP}this{_GAP}automated{_GAP}(?:comment|message|post)",
    # a link to write to the account: [delete](…/message/compose?to=TeaBot), or with the subject filled in, ?to=clerk&subject=Bug
    r"/message/compose/?\?to=[\w%-]*(?:bot(?-u:\b)|&(?:amp;)?subject=)",
    # ^(Commands: 'opt out', 'delete')
    r"\^\(commands: 'opt",
    # Hey, clerk, just a quick heads-up: **ketle** is actually spelled **kettle**
    r"just a quick heads-up:\s+\*\*",
)
"""What bots say of themselves and people seldom do, even in jest: of 199 posts of a college forum that have one, 198 are by bots by eye."""

_NAMED = (
    r"a bot|a Bot|A BOT|a robot|[\^*_]bot|[\^*_]Bot|[\^*_]BOT|[detny] automatically|[\^*_]automatically"
    r"|s automated|/message/c|\(Commands|heads-up:"
)
"""What is in each of `BOT_SENTENCES` as it is usually written; a few spellings are found faster than any."""


@dataclass(frozen=True)
class NoAuthor(Rule):
    """Drop replies whose author is gone: nobody's voice to learn. As context their text stays."""

    judges: ClassVar[Judges] = TARGET

    def keeps(self) -> pl.Expr:
        return pl.col("author").is_not_null()


@dataclass(frozen=True)
class Bots(Rule):
    """Drop automatic accounts: known names, names that end in -bot, _bot or Bot, and posts that say "I am a bot, and this action was …".

    An account is automatic, too, where more than the share `identical` of its posts in the whole run begin with the same 24 characters, if
    it wrote ten or more; 1 looks at no share. A store of several buckets is counted bucket by bucket, and a beginning that an author has
    once in a bucket beside four others may be left out there: the share comes out too small at times, never too large, and 0.76 never as
    less than 0.7. `names` adds account names of one's own forum, compared like those of `authors`.
    """

    names: tuple[str, ...] = ()
    identical: Number = 0.7

    def __post_init__(self) -> None:
        if "" in account_names(self.names):
            raise RuleError("bots: a name in names is empty; leave it out")
        if not 0 < self.identical <= 1:
            raise RuleError(f"bots: identical is {self.identical}; expected a share of an author's posts, over 0 and at most 1")

    def keeps(self) -> pl.Expr:
        known = [*KNOWN_BOTS, *account_names(self.names)]
        author, text = pl.col("author"), pl.col("text")
        by_name = author.str.to_lowercase().is_in(known) | author.str.contains(BOT_NAME)
        drops = by_name.fill_null(False) | text.map_batches(_confess, return_dtype=pl.Boolean)
        if self.identical < 1:
            drops |= (pl.col("identical_share") > self.identical).fill_null(False)
        return ~drops


def _confess(texts: pl.Series) -> pl.Series:
    """Whether each text has one of `BOT_SENTENCES`. Few name a bot at all, and only these are read closely."""
    rows = texts.str.contains(_NAMED).fill_null(False).arg_true()
    found = texts[rows].str.contains(f"(?i){'|'.join(BOT_SENTENCES)}")
    return pl.repeat(False, len(texts), eager=True).scatter(rows.filter(found), True)
