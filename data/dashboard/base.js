// base.js - what all views share: elements, the API with the token of whoever looks, figures, dialogs. Every text that came
// from elsewhere becomes a text node; there is no markup made from strings anywhere.
export const me = { user: "", rights: [], newest: 0 };
export const may = (right) => me.rights.includes(right);

export function el(name, options = {}, ...children) {
	const e = document.createElement(name);
	for (const [key, value] of Object.entries(options)) {
		if (value === undefined || value === null || value === false) continue;
		if (key.startsWith("on")) e[key] = value;
		else if (key === "css") for (const [k, v] of Object.entries(value)) e.style.setProperty(k, v);
		else if (key === "value") e.value = value;
		else e.setAttribute(key === "cls" ? "class" : key, value === true ? "" : value);
	}
	e.append(
		...children
			.flat(9)
			.filter((c) => c !== null && c !== undefined && c !== false)
			.map((c) => (c instanceof Node ? c : String(c))),
	);
	return e;
}

// ---- drawing anew ----
// Makes the children of holder what is wanted and keeps each node that is there already: what somebody has chosen, focused, opened,
// marked or scrolled in it stays theirs. A row, a call or a key is known by its name, all else by its place; handlers are of the new
// nodes, so that they may not speak of nodes beside them.
const HANDLERS = ["onclick", "onchange", "onsubmit"];
const keyOf = (n) => n.dataset?.row ?? n.dataset?.call ?? n.dataset?.key;
const alike = (a, b) => a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
function become(old, fresh) {
	if (old.nodeType === Node.TEXT_NODE) {
		if (old.data !== fresh.data) old.data = fresh.data;
		return;
	}
	if (old.classList.contains("on")) fresh.classList.add("on");
	for (const name of old.getAttributeNames())
		if (!fresh.hasAttribute(name) && name !== "open" && name !== "style") old.removeAttribute(name);
	for (const { name, value } of fresh.attributes)
		if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
	if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
	for (const name of HANDLERS) old[name] = fresh[name];
	renew(old, ...fresh.childNodes);
}
export function renew(holder, ...wanted) {
	const nodes = wanted.map((w) => (w instanceof Node ? w : document.createTextNode(w))),
		keys = new Set(nodes.map(keyOf)),
		known = new Map();
	for (const n of [...holder.childNodes]) {
		const key = keyOf(n);
		if (key === undefined) continue;
		if (keys.has(key)) known.set(key, n);
		else n.remove();
	}
	let at = holder.firstChild;
	for (const fresh of nodes) {
		const key = keyOf(fresh),
			same = key === undefined ? at : known.get(key);
		if (!same || !alike(same, fresh)) {
			holder.insertBefore(fresh, at);
			continue;
		}
		if (same === at) at = at.nextSibling;
		else holder.insertBefore(same, at);
		become(same, fresh);
	}
	while (at) {
		const next = at.nextSibling;
		at.remove();
		at = next;
	}
}

// ---- the API ----
const KEY = "mishri-token";
export const token = () => sessionStorage.getItem(KEY) ?? "";
export const setToken = (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY));
export class Refused extends Error {
	constructor(status, text) {
		super(text);
		this.status = status;
	}
}
export async function call(method, path, body, more = {}) {
	let answer;
	try {
		answer = await fetch(path, {
			method,
			headers: {
				...(token() ? { Authorization: `Bearer ${token()}` } : {}),
				...(body === undefined ? {} : { "Content-Type": "application/json" }),
				...more.headers,
			},
			body: body === undefined ? undefined : JSON.stringify(body),
			signal: more.signal,
			cache: "no-store",
			credentials: "omit",
		});
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new Refused(0, "the service does not answer; is `mishri serve` running?");
	}
	if (answer.ok && more.raw) return answer;
	const text = await answer.text();
	let value = null;
	try {
		value = JSON.parse(text);
	} catch {
		value = text;
	}
	if (!answer.ok) throw new Refused(answer.status, value?.detail ?? `${answer.status} ${answer.statusText}`);
	return value;
}
export const get = (path, more) => call("GET", path, undefined, more);
export const post = (path, body = {}, more) => call("POST", path, body, more);
export const query = (o) => {
	const text = new URLSearchParams(
		Object.entries(o).filter(([, v]) => v !== "" && v !== undefined && v !== null),
	).toString();
	return text ? `?${text}` : "";
};

// ---- figures ----
export const usd = (n) =>
	n === null || n === undefined || n < 0
		? "unknown"
		: n === 0
			? "$0"
			: `$${(n / 1e9).toFixed(n < 1e7 ? 4 : n < 1e9 ? 3 : 2)}`;
export const many = (n) => (n ?? 0).toLocaleString("en-US");
export const bytes = (n) =>
	n < 1024
		? `${n} B`
		: n < 1048576
			? `${(n / 1024).toFixed(1)} KiB`
			: n < 1073741824
				? `${(n / 1048576).toFixed(1)} MiB`
				: `${(n / 1073741824).toFixed(1)} GiB`;
export const span = (ms) =>
	ms < 1000
		? `${Math.round(ms)} ms`
		: ms < 60e3
			? `${(ms / 1e3).toFixed(1)} s`
			: ms < 36e5
				? `${Math.floor(ms / 6e4)} min ${Math.floor((ms % 6e4) / 1e3)} s`
				: ms < 864e5
					? `${Math.floor(ms / 36e5)} h ${Math.floor((ms % 36e5) / 6e4)} min`
					: `${Math.round(ms / 864e5)} d`;
