"""Prints what an object of the import service offers on the bus, a line for each member: members.py PATH"""
import json
import subprocess
import sys
import xml.etree.ElementTree as tree


def notes(element):
    return " ".join(sorted(f"{note.get('name')}={note.get('value')}" for note in element.findall("annotation")))


def describe(member):
    arguments = [
        f"{argument.get('direction') or 'out'} {argument.get('type')} {argument.get('name')}"
        for argument in member.findall("arg")
    ]
    return f"{member.tag} {member.get('name')} {member.get('type') or ''} {member.get('access') or ''} ({', '.join(arguments)}) {notes(member)}"


call = ["busctl", "--system", "--json=short", "call", "org.freedesktop.import1", sys.argv[1]]
answer = subprocess.run([*call, "org.freedesktop.DBus.Introspectable", "Introspect"], check=True, capture_output=True)
for interface in tree.fromstring(json.loads(answer.stdout)["data"][0]).findall("interface"):
    print(interface.get("name"), notes(interface))
    for member in interface:
        if member.tag != "annotation":
            print(interface.get("name"), describe(member))
