"""Write companies.csv: 2,000 companies in the columns of the original system, with a hidden cause of churn.

    python3 make_table.py > companies.csv

A company's health decides both how many jobs it submits and whether it leaves; no column shows the health itself.
"""

import csv
import math
import random
import sys

INDUSTRIES = ["consulting", "energy", "finance", "healthcare", "manufacturing", "retail", "travel"]
COLUMNS = ["Company", "Industry", "Revenue", "Employees", "#job30", "#job90", "MonthlyCharge", "TotalCharge", "Churn"]


def poisson(dice: random.Random, mean: float) -> int:
    """Draw by inversion (Knuth); means here are small."""
    limit, product, count = math.exp(-mean), dice.random(), 0
    while product > limit:
        product *= dice.random()
        count += 1
    return count


def company(dice: random.Random, number: int) -> list:
    """One company: health, and what it leaves behind."""
    industry = dice.choice(INDUSTRIES)
    employees = max(5, round(dice.lognormvariate(5, 1.3)))
    revenue = round(employees * dice.lognormvariate(-1.5, 0.6), 1)
    health = dice.gauss(0, 1) - 0.4 * (industry in ("retail", "travel"))
    fading = dice.random() < 0.25
    pace = math.exp(1.5 + 0.15 * math.log(employees) + 0.55 * health) / 3
    older, newer = poisson(dice, 2 * pace), poisson(dice, pace * (0.45 if fading else 1.0))
    monthly = round(60 + 18 * math.log(employees) * dice.lognormvariate(0, 0.25))
    tenure = 1 + min(59, int(dice.expovariate(1 / 20)))
    log_odds = -2.3 - 1.0 * health + 1.2 * fading + 0.9 * math.exp(-tenure / 6) + 0.25 * (monthly > 170)
    churned = dice.random() < 0.02 + 0.96 / (1 + math.exp(-log_odds))
    shown_revenue = "" if dice.random() < 0.06 else revenue
    return [
        f"comp_{number}",
        industry,
        shown_revenue,
        employees,
        newer,
        older + newer,
        monthly,
        monthly * tenure,
        int(churned),
    ]


def main() -> None:
    """Write the table to standard output."""
    dice = random.Random(2)
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows(company(dice, number) for number in range(2_000))


if __name__ == "__main__":
    main()