export function ago(text) {
	if (!text) return "";
	const ms = Date.now() - Date.parse(text);
	return ms < -1000
		? `in ${span(-ms)}`
		: ms < 1500
			? "now"
			: ms < 60e3
				? `${Math.round(ms / 1e3)} s ago`
				: ms < 36e5
					? `${Math.round(ms / 6e4)} min ago`
					: ms < 864e5
						? `${Math.round(ms / 36e5)} h ago`
						: new Date(text).toLocaleDateString("en-CA");
}
export const when = (text) =>
	text ? el("time", { datetime: text, title: new Date(text).toLocaleString() }, ago(text)) : "";
export const took = (from, to) => (from ? span((to ? Date.parse(to) : Date.now()) - Date.parse(from)) : "");
export const state = (text) => el("span", { cls: `state ${/^[a-z]+$/.test(text) ? text : ""}` }, text ?? "");
export const json = (value) => JSON.stringify(value, null, 2);
const steps = (list, what) =>
	Array.isArray(list)
		? `${list.length} ${what}${list.length === 1 ? "" : "s"}: ${list.map((s) => s?.title ?? s?.goal ?? "").join("; ")}`
		: undefined;
export const gistOf = (args) =>
	args?.command ??
	args?.path ??
	args?.url ??
	args?.goal ??
	args?.pattern ??
	args?.result ??
	args?.question ??
	steps(args?.steps, "step") ??
	steps(args?.tasks, "task") ??
	(args && Object.keys(args).length ? JSON.stringify(args) : "");

// ---- parts of a page ----
export const top = (title, ...rest) => el("div", { cls: "top" }, el("h1", {}, title), ...rest);
export const empty = (...text) => el("p", { cls: "empty" }, ...text);
export const wrong = (error) => el("p", { cls: "wrong", role: "alert" }, error.message ?? String(error));
export const cards = (rows) =>
	el(
		"div",
		{ cls: "cards" },
		rows.map(([value, name]) => el("div", { cls: "card" }, el("b", {}, value), el("span", {}, name))),
	);
export const facts = (rows) =>
	el(
		"dl",
		{},
		rows
			.filter(([, v]) => v !== "" && v !== null && v !== undefined)
			.map(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]),
	);
// columns: [title, row => content, class]
export function table(label, columns, rows, more = {}) {
	return el(
		"div",
		{ cls: "scroll", tabindex: "0", role: "region", "aria-label": label },
		el(
			"table",
			{},
			el(
				"thead",
				{},
				el(
					"tr",
					{},
					columns.map(([title, , cls]) => el("th", { cls, scope: "col" }, title)),
				),
			),
			el(
				"tbody",
				{},
				rows.map((row) =>
					el(
						"tr",
						more.row?.(row) ?? {},
						columns.map(([, give, cls]) => el("td", { cls }, give(row))),
					),
				),
			),
		),
	);
}
export function diffText(text) {
	return el(
		"pre",
		{ tabindex: "0" },
		String(text)
			.split("\n")
			.map((line) =>
				el(
					"span",
					{ cls: line.startsWith("@@") ? "hunk" : line[0] === "+" ? "add" : line[0] === "-" ? "del" : null },
					line,
					"\n",
				),
			),
	);
}
export function toast(text) {
	const box = el("div", { cls: "toast" }, text);
	document.getElementById("toasts").append(box);
	setTimeout(() => box.remove(), 6000);
}
// Asks; send(values) runs before it closes, and its complaint is shown in it. Gives null where nobody went on.
export function ask(title, fields, { button = "Go on", bad = false, send, about } = {}) {
	return new Promise((done) => {
		const trouble = el("div"),
			inputs = fields.map((f) => {
				const input = f.options
					? el(
							"select",
							{ name: f.name },
							f.options.map((o) => el("option", { value: o[0] }, o[1])),
						)
					: f.check
						? el("input", { type: "checkbox", name: f.name })
						: el(f.long ? "textarea" : "input", {
								name: f.name,
								cls: f.code ? "code" : null,
								required: f.wanted,
								placeholder: f.hint,
								rows: f.rows,
								type: f.long ? null : (f.type ?? "text"),
								autocomplete: "off",
								spellcheck: f.code ? "false" : null,
							});
				if (f.value !== undefined) input.value = f.value;
				return input;
			});
		const box = el("dialog", { "aria-label": title });
		const values = () =>
			Object.fromEntries(fields.map((f, i) => [f.name, f.check ? inputs[i].checked : inputs[i].value]));
		const go = el("button", { cls: bad ? "main bad-main" : "main", type: "submit" }, button);
		box.append(
			el(
				"form",
				{
					cls: "grid",
					onsubmit: async (e) => {
						e.preventDefault();
						go.disabled = true;
						try {
							const v = values(),
								result = send ? await send(v) : v;
							box.close();
							done(result ?? v);
						} catch (error) {
							trouble.replaceChildren(wrong(error));
							go.disabled = false;
						}
					},
				},
				el("h2", {}, title),
				about ?? "",
				fields.map((f, i) =>
					el(
						"label",
						{ cls: f.check ? "check" : null },
						f.check ? [inputs[i], f.label] : [f.label, inputs[i]],
					),
				),
				trouble,
				el(
					"div",
					{ cls: "row end" },
					el("button", { type: "button", onclick: () => box.close() }, "Cancel"),
					go,
				),
			),
		);
		box.addEventListener("close", () => {
			box.remove();
			done(null);
		});
		document.body.append(box);
		box.showModal();
		inputs[0]?.focus();
	});
}
// Runs what a button means; what goes wrong is said.
export async function attempt(work, said) {
	try {
		const result = await work();
		if (result !== null) toast(typeof said === "function" ? said(result) : result?.said || said || "done");
		return result;
	} catch (error) {
		toast(error.message);
		return null;
	}
}
