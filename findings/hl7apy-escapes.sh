#!/usr/bin/env bash
# hl7apy 1.3.5 beside hl7 0.4.5 (both PyPI): texts of HL7 version 2 that are read and passed on.
#
# One would expect, by "Use of escape sequences in text fields" in chapter 2 of HL7 2.5: \.br\ begins a new line in formatted
# text, \X0D\ is a byte in hexadecimal, and sequences with Z are agreed on locally. A message that is read and written again
# is the same; only a backslash that is data is written as \E\.
# Seen: hl7apy takes these three for data and writes \E\ for each of their backslashes; those of delimiters and highlighting
# stay. hl7 keeps them all, and turns the first two into what they mean when asked.
# To a user: behind each program that passes reports on, a report of many lines is one line with .br in it.
. "$(dirname "$0")/lib.sh"
python_packages hl7apy==1.3.5 hl7==0.4.5

cat >program.py <<'END'
import hl7
import hl7apy.parser

def message(text):
    return "\r".join((
        r"MSH|^~\&|A|B|C|D|20260101||ORU^R01^ORU_R01|1|P|2.5",
        "PID|1||1||DOE^J",
        "OBR|1|||X^Y",
        f"OBX|1|FT|X^Y||{text}||||||F",
    )) + "\r"

def field(written):
    return written.split("OBX")[1].split("|")[5]

for text in (r"one\.br\two", r"one\X0D\two", r"\Z1\one", r"\H\one\N\ two", r"one\T\two", r"C:\E\one"):
    once = hl7apy.parser.parse_message(message(text)).to_er7()
    twice = hl7apy.parser.parse_message(once).to_er7()
    other = hl7.parse(message(text))
    print(f"{text}: hl7apy {field(once)}, then {field(twice)}; hl7 {field(str(other))}, as text {other.unescape(text)!r}")
END
venv/bin/python program.py >got 2>errors

seen got <<'END'
one\.br\two: hl7apy one\E\.br\E\two, then one\E\.br\E\two; hl7 one\.br\two, as text 'one\rtwo'
one\X0D\two: hl7apy one\E\X0D\E\two, then one\E\X0D\E\two; hl7 one\X0D\two, as text 'one\rtwo'
\Z1\one: hl7apy \E\Z1\E\one, then \E\Z1\E\one; hl7 \Z1\one, as text 'one'
\H\one\N\ two: hl7apy \H\one\N\ two, then \H\one\N\ two; hl7 \H\one\N\ two, as text '_one_ two'
one\T\two: hl7apy one\T\two, then one\T\two; hl7 one\T\two, as text 'one&two'
C:\E\one: hl7apy C:\E\one, then C:\E\one; hl7 C:\E\one, as text 'C:\\one'
END
