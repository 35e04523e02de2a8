"""TOML files read into strict models, every fault of a file named at once with its key."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from grouper.fault import Text, UserError
from grouper.nearest import near_names


class Strict(BaseModel):
    """Read from a file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises UserError where it is missing or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            Text(f"{path}：无法读取：{error.strerror}", f"{path}: cannot be read: {error.strerror}")
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(Text(f"{path}：不是有效的 TOML：{error}", f"{path}: not valid TOML: {error}")) from error


def validated(path: Path, model: type[Model], content: Mapping[str, Any]) -> Model:
    """Return what a file says as a model. Raises UserError with every key that is wrong."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise UserError([_fault(path, model, detail) for detail in error.errors()]) from error


def _fault(path: Path, model: type[BaseModel], detail: Mapping[str, Any]) -> Text:
    key = ".".join(str(part) for part in detail["loc"])
    for part in detail["loc"][:-1]:
        inner = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        model = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else model
    known = [field.alias or name for name, field in model.model_fields.items()]
    near = near_names(str(detail["loc"][-1]), known) if detail["type"] == "extra_forbidden" else Text("", "")
    return Text(f"{path} {key}：{detail['msg']}{near.zh}", f"{path} {key}: {detail['msg']}{near.en}")
