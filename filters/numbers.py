"""The numbers that settings are. A recipe writes them as such: neither a boolean nor a text is one."""

from typing import Annotated

from pydantic import Field

Whole = Annotated[int, Field(strict=True, ge=-(2**31), le=2**31 - 1)]
"""A number of 32 bits, as scores are: more than any post, length, group or seed of a run, and room left to reckon with it."""

Number = Annotated[float, Field(strict=True)]
