//! Tests the page of `electra serve` for classification, regression and tagging in a real browser:
//! wide and narrow, light and dark.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::{
    learned::{Learned, pair, sentences},
    support::{
        browser::{Browser, SCREENS},
        served::{Response, Server, agent},
    },
};

const ANSWERED: &str = "const shown = document.getElementById('answered'); \
                        return !shown.hidden && !shown.classList.contains('old')";
const DESCRIBED: &str = "return document.getElementById('model').textContent.includes(' on ')";

/// Asserts what every state of the page must satisfy.
#[track_caller]
fn assert_well_laid_out(browser: &Browser, what: &str) {
    browser.assert_readable(what);
    let small = browser.script(
        "return [...document.querySelectorAll('button, input, textarea, nav a')] \
         .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 32) \
         .map((e) => e.outerHTML)",
    );
    assert_eq!(small, json!([]), "{what}: too small to touch");
    let nameless = browser.script(
        "return [...document.querySelectorAll('input, textarea')] \
         .filter((e) => e.labels.length === 0).map((e) => e.id)",
    );
    assert_eq!(nameless, json!([]), "{what}: without a label");
}

#[track_caller]
fn set(browser: &Browser, id: &str, text: &str) {
    let text = json!(text);
    browser.script(&format!(
        "const box = document.getElementById('{id}'); box.value = {text}; \
         box.dispatchEvent(new Event('input', {{bubbles: true}}))"
    ));
}

#[track_caller]
fn reply(server: &Server, endpoint: &str, body: &Value) -> Value {
    let url = format!("{}{endpoint}", server.url);
    let response = Response::read(agent().post(url).send_json(body));
    assert_eq!(response.status, 200, "{}", response.body);
    response.json
}

/// Returns the texts of all elements that match a selector.
#[track_caller]
fn texts(browser: &Browser, selector: &str) -> Vec<String> {
    let texts = browser.script(&format!(
        "return [...document.querySelectorAll('{selector}')].map((e) => e.textContent)"
    ));
    serde_json::from_value(texts).unwrap()
}

#[test]
fn each_task_has_its_form_and_its_answer() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let learned = Learned::of(&["rte", "sts", "chunk"]);
    let server = Server::start(&learned.model(), &[]);
    for (width, height, scheme) in SCREENS {
        let what = format!("{width}, {scheme}");
        browser.screen(width, height, scheme);
        browser.open(&server.url);
        browser.wait_for(DESCRIBED);
        assert_eq!(texts(&browser, "#tasks a"), ["rte", "sts", "chunk"]);
        assert_classified(&browser, &server, &what);
        browser.click("#tasks a:nth-child(2)");
        browser.wait_for(DESCRIBED);
        assert_rated(&browser, &server, &what);
        browser.click("#tasks a:nth-child(3)");
        browser.wait_for(DESCRIBED);
        assert_tagged(&browser, &server, &what);
    }
}

fn assert_classified(browser: &Browser, server: &Server, what: &str) {
    assert_eq!(browser.text("h1"), "Classify two texts");
    assert_eq!(texts(browser, "form label"), ["Sentence 1", "Sentence 2"]);
    assert_well_laid_out(browser, what);
    set(browser, "text", " ");
    set(browser, "text_b", " ");
    browser.click("#submit");
    assert_eq!(browser.text("#error"), "Sentence 1 is needed.");
    let [text, text_b] = pair("rte", &json!(0));
    browser.type_in("#text", &text);
    browser.click("#submit");
    assert_eq!(browser.text("#error"), "Sentence 2 is needed.");
    assert_well_laid_out(browser, &format!("{what}: an error"));
    // Ctrl+Enter sends the texts.
    browser.type_in("#text_b", &format!("{text_b}\u{e009}\u{e007}"));
    browser.wait_for(ANSWERED);
    let asked = json!({"text": text, "text_b": text_b, "task": "rte"});
    let expected = reply(server, "/api/classify", &asked);
    let label = expected["label"].as_str().unwrap();
    assert_eq!(browser.text("#answer"), label, "{what}");
    let labels = expected["labels"].as_array().unwrap();
    let percent =
        |entry: &Value| format!("{:.1} %", 100.0 * entry["probability"].as_f64().unwrap());
    let names: Vec<&str> = labels
        .iter()
        .map(|one| one["label"].as_str().unwrap())
        .collect();
    let shares: Vec<String> = labels.iter().map(percent).collect();
    assert_eq!(texts(browser, "#classes .text"), names, "{what}");
    assert_eq!(texts(browser, "#classes .share"), shares, "{what}");
    let said = format!("{label}, {}", shares[0]);
    assert_eq!(browser.text("#said"), said, "{what}");
    browser.wait_for("return document.getAnimations().length === 0");
    let filled = browser.script(
        "const bar = document.querySelector('#classes li'); \
         return bar.querySelector('i').getBoundingClientRect().width / bar.clientWidth",
    );
    let difference = filled.as_f64().unwrap() - labels[0]["probability"].as_f64().unwrap();
    assert!(difference.abs() < 0.01, "{what}: {difference}");
    assert_eq!(
        browser.script("return document.getElementById('cut').hidden"),
        true
    );
    assert_well_laid_out(browser, &format!("{what}: a class"));

    // Truncation is reported visibly and to screen readers.
    set(browser, "text_b", &"a ".repeat(200));
    assert_eq!(
        browser.script("return document.getElementById('answered').hidden"),
        true
    );
    browser.click("#submit");
    browser.wait_for(ANSWERED);
    let asked = json!({"text": text, "text_b": "a ".repeat(200), "task": "rte"});
    let cut = &reply(server, "/api/classify", &asked)["cut_tokens"];
    let told = format!("{cut} tokens were cut off: the text is longer than what the model reads.");
    assert_eq!(browser.text("#cut"), told, "{what}");
    assert!(browser.text("#said").ends_with(&told), "{what}");
    assert_well_laid_out(browser, &format!("{what}: cut off"));
    set(browser, "text", &"é".repeat(100_001));
    browser.click("#submit");
    assert_eq!(
        browser.text("#error"),
        "text: expected at most 100000 characters, found 100001"
    );
}

