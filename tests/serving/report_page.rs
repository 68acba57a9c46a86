//! Tests the report in a real browser: wide and narrow, light and dark.
//!
//! With ELECTRA_WRITE=1 it also writes the screenshots of docs/running.md, of the report in the
//! quickstart folder named by ELECTRA_QUICKSTART.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{
    browser::{Browser, SCREENS},
    place::golden,
};
use serde_json::json;

/// Script that counts charts whose canvas shows more than one colour.
const DRAWN: &str = "return [...document.querySelectorAll('figure[data-chart] canvas')] \
    .map((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data) \
    .filter((dots) => dots.some((dot) => dot !== dots[0])).length";

/// Creates a report with every part: a dialogue's predictions and a training log.
fn report(folder: &Path) -> PathBuf {
    let log: String = (0..40)
        .map(|step| {
            let line = json!({
                "step": step, "loss": 80.0 - f64::from(step), "grad_norm": 1.5,
                "learning_rate": 1e-4, "features": 32, "tokens": 4000, "seconds": 0.5,
                "peak_bytes": null,
            });
            format!("{line}\n")
        })
        .collect();
    let log_file = folder.join("train_log.jsonl");
    fs::write(&log_file, log).unwrap();
    let page = folder.join("report.html");
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .arg("report")
        .args([Path::new("--data"), &golden("analysis/dialogue.json")])
        .args([
            Path::new("--predictions"),
            &golden("analysis/dialogue.preds.json"),
        ])
        .args([
            Path::new("--null-odds"),
            &golden("analysis/dialogue.null_odds.json"),
        ])
        .args([Path::new("--train-log"), &log_file])
        .args([Path::new("--output"), &page])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    page
}

#[test]
fn every_chart_is_drawn_and_the_examples_can_be_searched() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = report(folder.path());
    for (width, height, scheme) in SCREENS {
        let what = format!("{width}, {scheme}");
        browser.screen(width, height, scheme);
        browser.open(&format!("file://{}", page.display()));
        browser.assert_readable(&what);
        let charts =
            browser.script("return document.querySelectorAll('figure[data-chart]').length");
        assert!(charts.as_u64() >= Some(6), "{what}: {charts} charts");
        assert_eq!(browser.script(DRAWN), charts, "{what}");
        let title = browser.script("return document.title");
        assert_eq!(title, "dialogue.json", "{what}");

        // Examples of another class, then those with a word.
        browser.click(".examples [data-choices=class] button:nth-child(2)");
        let shown =
            "return document.querySelectorAll('.examples div[data-class]:not([hidden])').length";
        assert_eq!(browser.script(shown), 1, "{what}");
        browser.type_in("[data-filter=text]", "no example has these words");
        let left = "return document.querySelectorAll(\
            '.examples div[data-class]:not([hidden]) article:not([hidden])').length";
        assert_eq!(browser.script(left), 0, "{what}");
        browser.assert_readable(&what);
    }
    // The button switches from dark to light.
    let background = "return getComputedStyle(document.body).backgroundColor";
    let dark = browser.script(background);
    browser.click("#theme");
    assert_ne!(browser.script(background), dark);
}

#[test]
fn pictures_of_the_report() {
    if std::env::var_os("ELECTRA_WRITE").is_none() {
        return;
    }
    let folder = std::env::var_os("ELECTRA_QUICKSTART").expect("a folder of the quickstart's");
    let page = Path::new(&folder).join("models/electra_tiny/results/squad_report.html");
    let page = fs::canonicalize(page).unwrap();
    let browser = Browser::start().expect("chromedriver");
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/img");
    fs::create_dir_all(&pictures).unwrap();
    for (width, height, scheme) in SCREENS {
        browser.screen(width, height, scheme);
        browser.open(&format!("file://{}", page.display()));
        // Three examples represent all.
        browser.script(
            "document.querySelectorAll('article:nth-of-type(n+4)').forEach((e) => e.remove())",
        );
        let picture = pictures.join(format!("report-{scheme}-{width}.png"));
        fs::write(picture, browser.picture()).unwrap();
    }
}
