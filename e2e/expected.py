#!/usr/bin/env python3
"""usage: expected.py FILE
Which of a file's events an empty relay keeps, one a line as they stand in the file: the rules of NIP-01, NIP-09 and NIP-40 in a page, to judge the
relay by something that is not the relay. Signatures are not checked and vanish requests (NIP-62) are not known here."""
import json, sys, time

REPLACEABLE = lambda kind: kind in (0, 3) or 10_000 <= kind < 20_000
ADDRESSABLE = lambda kind: 30_000 <= kind < 40_000
EPHEMERAL = lambda kind: 20_000 <= kind < 30_000


def first(event, name):
    return next((tag[1] if len(tag) > 1 else "" for tag in event["tags"] if tag[0] == name), None)


def address(event):
    d = (first(event, "d") or "") if ADDRESSABLE(event["kind"]) else ""
    return f"{event['kind']}:{event['pubkey']}:{d}"


def expired(event):
    at = first(event, "expiration")
    return at is not None and at.isascii() and at.isdigit() and int(at) <= time.time()


lines = {}
for line in open(sys.argv[1], encoding="utf-8"):
    event = json.loads(line)
    if not EPHEMERAL(event["kind"]) and not expired(event):
        lines.setdefault(event["id"], (event, line.rstrip("\n")))
events = [event for event, _ in lines.values()]
gone, until, newest = set(), {}, {}
for request in (event for event in events if event["kind"] == 5):
    for tag in request["tags"]:
        target = lines.get(tag[1], (None,))[0] if tag[0] == "e" and len(tag) > 1 else None
        if target and target["pubkey"] == request["pubkey"] and target["kind"] not in (5, 62):
            gone.add(target["id"])
        if tag[0] == "a" and len(tag) > 1 and tag[1].split(":")[1:2] == [request["pubkey"]]:
            until[tag[1]] = max(until.get(tag[1], 0), request["created_at"])
for event in events:
    if REPLACEABLE(event["kind"]) or ADDRESSABLE(event["kind"]):
        place = address(event)
        rank = (-event["created_at"], event["id"])
        if event["created_at"] <= until.get(place, -1):
            gone.add(event["id"])
        elif event["id"] not in gone and (place not in newest or rank < newest[place][0]):
            newest[place] = (rank, event["id"])
for event, line in lines.values():
    current = newest.get(address(event)) if REPLACEABLE(event["kind"]) or ADDRESSABLE(event["kind"]) else None
    if event["id"] not in gone and (current is None or current[1] == event["id"]):
        print(line)
