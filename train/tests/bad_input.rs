//! Whatever is wrong: one line that says where and what to do, an exit code, and nothing half-written.

mod desk;

use std::io::Write;

use desk::{Desk, SCORE, TRAIN, tenants};

/// What `train` says about table `t.csv` before it ends with code 1, leaving everything as it was.
#[track_caller]
fn refused(table: impl AsRef<[u8]>, words: &str) -> String {
    fails(&Desk::new().with("t.csv", table), TRAIN, &format!("--table t.csv {words}"), 1)
}

/// What a program says before it ends with that code, leaving everything as it was.
#[track_caller]
fn fails(desk: &Desk, program: &str, words: &str, code: i32) -> String {
    let before = desk.everything();
    let line = desk.run(program, words).failed(code);
    assert!(desk.everything() == before, "something was left behind by: {words}");
    line
}

/// A table of numbers `0, 1, 2, ...` in column `x`, with labels by turns, and one more row at the end.
fn numbers_and(last: &str) -> String {
    let rows: String = (0..60).map(|i| format!("{i},{}\n", i % 2)).collect();
    format!("x,churn\n{rows}{last}\n")
}

#[test]
fn a_table_that_cannot_be_opened_is_named() {
    let desk = Desk::new().with("cut.csv.gz", gzip(tenants(300).as_bytes(), 500));
    let said = |words: &str| fails(&desk, TRAIN, &format!("{words} --label churn"), 1);
    assert_eq!(said("--table absent.csv"), r#"there is no file "absent.csv""#);
    assert_eq!(said("--table ."), r#""." is a directory; expected a file"#);
    let cut = said("--table cut.csv.gz");
    assert!(
        cut.starts_with(r#""cut.csv.gz" is gzip data that is cut short or damaged; download or compress"#),
        "{cut}"
    );
}

/// The first bytes of compressed text.
fn gzip(text: &[u8], n_bytes: usize) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text).expect("compresses");
    gzip.finish().expect("compresses")[..n_bytes].to_vec()
}

#[test]
fn observations_given_as_a_log_are_told_from_events() {
    let desk = Desk::new().with("set.csv", "tenant,observation_date,churned\na,2026-01-01,1\n");
    assert_eq!(
        fails(&desk, TRAIN, "--events set.csv", 1),
        r#""set.csv" holds observations that assemble has written, and no events; give it behind --observations"#
    );
    let line = fails(&desk, TRAIN, "--horizon abc", 2);
    assert!(line.contains("'abc' for '--horizon <DAYS>': expected a whole number of days"), "{line}");
}

#[test]
fn a_table_without_rows_is_empty() {
    assert_eq!(refused("", "--label churn"), r#""t.csv" is empty; expected a header and one row per observation"#);
    let header_only = r#""t.csv" has a header and no rows; expected one row per observation"#;
    assert_eq!(refused("x,churn\n", "--label churn"), header_only);
}

#[test]
fn a_wrong_label_column_is_answered_with_the_columns_there_are() {
    assert_eq!(
        refused("x,Churn\n1,0\n2,1\n", "--label chrun"),
        r#"--label "chrun": "t.csv" has no such column (did you mean "Churn"?); its columns are "x", "Churn""#
    );
}

#[test]
fn a_label_has_two_values_in_every_row() {
    let with = |labels: [&str; 4]| {
        let rows: String = labels.iter().zip(0..).map(|(label, x)| format!("{x},{label}\n")).collect();
        refused(format!("x,churn\n{rows}"), "--label churn")
    };
    assert_eq!(
        with(["0", "1", "2", "1"]),
        r#""t.csv", column "churn": a label has 2 values, found 3: "1" (2), "0" (1), "2" (1); keep two of them"#
    );
    assert_eq!(
        with(["no", "no", "no", "no"]),
        r#""t.csv", column "churn": every label is "no"; a model needs churned and stayed rows"#
    );
    assert_eq!(
        with(["0", "1", "", "1"]),
        r#""t.csv", line 4, column "churn": the label is blank (1 such rows); train on rows with a label and score the others"#
    );
    assert_eq!(
        with(["A", "B", "A", "B"]),
        r#""t.csv", column "churn": either "A" or "B" means churn; say which with --positive"#
    );
}

#[test]
fn a_row_or_byte_that_does_not_belong_is_found_by_line() {
    assert_eq!(
        refused(numbers_and("1,0,7"), "--label churn"),
        r#""t.csv", line 62: the number of fields is 3, expected 2; quote cells that hold commas"#
    );
    let mut latin1 = numbers_and("").into_bytes();
    latin1.extend(b"Z\xfcrich,0\n");
    assert_eq!(
        refused(latin1, "--label churn"),
        r#""t.csv", line 63, column "x": byte 0xfc is not UTF-8; save the file as UTF-8"#
    );
}

#[test]
fn a_stray_word_among_numbers_is_found_by_row_and_column() {
    assert_eq!(
        refused(numbers_and("twelve,1"), "--label churn"),
        "\"t.csv\", line 62, column \"x\": \"twelve\" is not a number, as the others are (1 of 61 values are none); \
         blank the cell or treat the column as text with --category \"x\""
    );
    let desk = Desk::new().with("t.csv", numbers_and("twelve,1"));
    desk.train("--table t.csv --label churn --category x --algorithm decision-tree"); // the remedy helps
}

#[test]
fn a_number_that_is_infinite_is_found_by_row_and_column() {
    assert_eq!(
        refused(numbers_and("inf,1"), "--label churn"),
        "\"t.csv\", line 62, column \"x\": \"inf\" is infinite or too large; \
         blank the cell or leave the column out with --drop \"x\""
    );
}

#[test]
fn a_column_without_a_value_is_to_be_dropped() {
    let table = "x,y,churn\n1,,0\n2,NA,1\n";
    let message = r#""t.csv": no row has a value in column "y"; leave it out with --drop"#;
    assert_eq!(refused(table, "--label churn"), message);
}

#[test]
fn a_header_that_is_missing_or_doubtful() {
    assert_eq!(
        refused("0,0.5,1\n1,0.7,2\n", "--label churn"),
        r#""t.csv": the header holds only numbers; if the file has no header, read it with --no-header"#
    );
    assert_eq!(
        refused("x,churn,x\n1,0,2\n", "--label churn"),
        r#""t.csv": columns 1 and 3 are both named "x"; rename one of them"#
    );
}

#[test]
fn a_table_too_small_to_split_says_how_small() {
    assert_eq!(
        refused("x,churn\n1,0\n2,1\n3,0\n4,0\n5,1\n", "--label churn"),
        "the test split of \"t.csv\" has 1 of 5 rows and none of them churned; \
         give more rows, or another --test-share or --seed"
    );
    assert_eq!(
        refused("x,churn\n1,1\n2,0\n3,1\n4,1\n5,0\n", "--label churn --cv 5"),
        "fold 0 of \"t.csv\" has 1 of 5 rows and none of them stayed; give more rows, or another --cv"
    );
}

#[test]
fn a_label_too_rare_for_the_test_split_is_told_before_anything_is_fitted() {
    let rows: String = (0..200).map(|i| format!("{i},{}\n", u8::from(i < 2))).collect();
    let desk = Desk::new().with("t.csv", format!("x,churn\n{rows}"));
    let ended = desk.run(TRAIN, "--table t.csv --label churn");
    assert!(!ended.out.contains("fitting"), "{}", ended.out);
    assert_eq!(
        ended.failed(1),
        "the test split of \"t.csv\" has 40 of 200 rows and none of them churned; \
         give more rows, or another --test-share or --seed"
    );
}

#[test]
fn weights_and_groups_that_leave_nothing_to_fit_or_test_on() {
    let rows = |last: fn(u32) -> u32| (0..60).map(|i| format!("{i},{},{}\n", last(i), i % 2)).collect::<String>();
    assert_eq!(
        refused(format!("x,w,churn\n{}", rows(|i| 1 - i % 2)), "--label churn --weight w"),
        "the test split of \"t.csv\", rows of weight 0 left out, has 6 of 60 rows and none of them churned; \
         give more rows, or another --test-share or --seed"
    );
    assert_eq!(
        refused(format!("x,g,churn\n{}", rows(|_| 7)), "--label churn --group g"),
        "the test split of \"t.csv\" has 0 of 60 rows and none of them churned; \
         give more rows, or another --test-share or --seed"
    );
    assert_eq!(
        refused(format!("x,g,churn\n{}", rows(|i| i % 3)), "--label churn --group g --cv 5"),
        "cannot deal 3 groups of rows into 5 folds; expected 2 to 3"
    );
}

#[test]
fn a_file_of_folds_fits_the_table_row_by_row() {
    let table = numbers_and("7,1"); // 61 rows
    let folds = |fold: fn(usize) -> String| (0..61).map(|row| format!("{row},{}\n", fold(row))).collect::<String>();
    let said = |header: &str, rows: String| {
        let desk = Desk::new().with("t.csv", &table).with("f.csv", format!("{header}\n{rows}"));
        fails(&desk, TRAIN, "--table t.csv --label churn --folds f.csv", 1)
    };
    let sound = || folds(|row| (row / 2 % 5).to_string());
    assert_eq!(
        said("row,fold", sound() + "61,0\n"),
        r#""f.csv", line 63: row "61" is not in the table; its rows are 0 to 60"#
    );
    assert_eq!(
        said("row,fold", sound() + "7,0\n"),
        r#""f.csv", line 63: row 7 already stands on an earlier line; give each row once"#
    );
    assert_eq!(
        said("row,fold", "0,0\n1,1\n".to_owned()),
        r#""f.csv": 59 of 61 rows have no fold, the first is row 2; give each row once"#
    );
    assert_eq!(
        said("row,fold", folds(|_| "x".to_owned())),
        r#""f.csv", line 2: fold "x" is not a whole number from 0; number the folds 0, 1, 2, ..."#
    );
    assert_eq!(
        said("row,fold", folds(|row| (row % 2 * 2).to_string())),
        r#""f.csv": fold 1 has no rows; number at least two folds 0, 1, 2, ... without gaps"#
    );
    assert_eq!(
        said("id,part", sound()),
        r#""f.csv": the header is "id", "part"; a fold file has the columns "row" and "fold""#
    );
    // By turns, as the labels are.
    assert_eq!(
        said("row,fold", folds(|row| (row % 2).to_string())),
        "fold 1 of \"t.csv\" has 30 of 61 rows and none of them stayed; give more rows, or another --folds"
    );
    let desk = Desk::new().with("t.csv", &table);
    assert_eq!(fails(&desk, TRAIN, "--table t.csv --label churn --folds f.csv", 1), r#"there is no file "f.csv""#);
}

#[test]
fn a_group_is_never_on_both_sides_of_a_fold() {
    let rows: String = (0..60).map(|i| format!("g{},{i},{}\n", i / 6, i % 2)).collect();
    let folds: String = (0..60).map(|row| format!("{row},{}\n", if row < 33 { 0 } else { 1 })).collect();
    let desk = Desk::new().with("t.csv", format!("g,x,churn\n{rows}")).with("f.csv", format!("row,fold\n{folds}"));
    for role in ["--group", "--id"] {
        assert_eq!(
            fails(&desk, TRAIN, &format!("--table t.csv --label churn {role} g --folds f.csv"), 1),
            r#""f.csv": row 33 is in fold 1 and an earlier row of its group in fold 0; give all rows of a group the same fold"#
        );
    }
}

#[test]
fn usage_that_makes_no_sense_ends_with_code_2() {
    let desk = Desk::new().with("t.csv", tenants(60));
    let about_table = "--table t.csv --label churn --id tenant";
    for (words, said) in [
        ("--table t.csv", "--table needs --label COLUMN (or --no-header, when the first column is the label)"),
        ("--label churn", "--label needs --table FILE"),
        ("--drop revenue", "--drop needs --table FILE"),
        ("--no-header", "--no-header needs --table FILE"),
        ("t.csv", "unexpected argument 't.csv' found; see train --help"),
        (
            "--tabel t.csv",
            "unexpected argument '--tabel' found; tip: a similar argument exists: '--table'; see train --help",
        ),
        ("--table", "a value is required for '--table <FILE>' but none was supplied; see train --help"),
        (
            "--table t.csv --label churn --no-header",
            "the argument '--label <COLUMN>' cannot be used with '--no-header'; see train --help",
        ),
    ] {
        assert_eq!(fails(&desk, TRAIN, words, 2), said, "{words}");
    }
    for (words, said) in [
        ("--threads 0", "'0' for '--threads <THREADS>': 0 is not in 1..=1024"),
        ("--cv 1", "'1' for '--cv <FOLDS>': 1 is not in 2..=100"),
        ("--cv 5 --folds f.csv", "'--cv <FOLDS>' cannot be used with '--folds <FILE>'"),
        ("--seed -1", "'-1' for '--seed <SEED>'"),
        ("--tune 0", "--tune needs at least 1 setting"),
        ("--test-share 1", "--test-share must be between 0.05 and 0.9"),
        ("--test-share nan", "--test-share must be between 0.05 and 0.9"),
        (
            "--threshold best",
            "expected profit, capacity:SHARE, precision:FLOOR, recall:FLOOR, accuracy, f-beta:BETA, or a score",
        ),
        ("--threshold capacity:0", "expected a number above 0 and up to 1"),
        ("--class-weight -3", "expected equal, balanced or a positive factor"),
        ("--lifetime-value 1", "a campaign needs lifetime value > offer >= 0"),
        ("--algorithm boosting", "[possible values: auto, random-forest, decision-tree, linear-learner]"),
        ("--n-trees 0", "hyperparameter n_trees is 0; expected 1 to 65535"),
        ("--min-leaf 0", "hyperparameter min_leaf is 0; expected at least 1"),
        ("--max-depth 65", "hyperparameter max_depth is 65; expected 1 to 64"),
        ("--features-per-split 9", "hyperparameter features_per_split is 9; expected 1 to the number of features"),
        ("--penalty -1", "hyperparameter penalty is -1; expected a number of at least 0"),
        ("--l1-ratio 1.5", "hyperparameter l1_ratio is 1.5; expected 0 to 1"),
        ("--complexity nan", "hyperparameter complexity is NaN; expected a number of at least 0"),
    ] {
        let line = fails(&desk, TRAIN, &format!("{about_table} {words}"), 2);
        assert!(line.contains(said), "{words}: {line}");
    }
    for (words, said) in [
        ("", "the following required arguments were not provided: --model <FILE>; --table <FILE>; see score --help"),
        ("--model m --table t --foo", "unexpected argument '--foo' found; see score --help"),
    ] {
        assert_eq!(fails(&desk, SCORE, words, 2), said, "{words}");
    }
}

#[test]
fn a_role_that_no_column_can_play_is_named() {
    let table = tenants(60);
    assert_eq!(
        refused(&table, "--label churn --drop churn"),
        r#"column "churn" is given to both --label and --drop; give it to one of them"#
    );
    let said = refused(&table, "--label churn --id tenant --weight plan");
    assert!(said.starts_with(r#""t.csv", line 2, column "plan": found "#), "{said}");
    assert!(said.ends_with("; a weight is a number of at least 0"), "{said}");
    let said = refused(&table, "--label churn --group tennant");
    assert!(said.starts_with(r#"--group "tennant": "t.csv" has no such column (did you mean "tenant"?)"#), "{said}");
}

#[test]
fn hyperparameters_that_cannot_be_read_end_with_code_2_and_name_their_file() {
    for (json, said) in [
        (r#"{"n_tree": 5}"#, r#"no hyperparameter is called "n_tree"; see train --help"#),
        (r#"{"hyperparameters": "other.json"}"#, r#"no hyperparameter is called "hyperparameters"; see train --help"#),
        (r#"{"n_trees": "many"}"#, "invalid value 'many' for '--n-trees <N_TREES>': expected a whole number"),
        (r#"{"n_trees": null}"#, "n_trees must be a string, a number, a boolean or a list"),
        (r#"{"drop": [["x"]]}"#, "drop must be a string, a number, a boolean or a list"),
        (r#"{"no_header": "maybe"}"#, "unexpected value 'maybe' for '--no-header' found; no more were expected"),
        (r#"{"threads": 0}"#, "invalid value '0' for '--threads <THREADS>': 0 is not in 1..=1024"),
        ("[1]", "expected a JSON object: "),
        ("{\"seed\": 1", "expected a JSON object: "),
        ("", "expected a JSON object: "),
    ] {
        let desk = Desk::new().with("h.json", json).with("t.csv", tenants(60));
        let line = fails(&desk, TRAIN, "--hyperparameters h.json --table t.csv --label churn", 2);
        assert!(line.starts_with(&format!(r#""h.json": {said}"#)), "{json}: {line}");
    }
    let desk = Desk::new();
    let line = fails(&desk, TRAIN, "--hyperparameters absent.json", 1);
    assert!(line.starts_with(r#"cannot read "absent.json": "#), "{line}");
}

#[test]
fn a_run_folder_that_is_a_file_is_refused_before_the_work() {
    let desk = Desk::new().with("t.csv", tenants(60));
    for (out, file) in [("t.csv", "t.csv"), ("t.csv/run/1", "t.csv")] {
        let ended = desk.run(TRAIN, &format!("--table t.csv --label churn --out {out}"));
        assert!(ended.out.is_empty(), "{}", ended.out);
        assert_eq!(ended.failed(1), format!("--out {out:?}: {file:?} is a file; name a folder"));
    }
    assert_eq!(desk.read("t.csv"), tenants(60));
}

#[test]
fn a_folder_where_a_file_should_go_leaves_the_older_files() {
    let desk = Desk::new().with("t.csv", tenants(60));
    std::fs::create_dir_all(desk.path("run/report.html")).expect("makes a folder");
    let words = "--table t.csv --label churn --id tenant --algorithm decision-tree --out run";
    let message = r#"cannot write "run/report.html", which is a folder; name a file, or move the folder away"#;
    assert_eq!(fails(&desk, TRAIN, words, 1), message);
}

/// A model to score by, at `run/model.safetensors`.
fn desk_with_model() -> Desk {
    let desk = Desk::new().with("t.csv", tenants(500));
    desk.train("--table t.csv --label churn --id tenant --algorithm linear-learner --out run");
    desk
}

#[test]
fn a_table_to_score_has_the_columns_of_the_model() {
    let header_and = |header: &str, row: &str| {
        let desk = desk_with_model().with("s.csv", format!("{header}\n{row}\n"));
        let score = |words: &str| {
            fails(&desk, SCORE, &format!("--model run/model.safetensors --table s.csv --out o.csv {words}"), 1)
        };
        (score(""), score("--no-header"))
    };
    let (by_name, by_position) = header_and("plan,logins,churn", "basic,1,0");
    assert_eq!(by_name, r#""s.csv" lacks 2 of the model's columns: "revenue", "trial"; columns are matched by name"#);
    assert_eq!(by_position, r#""s.csv" has 3 columns without a header; the model has 4, or 5 with the label first"#);
    let (by_name, _) = header_and("logins,revenue,plan,trial", "1,many,basic,yes");
    assert_eq!(by_name, r#""s.csv", line 2, column "revenue": found "many", expected a finite number or a blank"#);
    let (by_name, _) = header_and("logins,revenue,plan,trial", "1,inf,basic,yes");
    assert_eq!(by_name, r#""s.csv", line 2, column "revenue": found "inf", expected a finite number or a blank"#);
    let (by_name, _) = header_and("logins,revenue,plan,trial", "1,2,basic,maybe");
    assert_eq!(
        by_name,
        r#""s.csv", line 2, column "trial": found "maybe", expected yes, no, true, false, 1, 0 or a blank"#
    );
}

#[test]
fn tables_and_places_that_cannot_be_scored_are_named() {
    let desk = desk_with_model().with("empty.csv", "");
    let score = |words: &str| fails(&desk, SCORE, &format!("--model run/model.safetensors {words}"), 1);
    assert_eq!(score("--table absent.csv"), r#"there is no file "absent.csv""#);
    assert_eq!(score("--table run"), r#""run" is a directory; expected a file"#);
    assert_eq!(score("--table empty.csv"), r#""empty.csv" is empty; expected a header and one row per observation"#);
    let desk_parquet = desk_with_model().with("set.parquet", b"PAR1 and so on");
    assert_eq!(
        fails(&desk_parquet, SCORE, "--model run/model.safetensors --table set.parquet", 1),
        r#""set.parquet" is Parquet; score takes CSV: write it with assemble --out set.csv"#
    );
    assert_eq!(
        score("--table t.csv --id name"),
        "--id \"name\": \"t.csv\" has no such column; its columns are \
         \"tenant\", \"logins\", \"revenue\", \"plan\", \"trial\", \"churn\""
    );
    assert_eq!(
        score("--table t.csv --out run"),
        r#"cannot write "run", which is a folder; name a file, or move the folder away"#
    );
    assert_eq!(
        score("--table t.csv --out absent/o.csv"),
        r#"cannot write "absent/o.csv": there is no folder "absent"; make it, or name another place"#
    );
}

#[test]
fn a_model_file_that_was_cut_or_changed_anywhere_scores_nothing() {
    let desk = desk_with_model();
    let sound = desk.bytes("run/model.safetensors");
    let n = sound.len();
    let score = |bytes: Vec<u8>| {
        std::fs::write(desk.path("m.safetensors"), bytes).expect("writes");
        fails(&desk, SCORE, "--model m.safetensors --table t.csv --out o.csv", 1)
    };
    for n_bytes in [0, 1, 7, 8, 100, n / 2, n - 1] {
        let line = score(sound[..n_bytes].to_vec());
        assert!(line.starts_with(r#"model file "m.safetensors" "#) && line.contains("cut short"), "{n_bytes}: {line}");
    }
    for at in (0..n).step_by(n / 40) {
        let mut tampered = sound.clone();
        tampered[at] ^= 4;
        let line = score(tampered);
        assert!(line.starts_with(r#"model file "m.safetensors" "#), "byte {at}: {line}");
    }
    let line = score(tenants(60).into_bytes());
    assert_eq!(
        line,
        r#"model file "m.safetensors" is no model file; name the model.safetensors of a run folder, which train writes"#
    );
    let line = fails(&desk, SCORE, "--model absent --table t.csv", 1);
    assert!(line.starts_with(r#"model file "absent" cannot be read: "#), "{line}");
    let line = fails(&desk, SCORE, "--model run --table t.csv", 1);
    assert_eq!(line, r#"model file "run" is not a regular file; name the file itself, such as model.safetensors"#);
}

/// Fills the disk, as far as the program is concerned: where the signal that comes with a size limit is ignored, writing
/// beyond it is an error like a full disk's.
#[cfg(unix)]
fn on_a_disk_of(n_blocks: u32, command: &str) -> String {
    format!("trap '' XFSZ; ulimit -f {n_blocks}; exec {command}")
}

#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_leaves_no_run_folder_and_no_older_run_in_pieces() {
    let desk = Desk::new().with("t.csv", tenants(1000));
    let train = "\"$TRAIN\" --table t.csv --label churn --id tenant --algorithm linear-learner";
    desk.shell(&format!("{train} --seed 5 --cv 2 --out older")).succeeded();
    for place in ["", "--out new", "--out new/deep/folder", "--out older"] {
        let before = desk.everything();
        let line = desk.shell(&on_a_disk_of(24, &format!("{train} {place}"))).failed(1);
        assert!(line.starts_with("cannot write ") && line.contains("predictions.csv"), "{line}");
        assert!(
            line.contains("nothing was left half-written, so mend this or name another place with --out"),
            "{line}"
        );
        assert!(desk.everything() == before, "something was left behind with {place:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_leaves_the_older_scores() {
    let desk = desk_with_model().with("o.csv", "older");
    let before = desk.everything();
    let score = "\"$SCORE\" --model run/model.safetensors --table t.csv --out o.csv";
    let line = desk.shell(&on_a_disk_of(8, score)).failed(1);
    assert!(line.starts_with(r#"cannot write "o.csv"; nothing was left half-written"#), "{line}");
    assert!(desk.everything() == before, "something was left behind");
}

#[cfg(target_os = "linux")]
#[test]
fn scores_that_do_not_fit_behind_standard_output_are_an_error() {
    let desk = desk_with_model();
    let words = "\"$SCORE\" --model run/model.safetensors --table t.csv";
    for line in [format!("{words} > /dev/full"), format!("{words} --out /dev/full")] {
        let said = desk.shell(&line).failed(1);
        assert!(said.starts_with("cannot write all scores to "), "{said}");
        assert!(said.contains("what stands there is not complete: No space left on device"), "{said}");
    }
    use std::os::unix::fs::FileTypeExt;
    let full = std::fs::metadata("/dev/full").expect("is there");
    assert!(full.file_type().is_char_device(), "a device was replaced by a file");
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let rows = tenants(200);
    let (header, rows) = rows.split_once('\n').expect("has a header");
    let desk = desk_with_model().with("long.csv", format!("{header}\n{}", rows.repeat(100)));
    let line = "{ \"$SCORE\" --model run/model.safetensors --table long.csv; echo $? > code; } | head -1";
    let ended = desk.shell(line).succeeded();
    assert_eq!((ended.out.as_str(), desk.read("code").as_str()), ("row,score,decision\n", "0\n"));
    assert!(!ended.err.contains("error"), "{}", ended.err);
    let line = "{ \"$TRAIN\" --table t.csv --label churn --id tenant --out other; echo $? > code; } | head -1";
    desk.shell(line).succeeded();
    assert_eq!(desk.read("code"), "0\n");
    assert!(desk.path("other/model.safetensors").is_file());
}
