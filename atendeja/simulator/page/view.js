// How messages and exchanges look. Everything that came from outside is set as text, never as markup.

/** An element with properties and children; strings become text. */
export function el(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const TICKS = {
  accepted: ["◔", "aceita"],
  sent: ["✓", "enviada"],
  delivered: ["✓✓", "entregue"],
  read: ["✓✓", "lida"],
  failed: ["✗", "não entregue"],
};
const MEDIA = { image: "Imagem", video: "Vídeo", audio: "Áudio", document: "Documento", sticker: "Figurinha" };

/** Show how far a message got. */
export function setTick(element, tick) {
  const [sign, words] = TICKS[tick] ?? ["", ""];
  element.textContent = sign;
  element.className = `tick ${tick}`;
  element.title = words;
  element.setAttribute("aria-label", words);
}

/** A bubble. `tap(content)` answers it, `choose(action, tap)` opens its list. */
export function bubble(item, tap, choose) {
  const time = new Date(item.at * 1000).toLocaleTimeString("pt-BR", { hour: "2-digit", minute: "2-digit" });
  const tick = el("span");
  setTick(tick, item.tick);
  const element = el("li", { className: `bubble ${item.by}` }, ...body(item, tap, choose), el("p", { className: "meta" }, `${time} `, tick));
  return { element, tick };
}

function body(item, tap, choose) {
  const { message } = item;
  const content = message[message.type] ?? {};
  const answer = (reply) => tap({ ...reply, context: { id: item.wamid } });
  if (message.type === "interactive") return item.by === "business" ? interactive(content, answer, choose) : [line(chosen(content))];
  if (message.type === "template") return template(content, answer);
  return [line(plain(message.type, content))];
}

function line(text, className = "") {
  return el("p", { className }, text);
}

function plain(type, content) {
  if (type === "text") return content.body ?? "";
  if (type === "button") return content.text ?? "";
  if (type in MEDIA) return [`[${MEDIA[type]}]`, content.filename, content.caption, content.link].filter(Boolean).join("\n");
  if (type === "location") return ["📍", content.name, content.address, `${content.latitude}, ${content.longitude}`].filter(Boolean).join(" ");
  if (type === "contacts") return content.map?.((card) => `👤 ${card.name?.formatted_name ?? ""}`).join("\n") ?? "";
  if (type === "reaction") return content.emoji ? `reagiu ${content.emoji}` : "retirou a reação";
  return JSON.stringify(content);
}

function chosen(content) {
  const reply = content[content.type] ?? {};
  return reply.title ?? reply.body ?? JSON.stringify(content);
}

function interactive(content, answer, choose) {
  const parts = [];
  if (content.header) parts.push(line(content.header.text ?? `[${MEDIA[content.header.type] ?? content.header.type}]`, "head"));
  parts.push(line(content.body?.text ?? ""));
  if (content.footer) parts.push(line(content.footer.text ?? "", "foot"));
  parts.push(el("div", { className: "taps" }, ...taps(content, answer, choose)));
  return parts;
}

function taps(content, answer, choose) {
  const action = content.action ?? {};
  if (content.type === "button") {
    return (action.buttons ?? []).map(({ reply }) => button(reply.title, () => answer(replied("button_reply", reply))));
  }
  if (content.type === "list") return [button(`☰ ${action.button}`, () => choose(action, (row) => answer(replied("list_reply", row))))];
  if (content.type === "location_request_message") {
    return [button("Enviar localização", () => answer({ type: "location", location: { latitude: -23.5614, longitude: -46.6559 } }))];
  }
  return [line(`[${content.type}] ${action.parameters?.display_text ?? action.parameters?.flow_cta ?? ""}`, "foot")];
}

function replied(type, reply) {
  return { type: "interactive", interactive: { type, [type]: reply } };
}

function template(content, answer) {
  const components = content.components ?? [];
  const words = components.flatMap((part) => (part.type === "button" ? [] : part.parameters ?? [])).map((parameter) => parameter.text);
  const replies = components.filter((part) => part.sub_type === "quick_reply").map((part) => part.parameters?.[0]?.payload ?? "");
  const buttons = replies.map((payload) => button(payload, () => answer({ type: "button", button: { payload, text: payload } })));
  return [
    line(`Modelo ${content.name} (${content.language?.code ?? ""})`, "head"),
    line(words.filter(Boolean).join(" · ")),
    el("div", { className: "taps" }, ...buttons),
  ];
}

function button(text, onclick) {
  return el("button", { type: "button", onclick }, text);
}

/** The rows of a list, for its sheet. */
export function options(action, pick) {
  return (action.sections ?? []).flatMap((section) => [
    section.title ? el("h3", {}, section.title) : null,
    ...(section.rows ?? []).map((row) =>
      el("button", { type: "button", onclick: () => pick(row) }, row.title, row.description ? el("small", {}, row.description) : null)),
  ]).filter(Boolean);
}

/** An HTTP exchange: one line, and its JSON inside. */
export function exchange(item) {
  const [what, isStatus] = describe(item);
  const time = new Date(item.at * 1000).toLocaleTimeString("pt-BR");
  const arrow = item.kind === "webhook" ? el("span", { className: "in" }, "→ app ") : el("span", { className: "out" }, "← app ");
  const good = item.status !== null && item.status < 300;
  const status = el("span", { className: good ? "good" : "bad" }, String(item.status ?? "sem resposta"));
  const details = el("details", { open: !isStatus }, el("summary", {}, arrow, `${time} ${item.title} · ${what} · `, status));
  details.append(el("pre", {}, JSON.stringify(item.request, null, 2)));
  if (item.answer !== null) details.append(el("pre", {}, JSON.stringify(item.answer, null, 2)));
  return el("li", { className: isStatus ? "status" : "message" }, details);
}

function describe({ kind, request }) {
  if (kind === "graph") return [request.type ?? request.status ?? "?", false];
  const values = (request.entry ?? []).flatMap((entry) => entry.changes ?? []).map((change) => change.value ?? {});
  const messages = values.flatMap((value) => value.messages ?? []).map((message) => message.type);
  const statuses = values.flatMap((value) => value.statuses ?? []).map((status) => status.status);
  return [[...messages, ...statuses].join(", "), messages.length === 0];
}
