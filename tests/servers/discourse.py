"""The JSON API of a Discourse forum with invented topics."""

from typing import Any

from tests.servers.json_server import Answer, JsonServer, Query

PER_PAGE = 3
"""Topics of a page of a listing."""

CHUNK = 2
"""Posts of a topic that its own answer holds."""

Topic = dict[str, Any]
Post = dict[str, Any]


class Discourse(JsonServer):
    """Topics by their numbers, each with its `posts`.

    `raw`: whether the forum gives the Markdown; `mega`: topics whose stream is not told; `private`: whether it is for members only.
    """

    def __init__(self, *topics: Topic, raw: bool = True) -> None:
        super().__init__(self._answer)
        self.topics: dict[int, Topic] = {topic["id"]: topic for topic in topics}
        self.categories: dict[int, dict[str, Any]] = {}
        self.raw = raw
        self.private = False
        self.mega: set[int] = set()

    def _answer(self, path: str, query: Query) -> Answer:
        if self.private:
            return 403, {"errors": ["You need to be logged in to do that."], "error_type": "not_logged_in"}
        one = dict(query)
        match path.strip("/").removesuffix(".json").split("/"):
            case ["latest"] | ["top"]:
                return self._listing(list(self.topics.values()), one)
            case ["c", *slugs, "l", "latest"]:
                number = next((n for n, category in self.categories.items() if slugs[-1] in (category["slug"], str(n))), None)
                return self._listing([topic for topic in self.topics.values() if topic["category_id"] == number], one) if number else _NONE
            case ["tag", tag, "l", "latest"]:
                return self._listing([topic for topic in self.topics.values() if tag in topic["tags"]], one)
            case ["c", number, "show"]:
                return (200, {"category": self.categories[int(number)]}) if int(number) in self.categories else _NONE
            case ["t", number, "posts"]:
                wanted = {int(value) for name, value in query if name == "post_ids[]"}
                posts = [post for post in self.topics[int(number)]["posts"] if post["id"] in wanted]
                return 200, {"post_stream": {"posts": self._shown(posts, one)}, "id": int(number)}
            case ["t", number]:
                return self._topic(self.topics[int(number)], one) if int(number) in self.topics else _NONE
        return _NONE

    def _listing(self, topics: list[Topic], query: dict[str, str]) -> Answer:
        topics = sorted(topics, key=lambda topic: (topic.get("pinned", False), topic["bumped_at"]), reverse=True)
        page = int(query.get("page", 0))
        shown = topics[page * PER_PAGE : (page + 1) * PER_PAGE]
        more = {"more_topics_url": f"/latest?page={page + 1}"} if len(topics) > (page + 1) * PER_PAGE else {}
        return 200, {"topic_list": {"per_page": PER_PAGE, "topics": [_without_posts(topic) for topic in shown], **more}}

    def _topic(self, topic: Topic, query: dict[str, str]) -> Answer:
        page = int(query.get("page", 1))
        posts = topic["posts"][(page - 1) * CHUNK : page * CHUNK]
        if not posts:
            return _NONE
        stream = {"isMegaTopic": True} if topic["id"] in self.mega else {"stream": [post["id"] for post in topic["posts"]]}
        return 200, {**_without_posts(topic), "chunk_size": CHUNK, "post_stream": {"posts": self._shown(posts, query), **stream}}

    def _shown(self, posts: list[Post], query: dict[str, str]) -> list[Post]:
        if self.raw and query.get("include_raw") == "true":
            return posts
        return [{name: value for name, value in post.items() if name != "raw"} for post in posts]


_NONE: Answer = (404, {"errors": ["The requested URL or resource could not be found."], "error_type": "not_found"})


def _without_posts(topic: Topic) -> Topic:
    return {name: value for name, value in topic.items() if name != "posts"}
