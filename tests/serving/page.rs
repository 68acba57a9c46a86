//! Tests the page of `electra serve` in a real browser: wide and narrow, light and dark.
//!
//! With ELECTRA_WRITE=1 it also writes the screenshots of docs/serve.md, with the model in the
//! quickstart folder named by ELECTRA_QUICKSTART.
#![cfg(unix)]

use std::{fs, path::Path};

use crate::support::{
    browser::{Browser, SCREENS},
    served::{Model, Server, questions},
};
use electra::quickstart;
use serde_json::{Value, json};

/// Script that returns whether an answer has arrived and is shown.
const ANSWERED: &str = "const shown = document.getElementById('answered'); \
                        return !shown.hidden && !shown.classList.contains('old')";

/// Splits text into words, ignoring whitespace.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[track_caller]
fn marked(browser: &Browser) -> String {
    browser.text("#marked mark")
}

/// Asserts what every state of the page must satisfy.
#[track_caller]
fn assert_well_laid_out(browser: &Browser, what: &str) {
    browser.assert_readable(what);
    let small = browser.script(
        "return [...document.querySelectorAll('button, input, textarea')] \
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

#[test]
fn a_question_is_asked_and_its_answer_shown() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let model = Model::new(&json!({"qa_na_threshold": 0.065}));
    let server = Server::start(model.path(), &[]);
    let mut backgrounds = Vec::new();
    for (width, height, scheme) in SCREENS {
        let what = format!("{width}, {scheme}");
        browser.screen(width, height, scheme);
        browser.open(&server.url);
        assert_eq!(browser.script("return innerWidth"), width, "{what}");
        browser.wait_for(
            "return document.getElementById('model').textContent \
             .startsWith('electra_tiny_projected on ')",
        );
        assert_well_laid_out(&browser, &what);
        backgrounds.push(browser.script("return getComputedStyle(document.body).backgroundColor"));

        // The example, then the user's own question about it.
        browser.click("[data-example=lighthouse]");
        let passage = browser.script("return document.getElementById('passage').value");
        let passage = passage.as_str().unwrap();
        assert!(passage.contains("Skerryvore"), "{what}");
        browser.type_in("#question", "Who built it?");
        browser.click("#submit");
        browser.wait_for(ANSWERED);
        let expected = server.ask("Who built it?", passage).json;
        assert_ne!(expected["answer"], "", "the model has an answer");
        assert_shows(&browser, &expected, passage, &what);
        assert_well_laid_out(&browser, &what);

        // Another candidate answer.
        browser.click("#alternatives li:nth-child(3) button");
        let third = expected["nbest"][2]["text"].as_str().unwrap();
        assert_eq!(words(&marked(&browser)), words(third), "{what}");
        let pressed = browser.script(
            "return [...document.querySelectorAll('#alternatives button')] \
             .map((b) => b.getAttribute('aria-pressed')).indexOf('true')",
        );
        assert_eq!(pressed, 2, "{what}");
        assert_eq!(
            words(&browser.text("#said")),
            words(&format!("Marked in the passage: {third}")),
            "{what}"
        );
    }
    assert_eq!(backgrounds[0], backgrounds[2]);
    assert_ne!(backgrounds[0], backgrounds[1]);
    assert_eq!(backgrounds[1], backgrounds[3]);
}

/// Compares what the page shows with the reply.
#[track_caller]
fn assert_shows(browser: &Browser, reply: &Value, passage: &str, what: &str) {
    let answer = reply["answer"].as_str().unwrap();
    assert_eq!(browser.text("#answer"), answer, "{what}");
    assert_eq!(browser.text("#said"), format!("Answer: {answer}"), "{what}");
    assert_eq!(words(&marked(browser)), words(answer), "{what}");
    let before =
        browser.script("return document.querySelector('#marked mark').previousSibling?.data ?? ''");
    let start = before.as_str().unwrap().chars().count();
    assert_eq!(reply["start"], start, "{what}");
    let whole = browser.script("return document.getElementById('marked').textContent");
    assert_eq!(whole, passage, "{what}");
    let odds = browser.text("#odds");
    let probability = 100.0 * reply["no_answer_probability"].as_f64().unwrap();
    let told = format!("No-answer probability {probability:.1} %, score ");
    assert!(odds.starts_with(&told), "{what}: {odds} instead of {told}");
    let shares = browser.script(
        "return [...document.querySelectorAll('#alternatives .share')].map((e) => e.textContent)",
    );
    for (share, entry) in shares
        .as_array()
        .unwrap()
        .iter()
        .zip(reply["nbest"].as_array().unwrap())
    {
        let share = share.as_str().unwrap().trim_end_matches(" %");
        let shown: f64 = share.trim_start_matches("< ").parse().unwrap();
        let probability = 100.0 * entry["probability"].as_f64().unwrap();
        assert!(
            (shown - probability).abs() < 0.051,
            "{what}: {share} for {probability}"
        );
    }
}

#[test]
fn no_answer_and_errors_are_said_in_words() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let model = Model::new(&json!({"qa_na_threshold": 0.065}));
    let server = Server::start(model.path(), &[]);
    browser.screen(390, 844, "light");
    browser.open(&server.url);

    let unanswered = questions()
        .into_iter()
        .find(|(question, passage)| server.ask(question, passage).json["answer"] == "");
    let (question, passage) = unanswered.expect("a question that the model leaves unanswered");
    set_passage(&browser, &passage);
    // Enter sends the question.
    browser.type_in("#question", &format!("{question}\n"));
    browser.wait_for(ANSWERED);
    assert_eq!(browser.text("#answer"), "The passage does not say.");
    assert_eq!(
        browser.script("return document.querySelectorAll('#marked mark').length"),
        0
    );
    assert_eq!(browser.text("#marked"), passage);
    assert_well_laid_out(&browser, "no answer");

    let failed = "return !document.getElementById('error').hidden";
    assert_too_long_is_said_before_sending(&browser);

    set_passage(&browser, " ");
    browser.click("#submit");
    browser.wait_for("return document.getElementById('error').textContent.startsWith('Both ')");
    assert_well_laid_out(&browser, "an error");

    // Markup in a passage is shown and never executed.
    let markup = "<img src=x onerror=document.title='run'> <b>Ada</b> wrote it.";
    set_passage(&browser, markup);
    browser.click("#submit");
    browser.wait_for(ANSWERED);
    assert_eq!(
        browser.script("return document.getElementById('marked').textContent"),
        markup
    );
    assert_eq!(
        browser.script("return document.querySelectorAll('#result img, #result b').length"),
        0
    );
    assert_well_laid_out(&browser, "markup");

    drop(server);
    browser.click("#submit");
    browser.wait_for(failed);
    assert_eq!(browser.text("#error"), "The server cannot be reached.");
}

