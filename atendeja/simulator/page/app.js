// The phone page: who is chosen, what arrives by the stream, what is sent. How things look is in view.js.

import { bubble, exchange, options, setTick, el } from "./view.js";

const KEPT_EXCHANGES = 100;
const $ = (id) => document.getElementById(id);
const state = { people: new Map(), bubbles: new Map(), unread: new Set(), ticks: new Map(), person: null, number: null };

// What arrives

const source = new EventSource("stream");
source.onopen = () => { $("online").textContent = "ao vivo"; };
source.onerror = () => { $("online").textContent = "reconectando…"; };
on("snapshot", ({ numbers, people, bubbles, traffic }) => {
  state.people = new Map(people.map((person) => [person.key, person]));
  state.bubbles = new Map(bubbles.map((item) => [item.wamid, item]));
  if (!state.people.has(state.person)) state.person = people.at(-1)?.key ?? null;
  showNumbers(numbers);
  followTalk();
  showPeople();
  showChat();
  $("traffic").replaceChildren(...traffic.toReversed().map(exchange));
  $("composer").querySelector("button").disabled = false;
});
on("person", (person) => {
  state.people.set(person.key, person);
  state.person ??= person.key;
  showPeople();
});
on("bubble", (item) => {
  state.bubbles.set(item.wamid, item);
  if (isShown(item)) append(item);
  else if (item.by === "business") {
    state.unread.add(item.customer);
    showPeople();
  }
});
on("ticked", ({ wamid, tick }) => {
  const item = state.bubbles.get(wamid);
  if (item) item.tick = tick;
  const element = state.ticks.get(wamid);
  if (element) setTick(element, tick);
});
on("traffic", (item) => {
  $("traffic").prepend(exchange(item));
  while ($("traffic").childElementCount > KEPT_EXCHANGES) $("traffic").lastElementChild.remove();
});

function on(name, handle) {
  source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
}

// What is shown

function isShown(item) {
  return item.customer === state.person && item.phone_number_id === state.number;
}

function showNumbers(numbers) {
  if (!numbers.some((number) => number.phone_number_id === state.number)) state.number = numbers[0]?.phone_number_id ?? null;
  const choices = numbers.map((number) => el("option", { value: number.phone_number_id }, `${number.verified_name ?? ""} +${number.display_phone_number}`));
  $("number").replaceChildren(...choices);
  $("number").value = state.number;
  $("number").hidden = numbers.length < 2;
}

function showPeople() {
  const chips = [...state.people.values()].map((person) => {
    const chip = el("button", { type: "button", title: person.phone ? `+${person.phone}` : person.key, onclick: () => choosePerson(person.key) }, person.name);
    chip.setAttribute("aria-pressed", String(person.key === state.person));
    chip.classList.toggle("unread", state.unread.has(person.key));
    return chip;
  });
  $("people").replaceChildren(...chips);
  $("people").querySelector("[aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function showChat() {
  $("bubbles").replaceChildren();
  state.ticks.clear();
  for (const item of state.bubbles.values()) if (isShown(item)) append(item);
}

function append(item) {
  const { element, tick } = bubble(item, send, openSheet);
  state.ticks.set(item.wamid, tick);
  $("bubbles").append(element);
  element.scrollIntoView({ block: "end" });
}

// A person is shown with the number of the last message, not with whichever number was chosen before.
function followTalk() {
  const last = [...state.bubbles.values()].findLast((item) => item.customer === state.person);
  if (!last) return;
  state.number = last.phone_number_id;
  $("number").value = state.number;
}

function choosePerson(key) {
  state.person = key;
  followTalk();
  state.unread.delete(key);
  showPeople();
  showChat();
  $("text").focus();
}

function openSheet(action, pick) {
  $("sheet-title").textContent = action.button;
  $("options").replaceChildren(...options(action, (row) => { $("sheet").close(); pick(row); }));
  $("sheet").showModal();
}

// What is sent

async function post(path, value) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function send(content) {
  const person = state.people.get(state.person);
  if (!person || !state.number) return;
  const sender = person.phone ? { from: person.phone } : { user_id: person.key };
  post("message", { ...sender, phone_number_id: state.number, content }).catch(({ message }) => { $("online").textContent = message; });
}

$("composer").onsubmit = (event) => {
  event.preventDefault();
  const body = $("text").value.trim();
  if (body) send({ type: "text", text: { body } });
  $("text").value = "";
};

$("add").onclick = () => {
  const form = $("newcomer").querySelector("form");
  form.reset();
  form.elements.phone.value = `55119${String(Math.floor(Math.random() * 1e8)).padStart(8, "0")}`;
  $("refusal").textContent = "";
  $("newcomer").showModal();
};

$("newcomer").querySelector("form").onsubmit = async (event) => {
  event.preventDefault();
  const { name, phone } = event.target.elements;
  try {
    const person = await post("customer", { name: name.value, phone: phone.value });
    state.people.set(person.key, person);
    $("newcomer").close();
    choosePerson(person.key);
  } catch (error) {
    $("refusal").textContent = error.message;
  }
};

for (const button of document.querySelectorAll("[data-close]")) button.onclick = () => button.closest("dialog").close();
$("number").onchange = () => { state.number = $("number").value; showChat(); };
$("statuses").onchange = () => { $("traffic").classList.toggle("quiet", !$("statuses").checked); };
for (const button of document.querySelectorAll("[data-show]")) {
  button.onclick = () => {
    document.body.dataset.pane = button.dataset.show;
    for (const other of document.querySelectorAll("[data-show]")) other.setAttribute("aria-pressed", String(other === button));
  };
}
