//! Tests the report on texts and words in a real browser: wide and narrow, light and dark.
#![cfg(unix)]

use std::{fs, path::Path};

use crate::support::{
    browser::{Browser, SCREENS},
    evaluated_run::EvaluatedRun,
};

/// Script that counts charts whose canvas shows more than one colour.
const DRAWN: &str = "return [...document.querySelectorAll('figure[data-chart] canvas')] \
    .map((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data) \
    .filter((dots) => dots.some((dot) => dot !== dots[0])).length";

/// Script that counts visible examples.
const SEEN: &str = "return document.querySelectorAll(\
    '.examples div[data-class]:not([hidden]) article:not([hidden])').length";

const RUNS: [&[&str]; 5] = [
    &["rte"],
    &["sts"],
    &["chunk"],
    &["names"],
    &["mnli", "squad", "names", "sts"],
];

#[test]
fn pages_of_all_kinds_are_legible_and_their_charts_drawn() {
    let Some(browser) = Browser::start() else {
        return;
    };
    // For looking at the pages.
    let pictures = std::env::var_os("ELECTRA_PICTURES");
    for tasks in RUNS {
        let run = EvaluatedRun::new(tasks);
        run.html(&[]);
        for (width, height, scheme) in SCREENS {
            let what = format!("{tasks:?}, {width}, {scheme}");
            browser.screen(width, height, scheme);
            browser.open(&format!("file://{}", run.page().display()));
            browser.assert_readable(&what);
            let charts =
                browser.script("return document.querySelectorAll('figure[data-chart]').length");
            assert_eq!(browser.script(DRAWN), charts, "{what}");
            if let Some(folder) = &pictures {
                let name = format!("{}-{width}-{scheme}.png", tasks.join("-"));
                fs::write(Path::new(folder).join(name), browser.picture()).unwrap();
            }
        }
    }
}

#[test]
fn examples_are_filtered_by_class_and_searched() {
    let Some(browser) = Browser::start() else {
        return;
    };
    browser.screen(1280, 900, "light");
    let run = EvaluatedRun::new(&["rte"]);
    run.html(&[]);
    browser.open(&format!("file://{}", run.page().display()));
    assert_eq!(browser.script(SEEN), 5, "the wrong ones first");
    browser.click(".examples [data-choices=class] button:nth-child(2)");
    assert_eq!(browser.script(SEEN), 19);
    let choose = |filter: &str, value: &str| {
        browser.script(&format!(
            "const one = document.querySelector('[data-filter={filter}]'); one.value = '{value}'; \
             one.dispatchEvent(new Event('change'))"
        ))
    };
    choose("gold", "1");
    let of_second = browser.script(SEEN).as_u64().unwrap();
    choose("gold", "0");
    assert_eq!(of_second + browser.script(SEEN).as_u64().unwrap(), 19);
    // For correct examples the true and the predicted class are the same.
    choose("predicted", "1");
    assert_eq!(browser.script(SEEN), 0);
    choose("gold", "");
    assert_eq!(browser.script(SEEN), of_second);
    choose("predicted", "");
    browser.type_in("[data-filter=text]", "no example has these words");
    assert_eq!(browser.script(SEEN), 0);
    assert_eq!(browser.text("[data-total]"), "0 found in all groups");
    browser.type_in("[data-filter=text]", "school church");
    assert!(browser.script(SEEN).as_u64() >= Some(1));

    // A sentence has several errors.
    let run = EvaluatedRun::new(&["names"]);
    run.html(&[]);
    browser.open(&format!("file://{}", run.page().display()));
    assert_eq!(browser.script(SEEN), 2);
    for (error, sentences) in [("0", 1), ("1", 1), ("3", 1), ("4", 1), ("2", 0)] {
        choose("error", error);
        assert_eq!(browser.script(SEEN), sentences, "error {error}");
    }
}