#[track_caller]
fn assert_too_long_is_said_before_sending(browser: &Browser) {
    const ASKED: &str = "return performance.getEntriesByType('resource') \
                         .filter((entry) => entry.name.endsWith('/api/answer')).length";
    let asked = browser.script(ASKED);
    let fits = browser.script("return document.getElementById('question').value");
    // The page learns the limits after it is shown.
    set_passage(browser, &"é ".repeat(60_000));
    browser.wait_for("return document.getElementById('length').textContent.includes('many')");
    assert_eq!(
        browser.text("#length"),
        "120,000 characters, 20,000 too many"
    );
    assert_well_laid_out(browser, "a passage that is too long");
    for (question, said) in [
        (
            fits.as_str().unwrap(),
            "passage: expected at most 100000 characters, found 120000",
        ),
        // Code points, each of which counts as two units in JavaScript; nothing is silently
        // truncated.
        (
            &*"𝒜".repeat(1001),
            "question: expected at most 1000 characters, found 1001",
        ),
    ] {
        set("question", browser, question);
        browser.click("#submit");
        assert_eq!(browser.text("#error"), said);
        let hidden = browser.script("return document.getElementById('answered').hidden");
        assert_eq!(hidden, true);
        assert_well_laid_out(browser, said);
    }
    assert_eq!(
        browser.text("#question-length"),
        "1,001 characters, 1 too many"
    );
    assert_eq!(browser.script(ASKED), asked, "nothing was sent");
    // The longest that is allowed.
    set("question", browser, &"𝒜".repeat(1000));
    assert_eq!(browser.text("#question-length"), "");
    set("question", browser, fits.as_str().unwrap());
}

