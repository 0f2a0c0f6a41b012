#!/usr/bin/env python3
"""Makes cron.tsv: what a schedule must do, by another hand than the program's.

It shares nothing with src/core/cron.c and src/base/zone.c: fields are sets of Python integers, days are walked one by one,
and the zones are read by Python's own zoneinfo. A row is zone, expression, from, the next instants, all in UTC.

    python3 tests/cases/time/make.py > tests/cases/time/cron.tsv
"""
import datetime as dt
from zoneinfo import ZoneInfo

UTC = dt.timezone.utc
MONTHS = 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split()
DAYS = 'SUN MON TUE WED THU FRI SAT'.split()
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def members(text, which):
    low, high = RANGES[which]
    words = {m: i + 1 for i, m in enumerate(MONTHS)} if which == 3 else {d: i for i, d in enumerate(DAYS)} if which == 4 else {}
    value = lambda t: words[t.upper()] if t.upper() in words else int(t)
    found = set()
    for part in text.split(','):
        span, _, step = part.partition('/')
        first, last = (low, 6 if which == 4 else high) if span == '*' else (lambda a: (value(a[0]), value(a[-1])))(span.split('-'))
        found |= set(range(first, last + 1, int(step or 1)))
    return {0 if v == 7 else v for v in found} if which == 4 else found


