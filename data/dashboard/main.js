// main.js - signing in, which view is shown, what keeps it fresh, and the keys.
import { ago, ask, call, el, get, may, me, Refused, setToken, toast, token, wrong } from "./base.js";
import { startTask, tasksView } from "./tasks.js";
import { taskView } from "./task.js";
import { approvalsView } from "./people.js";
import { auditView, costView, healthView, schedulesView } from "./numbers.js";
import { policyView } from "./policy.js";

const $ = (id) => document.getElementById(id);
const VIEWS = [
	["tasks", "Tasks", tasksView, "t"],
	["approvals", "Approvals", approvalsView, "a"],
	["cost", "Cost", costView, "c"],
	["policy", "Policy", policyView, "p"],
	["schedules", "Schedules", schedulesView, "s"],
	["search", "Search", (r, p) => tasksView(r, p, true), "f"],
	["health", "Health", healthView, "h"],
	["audit", "Audit", auditView, "u"],
];
let view = null,
	shown = 0,
	ticker = 0,
	signedIn = false;

// ---- theme ----
const wish = localStorage.getItem("mishri-theme"),
	dark = matchMedia("(prefers-color-scheme: dark)");
const theme = (name) => {
	document.documentElement.dataset.theme = name;
};
theme(wish ?? (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => localStorage.getItem("mishri-theme") ?? theme(dark.matches ? "dark" : "light"));
$("theme").addEventListener("click", () => {
	const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
	localStorage.setItem("mishri-theme", next);
	theme(next);
});

// ---- signing in: the token stays in this tab ----
function signIn(error) {
	signedIn = false;
	shown++;
	view = null;
	for (const id of ["nav", "live", "who", "leave"]) $(id).hidden = true;
	const input = el("input", {
		type: "password",
		name: "token",
		"aria-label": "Token",
		placeholder: "mishri-…",
		autocomplete: "off",
		required: true,
	});
	$("view").replaceChildren(
		el(
			"form",
			{
				cls: "signin box grid",
				onsubmit: async (e) => {
					e.preventDefault();
					setToken(input.value.trim());
					await enter();
				},
			},
			el("h1", {}, "Sign in"),
			el("p", { cls: "sub" }, "with a token of this service. It stays in this tab and is gone with it."),
			error ? wrong(error) : "",
			el("label", {}, "Token", input),
			el("button", { cls: "main" }, "Sign in"),
			el(
				"p",
				{ cls: "sub small" },
				"No token yet? On the machine of the service: ",
				el("code", {}, "mishri token add me --role approver"),
			),
		),
	);
	input.focus();
}
async function enter() {
	if (!token()) {
		signIn();
		return;
	}
	try {
		const who = await get("/v1/me");
		Object.assign(me, who, { newest: who.newest_event });
	} catch (error) {
		if (error.status === 401) {
			setToken("");
			signIn(new Error("This token is not known, or no longer in force."));
		} else signIn(error);
		return;
	}
	signedIn = true;
	for (const id of ["nav", "live", "who", "leave"]) $(id).hidden = false;
	$("who").textContent = me.user;
	$("nav").replaceChildren(...VIEWS.map(([name, label]) => el("a", { href: `#/${name}`, "data-view": name }, label)));
	follow();
	await show();
}
$("leave").addEventListener("click", () => {
	setToken("");
	stop?.abort();
	signIn();
});

// ---- which view ----
async function show() {
	if (!signedIn) return;
	const [path, search] = location.hash.replace(/^#\/?/, "").split("?"),
		parts = path.split("/"),
		name = parts[0] || "tasks",
		mine = ++shown;
	const row = VIEWS.find(([n]) => n === name),
		inner = el("div", { cls: "inner" }),
		params = new URLSearchParams(search ?? "");
	for (const a of $("nav").children)
		if (a.dataset.view === (name === "task" ? "tasks" : name)) a.setAttribute("aria-current", "page");
		else a.removeAttribute("aria-current");
	document.title = `${row?.[1] ?? (name === "task" ? `Task ${parts[1]}` : "Mishri")} · Mishri`;
	clearInterval(ticker);
	let next = null;
	try {
		if (name === "task") next = await taskView(inner, params, encodeURIComponent(parts[1] ?? ""), parts[2] ?? "");
		else if (row) next = await row[2](inner, params);
		else inner.append(wrong(new Error("There is no such page.")));
	} catch (error) {
		if (error instanceof Refused && error.status === 401) {
			setToken("");
			signIn(new Error("This token is no longer in force."));
			return;
		}
		inner.append(wrong(error));
	}
	if (mine !== shown) return;
	view = next;
	$("view").replaceChildren(inner);
	$("view").scrollTop = 0;
	await view?.start?.();
	if (mine !== shown) return;
	view?.tick?.();
	if (view?.tick) ticker = setInterval(view.tick, 1000);
	else if (view?.every) ticker = setInterval(fresh, view.every);
	document.body.dataset.ready = name;
}
addEventListener("hashchange", show);
setInterval(() => {
	for (const t of $("view").querySelectorAll("time"))
		if (t.textContent !== ago(t.dateTime)) t.textContent = ago(t.dateTime);
}, 1000);

// ---- what is new: one stream of events, and the view is read again where they touch it: at most once in 0.7 s, and never for
// more than a fifth of the time, however much there is to read ----
let stop = null,
	due = 0,
	took = 0,
	busy = false;
async function fresh() {
	const of = view,
		mine = shown;
	if (!of || busy || document.querySelector("dialog[open]")) {
		if (busy || of) soon();
		return;
	}
	busy = true;
	const since = performance.now();
	try {
		await of.refresh();
	} catch (error) {
		if (error.status === 401) {
			setToken("");
			signIn(new Error("This token is no longer in force."));
		}
	} finally {
		busy = false;
		took = performance.now() - since;
	}
	if (mine === shown) mark();
}
function soon() {
	due ||= setTimeout(
		() => {
			due = 0;
			fresh();
		},
		Math.max(700, took * 4),
	);
}
async function badge() {
	try {
		const { approvals } = await get("/v1/approvals"),
			a = $("nav").querySelector("[data-view=approvals]"),
			n = approvals.filter((x) => x.state === "pending").length;
		a?.replaceChildren(
			"Approvals",
			...(n ? [el("span", { cls: "badge", "aria-label": `${n} wait` }, String(n))] : []),
		);
	} catch {
		/* the next event tries again */
	}
}
function take(block) {
	let data = "";
	for (const line of block.split("\n")) {
		if (line.startsWith("id: ")) me.newest = Number(line.slice(4));
		if (line.startsWith("data: ")) data += line.slice(6);
	}
	if (!data) return;
	const event = JSON.parse(data);
	if (/^approval\./.test(event.type) || event.type === "task.finished") badge();
	if (view?.events(event)) soon();
}
async function follow() {
	stop?.abort();
	const mine = (stop = new AbortController());
	badge();
	for (let wait = 500; !mine.signal.aborted && signedIn; wait = Math.min(wait * 2, 8000)) {
		try {
			const answer = await call("GET", `/v1/events?after=${me.newest}`, undefined, {
				raw: true,
				signal: mine.signal,
				headers: { Accept: "text/event-stream" },
			});
			$("live").textContent = "live";
			$("live").classList.add("on");
			if (wait > 500) {
				soon();
				badge();
			}
			wait = 250;
			const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
			for (let text = ""; ;) {
				const { done, value } = await reader.read();
				if (done) break;
				const blocks = (text + value).split("\n\n");
				text = blocks.pop();
				blocks.forEach(take);
			}
		} catch (error) {
			if (mine.signal.aborted) return;
			if (error.status === 401) {
				setToken("");
				signIn(new Error("This token is no longer in force."));
				return;
			}
		}
		$("live").textContent = "reconnecting";
		$("live").classList.remove("on");
		await new Promise((done) => setTimeout(done, wait));
		wait = Math.max(wait, 501);
	}
}

// ---- keys ----
let at = null;
const rows = () => [...$("view").querySelectorAll("[data-row]")];
function mark(scroll) {
	const all = rows(),
		i = all.findIndex((r) => r.dataset.row === at);
	all.forEach((r, n) => {
		if (r.tagName === "TR") r.setAttribute("aria-selected", String(n === i));
		r.classList.toggle("on", n === i);
	});
	if (scroll) all[i]?.scrollIntoView({ block: "nearest" });
}
function step(by) {
	const all = rows(),
		i = all.findIndex((r) => r.dataset.row === at);
	at = all[Math.max(0, Math.min(all.length - 1, i < 0 ? 0 : i + by))]?.dataset.row ?? null;
	mark(true);
}
const HELP = [
	["j k", "down and up"],
	["Enter", "open what is marked"],
	["Esc", "close, or back"],
	["/", "search"],
	["n", "start a task"],
	["g then t a c p s f h u", "tasks, approvals, cost, policy, schedules, search, health, audit"],
	["in a task", "s steer · p pause or resume · x cancel · u up"],
	["in approvals", "a approve · e edit · d deny"],
	["?", "this"],
];
const help = () =>
	ask("Keys", [], {
		button: "Close",
		about: el(
			"dl",
			{},
			HELP.map(([k, t]) => [el("dt", {}, el("kbd", {}, k)), el("dd", {}, t)]),
		),
	});
$("help").addEventListener("click", help);
let going = false;
document.addEventListener("keydown", (e) => {
	if (!signedIn || e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
	const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(e.composedPath()[0].tagName ?? "");
	if (e.key === "Escape") {
		if (typing) e.target.blur();
		else if (location.hash.startsWith("#/task/")) history.back();
		return;
	}
	if (typing) return;
	if (going) {
		going = false;
		const to = VIEWS.find((v) => v[3] === e.key);
		if (to) {
			e.preventDefault();
			location.hash = `#/${to[0]}`;
		}
		return;
	}
	const link = rows().find((r) => r.dataset.row === at);
	const keys = {
		j: () => step(1),
		k: () => step(-1),
		g: () => {
			going = true;
			setTimeout(() => {
				going = false;
			}, 1500);
		},
		"?": help,
		n: () => may("start") && startTask(),
		"/": () => {
			if (view?.search) view.search.focus();
			else location.hash = "#/search";
		},
	};
	const run = view?.keys?.[e.key] ?? keys[e.key];
	if (run) {
		e.preventDefault();
		run();
	} else if (e.key === "Enter" && link && !/^(A|BUTTON|SUMMARY)$/.test(e.target.tagName)) {
		e.preventDefault();
		const to = link.dataset.go ?? link.querySelector("a")?.getAttribute("href");
		if (to) location.hash = to;
		else link.querySelector("button")?.click();
	}
});
addEventListener("unhandledrejection", (e) => {
	e.preventDefault();
	toast(e.reason?.message ?? "something went wrong");
});
enter();