#[test]
fn the_answer_is_in_sight_and_goes_when_the_texts_change() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let model = Model::new(&json!({"qa_na_threshold": 1e3}));
    let server = Server::start(model.path(), &[]);
    for (width, height, scheme) in SCREENS {
        browser.screen(width, height, scheme);
        browser.open(&server.url);
        // Far below the top of its box and, on a narrow screen, of the page.
        set_passage(
            &browser,
            &("\n".repeat(300) + "Ada wrote it in 1843. " + &"\n".repeat(300)),
        );
        set("question", &browser, "Who wrote it?");
        browser.click("#submit");
        browser.wait_for(ANSWERED);
        assert_in_sight(&browser, &format!("{width}, {scheme}"));
        browser.click("#alternatives li:nth-child(2) button");
        assert_in_sight(&browser, &format!("{width}, {scheme}, another"));

        for changed in ["passage", "question"] {
            set(changed, &browser, "Ada wrote it?");
            let shown = browser.script(
                "return [document.getElementById('answered').hidden, \
                 document.getElementById('hint').hidden]",
            );
            assert_eq!(shown, json!([true, false]), "{changed}");
            assert_eq!(browser.text("#said"), "", "{changed}");
            browser.click("#submit");
            browser.wait_for(ANSWERED);
        }
        browser.click("[data-example=facts]");
        assert_eq!(
            browser.script("return document.getElementById('answered').hidden"),
            true
        );
        // A pending answer is not shown for a text that it does not belong to.
        browser.script(
            "document.getElementById('submit').click(); \
             const box = document.getElementById('question'); box.value += '?'; \
             box.dispatchEvent(new Event('input', {bubbles: true}))",
        );
        let state = browser.script(
            "return [document.getElementById('said').textContent, \
             document.getElementById('submit').getAttribute('aria-disabled')]",
        );
        assert_eq!(state, json!(["", null]));
    }
    assert_eq!(browser.errors(), [""; 0]);
}

/// Asserts that the marked words are within their box, and both within the window.
#[track_caller]
fn assert_in_sight(browser: &Browser, what: &str) {
    let sight = browser.script(
        "const mark = document.querySelector('#marked mark').getBoundingClientRect(); \
         const box = document.getElementById('marked').getBoundingClientRect(); \
         return [box.top <= mark.top, mark.bottom <= box.bottom, 0 <= mark.top, \
         mark.bottom <= innerHeight]",
    );
    assert_eq!(sight, json!([true, true, true, true]), "{what}");
}

#[test]
fn texts_run_in_the_direction_of_their_script() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let model = Model::new(&json!({"qa_na_threshold": 1e3}));
    let server = Server::start(model.path(), &[]);
    browser.screen(1280, 900, "light");
    browser.open(&server.url);
    for (question, passage, direction) in [
        ("מי כתב את זה?", "עדה כתבה את זה בשנת 1843.", "rtl"),
        ("Who wrote it?", "Ada wrote it in 1843.", "ltr"),
    ] {
        set_passage(&browser, passage);
        set("question", &browser, question);
        browser.click("#submit");
        browser.wait_for(ANSWERED);
        let directions = browser.script(
            "return ['#passage', '#question', '#marked', '#alternatives .text'].map((one) => \
             getComputedStyle(document.querySelector(one)).direction)",
        );
        // An answer may consist only of digits, which have no direction.
        assert_eq!(directions.as_array().unwrap()[..3], [direction; 3]);
        let automatic = browser.script(
            "return [...document.querySelectorAll('#answer, #alternatives .text')] \
             .filter((e) => e.dir !== 'auto').length",
        );
        assert_eq!(automatic, 0);
    }
}

/// Sets a passage at once; typing a long one would take long.
#[track_caller]
fn set_passage(browser: &Browser, passage: &str) {
    set("passage", browser, passage);
}

#[track_caller]
fn set(id: &str, browser: &Browser, text: &str) {
    let text = json!(text);
    browser.script(&format!(
        "const box = document.getElementById('{id}'); box.value = {text}; \
         box.dispatchEvent(new Event('input', {{bubbles: true}}))"
    ));
}

#[test]
fn pictures_of_the_page() {
    if std::env::var_os("ELECTRA_WRITE").is_none() {
        return;
    }
    let folder = std::env::var_os("ELECTRA_QUICKSTART").expect("a folder of the quickstart's");
    let model = Path::new(&folder).join("models/electra_tiny/finetuning_models/squad_model_1");
    let browser = Browser::start().expect("chromedriver");
    let server = Server::start(&model, &[]);
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/img");
    fs::create_dir_all(&pictures).unwrap();
    for (width, height, scheme) in SCREENS {
        browser.screen(width, height, scheme);
        browser.open(&server.url);
        browser.wait_for("return document.getElementById('model').textContent.includes(' on ')");
        browser.click("[data-example=facts]");
        browser.click("#submit");
        browser.wait_for(ANSWERED);
        assert_eq!(
            browser.script("return document.getElementById('passage').value"),
            quickstart::lesson::PASSAGE
        );
        browser.script("scrollTo(0, 0); document.activeElement.blur()");
        // The bars' animation has finished.
        browser.wait_for("return document.getAnimations().length === 0");
        let picture = pictures.join(format!("serve-{scheme}-{width}.png"));
        fs::write(picture, browser.picture()).unwrap();
    }
}
