// A text, and the spans that the model finds in it. Places in replies count code points, of which a
// JavaScript string may have two units.
import { at, element, form, showCut } from "./form.js";

// Colours of types; more types share them, each span names its own.
const COLOURS = 8;

const EXAMPLES = [
  "The old keeper of the lighthouse wrote a long letter to his sister in Oban.",
  "Alan Stevenson built the lighthouse of Skerryvore between 1838 and 1844. It stands on a reef in " +
    "the Atlantic, south-west of the island of Tiree.",
];

let types = [];

const colour = (type) => `kind kind-${Math.max(0, types.indexOf(type)) % COLOURS}`;

const counted = (spans) => {
  const counts = new Map(types.map((type) => [type, 0]));
  for (const { type } of spans) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].filter(([, count]) => count > 0);
};

const markSpans = (text, spans) => {
  const points = Array.from(text);
  const part = (from, to) => points.slice(from, to).join("");
  const parts = [];
  let behind = 0;
  for (const { start, end, type } of spans) {
    const mark = element("mark", colour(type), part(start, end));
    mark.append(element("small", "", type));
    parts.push(part(behind, start), mark);
    behind = end;
  }
  at("marked").replaceChildren(...parts, part(behind));
  at("marked").scrollTop = 0;
};

const show = (reply, { text }, seconds, reveal) => {
  const found = reply.spans.length;
  const said = found === 0 ? "No spans." : found === 1 ? "1 span" : `${found} spans`;
  const counts = counted(reply.spans);
  at("answer").textContent = said;
  at("answer").classList.toggle("none", found === 0);
  const parts = reply.parts > 1 ? `, read in ${reply.parts} parts` : "";
  at("about").textContent = `answered in ${seconds.toFixed(2)} s${parts}`;
  at("legend").replaceChildren(...counts.map(([type, count]) => {
    const item = document.createElement("li");
    item.append(element("span", colour(type), type), ` ${count}`);
    return item;
  }));
  at("legend-title").hidden = found === 0;
  const cut = showCut(reply);
  markSpans(text, reply.spans);
  reveal();
  const each = counts.map(([type, count]) => `${type} ${count}`).join(", ");
  return (found === 0 ? said : `${said}: ${each}`) + parts + cut;
};

const { example } = form({
  fields: [["text", "text-length", true]],
  described: (task) => { types = task.types; },
  missing: () => (at("text").value.trim() ? undefined : "Text is needed."),
  show,
});
EXAMPLES.forEach((text, place) => {
  const button = element("button", "", String(place + 1));
  button.type = "button";
  button.setAttribute("aria-label", `Example ${place + 1}`);
  example(button, { text });
  at("examples").append(button);
  at("examples").hidden = false;
});
