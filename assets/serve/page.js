"use strict";
// Sends the question, shows the reply. What comes from the passage is only ever set as text, never
// as markup. Positions in replies count code points, of which a JavaScript string may have two
// units.
(() => {
  const at = (id) => document.getElementById(id);
  const passage = at("passage"), question = at("question"), answered = at("answered");
  // The scale's ends, in log-odds: beyond them the model is as good as certain.
  const SURE = 10;
  // Possible answers that are shown.
  const SHOWN = 5;
  // Most characters of each text, as the server's description of itself tells; without it the
  // server alone decides.
  const most = { passage: Infinity, question: Infinity };

  const lighthouse = "Alan Stevenson built the lighthouse of Skerryvore between 1838 and 1844. It " +
    "stands on a reef in the Atlantic, about 19 kilometres south-west of the island of Tiree. Its " +
    "granite tower is 48 metres tall, and its light was first shown on 1 February 1844. A fire " +
    "gutted the tower in 1954. Since 1994 nobody has lived there: the light works by itself.";
  const examples = {
    lighthouse: [lighthouse, "How tall is the tower?"],
    unanswerable: [lighthouse, "Who painted the tower?"],
    facts: ["Garden owns the river. It lives in school. It was born in 1784. It works with captain.",
      "Where does Garden live?"],
  };

  const number = (value) => value.toFixed(2).replace("-", "−");
  const percent = (share) => (share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);
  // Code points, as the server counts.
  const characters = (text) => {
    let count = 0;
    for (const _ of text) count += 1;
    return count;
  };
  // Tells how long the texts are, and which of them is too long to be sent.
  const count = () => {
    for (const [text, length] of [[passage, "length"], [question, "question-length"]]) {
      const found = characters(text.value);
      const over = found - most[text.id];
      at(length).classList.toggle("too-long", over > 0);
      text.setAttribute("aria-invalid", String(over > 0));
      at(length).textContent = over > 0
        ? `${found.toLocaleString("en")} characters, ${over.toLocaleString("en")} too many`
        : text === passage && found ? `${found.toLocaleString("en")} characters` : "";
    }
  };
  // In the server's words.
  const tooLong = () => [question, passage]
    .map((text) => [text.id, characters(text.value), most[text.id]])
    .filter(([, found, limit]) => found > limit)
    .map(([name, found, limit]) => `${name}: expected at most ${limit} characters, found ${found}`)[0];

  // Shows the passage with the code points from start to end marked.
  const mark = (text, start, end) => {
    const points = Array.from(text);
    const part = (from, to) => points.slice(from, to).join("");
    const box = at("marked");
    if (start === null) {
      box.replaceChildren(text);
      box.scrollTop = 0;
      return;
    }
    const marked = document.createElement("mark");
    marked.textContent = part(start, end);
    box.replaceChildren(part(0, start), marked, part(end));
    // In the middle of its box; a long one with its beginning. The box may be out of sight itself.
    box.scrollTop = marked.offsetTop - Math.max(0, (box.clientHeight - marked.offsetHeight) / 2);
    marked.scrollIntoView({ block: "nearest" });
  };

  const alternative = (entry, text, chosen) => {
    const button = document.createElement("button");
    button.type = "button";
    button.disabled = entry.start === null;
    button.setAttribute("aria-pressed", String(chosen));
    const bar = document.createElement("i");
    bar.style.width = `${100 * entry.probability}%`;
    const words = document.createElement("span");
    words.className = "text";
    words.dir = "auto";
    words.textContent = entry.text || "(empty)";
    const share = document.createElement("span");
    share.className = "share";
    share.textContent = percent(entry.probability);
    button.append(bar, words, share);
    button.addEventListener("click", () => {
      for (const other of at("alternatives").querySelectorAll("button")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      mark(text, entry.start, entry.end);
      at("said").textContent = `Marked in the passage: ${entry.text}`;
    });
    const item = document.createElement("li");
    item.append(button);
    return item;
  };

  // Where the no-answer score stands against the threshold.
  const showOdds = (reply) => {
    at("no-answer").hidden = reply.null_odds === null;
    if (reply.null_odds === null) return;
    const place = (odds) => `${Math.min(100, Math.max(0, 50 + (50 * odds) / SURE))}%`;
    at("stands").style.width = place(reply.threshold);
    at("threshold").style.left = place(reply.threshold);
    at("score").style.left = place(reply.null_odds);
    const sure = reply.no_answer_probability;
    const told = (sure === null ? "No-answer score " : `No-answer probability ${percent(sure)}, score `) +
      `${number(reply.null_odds)}; above ${number(reply.threshold)} means no answer.`;
    at("odds").textContent = told;
    at("scale").setAttribute("aria-label", told);
  };

  const show = (reply, text, seconds) => {
    const none = reply.answer === "";
    const said = none ? "The passage does not say." : reply.answer;
    at("answer").textContent = said;
    at("answer").classList.toggle("none", none);
    at("about").textContent = `answered in ${seconds.toFixed(2)} s`;
    showOdds(reply);
    const shown = reply.nbest.slice(0, SHOWN);
    const chosen = shown.findIndex((entry) => !none && entry.text === reply.answer);
    at("alternatives").replaceChildren(
      ...shown.map((entry, place) => alternative(entry, text, place === chosen)));
    at("hint").hidden = true;
    answered.hidden = false;
    // What is hidden has no place to scroll to. On a narrow screen the answer is below the form.
    if (answered.getBoundingClientRect().top > innerHeight * 0.8) {
      at("result").scrollIntoView({ block: "start" });
    }
    mark(text, reply.start, reply.end);
    at("said").textContent = none ? said : `Answer: ${said}`;
  };

  const fail = (message) => {
    at("error").textContent = message;
    at("error").hidden = false;
    at("hint").hidden = true;
    answered.hidden = true;
    at("error").scrollIntoView({ block: "nearest" });
  };

  let asking = null;
  // An answer belongs to the texts that were asked: it goes, or will not come, when they change.
  const changed = () => {
    count();
    asking?.abort();
    asking = null;
    at("submit").removeAttribute("aria-disabled");
    at("error").hidden = true;
    answered.hidden = true;
    answered.classList.remove("old");
    at("hint").hidden = false;
    at("said").textContent = "";
  };

  const ask = async () => {
    asking?.abort();
    const mine = (asking = new AbortController());
    const text = passage.value;
    at("error").hidden = true;
    at("submit").setAttribute("aria-disabled", "true");
    answered.classList.add("old");
    at("said").textContent = "Answering …";
    const began = performance.now();
    try {
      const response = await fetch("api/answer", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ question: question.value, passage: text }),
        signal: mine.signal,
      });
      const reply = await response.json();
      if (!response.ok) throw new Error(reply.error.message);
      show(reply, text, (performance.now() - began) / 1000);
    } catch (error) {
      // Of two questions the later one is answered.
      if (mine.signal.aborted) return;
      fail(error instanceof TypeError ? "The server cannot be reached." : String(error.message));
      at("said").textContent = "";
    } finally {
      if (asking === mine) {
        at("submit").removeAttribute("aria-disabled");
        answered.classList.remove("old");
      }
    }
  };

  at("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!passage.value.trim() || !question.value.trim()) {
      fail("Both a passage and a question are needed.");
    } else if (tooLong()) {
      fail(tooLong());
    } else {
      ask();
    }
  });
  passage.addEventListener("input", changed);
  question.addEventListener("input", changed);
  for (const button of document.querySelectorAll("[data-example]")) {
    button.addEventListener("click", () => {
      [passage.value, question.value] = examples[button.dataset.example];
      changed();
      question.focus();
    });
  }
  count();
  fetch("health").then((response) => response.json()).then((health) => {
    at("model").textContent = `${health.model} on ${health.device}`;
  }).catch(() => { /* said when a question is asked */ });
  fetch("openapi.json").then((response) => response.json()).then((document) => {
    const asked = document.components.schemas.Question.properties;
    for (const name of Object.keys(most)) most[name] = asked[name].maxLength;
    count();
  }).catch(() => { /* too long is then said by the server */ });
})();
