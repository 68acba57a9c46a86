// What every page has: texts with limits, a request, and one reply or error at a time. What comes
// from a text is only ever set as text, never as markup.

export const at = (id) => document.getElementById(id);
export const number = (value) => value.toFixed(2).replace("-", "−");
export const percent = (share) => (share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);
export const element = (tag, className, text = "") => {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
};
// Code points, as the server counts.
const characters = (text) => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

// Says how much of the texts the model did not read, if any; returns the same for those who listen.
export const showCut = ({ cut_tokens: cut }) => {
  const said = `${cut.toLocaleString("en")} ${cut === 1 ? "token was" : "tokens were"} cut off: ` +
    "the text is longer than what the model reads.";
  at("cut").hidden = cut === 0;
  at("cut").textContent = cut === 0 ? "" : said;
  return cut === 0 ? "" : `. ${said}`;
};

// What the server says of itself, with the task that this page is for.
const description = async () => {
  const health = await (await fetch("health")).json();
  const wanted = new URLSearchParams(location.search).get("task");
  const task = health.tasks.find((one) => one.name === wanted) ?? health.tasks[0];
  return { health, task };
};

// In the header: the model, and its other tasks.
const showModel = ({ health, task }) => {
  at("model").textContent = `${health.model} on ${health.device}`;
  if (health.tasks.length < 2) return;
  const links = health.tasks.map((one) => {
    const link = element("a", "", one.name);
    link.href = `?task=${encodeURIComponent(one.name)}`;
    if (one === task) link.setAttribute("aria-current", "page");
    return link;
  });
  at("tasks").replaceChildren(...links);
  at("tasks").hidden = false;
};

// A form whose `fields` are the ids of texts, which are the request's keys, each with that of its
// length. `described` hears of the task once it is known, `missing` says which text is needed and
// not there, `show` shows a reply to what was sent.
export const form = ({ fields, described = () => {}, missing, show }) => {
  const answered = at("answered");
  // Most characters of each text; without the server's description the server alone decides.
  const most = {};
  const used = () => fields.map(([id]) => at(id)).filter((text) => !text.closest("[hidden]"));

  // Tells how long the texts are, and which of them is too long to be sent.
  const count = () => {
    for (const [id, length, always] of fields) {
      const text = at(id);
      const found = characters(text.value);
      const over = found - (most[id] ?? Infinity);
      at(length).classList.toggle("too-long", over > 0);
      text.setAttribute("aria-invalid", String(over > 0));
      at(length).textContent = over > 0
        ? `${found.toLocaleString("en")} characters, ${over.toLocaleString("en")} too many`
        : always && found ? `${found.toLocaleString("en")} characters` : "";
    }
  };
  // In the server's words.
  const tooLong = () => used()
    .map((text) => [text.id, characters(text.value), most[text.id] ?? Infinity])
    .filter(([, found, limit]) => found > limit)
    .map(([name, found, limit]) => `${name}: expected at most ${limit} characters, found ${found}`)[0];

  const fail = (message) => {
    at("error").textContent = message;
    at("error").hidden = false;
    at("hint").hidden = true;
    answered.hidden = true;
    at("error").scrollIntoView({ block: "nearest" });
  };

  // What is hidden has no place to scroll to. On a narrow screen the answer is below the form.
  const reveal = () => {
    at("hint").hidden = true;
    answered.hidden = false;
    if (answered.getBoundingClientRect().top > innerHeight * 0.8) {
      at("result").scrollIntoView({ block: "start" });
    }
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

  const learn = async () => {
    const found = await description();
    for (const { name, max_characters: longest } of found.task.fields) most[name] = longest;
    described(found.task);
    showModel(found);
    count();
    return found;
  };
  let known = learn();
  known.catch(() => { /* said when something is asked */ });

  const ask = async () => {
    asking?.abort();
    const mine = (asking = new AbortController());
    const sent = Object.fromEntries(used().map((text) => [text.id, text.value]));
    at("error").hidden = true;
    at("submit").setAttribute("aria-disabled", "true");
    answered.classList.add("old");
    at("said").textContent = "Answering …";
    const began = performance.now();
    try {
      known = known.catch(learn);
      const { task } = await known;
      // A second text that the task can do without.
      const texts = task.fields.filter((field) => field.required || sent[field.name]?.trim());
      const body = Object.fromEntries(texts.map(({ name }) => [name, sent[name]]));
      const response = await fetch(task.endpoint.slice(1), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ task: task.name, ...body }),
        signal: mine.signal,
      });
      const reply = await response.json();
      if (!response.ok) throw new Error(reply.error.message);
      const said = show(reply, sent, (performance.now() - began) / 1000, reveal);
      at("said").textContent = said;
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
    const wrong = missing() ?? tooLong();
    if (wrong) {
      fail(wrong);
    } else {
      ask();
    }
  });
  at("ask").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      at("ask").requestSubmit();
    }
  });
  for (const [id] of fields) at(id).addEventListener("input", changed);
  count();

  // A button that fills the form in.
  const example = (button, texts) => button.addEventListener("click", () => {
    for (const [id, text] of Object.entries(texts)) at(id).value = text;
    changed();
    used()[0].focus();
  });
  return { example };
};
