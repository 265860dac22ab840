"""Prints what systemd-analyze says of two units' settings side by side: exposure.py THEIRS OURS. Settings without exposure in both are left out."""
import json
import sys

theirs, ours = ({row["json_field"]: row for row in json.load(open(path))} for path in sys.argv[1:])
print(f"{'setting':<42} {'theirs':>7} {'ours':>7}")
for field, row in theirs.items():
    values = [float(side.get(field, {}).get("exposure") or 0) for side in (theirs, ours)]
    if any(values):
        mark = "" if values[0] == values[1] else "  better" if values[1] < values[0] else "  worse"
        print(f"{row['name']:<42} {values[0]:>7.1f} {values[1]:>7.1f}{mark}")
