//! What `report.html` promises: everything in it, nothing harmful in it, readable offline, small.

mod fake_outcome;

use std::collections::BTreeSet;
use std::path::Path;

use churn_model::evaluate::ProfitPoint;
use churn_model::{Campaign, Threshold, ThresholdRule};
use churn_train::report::render;
use churn_train::{OverTime, Part, SplitKind};
use fake_outcome::{draw, evaluation, everything, observed, telco};

/// Writes the page where a person can open it.
fn keep(name: &str, page: &str) {
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), page).expect("cargo has made this folder");
}

#[test]
fn every_part_is_on_the_page() {
    let page = render(&everything(1_409));
    keep("report_everything.html", &page);
    let parts = [
        "key-figures",
        "learners",
        "ranking",
        "gains",
        "roc",
        "precision-recall",
        "calibration",
        "calibration-plot",
        "acting",
        "profit",
        "histogram",
        "features",
        "segments",
        "cross-validation",
        "data",
        "caveats",
        "using",
    ];
    for id in parts {
        assert_eq!(page.matches(&format!(r#" id="{id}""#)).count(), 1, "{id}");
    }
    for link in page.split(r##"href="#"##).skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!(r#" id="{link}""#)), "nothing at #{link}");
    }
    for words in
        ["The tree as rules", "tenure &lt; 5.5", "asked for with --drop", "few churned", "Isotonic calibrator", "kept"]
    {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn parts_without_content_are_left_out() {
    let mut outcome = telco(400);
    outcome.segments.clear();
    outcome.caveats.clear();
    outcome.importance.clear();
    let page = render(&outcome);
    for id in ["segments", "cross-validation", "caveats"] {
        assert!(!page.contains(&format!(r#" id="{id}""#)) && !page.contains(&format!("#{id}")), "{id}");
    }
    assert!(!page.contains("The tree as rules"));
}

#[test]
fn names_from_the_table_are_shown_and_never_acted_on() {
    let page = render(&everything(400));
    assert!(!page.contains("<script") && !page.contains("<b>"));
    for shown in [
        "tenants &amp; &lt;b&gt;&quot;friends&quot;&lt;/b&gt;.csv",
        "x&lt;script&gt;alert('1')&lt;/script&gt;",
        "a &amp; b &lt; &quot;c&quot;",
        "&lt;18 &amp; 'young'",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[test]
fn the_page_needs_no_network_and_no_script() {
    let page = render(&everything(400));
    for outside in ["http", "<script", "<link", "@import", "url(", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn the_page_is_small_and_always_the_same_for_a_hundred_thousand_test_rows() {
    let outcome = telco(100_000);
    let page = render(&outcome);
    keep("report.html", &page);
    assert!(page.len() < 200_000, "{} bytes", page.len());
    assert_eq!(page, render(&outcome));
}

#[test]
fn every_chart_says_in_words_what_it_shows() {
    let page = render(&telco(1_409));
    let charts: Vec<&str> = page.split("<figure").skip(1).collect();
    assert_eq!(charts.len(), 6);
    for chart in charts {
        let message = chart.split("<desc").nth(1).and_then(|rest| rest.split("</desc>").next()).unwrap();
        assert!(message.contains(|c: char| c.is_ascii_digit()), "no number in {message}");
        assert!(chart.contains("<title") && chart.contains(r#"role="img""#));
    }
    assert_eq!(page.matches("<table").count(), page.matches("<caption").count());
}

#[test]
fn nothing_on_the_page_is_no_number() {
    let mut outcome = everything(400);
    outcome.candidates[1].honest_log_loss = f64::NAN;
    outcome.candidates[1].fit_seconds = f64::NAN;
    outcome.importance[0].roc_auc_decrease.mean = f64::NAN;
    outcome.segments[0].mean_score = f64::INFINITY;
    outcome.test.profit.push(ProfitPoint { threshold: None, contacted_share: 1.0, profit_per_tenant: f64::NAN });
    let page = render(&outcome);
    for word in ["NaN", "inf", "infinity"] {
        let found = page.split(|c: char| !c.is_alphanumeric()).position(|found| found == word);
        assert_eq!(found, None, "{word}");
    }
}

#[test]
fn a_test_split_of_four_and_a_campaign_that_never_pays_still_make_a_page() {
    let mut outcome = telco(400);
    let (scores, labels) = ([0.9, 0.8, 0.2, 0.2], [true, false, false, true]);
    let campaign = Campaign { contact: 150.0, ..Campaign::default() };
    outcome.threshold = Threshold { score: 1.0_f64.next_up(), rule: ThresholdRule::Profit { campaign } };
    outcome.campaign = campaign;
    outcome.test = evaluation(&scores, &labels, outcome.threshold.score, &campaign);
    let page = render(&outcome);
    keep("report_tiny.html", &page);
    assert!(page.contains("No score makes a contact pay"));
    assert!(page.contains("none of 4 tenants is contacted"));
}

#[test]
fn rare_churn_and_a_capacity_make_a_page_too() {
    let mut outcome = telco(400);
    let (scores, labels) = draw(20_000, 0.8, 11);
    let scores: Vec<f64> = scores.iter().map(|score| score * 0.08).collect();
    let mut dice = fake_outcome::Dice::new(5);
    let labels: Vec<bool> = labels.iter().map(|&churned| churned && dice.roll() < 0.08).collect();
    let rule = ThresholdRule::Capacity { share: 0.05 };
    outcome.threshold = churn_model::evaluate::choose_threshold(rule, &scores, &labels).unwrap();
    outcome.test = evaluation(&scores, &labels, outcome.threshold.score, &outcome.campaign);
    let page = render(&outcome);
    keep("report_rare.html", &page);
    assert!(page.contains("that at most 5.0\u{a0}% of the fit split reach"));
}

/// The page of a run on a log, after something about it was changed.
fn page_over_time(change: impl FnOnce(&mut OverTime)) -> String {
    let mut outcome = observed(1_409);
    change(outcome.over_time.as_mut().expect("a run on a log"));
    render(&outcome)
}

/// Parts of the page that only a log can fill.
const OVER_TIME: [&str; 10] = [
    "time",
    "time-line",
    "base-rates",
    "cohorts",
    "event-study",
    "usage",
    "possible",
    "bagging",
    "backtest",
    "backtest-plot",
];

#[test]
fn a_log_with_times_puts_time_on_the_page() {
    let page = page_over_time(|_| ());
    keep("report_over_time.html", &page);
    for id in OVER_TIME {
        assert_eq!(page.matches(&format!(r#" id="{id}""#)).count(), 1, "{id}");
    }
    for link in page.split(r##"href="#"##).skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!(r#" id="{link}""#)), "nothing at #{link}");
    }
    for words in [
        "Every 28 days the tenants that have been there for at least 28 days",
        "9,812,345",
        "left out: received too late",
        "2024-03-29 to 2025-01-03",
        "Label: cancelled within [14 d, 74 d) after the observation date.",
        "weeks before the churn",
        "the best possible ROC-AUC on the test split is",
        "of the way from chance",
        "the original system&#39;s 7 columns",
        "Bags drawn row by row promised ROC-AUC 0.901",
        "Fitted anew for each of 7 observation dates",
        "By family",
        "labelled observations",
        "Of the tenth of observations",
    ] {
        assert!(page.contains(words) || page.contains(&words.replace("&#39;", "'")), "{words}");
    }
    for outside in ["http", "<script", "<link", "@import", "url(", "src=", "NaN"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.len() < 200_000, "{} bytes", page.len());
}

#[test]
fn a_flat_table_has_no_time_on_its_page() {
    let page = render(&everything(400));
    for id in OVER_TIME {
        assert!(!page.contains(&format!(r#" id="{id}""#)) && !page.contains(&format!(r##"href="#{id}""##)), "{id}");
    }
}

#[test]
fn every_chart_over_time_says_in_words_what_it_shows() {
    let page = page_over_time(|_| ());
    let charts: Vec<&str> = page.split("<figure").skip(1).collect();
    assert_eq!(charts.len(), 6 + 5);
    for chart in charts {
        let message = chart.split("<desc").nth(1).and_then(|rest| rest.split("</desc>").next()).unwrap();
        assert!(message.contains(|c: char| c.is_ascii_digit()), "no number in {message}");
    }
}

#[test]
fn the_label_horizon_of_a_part_is_drawn_up_to_the_next_one_and_no_further() {
    let page = page_over_time(|_| ());
    let time_line =
        page.split(r#"<figure id="time-line""#).nth(1).and_then(|rest| rest.split("</svg>").next()).unwrap();
    let number = |tag: &str, name: &str| -> f64 {
        tag.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap().parse().unwrap()
    };
    let rects = |class: &str| -> Vec<&str> {
        time_line.split("<rect").filter(|tag| tag.starts_with(&format!(" class=\"{class}\""))).collect()
    };
    for (part, next) in [("fit", "calibration"), ("calibration", "test")] {
        let horizon = rects(&format!("pale part-{part}"))[0];
        let end = number(horizon, "x") + number(horizon, "width");
        // A bar begins a little before its first date, so that a single date can be seen.
        let start = number(rects(&format!("part-{next}"))[0], "x") + 3.0;
        assert!(end <= start + 0.2, "{part} ends at {end}, {next} starts at {start}");
    }
}

#[test]
fn a_log_that_can_tell_little_still_makes_a_page() {
    let page = page_over_time(|over_time| {
        over_time.dates.truncate(1);
        over_time.dates[0].part = Part::FitAndTest;
        over_time.dates[0].n_churned = 0;
        over_time.split = SplitKind::Tenants;
        over_time.event_study.clear();
        over_time.oracle = None;
        over_time.bagging = None;
        over_time.families.clear();
        over_time.backtest.clear();
        over_time.log.left_out.clear();
    });
    keep("report_one_date.html", &page);
    for id in ["event-study", "bagging", "backtest"] {
        assert!(!page.contains(&format!(r#" id="{id}""#)) && !page.contains(&format!(r##"href="#{id}""##)), "{id}");
    }
    assert!(page.contains("All observations of a tenant stayed on one side"));
    assert!(!page.contains("How good it could be"), "nobody knows");
    assert!(page.contains("Beside the original system"));
    assert!(!page.contains("left out: ") && !page.contains("NaN"));
}

#[test]
fn a_log_without_any_labelled_date_still_makes_a_page() {
    for n_dates in [0, 1] {
        let page = page_over_time(|over_time| {
            over_time.dates.truncate(n_dates);
            over_time.dates.iter_mut().for_each(|date| date.part = Part::Censored);
            over_time.original = None;
            over_time.oracle = None;
        });
        assert!(!page.contains(r#" id="possible""#) && !page.contains(r#" id="base-rates""#));
        assert!(!page.contains("NaN"));
    }
}

#[test]
fn what_a_log_tells_is_in_metrics_json_under_documented_keys() {
    fn add_keys(value: &serde_json::Value, keys: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(object) => object.iter().for_each(|(key, value)| {
                keys.insert(key.clone());
                add_keys(value, keys);
            }),
            serde_json::Value::Array(values) => values.iter().for_each(|value| add_keys(value, keys)),
            _ => {}
        }
    }
    let told = serde_json::to_value(observed(400).over_time).unwrap();
    assert_eq!(told["dates"][0]["date"], "2024-03-29");
    assert_eq!((&told["split"], &told["plan"]["rule"]), (&"time".into(), &"cancelled".into()));
    assert_eq!(told["backtest"][2]["algorithm"], "linear-learner");
    assert_eq!(told["families"][0]["name"], "login");
    let mut keys = BTreeSet::new();
    add_keys(&told, &mut keys);
    let page = include_str!("../../docs/run-folder.md");
    let missing: Vec<&String> = keys.iter().filter(|key| !page.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/run-folder.md says nothing about {missing:?}");
}
