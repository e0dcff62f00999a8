//! What `model-card.md` says.

mod fake_outcome;

use std::path::Path;

use churn_train::model_card;
use fake_outcome::{everything, telco};

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
