//! Rows to score are matched by name against the schema of a model.

use churn_features::{Feature, FeatureSchema};
use churn_training_data::{LabelValues, ScoringOptions, ScoringTable, read_features};

fn schema() -> FeatureSchema {
    FeatureSchema::new(vec![
        Feature::numeric("age"),
        Feature::category("plan", vec!["basic".into(), "pro".into()]),
        Feature::boolean("active"),
    ])
    .expect("valid")
}

/// The table in a file of that text, or what is said about it, with the file called `t.csv`.
fn read(text: &str, options: &ScoringOptions) -> Result<ScoringTable, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).expect("writes");
    read_features(&path, &schema(), options).map_err(|error| error.to_string().replace(&format!("{path:?}"), "t.csv"))
}

fn rows(table: &ScoringTable) -> Vec<Vec<Option<f32>>> {
    let value = |value: &f32| (!value.is_nan()).then_some(*value);
    table.features().rows().into_iter().map(|row| row.iter().map(value).collect()).collect()
}

fn headerless() -> ScoringOptions {
    ScoringOptions { header: false, ..ScoringOptions::default() }
}

#[test]
fn columns_are_matched_by_name_in_any_order() {
    let table = read("active,note,plan,age\nyes,hi,pro,7\nfalse,,basic,8.5\n1,,pro,\n", &ScoringOptions::default());
    let table = table.expect("reads");
    assert_eq!(
        rows(&table),
        [[Some(7.0), Some(1.0), Some(1.0)], [Some(8.5), Some(0.0), Some(0.0)], [None, Some(1.0), Some(1.0)],]
    );
    assert_eq!(table.ignored_columns(), ["note"]);
    assert_eq!(table.keys().iter().collect::<Vec<_>>(), ["0", "1", "2"]);
    assert_eq!((table.n_rows(), table.labels()), (3, None));
}

#[test]
fn all_missing_columns_are_listed() {
    assert_eq!(
        read("plan\npro\n", &ScoringOptions::default()).expect_err("refused"),
        r#"t.csv lacks 2 of the model's columns: "age", "active"; columns are matched by name"#
    );
}

#[test]
fn unknown_levels_and_blanks_are_counted() {
    let table = read(
        "age,plan,active\n1,gold,yes\n,silver,\n2,gold,no\nNA,,no\n3,tin,no\n4,lead,no\n",
        &ScoringOptions::default(),
    );
    let table = table.expect("reads");
    let [age, plan, active] = table.columns() else { panic!("three columns") };
    assert_eq!((age.n_missing, age.n_unknown), (2, 0));
    assert_eq!((plan.n_missing, plan.n_unknown), (1, 5));
    assert_eq!(plan.unknown_examples, ["gold", "silver", "tin"]);
    assert_eq!(active.n_missing, 1);
    assert!(rows(&table).iter().all(|row| row[1].is_none()));
}

#[test]
fn a_cell_that_is_not_what_its_feature_is_is_refused() {
    let refusal = |text: &str| read(text, &ScoringOptions::default()).expect_err("refused");
    assert_eq!(
        refusal("age,plan,active\n1,pro,yes\nold,pro,no\n"),
        r#"t.csv, line 3, column "age": found "old", expected a finite number or a blank"#
    );
    assert_eq!(
        refusal("age,plan,active\ninf,pro,yes\n"),
        r#"t.csv, line 2, column "age": found "inf", expected a finite number or a blank"#
    );
    assert_eq!(
        refusal("age,plan,active\n1,pro,2\n"),
        r#"t.csv, line 2, column "active": found "2", expected yes, no, true, false, 1, 0 or a blank"#
    );
    assert_eq!(refusal("age,plan,active\n"), "t.csv has a header and no rows; expected one row per observation");
}

#[test]
fn keys_and_labels_come_from_their_columns() {
    let options = ScoringOptions {
        id: Some("tenant".into()),
        label: Some(LabelValues::new("churn", "Yes", "No")),
        ..ScoringOptions::default()
    };
    let table = read("tenant,age,plan,active,churn\na,1,pro,no,yes\nb,2,pro,no,\nc,3,pro,no,No\n", &options);
    let table = table.expect("reads");
    assert_eq!(table.keys().iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(table.labels(), Some([Some(true), None, Some(false)].as_slice()));
    assert!(table.ignored_columns().is_empty());
    let without = read("tenant,age,plan,active\na,1,pro,no\n", &options).expect("a label is not needed");
    assert_eq!(without.labels(), None);
    assert_eq!(
        read("tenant,age,plan,active,churn\na,1,pro,no,maybe\n", &options).expect_err("refused"),
        r#"t.csv, line 2, column "churn": found "maybe", expected "Yes", "No" or a blank"#
    );
    assert_eq!(
        read("Tenant,age,plan,active\na,1,pro,no\n", &options).expect_err("refused"),
        "--id \"tenant\": t.csv has no such column (did you mean \"Tenant\"?); \
         its columns are \"Tenant\", \"age\", \"plan\", \"active\""
    );
}

#[test]
fn without_a_header_columns_are_taken_by_position() {
    let expected = [[Some(1.0), Some(1.0), Some(0.0)]];
    assert_eq!(rows(&read("1,pro,no\n", &headerless()).expect("reads")), expected);
    let table = read("0,1,pro,no\n", &headerless()).expect("the label is skipped");
    assert_eq!(
        (rows(&table).as_slice(), table.ignored_columns()),
        ([expected[0].to_vec()].as_slice(), ["label".to_owned()].as_slice())
    );
    let options = ScoringOptions { label: Some(LabelValues::new("label", "1", "0")), ..headerless() };
    assert_eq!(read("0,1,pro,no\n", &options).expect("reads").labels(), Some([Some(false)].as_slice()));
    assert_eq!(
        read("1,pro\n", &headerless()).expect_err("refused"),
        "t.csv has 2 columns without a header; the model has 3, or 4 with the label first"
    );
    assert_eq!(
        read("x,pro,no\n", &headerless()).expect_err("refused"),
        r#"t.csv, line 1, column "age": found "x", expected a finite number or a blank"#
    );
    assert_eq!(
        read("1,pro,no\n", &ScoringOptions { id: Some("k".into()), ..headerless() }).expect_err("refused"),
        r#"--id "k" names a column, and t.csv is read without a header; add one or leave out --id"#
    );
}
