"""Which model describes a key path of a policy: near names of unknown keys, and the names and units of values."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from rules.fault import Text
from rules.policy.model import Rules
from rules.policy.values import term_of


def models_in(annotation: object) -> list[type[BaseModel]]:
    """Return the models an annotation may hold, through optional, tuple, dict values, union and annotated types."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return models_in(arguments[0])
    if origin is dict:
        return models_in(arguments[1])
    if origin in {tuple, Union, UnionType}:
        return [model for argument in arguments for model in models_in(argument)]
    return []


def tagged(models: list[type[BaseModel]], tag: str) -> list[type[BaseModel]]:
    """Return the members of a union whose discriminator (`method` or `pay`) is `tag`."""
    found = []
    for model in models:
        for key in ("method", "pay"):
            field = model.model_fields.get(key)
            if field is not None and get_args(field.annotation) == (tag,):
                found.append(model)
    return found


def models_at(root: type[BaseModel], location: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """Return the models that may stand at an error's location (which names members of unions by their tag)."""
    models: list[type[BaseModel]] = [root]
    for key in location:
        if isinstance(key, int):
            continue
        chosen = tagged(models, key)
        inner = [model for m in models if key in m.model_fields for model in models_in(m.model_fields[key].annotation)]
        models = chosen or inner or models
    return models


def known_keys(models: list[type[BaseModel]]) -> set[str]:
    """Return every key the models know."""
    return {key for model in models for key in model.model_fields}


def plain(location: tuple[str | int, ...], document: object, *, keep_last: bool) -> tuple[str | int, ...]:
    """Return an error's location without the tags of unions: a path that stands in the document.

    `keep_last`: the last key is meant to be missing in the document.
    """
    path: list[str | int] = []
    node: Any = document
    for n, key in enumerate(location):
        try:
            node = node[key]
            path.append(key)
        except (KeyError, IndexError, TypeError):
            if keep_last and n == len(location) - 1:
                path.append(key)
    return tuple(path)


def term_at(path: tuple[str | int, ...]) -> tuple[Text, Text]:
    """Return name and unit of the value at a path of one day's document: those of the last key that a model knows."""
    models: list[type[BaseModel]] = [Rules]
    found = Text(str(path[-1]), str(path[-1])), Text("", "")
    for key in path:
        holders = [model for model in models if key in model.model_fields]
        if isinstance(key, str) and holders:
            found = term_of(holders[0], key)
            models = [inner for model in holders for inner in models_in(model.model_fields[key].annotation)]
    return found
