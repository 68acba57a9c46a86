// A question and a passage, and the answer marked in it. Positions in replies count code points, of
// which a JavaScript string may have two units.
import { at, element, form, number, percent } from "./form.js";

// The scale's ends, in log-odds: beyond them the model is as good as certain.
const SURE = 10;
// Possible answers that are shown.
const SHOWN = 5;

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
  const bar = element("i", "");
  bar.style.width = `${100 * entry.probability}%`;
  const words = element("span", "text", entry.text || "(empty)");
  words.dir = "auto";
  button.append(bar, words, element("span", "share", percent(entry.probability)));
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

const show = (reply, { passage }, seconds, reveal) => {
  const none = reply.answer === "";
  const said = none ? "The passage does not say." : reply.answer;
  at("answer").textContent = said;
  at("answer").classList.toggle("none", none);
  at("about").textContent = `answered in ${seconds.toFixed(2)} s`;
  showOdds(reply);
  const shown = reply.nbest.slice(0, SHOWN);
  const chosen = shown.findIndex((entry) => !none && entry.text === reply.answer);
  at("alternatives").replaceChildren(
    ...shown.map((entry, place) => alternative(entry, passage, place === chosen)));
  reveal();
  mark(passage, reply.start, reply.end);
  return none ? said : `Answer: ${said}`;
};

const { example } = form({
  fields: [["question", "question-length", false], ["passage", "length", true]],
  missing: () => (at("passage").value.trim() && at("question").value.trim()
    ? undefined : "Both a passage and a question are needed."),
  show,
});
for (const button of document.querySelectorAll("[data-example]")) {
  const [passage, question] = examples[button.dataset.example];
  example(button, { passage, question });
}
