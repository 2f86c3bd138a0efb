"""The HTTP API of a Lemmy instance, version 3 or 4, with invented posts.

Posts and comments are kept in the shape of version 4 and served in that of the version asked for.
"""

from typing import Any

from tests.servers.json_server import Answer, JsonServer, Query

Item = dict[str, Any]

_FROM_4 = {"published_at": "published", "updated_at": "updated", "newest_comment_time_at": "newest_comment_time"}
_COUNTS = ("score", "upvotes", "downvotes", "comments", "child_count", "newest_comment_time")


class Lemmy(JsonServer):
    """Views of posts by their numbers, and of comments; `version` of the API that it speaks, `cursors` whether version 3 gives them."""

    def __init__(self, version: int = 3, cursors: bool = True, most: int = 50) -> None:
        super().__init__(self._answer)
        self.version, self.cursors, self.most = version, cursors, most
        self.private = False
        self.posts: dict[int, Item] = {}
        self.comments: list[Item] = []

    def _answer(self, path: str, query: Query) -> Answer:
        if not path.startswith(f"/api/v{self.version}/"):
            return 404, None
        if self.private:
            return 400, {"error": "instance_is_private"}
        asked = dict(query)
        size = min(int(asked.get("limit", 10)), self.most)
        every, new, old = ("all", "new", "old") if self.version == 4 else ("All", "New", "Old")
        match path.removeprefix(f"/api/v{self.version}/"):
            case "site":
                return 200, {"version": "0.19.12" if self.version == 3 else "1.0.0"}
            case "post/list":
                names = {view["community"]["name"] for view in self.posts.values()}
                if asked["community_name"] not in names:
                    return 404, {"error": "not_found"}
                views = [view for view in self.posts.values() if view["community"]["name"] == asked["community_name"]]
                views.sort(
                    key=lambda view: (view["post"]["featured_community"], view["post"]["published_at"]), reverse=asked["sort"] == new
                )
                return self._page("posts", views, asked, size, cursors=self.cursors)
            case "comment/list":
                views = [view for view in self.comments if view["comment"]["post_id"] == int(asked["post_id"])]
                if asked.get("type_") != every:
                    views = [view for view in views if view["comment"]["local"]]
                views.sort(key=lambda view: view["comment"]["published_at"], reverse=asked["sort"] != old)
                return self._page("comments", views, asked, size, cursors=False)
        return 404, None

    def _page(self, name: str, views: list[Item], asked: dict[str, str], size: int, cursors: bool) -> Answer:
        start = int(asked["page_cursor"].removeprefix("P")) if "page_cursor" in asked else (int(asked.get("page", 1)) - 1) * size
        shown = views[start : start + size]
        following = f"P{start + size}" if shown else None
        if self.version == 4:
            return 200, {"items": shown, "next_page": following, "prev_page": None}
        return 200, {name: [_in_version_3(view) for view in shown], **({"next_page": following} if cursors else {})}


def _in_version_3(view: Item) -> Item:
    """Counts stand beside what they count, times have shorter names, and addresses of people and communities are `actor_id`."""
    served: Item = {"counts": {}}
    for name, value in view.items():
        if name in ("creator", "community"):
            served[name] = {("actor_id" if key == "ap_id" else key): found for key, found in value.items()}
        elif name in ("post", "comment"):
            renamed = {_FROM_4.get(key, key): found for key, found in value.items()}
            served["counts"] |= {key: found for key, found in renamed.items() if key in _COUNTS and name == next(iter(view))}
            served[name] = {key: found for key, found in renamed.items() if key not in _COUNTS}
        elif name != "tags":
            served[name] = value
    return served
