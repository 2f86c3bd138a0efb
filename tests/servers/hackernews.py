"""Both APIs of Hacker News over an invented site: Algolia's under /api/v1, the official one under /v0."""

import datetime
import re
from typing import Any

from tests.servers.json_server import Answer, JsonServer, Query

MOST_HITS = 1000
"""Of a query, however many pages are asked for."""

Item = dict[str, Any]


class HackerNews(JsonServer):
    """Items in the official API's shape by their ids; `lists` by name, `unindexed` what Algolia does not have yet."""

    def __init__(self, *items: Item) -> None:
        super().__init__(self._answer)
        self.items: dict[int, Item] = {item["id"]: item for item in items}
        self.lists: dict[str, list[int]] = {}
        self.unindexed: set[int] = set()
        self.algolia, self.firebase = f"{self.address}/api/v1", f"{self.address}/v0"

    def add(self, *items: Item) -> None:
        """Adds items, and comments to the kids of what they answer."""
        for item in items:
            self.items[item["id"]] = item
            if item["type"] == "comment":
                self.items[item["parent"]].setdefault("kids", []).append(item["id"])

    def _answer(self, path: str, query: Query) -> Answer:
        match path.strip("/").split("/"):
            case ["v0", "item", name]:
                return 200, self.items.get(int(name.removesuffix(".json")))
            case ["v0", name]:
                return 200, self.lists[name.removesuffix("stories.json")]
            case ["api", "v1", "items", number]:
                item = self.items.get(int(number))
                return (
                    (200, self._tree(item)) if item and item["id"] not in self.unindexed else (404, {"status": 404, "error": "Not Found"})
                )
            case ["api", "v1", index]:
                return 200, self._search(dict(query), newest_first=index == "search_by_date")
        return 404, {"error": "Not Found"}

    def _story(self, item: Item) -> Item:
        while "parent" in item:
            item = self.items[item["parent"]]
        return item

    def _below(self, item: Item) -> list[Item]:
        kids = [self.items[kid] for kid in item.get("kids", ())]
        return kids + [deeper for kid in kids for deeper in self._below(kid)]

    def _tree(self, item: Item) -> Item:
        children = [self._tree(self.items[kid]) for kid in item.get("kids", ())]
        if item.get("deleted") or item.get("dead"):
            return {"id": item["id"], "parent_id": item.get("parent"), "story_id": self._story(item)["id"], "children": children}
        written = datetime.datetime.fromtimestamp(item["time"], datetime.UTC).isoformat().replace("+00:00", ".000Z")
        options = [{"id": number, "text": self.items[number]["text"]} for number in item.get("parts", ())]
        return {
            "id": item["id"],
            "created_at": written,
            "created_at_i": item["time"],
            "type": item["type"],
            "author": item["by"],
            "title": item.get("title"),
            "url": item.get("url"),
            "text": item.get("text"),
            "points": item.get("score"),
            "parent_id": item.get("parent"),
            "story_id": self._story(item)["id"],
            "children": children,
            "options": options,
        }

    def _hit(self, item: Item) -> Item:
        story = self._story(item)
        return {
            "objectID": str(item["id"]),
            "title": item.get("title"),
            "author": item["by"],
            "created_at_i": item["time"],
            "points": item.get("score"),
            "num_comments": len(self._below(item)) if item is story else None,
            "story_id": story["id"],
            "_tags": [item["type"], f"author_{item['by']}", f"story_{story['id']}"],
        }

    def _search(self, query: dict[str, str], newest_first: bool) -> Item:
        items = [item for item in self.items.values() if "by" in item and item["type"] != "pollopt" and item["id"] not in self.unindexed]
        hits = [self._hit(item) for item in items if query["query"].lower() in f"{item.get('title')} {item.get('text')}".lower()]
        hits = [hit for hit in hits if _tagged(hit["_tags"], query["tags"]) and _in_range(hit, query.get("numericFilters", ""))]
        hits.sort(key=lambda hit: (hit["created_at_i"], int(hit["objectID"])) if newest_first else (hit["points"] or 0, 0), reverse=True)
        size, page = int(query["hitsPerPage"]), int(query.get("page", 0))
        return {"hits": hits[:MOST_HITS][page * size : (page + 1) * size], "nbHits": len(hits), "page": page, "hitsPerPage": size}


def _tagged(tags: list[str], wanted: str) -> bool:
    """`a,b` means both, `(a,b)` one of them."""
    any_of = re.search(r"\((.*?)\)", wanted)
    if any_of and not any(tag in tags for tag in any_of[1].split(",")):
        return False
    return all(tag in tags for tag in re.sub(r"\(.*?\)", "", wanted).split(",") if tag)


def _in_range(hit: Item, filters: str) -> bool:
    for condition in filter(None, filters.split(",")):
        sign = next(sign for sign in ("<=", ">=", "<", ">") if sign in condition)
        name, bound = condition.split(sign)
        value = hit[name] if hit[name] is not None else -1
        if not {"<=": value <= int(bound), ">=": value >= int(bound), "<": value < int(bound), ">": value > int(bound)}[sign]:
            return False
    return True