def after_gap(zone, local):
    """The first instant whose local time is not before `local`."""
    low = local.replace(tzinfo=UTC) - dt.timedelta(hours=30)
    high = local.replace(tzinfo=UTC) + dt.timedelta(hours=30)
    while high - low > dt.timedelta(seconds=1):
        middle = low + dt.timedelta(seconds=int((high - low).total_seconds()) // 2)
        if middle.astimezone(zone).replace(tzinfo=None) >= local:
            high = middle
        else:
            low = middle
    return high


def instants(zone_name, expression, start, count):
    zone = ZoneInfo(zone_name)
    texts = expression.split()
    minutes, hours, days, months, weekdays = (members(t, i) for i, t in enumerate(texts))
    either = texts[2][0] != '*' and texts[4][0] != '*'
    day = start.astimezone(zone).date() - dt.timedelta(days=2)
    found = set()
    for _ in range(366 * 13):
        in_month, in_week = day.day in days, (day.weekday() + 1) % 7 in weekdays
        if day.month in months and ((in_month or in_week) if either else (in_month and in_week)):
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    local = dt.datetime(day.year, day.month, day.day, hour, minute)
                    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
                    if first.astimezone(zone).replace(tzinfo=None) != local:
                        first = after_gap(zone, local)
                    if first > start:
                        found.add(first)
        # A day of margin: the order of local days is that of instants, but a jump may lie between.
        if len(found) > count and day > max(sorted(found)[:count]).astimezone(zone).date() + dt.timedelta(days=1):
            break
        day += dt.timedelta(days=1)
    return sorted(found)[:count]


# Changes of the clock: both ways, half hours, three quarters, a day left out, a day twice, rules that were changed,
# far future (the rule behind the table), Ramadan, summer time that is standard time (Dublin).
MOMENTS = [
    ('Europe/Berlin', '2026-03-29T00:50'), ('Europe/Berlin', '2026-10-25T00:10'), ('Europe/Berlin', '2045-03-26T00:30'),
    ('Europe/Berlin', '2099-10-25T00:10'), ('Europe/Berlin', '1980-04-05T22:30'), ('Europe/Dublin', '2026-10-25T00:30'),
    ('Europe/London', '1968-10-26T23:30'), ('Europe/Lisbon', '1992-09-26T23:30'), ('Europe/Moscow', '2011-03-26T22:30'),
    ('Europe/Moscow', '2014-10-25T21:30'), ('Europe/Istanbul', '2016-09-06T20:30'), ('Europe/Chisinau', '2026-03-28T23:30'),
    ('America/New_York', '2026-03-08T06:30'), ('America/New_York', '2026-11-01T04:30'), ('America/New_York', '2006-10-29T04:30'),
    ('America/Los_Angeles', '2027-03-14T09:30'), ('America/St_Johns', '2026-03-08T04:45'), ('America/St_Johns', '1988-04-03T02:30'),
    ('America/Sao_Paulo', '2018-11-04T02:30'), ('America/Sao_Paulo', '2019-02-17T01:00'), ('America/Havana', '2026-03-08T04:30'),
    ('America/Asuncion', '2023-03-26T02:30'), ('America/Caracas', '2016-05-01T06:30'), ('America/Nuuk', '2024-03-30T23:30'),
    ('America/Santiago', '2026-04-05T02:30'), ('America/Santiago', '2026-09-06T03:30'), ('America/Scoresbysund', '2024-03-31T00:30'),
    ('Australia/Lord_Howe', '2026-10-03T14:50'), ('Australia/Lord_Howe', '2026-04-04T14:10'), ('Australia/Adelaide', '2026-10-03T15:45'),
    ('Australia/Sydney', '2026-04-04T15:10'), ('Pacific/Chatham', '2026-09-26T13:10'), ('Pacific/Chatham', '2026-04-04T13:10'),
    ('Pacific/Apia', '2011-12-29T22:30'), ('Pacific/Apia', '2011-12-30T09:30'), ('Pacific/Kwajalein', '1993-08-20T11:30'),
    ('Pacific/Auckland', '2026-04-04T13:10'), ('Asia/Kolkata', '2026-06-30T18:00'), ('Asia/Kathmandu', '1985-12-31T18:00'),
    ('Asia/Tehran', '2022-03-21T19:30'), ('Asia/Tehran', '2022-09-21T18:30'), ('Asia/Gaza', '2026-03-27T23:30'),
    ('Asia/Pyongyang', '2015-08-14T14:30'), ('Asia/Pyongyang', '2018-05-04T14:20'), ('Asia/Beirut', '2026-03-28T21:30'),
    ('Africa/Casablanca', '2026-02-15T01:30'), ('Africa/Casablanca', '2026-03-22T01:30'), ('Africa/Cairo', '2026-04-23T21:30'),
    ('Antarctica/Troll', '2026-03-29T00:30'), ('Antarctica/Casey', '2018-03-10T16:30'), ('America/Indiana/Knox', '2006-04-02T05:30'),
    ('Africa/Juba', '2021-01-31T20:30'), ('UTC', '2026-12-31T23:30'), ('Etc/GMT+12', '2028-02-29T11:30'),
]
AROUND = ['*/15 * * * *', '30 2 * * *', '0 * * * *', '15 0,1,2,3 * * *', '59 23 * * *', '0 0 * * *']
CALENDAR = [
    '0 0 29 2 *', '0 0 29 FEB MON', '0 12 31 * *', '0 9 * * MON-FRI', '0 9 1-7 * MON', '0 9 */2 * MON', '0 9 13 * FRI', '59 23 31 12 *',
    '0 0 1 1 *', '*/7 8-18/5 1,15 JAN,jul,12 *', '0 6 * * 0', '0 6 * * 7', '0 6 * * 5-7', '5 4 * * sun', '0 0 30 4,6,9,11 *', '0 22 * 1-3/2 SAT,SUN',
    '17 3 * * 1-5/2', '0 0 31 1-12/2 *', '1-59/2 * * * *', '0 0-23/6 * * *', '0 0 28-31 2 *', '23 5 10-20/3 * *',
]
CALENDAR_FROM = [
    ('UTC', '2026-11-22T22:25'), ('Europe/Berlin', '2027-12-31T22:59'), ('America/New_York', '2096-02-28T12:00'),
    ('Asia/Kolkata', '2000-02-28T18:29'), ('Pacific/Chatham', '2099-12-31T10:00'), ('Asia/Kathmandu', '2024-02-29T00:00'),
]

if __name__ == '__main__':
    print('# zone\texpression\tfrom\tinstants; made by make.py beside this file')
    rows = [(z, e, f) for z, f in MOMENTS for e in AROUND] + [(z, e, f) for z, f in CALENDAR_FROM for e in CALENDAR]
    for zone, expression, start in rows:
        at = dt.datetime.fromisoformat(start).replace(tzinfo=UTC)
        text = ','.join(i.strftime('%Y-%m-%dT%H:%M:%S') for i in instants(zone, expression, at, 6))
        print(f'{zone}\t{expression}\t{start}:00\t{text}')
