"""An output folder that is replaced as a whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grouper.fault import CannotWriteError, Text

MARK = "summary.json"
"""A folder that holds this file was written by drgdip and may be replaced."""


@contextmanager
def replaced_folder(out: Path) -> Iterator[Path]:
    """Yield a new folder beside `out`; when the block ends well it takes the place of `out`, otherwise it goes.

    Files are readable by their owner only. Raises CannotWriteError where `out` holds something drgdip did not write.
    """
    out = out.absolute()
    _refuse_foreign(out)
    fresh = out.with_name(f".{out.name}.new-{os.getpid()}")
    remove_left_behind(out)
    try:
        fresh.mkdir(mode=0o700, parents=True)
        try:
            yield fresh
            for path in fresh.rglob("*"):
                path.chmod(0o700 if path.is_dir() else 0o600)
            _swap(fresh, out)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise cannot_write(out, error) from error


def remove_left_behind(out: Path) -> None:
    """Remove what runs that were killed left beside `out`: folders and files named after their process."""
    for path in out.parent.glob(f".{out.name}.new-*"):
        process = path.name.rpartition("-")[2].partition(".")[0]
        if process.isdecimal() and not Path(f"/proc/{process}").exists():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _refuse_foreign(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise CannotWriteError(Text(f"{out} 是文件，输出需要文件夹", f"{out} is a file; the output needs a folder"))
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise CannotWriteError(
            Text(
                f"{out} 不为空，且不是本程序的输出；请换一个文件夹",
                f"{out} is not empty and was not written by drgdip; name another folder",
            )
        )


def _swap(fresh: Path, out: Path) -> None:
    if not out.exists():
        fresh.rename(out)
        return
    old = out.with_name(f".{out.name}.old-{os.getpid()}")
    out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def cannot_write(out: Path, error: Exception) -> CannotWriteError:
    """Return what to tell the user of a failure to write; libraries that wrap the system's error keep its words."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error):
        return CannotWriteError(Text(f"{out}：磁盘空间不足", f"{out}: no space left on the disk"))
    if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return CannotWriteError(Text(f"{out}：没有写入权限", f"{out}: no permission to write here"))
    return CannotWriteError(Text(f"{out}：无法写入：{error}", f"{out}: cannot be written: {error}"))
