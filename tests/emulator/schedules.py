# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When AWS's schedule expressions fall due: rate(…), at(…) and cron(…) in a time zone."""

from __future__ import annotations

import collections.abc
import datetime
import re
import zoneinfo

_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
_AT = re.compile(r"at\(([^()]+)\)")
_CRON = re.compile(r"cron\(([^()]+)\)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FAR = datetime.timedelta(days=3 * 366)


class BadScheduleError(ValueError):
    """The expression, or the time zone, is none."""


def due(
    expression: str, since: datetime.datetime, zone: str = "", offset_days: int = 0
) -> collections.abc.Iterator[datetime.datetime]:
    """Yield when an expression falls due after a point in time, in UTC."""
    try:
        timezone = zoneinfo.ZoneInfo(zone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise BadScheduleError(f"{zone} is no time zone.") from error
    if rate := _RATE.fullmatch(expression):
        return _by_rate(since, datetime.timedelta(**{f"{rate[2]}s": int(rate[1])}))
    if at := _AT.fullmatch(expression):
        return _at(at[1], since, timezone)
    cron = _CRON.fullmatch(expression)
    if not cron or len(cron[1].split()) != 6:
        raise BadScheduleError(f"{expression} is no schedule.")
    return _by_cron(cron[1].split(), since, timezone, datetime.timedelta(days=offset_days))


def _by_rate(since: datetime.datetime, period: datetime.timedelta) -> collections.abc.Iterator[datetime.datetime]:
    while True:
        since += period
        yield since


def _at(text: str, since: datetime.datetime, zone: datetime.tzinfo) -> collections.abc.Iterator[datetime.datetime]:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise BadScheduleError(f"{text} is no time.") from error
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(datetime.timezone.utc)
    return iter([moment] if moment > since else [])


def _by_cron(
    fields: list[str], since: datetime.datetime, zone: datetime.tzinfo, offset: datetime.timedelta
) -> collections.abc.Iterator[datetime.datetime]:
    minutes, hours = _numbers(fields[0], 0, 59), _numbers(fields[1], 0, 23)
    months, years = _numbers(fields[3], 1, 12, _MONTHS), _numbers(fields[5], since.year, since.year + 9)
    days, weekdays = _numbers(fields[2], 1, 31), _weekdays(fields[4])

    def moments() -> collections.abc.Iterator[datetime.datetime]:
        day = (since - offset).astimezone(zone).date()
        while day < since.date() + _FAR:
            if day.year in years and day.month in months and day.day in days and _is_weekday(day, weekdays):
                for hour in sorted(hours):
                    for minute in sorted(minutes):
                        at = datetime.datetime.combine(day, datetime.time(hour, minute), zone) + offset
                        if at > since:
                            yield at.astimezone(datetime.timezone.utc)
            day += datetime.timedelta(days=1)

    return moments()


def _numbers(field: str, low: int, high: int, names: collections.abc.Sequence[str] = ()) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _slash, step = part.partition("/")
        first, _dash, last = span.partition("-")
        start = low if first in ("*", "?") else _number(first, low, high, names)
        end = high if first in ("*", "?") or (step and not last) else _number(last or first, low, high, names)
        found.update(range(start, end + 1, int(step) if step.isdigit() else 1))
    return found


def _number(text: str, low: int, high: int, names: collections.abc.Sequence[str]) -> int:
    number = names.index(text.upper()) + low if text.upper() in names else int(text) if text.isdigit() else -1
    if not low <= number <= high:
        raise BadScheduleError(f"{text} is not from {low} to {high}.")
    return number


def _weekdays(field: str) -> list[tuple[set[int], int]]:
    """Return days of the week, 1 for Sunday, each with which one of the month it is to be; 0 for any, -1 for the last."""
    day, mark, nth = field.partition("#")
    if not mark and field.upper().endswith("L"):
        day, nth = field[:-1], "-1"
    return [(_numbers(day or "*", 1, 7, _DAYS), int(nth or 0))]


def _is_weekday(day: datetime.date, wanted: list[tuple[set[int], int]]) -> bool:
    number = day.isoweekday() % 7 + 1
    is_last = (day + datetime.timedelta(days=7)).month != day.month
    nths = {0, (day.day - 1) // 7 + 1, *([-1] if is_last else [])}
    return any(number in days and nth in nths for days, nth in wanted)
