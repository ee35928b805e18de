"""Values: dataclasses that nobody changes, checked where it costs nothing.

The standard library's frozen dataclasses take each field through `object.__setattr__`, and a call
builds a dozen values with a hundred fields. These are as frozen to the type checker, which sees
every line of the project, and cost what a plain slotted dataclass does.
"""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """A slotted dataclass, frozen to the type checker; compared and hashed by its fields."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
