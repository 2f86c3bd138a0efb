"""An invented forum in memory, whose records have the fields of Reddit's real ones that a reader needs."""

from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]

NOON = 1_700_000_000


@dataclass
class Forum:
    """Submissions and comments by their ids without prefix, in the order in which they were written."""

    submissions: dict[str, Record] = field(default_factory=dict)
    comments: dict[str, Record] = field(default_factory=dict)
    vanished: set[str] = field(default_factory=set)
    """Comments that stubs name and no answer holds."""
    unlisted: set[str] = field(default_factory=set)
    """Comments that stubs name and that only `info` and a tree of their own hold."""

    def submit(self, name: str, subreddit: str = "KettleCourt", **fields: Any) -> None:
        author = fields.pop("author", f"author_{name}")
        self.submissions[name] = {
            "id": name, "name": f"t3_{name}", "subreddit": subreddit, "author": author, "author_fullname": f"t2_{author}",
            "title": f"Case {name}", "selftext": f"The kettle of {name} stands accused.", "url": f"https://kettles.example/{name}",
            "permalink": f"/r/{subreddit}/comments/{name}/case/", "created_utc": float(NOON + len(self.submissions)), "edited": False,
            "score": 9, "hide_score": False, "upvote_ratio": 0.75, "over_18": False, "stickied": False, "distinguished": None,
            "link_flair_text": None, "removal_reason": None, "removed_by_category": None, "is_self": True, **fields,
        }  # fmt: skip

    def reply(self, name: str, thread: str, parent: str | None = None, **fields: Any) -> None:
        submission = self.submissions[thread]
        author = fields.pop("author", f"author_{name}")
        self.comments[name] = {
            "id": name, "name": f"t1_{name}", "subreddit": submission["subreddit"], "author": author, "author_fullname": f"t2_{author}",
            "body": f"A kettle answers kettle {name}.", "link_id": f"t3_{thread}",
            "parent_id": f"t1_{parent}" if parent else f"t3_{thread}",
            "permalink": f"/r/{submission['subreddit']}/comments/{thread}/case/{name}/",
            "created_utc": float(NOON + 1000 + len(self.comments)), "edited": False, "score": 5, "score_hidden": False, "stickied": False,
            "distinguished": None, "is_submitter": author == submission["author"], "author_flair_text": None, "removal_reason": None,
            **fields,
        }  # fmt: skip

    def tree(self) -> dict[str, list[Record]]:
        """Replies by what they answer."""
        found: dict[str, list[Record]] = {}
        for comment in self.comments.values():
            found.setdefault(comment["parent_id"], []).append(comment)
        return found

    def with_count(self, submission: Record) -> Record:
        link = submission["name"]
        return {**submission, "num_comments": sum(comment["link_id"] == link for comment in self.comments.values())}
