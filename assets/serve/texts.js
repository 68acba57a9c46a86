// A text or two, and the class or the value that the model gives them.
import { at, element, form, number, percent, showCut } from "./form.js";

// Classes that are shown at once.
const SHOWN = 10;

// Texts of our own for tasks that are widely known.
const EXAMPLES = {
  cola: [["The keeper lit the lamp.", null], ["Lamp the lit keeper the.", null]],
  sst: [["A warm and funny film that never drags.", null], ["Two hours that feel like four.", null]],
  mrpc: [
    ["The museum reopened on Monday after two years.", "After two years the museum opened again on Monday."],
    ["The museum reopened on Monday.", "The bridge was closed on Monday."],
  ],
  qqp: [
    ["How can I learn to swim?", "What is the best way to learn swimming?"],
    ["How can I learn to swim?", "Where can I buy a boat?"],
  ],
  mnli: [
    ["A man plays the guitar on a stage.", "Somebody is making music."],
    ["A man plays the guitar on a stage.", "The stage is empty."],
  ],
  rte: [
    ["Alan Stevenson built the lighthouse of Skerryvore.", "Skerryvore has a lighthouse."],
    ["Alan Stevenson built the lighthouse of Skerryvore.", "The lighthouse was never built."],
  ],
  qnli: [
    ["How tall is the tower?", "Its granite tower is 48 metres tall."],
    ["How tall is the tower?", "A fire gutted the tower in 1954."],
  ],
  sts: [
    ["A dog runs across the field.", "A dog is running over a meadow."],
    ["A dog runs across the field.", "The bank raised its rates."],
  ],
};

// The task, once it is known.
let task = null;

const bar = ({ label, probability }, place) => {
  const item = document.createElement("li");
  item.hidden = place >= SHOWN;
  const filled = element("i", "");
  filled.style.width = `${100 * probability}%`;
  const name = element("span", "text", label);
  name.dir = "auto";
  item.append(filled, name, element("span", "share", percent(probability)));
  return item;
};

const showClasses = (reply) => {
  const bars = reply.labels.map(bar);
  at("classes").replaceChildren(...bars);
  const more = bars.length - SHOWN;
  at("more").hidden = more <= 0;
  at("more").textContent = `Show ${more} more`;
  at("answer").textContent = reply.label;
  return `${reply.label}, ${percent(reply.probability)}`;
};

// On the scale of the labels; a model that does not tell it gives 0 for the least, 1 for the greatest.
const showValue = (reply) => {
  const scaled = reply.own_scale !== true;
  for (const id of ["scale", "ends"]) at(id).hidden = !scaled;
  at("outside").hidden = true;
  at("answer").textContent = number(reply.value);
  if (!scaled) return number(reply.value);
  const [least, greatest] = reply.range ?? [0, 1];
  const share = (reply.value - least) / (greatest - least);
  const place = `${100 * Math.min(1, Math.max(0, share))}%`;
  at("stands").style.width = place;
  at("score").style.left = place;
  at("least").textContent = String(least);
  at("greatest").textContent = String(greatest);
  const told = `${number(reply.value)} on a scale from ${least} to ${greatest}`;
  at("scale").setAttribute("aria-label", told);
  at("outside").hidden = share >= 0 && share <= 1;
  return told;
};

const show = (reply, _, seconds, reveal) => {
  const classes = task.kind === "classification";
  at("classes-part").hidden = !classes;
  at("value-part").hidden = classes;
  const said = classes ? showClasses(reply) : showValue(reply);
  at("about").textContent = `answered in ${seconds.toFixed(2)} s`;
  const cut = showCut(reply);
  reveal();
  return `${said}${cut}`;
};

const { example } = form({
  fields: [["text", "text-length", true], ["text_b", "text_b-length", true]],
  described: (found) => {
    task = found;
    const pair = task.fields.length > 1;
    const texts = pair ? "two texts" : "a text";
    const does = task.kind === "regression" ? "Rate" : "Classify";
    at("title").textContent = `${does} ${texts}`;
    document.title = `electra: ${does.toLowerCase()} ${texts}`;
    at("submit").textContent = does;
    at("second").hidden = !pair;
    for (const { name, title, required } of task.fields) {
      at(`${name}-label`).textContent = required ? title : `${title} (optional)`;
      at(name).required = required;
    }
    const shown = EXAMPLES[task.name] ?? [];
    at("examples").hidden = shown.length === 0;
    for (const button of at("examples").querySelectorAll("button")) button.remove();
    shown.forEach(([text, second], place) => {
      const button = element("button", "", String(place + 1));
      button.type = "button";
      button.setAttribute("aria-label", `Example ${place + 1}`);
      example(button, second === null ? { text } : { text, text_b: second });
      at("examples").append(button);
    });
  },
  missing: () => {
    const fields = task?.fields ?? [{ name: "text", title: "Text", required: true }];
    const empty = fields.find(({ name, required }) => required && !at(name).value.trim());
    return empty && `${empty.title} is needed.`;
  },
  show,
});
at("more").addEventListener("click", () => {
  for (const item of at("classes").children) item.hidden = false;
  at("more").hidden = true;
});
