//! What `model-card.md` says.

mod fake_outcome;

use std::path::Path;

use churn_train::model_card;
use fake_outcome::{everything, observed, telco};

#[test]
fn the_card_reads_as_the_golden_one() {
    let card = model_card(&telco(1_409));
    // On purpose changed? Look at the new card, then copy it over the golden one.
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("model-card.md"), &card).unwrap();
    let golden = include_str!("golden/model-card.md");
    for (number, (found, expected)) in card.lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", number + 1);
    }
    assert_eq!(card.lines().count(), golden.lines().count());
}

#[test]
fn names_from_the_table_do_not_act_in_the_card() {
    let card = model_card(&everything(400));
    let code = card.lines().find(|line| line.starts_with("    ")).unwrap();
    assert!(code.contains("--table 'tenants & <b>"), "{code}");
    let prose = card.replace(code, "");
    assert!(!prose.contains("<script") && !prose.contains("<b>"));
    assert!(card.contains("parent \\| company"), "{card}");
    assert!(!card.contains("NaN") && !card.contains('\u{a0}'));
}

#[test]
fn the_card_of_a_run_on_a_log_tells_its_plan_its_dates_and_its_yardsticks() {
    let card = model_card(&observed(1_409));
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("model-card-over-time.md"), &card).unwrap();
    for heading in [
        "Log and observation plan",
        "Split by date",
        "How good it could be",
        "Beside the original system",
        "Bagging by tenant",
        "Backtest",
    ] {
        assert_eq!(card.matches(&format!("## {heading}\n")).count(), 1, "{heading}");
    }
    assert!(card.contains("| fit: 2024-03-29 to 2025-01-03 (11 dates) | 12,442 |"), "{card}");
    assert!(
        card.contains("| no label yet: 2025-11-07 to 2025-12-05 (2 dates) |") && card.contains("| – | – |"),
        "{card}"
    );
    assert!(card.contains("The same data, flags and seed"));
    assert!(!card.contains("NaN") && !card.contains('\u{a0}') && !card.contains(" table,"));
}
