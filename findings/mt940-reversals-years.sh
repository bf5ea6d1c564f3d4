#!/usr/bin/env bash
# mt940-js 1.0.0, mt940js 1.3.5 (npm), mt-940 5.1.1 (PyPI): reversals and entry dates in statements of SWIFT MT940.
#
# One would expect, by SWIFT's description of field 61: RC reverses a credit and is a debit entry, RD the other way round; the entry
# date has no year, and is near the value date; the entries add up to the difference of the balances.
# Seen: mt940-js tells RC as a credit and RD as none; mt-940 gives RC a positive amount, unless its option reversal_sign is set. So
# the entries do not add up. Of an entry of January with a value date in December, or the other way round, both JavaScript
# libraries take the value date's year, and are a year off. mt940js's amounts and mt-940's dates are right.
# To a user: a payment that came back is counted twice; entries around New Year are a year early or late.
. "$(dirname "$0")/lib.sh"
node_packages mt940-js@1.0.0 tslib@2.8.1 mt940js@1.3.5
python_packages mt-940==5.1.1

cat >statement <<'END'
:20:STATEMENT
:25:12345678/0001234567
:28C:00005/001
:60F:C231229EUR1000,00
:61:2312291229C100,50NTRFNONREF
:61:2401021231RC20,00NTRFNONREF
:61:2312290102RD30,25NTRFNONREF
:61:2401020102D5,00NMSCNONREF
:62F:C240102EUR1105,75
-
END

cat >program.js <<'END'
const text = require('fs').readFileSync('statement');
const told = (name, entries) => {
  for (const [value, entry, amount] of entries) console.log(`${name}: value date ${value}, entry date ${entry}, ${amount}`);
  console.log(`${name}: balances differ by 105.75, entries are`, entries.reduce((sum, [, , amount]) => sum + amount, 0));
};
const { Parser } = require('mt940js');
const day = (date) => date.toISOString().slice(0, 10);
told('mt940js', new Parser().parse(text.toString())[0].transactions.map((entry) => [day(entry.date), day(entry.entryDate), entry.amount]));
require('mt940-js').read(text).then(([{ transactions }]) => told('mt940-js',
  transactions.map((entry) => [entry.valueDate, entry.entryDate, entry.isCredit ? entry.amount : -entry.amount])));
END
node program.js >got

cat >program.py <<'END'
import mt940

entries = [entry.data for entry in mt940.parse("statement")]
for entry in entries:
    print(f"mt-940: value date {entry['date']}, entry date {entry['entry_date']}, {entry['status']} {entry['amount'].amount}")
print("mt-940: balances differ by 105.75, entries are", sum(entry["amount"].amount for entry in entries))
END
venv/bin/python program.py >>got

seen got <<'END'
mt940js: value date 2023-12-29, entry date 2023-12-29, 100.5
mt940js: value date 2024-01-02, entry date 2024-12-31, -20
mt940js: value date 2023-12-29, entry date 2023-01-02, 30.25
mt940js: value date 2024-01-02, entry date 2024-01-02, -5
mt940js: balances differ by 105.75, entries are 105.75
mt940-js: value date 2023-12-29, entry date 2023-12-29, 100.5
mt940-js: value date 2024-01-02, entry date 2024-12-31, 20
mt940-js: value date 2023-12-29, entry date 2023-01-02, -30.25
mt940-js: value date 2024-01-02, entry date 2024-01-02, -5
mt940-js: balances differ by 105.75, entries are 85.25
mt-940: value date 2023-12-29, entry date 2023-12-29, C 100.50
mt-940: value date 2024-01-02, entry date 2023-12-31, RC 20.00
mt-940: value date 2023-12-29, entry date 2024-01-02, RD 30.25
mt-940: value date 2024-01-02, entry date 2024-01-02, D -5.00
mt-940: balances differ by 105.75, entries are 145.75
END
