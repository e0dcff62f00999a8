"""Turns the original system's company table into what its notebook trained on: 14 numbers, label first, no header.

Reads the table from standard input: `simulate --table companies.csv && original_layout.py < companies.csv`.
"""

import csv
import sys

# In alphabetical order, as pandas made them of the column; TotalCharge and the name are left out.
INDUSTRIES = ("IT", "consulting", "energy", "finance", "gov", "health", "retail", "service", "travel")
NUMBERS = ("Revenue", "Employees", "#job30", "#job90", "MonthlyCharge")


def features(company: dict[str, str]) -> list[str]:
    """The 14 features of one company."""
    flags = ["1" if company["Industry"] == industry else "0" for industry in INDUSTRIES]
    return [company[name] for name in NUMBERS] + flags


def main() -> None:
    """Writes one row for each company."""
    rows = csv.writer(sys.stdout, lineterminator="\n")
    for company in csv.DictReader(sys.stdin):
        rows.writerow([company["Churn"], *features(company)])


if __name__ == "__main__":
    main()