fn assert_rated(browser: &Browser, server: &Server, what: &str) {
    assert_eq!(browser.text("h1"), "Rate two texts");
    browser.click("#examples button");
    browser.click("#submit");
    browser.wait_for(ANSWERED);
    let value = |id: &str| browser.script(&format!("return document.getElementById('{id}').value"));
    let asked = json!({"text": value("text"), "text_b": value("text_b")});
    let expected = reply(server, "/api/regress", &asked);
    let value = expected["value"].as_f64().unwrap();
    let shown = format!("{value:.2}").replace('-', "−");
    assert_eq!(browser.text("#answer"), shown, "{what}");
    assert_eq!(
        browser.text("#said"),
        format!("{shown} on a scale from 0 to 5"),
        "{what}"
    );
    assert_eq!(texts(browser, ".ends span"), ["0", "5"], "{what}");
    browser.wait_for("return document.getAnimations().length === 0");
    let place = browser.script(
        "const scale = document.getElementById('scale').getBoundingClientRect(); \
         const dot = document.getElementById('score').getBoundingClientRect(); \
         return (dot.left + dot.width / 2 - scale.left) / scale.width",
    );
    let difference = place.as_f64().unwrap() - (value / 5.0).clamp(0.0, 1.0);
    assert!(difference.abs() < 0.02, "{what}: {difference}");
    let outside = browser.script("return !document.getElementById('outside').hidden");
    assert_eq!(outside, !(0.0..=5.0).contains(&value), "{what}");
    assert_well_laid_out(browser, &format!("{what}: a value"));
}

fn assert_tagged(browser: &Browser, server: &Server, what: &str) {
    assert_eq!(browser.text("h1"), "Mark a text");
    assert_well_laid_out(browser, what);
    // Markup in a text is shown and never executed.
    let words = sentences()[0].join(" ");
    let text = format!("𝒜 {words} <img src=x onerror=document.title='run'>");
    set(browser, "text", &text);
    browser.click("#submit");
    browser.wait_for(ANSWERED);
    let expected = reply(server, "/api/tag", &json!({"text": text}));
    let spans = expected["spans"].as_array().unwrap();
    assert!(spans.len() > 1, "{expected}");
    let marked: Vec<[String; 2]> = serde_json::from_value(browser.script(
        "return [...document.querySelectorAll('#marked mark')].map((mark) => \
         [mark.firstChild.data, mark.querySelector('small').textContent])",
    ))
    .unwrap();
    let told: Vec<[String; 2]> = spans
        .iter()
        .map(|span| ["text", "type"].map(|key| span[key].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(marked, told, "{what}");
    let whole = browser.script(
        "const box = document.getElementById('marked').cloneNode(true); \
         box.querySelectorAll('small').forEach((type) => type.remove()); return box.textContent",
    );
    assert_eq!(whole, text, "{what}");
    assert_eq!(
        browser.script("return document.querySelectorAll('#result img').length"),
        0
    );
    // One colour per type, in the legend as in the text.
    let colours = browser.script(
        "const colours = {}; \
         for (const one of document.querySelectorAll('#legend .kind, #marked .kind')) { \
           const type = one.querySelector('small')?.textContent ?? one.textContent; \
           (colours[type] ??= new Set()).add(getComputedStyle(one).backgroundColor); \
         } \
         return Object.values(colours).map((one) => one.size)",
    );
    let colours = colours.as_array().unwrap();
    assert!(
        !colours.is_empty() && colours.iter().all(|count| count == 1),
        "{what}"
    );
    assert!(
        browser
            .text("#said")
            .starts_with(&format!("{} spans: ", spans.len())),
        "{what}"
    );
    assert_well_laid_out(browser, &format!("{what}: spans"));
}
