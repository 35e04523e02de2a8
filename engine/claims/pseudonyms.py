"""Keyed hashes in the place of ids: the same id and key give the same hash, and without the key nobody finds the id."""

from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from engine.database import open_database
from grouper.fault import Text, UserError

KEY_BYTES = 16
"""The shortest key that is accepted."""

_BLOCK = 64


def load_key(path: Path) -> bytes:
    """Read a key file; raises UserError where it is missing or too short to keep a secret."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise UserError(
            Text(f"{path}：无法读取密钥文件：{error.strerror}", f"{path}: cannot read the key file: {error.strerror}")
        ) from None
    if len(key) < KEY_BYTES:
        raise UserError(
            Text(f"{path}：密钥至少需要 {KEY_BYTES} 字节", f"{path}: the key must have at least {KEY_BYTES} bytes")
        )
    return key


def pseudonyms(ids: pa.StringArray, key: bytes) -> pa.StringArray:
    """Return the first 32 hexadecimal digits of HMAC-SHA-256 (RFC 2104) of each id; null stays null."""
    block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    pads = [bytes(byte ^ pad for byte in block) for pad in (0x36, 0x5C)]
    with open_database() as connection:
        connection.execute("set threads = 1")
        connection.register("ids", pa.table({"id": ids}))
        query = "select sha256(?::blob || unhex(sha256(?::blob || encode(id))))[:32] as id from ids"
        hashed = connection.sql(query, params=[pads[1], pads[0]]).to_arrow_table()
    return hashed["id"].combine_chunks().cast(pa.string())
