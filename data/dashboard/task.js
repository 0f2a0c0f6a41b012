// task.js - one task: what was said and done, its plan and its tree, trace, events, what it changed, and words to it.
import {
	ask,
	attempt,
	cards,
	diffText,
	el,
	empty,
	facts,
	get,
	gistOf,
	json,
	many,
	may,
	post,
	renew,
	state,
	took,
	usd,
	when,
	wrong,
} from "./base.js";
import { cancelTask } from "./tasks.js";

const TABS = [
		["", "Conversation"],
		["trace", "Trace"],
		["events", "Events"],
		["changes", "Changes"],
		["facts", "Facts"],
	],
	SHOWN = 400;

function plan(steps) {
	return el(
		"ol",
		{ cls: "plan" },
		steps.map((s) =>
			el(
				"li",
				{},
				state(s.state),
				el(
					"span",
					{},
					s.title,
					s.after?.length ? el("span", { cls: "sub small" }, ` after ${s.after.join(", ")}`) : "",
				),
			),
		),
	);
}
function tree(t, here) {
	return el(
		"li",
		{},
		el(
			"div",
			{ cls: t.task === here ? "on" : null },
			state(t.state),
			el(
				"span",
				{ cls: "gist" },
				el(
					"a",
					{ href: `#/task/${t.task}`, title: t.goal, "aria-current": t.task === here ? "true" : null },
					`${t.agent}: ${t.goal}`,
				),
			),
			el("span", { cls: "num small sub" }, usd(t.cost?.usd_nanos)),
		),
		t.children?.length
			? el(
					"ul",
					{},
					t.children.map((c) => tree(c, here)),
				)
			: "",
	);
}

// ---- the conversation: events, put together to turns and calls ----
class Talk {
	constructor(task) {
		this.task = task;
		this.last = 0;
		this.items = [];
		this.calls = new Map();
		this.questions = new Map();
	}
	async read() {
		let fresh = 0;
		for (let page; ;) {
			page = await get(`/v1/tasks/${this.task}/events?alone=1&limit=500&after=${this.last}`);
			for (const e of page.events) {
				this.last = e.seq;
				fresh++;
				this.take(e);
			}
			if (page.next === null) return fresh;
			this.last = page.next;
		}
	}
	take(e) {
		const d = e.data,
			c = d.call && this.calls.get(d.call),
			add = (kind, more = {}) => this.items.push({ kind, e, ...more });
		switch (e.type) {
			case "task.created":
				add("goal");
				break;
			case "model.replied":
				add("reply");
				break;
			case "model.failed":
				add("trouble", { text: d.message ?? d.error ?? d.reason ?? json(d) });
				break;
			case "call.proposed": {
				const one = { call: d.call, tool: d.tool, args: d.args, execs: [], state: "waiting" };
				this.calls.set(d.call, one);
				add("call", { one });
				break;
			}
			case "call.decided":
				if (c) {
					c.decided = d;
					if (d.effect === "deny") c.state = "denied";
				}
				break;
			case "call.started":
				if (c) c.state = "running";
				break;
			case "call.finished":
				if (c) {
					c.done = d;
					c.state = d.status === "ok" ? "done" : d.status;
				}
				break;
			case "exec.decided":
				if (c && d.effect !== "allow") c.execs.push(d);
				break;
			case "approval.requested":
				if (c) c.state = "ask";
				break;
			case "task.steered":
				add("person", { text: d.text, by: d.by });
				break;
			case "question.asked":
				this.questions.set(d.call, d);
				add("person", { text: d.question, by: "the model asks" });
				break;
			case "question.answered":
				this.questions.delete(d.call);
				add("person", { text: d.answer, by: d.by });
				break;
			case "task.finished":
				this.questions.clear();
				add("end");
				break;
			default:
				if (
					/^(task\.(paused|resumed|cancel|parked|forked|prioritized)|control\.refused|recovery\.)/.test(
						e.type,
					)
				)
					add("note");
		}
	}
	callBox(one) {
		const gist = String(gistOf(one.args)),
			d = one.decided;
		return el(
			"details",
			{ cls: "call", "data-call": one.call },
			el(
				"summary",
				{},
				state(one.state),
				el("b", {}, one.tool),
				el("span", { cls: "gist mono", title: gist }, gist),
				one.done ? el("span", { cls: "sub small" }, `${one.done.ms ?? 0} ms`) : "",
			),
			el(
				"div",
				{},
				el("h3", {}, `Arguments of ${one.call}`),
				el("pre", { tabindex: "0" }, json(one.args)),
				d
					? el(
							"p",
							{ cls: "small" },
							state(d.effect),
							" ",
							d.rule ? el("b", {}, d.rule) : "the default",
							` · ${d.reason ?? ""} `,
							el("span", { cls: "sub mono" }, d.source ?? ""),
						)
					: "",
				one.execs.map((x) =>
					el(
						"p",
						{ cls: "small" },
						state(x.effect),
						" ",
						el("span", { cls: "mono" }, (x.argv ?? [x.program]).join(" ")),
						` · ${x.rule ?? "the default"}: ${x.reason ?? ""}`,
					),
				),
				one.done?.output !== undefined && one.done.output !== null
					? [
							el("h3", {}, "Result"),
							el(
								"pre",
								{ tabindex: "0" },
								typeof one.done.output === "string" ? one.done.output : json(one.done.output),
							),
						]
					: "",
			),
		);
	}
	draw() {
		const rows = [],
			shown = this.items.slice(-SHOWN);
		if (shown.length < this.items.length)
			rows.push(
				el(
					"p",
					{ cls: "sub" },
					`${many(this.items.length - shown.length)} earlier entries are under Events and Trace.`,
				),
			);
		let at = null;
		for (const { kind, e, one, text, by } of shown) {
			const d = e.data,
				row = (left, ...body) =>
					rows.push(
						el(
							"div",
							{ cls: "turn", "data-key": e.seq },
							el("div", { cls: "sub" }, left),
							el("div", {}, ...body),
						),
					);
			if (kind === "call") {
				const box = this.callBox(one);
				if (at) at.append(box);
				else row("call", box);
				continue;
			}
			at = null;
			if (kind === "goal") row("goal", el("div", { cls: "said" }, d.goal));
			else if (kind === "reply") {
				const body = el("div", {}, d.text ? el("div", { cls: "said" }, d.text) : "");
				row(["turn ", String(d.turn), el("br"), d.usd_nanos > 0 ? usd(d.usd_nanos) : ""], body);
				at = body;
			} else if (kind === "person") row(by ?? "", el("div", { cls: "note said" }, text ?? ""));
			else if (kind === "trouble") row("model", el("div", { cls: "wrong" }, text));
			else if (kind === "end") row(state(d.state), el("div", { cls: "said" }, d.result ?? ""));
			else
				row(
					when(e.time),
					el(
						"span",
						{ cls: "sub" },
						e.type.replace(".", " "),
						d.reason ? `: ${d.reason}` : "",
						d.by ? ` by ${d.by}` : "",
					),
				);
		}
		return rows;
	}
}

// ---- the trace: the view that `mishri trace --format html` has ----
async function part(name) {
	const request = new XMLHttpRequest();
	request.open("GET", `/ui/${name}`);
	request.responseType = "document";
	return new Promise((done, failed) => {
		request.onload = () => done(request.response);
		request.onerror = () => failed(new Error("the service does not answer"));
		request.send();
	});
}
async function traceTab(holder, task) {
	const box = el("div", { cls: "trace" }),
		inside = box.attachShadow({ mode: "open" }),
		page = await part("view.html");
	inside.append(
		el("link", { rel: "stylesheet", href: "/ui/view.css" }),
		el("link", { rel: "stylesheet", href: "/ui/inside.css" }),
		...document.importNode(page.body, true).childNodes,
	);
	holder.replaceChildren(box);
	await Promise.all(
		[...inside.querySelectorAll("link")].map(
			(l) =>
				new Promise((done) => {
					l.onload = l.onerror = done;
				}),
		),
	);
	const view = globalThis.traceView(inside),
		read = async () => view.show(await get(`/v1/tasks/${task}/trace?format=view`));
	await read();
	return read;
}

async function eventsTab(holder, task) {
	let after = 0,
		done = false;
	const body = el("div"),
		more = el("div", { cls: "row end" }),
		type = el("input", {
			type: "search",
			placeholder: "type: call. or exec.decided",
			"aria-label": "Type of event",
		});
	const read = async (fresh) => {
		if (fresh) {
			after = 0;
			done = false;
			body.replaceChildren();
		}
		const page = await get(
			`/v1/tasks/${task}/events?limit=200&after=${after}${type.value ? `&type=${encodeURIComponent(type.value)}` : ""}`,
		);
		for (const e of page.events) {
			after = e.seq;
			body.append(
				el(
					"details",
					{ cls: "call" },
					el(
						"summary",
						{},
						el("span", { cls: "sub mono" }, `#${e.seq}`),
						el("b", {}, e.type),
						el(
							"span",
							{ cls: "gist mono" },
							e.data.tool ?? "",
							" ",
							String(e.data.goal ?? e.data.text ?? e.data.argv?.join(" ") ?? gistOf(e.data.args) ?? ""),
						),
						e.task === task ? "" : el("span", { cls: "sub mono opt" }, e.task),
						el("span", { cls: "sub small opt" }, e.time.slice(11, 23)),
					),
					el(
						"div",
						{},
						el("pre", { tabindex: "0" }, json(e)),
						may("start") && el("button", { onclick: () => fork(e.task, e.seq) }, "Fork from here"),
					),
				),
			);
		}
		done = page.next === null;
		if (!body.firstChild) body.append(empty("No event fits."));
		more.replaceChildren(...(done ? [] : [el("button", { onclick: () => read() }, "More")]));
	};
	type.addEventListener("change", () => read(true));
	holder.replaceChildren(
		el("div", { cls: "top" }, type, el("span", { cls: "sub small" }, "of it and all below, oldest first")),
		body,
		more,
	);
	await read();
	return () => (done ? read() : null);
}

async function changesTab(holder, task) {
	let d;
	try {
		d = await get(`/v1/tasks/${task}/diff`);
	} catch (error) {
		holder.replaceChildren(empty(error.message));
		return null;
	}
	holder.replaceChildren(
		el(
			"p",
			{ cls: "sub" },
			`${d.changes.length} changes in ${d.workspace}; `,
			el("code", {}, `mishri apply ${task}`),
			" takes them over.",
		),
		...d.changes.map((c) =>
			el(
				"details",
				{ cls: "call", open: d.changes.length <= 10 },
				el(
					"summary",
					{},
					state(c.kind),
					el("span", { cls: "gist mono" }, c.path),
					el(
						"span",
						{ cls: "sub small" },
						c.lines_added === null ? "" : `+${c.lines_added} −${c.lines_removed}`,
					),
				),
				el(
					"div",
					{},
					c.conflict ? el("p", { cls: "wrong" }, c.conflict) : "",
					c.diff ? diffText(c.diff) : el("p", { cls: "sub" }, c.binary ? "not text" : c.type),
				),
			),
		),
		...(d.changes.length ? [] : [empty("Nothing was changed.")]),
	);
	return null;
}

const fork = (task, event) =>
	ask("Another try from here", [{ name: "text", label: "What the model is told then (may be empty)", long: true }], {
		button: "Fork",
		about: el(
			"p",
			{ cls: "sub" },
			`A new task with the conversation up to event ${event}; this one stays as it is.`,
		),
		send: (v) => post(`/v1/tasks/${task}/fork`, { event, ...(v.text ? { text: v.text } : {}) }),
	}).then((made) => {
		if (made?.task) location.hash = `#/task/${made.task}`;
	});

const steer = (id) =>
	ask(
		"Say something to it",
		[
			{ name: "text", label: "Words for the model, before its next turn", long: true, wanted: true },
			{ name: "now", label: "interrupt what runs", check: true },
			{ name: "replan", label: "make the plan anew", check: true },
		],
		{
			button: "Send",
			send: (v) =>
				post(`/v1/tasks/${id}/steer`, {
					text: v.text,
					...(v.now ? { now: true } : {}),
					...(v.replan ? { replan: true } : {}),
				}),
		},
	).then((r) => r && attempt(async () => r));

function buttons(t, talk, refresh) {
	const id = t.task,
		live = t.ended === null,
		out = [],
		word = (label, name, work) =>
			out.push(
				el(
					"button",
					{
						"data-do": name,
						"data-key": name,
						onclick: async () => {
							await work();
							refresh();
						},
						cls: name === "cancel" ? "bad" : null,
					},
					label,
				),
			);
	const send = (what, body = {}) => attempt(() => post(`/v1/tasks/${id}/${what}`, body));
	if (live && may("control")) {
		word("Steer", "steer", () => steer(id));
		if (t.state === "running") word("Pause", "pause", () => send("pause"));
		else word("Resume", "resume", () => send("resume"));
		word(`Priority ${t.priority}`, "priority", () =>
			ask(
				"Priority",
				[
					{
						name: "priority",
						label: "-100 to 100; higher goes first",
						type: "number",
						value: String(t.priority),
						wanted: true,
					},
				],
				{ send: (v) => post(`/v1/tasks/${id}/priority`, { priority: Number(v.priority) }) },
			).then((r) => r && attempt(async () => r)),
		);
		word("Cancel", "cancel", () => cancelTask(id));
	}
	if (may("start") && talk.last) word("Fork", "fork", () => fork(id, talk.last));
	return out;
}

export async function taskView(root, params, id, tab = "") {
	const talk = new Talk(id),
		head = el("div"),
		holder = el("div"),
		side = el("aside"),
		answer = el("div");
	const tabs = el(
		"nav",
		{ cls: "tabs", "aria-label": "Parts of the task" },
		TABS.map(([name, label]) =>
			el(
				"a",
				{ href: `#/task/${id}${name ? `/${name}` : ""}`, "aria-current": name === tab ? "page" : null },
				label,
			),
		),
	);
	const family = new Set([id]); // what happens to others is none of this view
	const know = (node) => {
		family.add(node.task);
		node.children?.forEach(know);
	};
	let again = null,
		t,
		shownQuestion = "";
	const refresh = async () => {
		const [task, all, fresh] = await Promise.all([
			get(`/v1/tasks/${id}`),
			get(`/v1/tasks/${id}/tree`),
			talk.read(),
		]);
		t = task;
		know(all);
		renew(
			head,
			el("div", { cls: "top" }, el("h1", {}, t.goal.length > 140 ? `${t.goal.slice(0, 140)}…` : t.goal)),
			el(
				"div",
				{ cls: "top" },
				state(t.state),
				el("span", { cls: "sub mono" }, id),
				t.parent ? el("a", { href: `#/task/${t.parent}` }, "its parent") : "",
				t.forked ? el("span", { cls: "sub" }, "a fork") : "",
				el("span", { cls: "gap" }),
				...buttons(t, talk, refresh),
			),
		);
		renew(
			side,
			cards([
				[usd(t.total?.cost.usd_nanos ?? t.cost.usd_nanos), "cost"],
				[took(t.started, t.ended), t.ended ? "took" : "so far"],
				[many(t.total?.calls ?? t.calls), "calls"],
				[many(t.total?.denied ?? t.denied), "denied"],
			]),
			...(t.plan?.length ? [el("h2", {}, "Plan"), plan(t.plan)] : []),
			el("h2", {}, "Tasks"),
			el("ul", { cls: "tree" }, tree(all, id)),
		);
		const question = [...talk.questions.values()][0];
		if ((question?.call ?? "") !== shownQuestion) {
			shownQuestion = question?.call ?? "";
			answer.replaceChildren(
				...(question && may("control")
					? [
							el(
								"form",
								{
									cls: "note grid",
									onsubmit: async (e) => {
										e.preventDefault();
										const text = e.target.text.value;
										if (text.trim())
											await attempt(() =>
												post(`/v1/tasks/${id}/answer`, {
													text,
													...(question.id ? { question: question.id } : {}),
												}),
											);
										refresh();
									},
								},
								el("label", {}, question.question, el("textarea", { name: "text" })),
								el("div", { cls: "row end" }, el("button", { cls: "main" }, "Answer")),
							),
						]
					: []),
			);
		}
		if (tab === "" && (fresh || !holder.firstChild)) {
			renew(holder, ...talk.draw());
		}
		if (tab === "facts")
			renew(
				holder,
				facts(
					Object.entries(t)
						.filter(([k]) => !["plan", "result", "goal"].includes(k))
						.map(([k, v]) => [
							k,
							v !== null && typeof v === "object"
								? el("pre", { tabindex: "0" }, json(v))
								: v === null
									? ""
									: String(v),
						]),
				),
			);
		if (again) await again();
	};
	root.append(
		head,
		tabs,
		tab === "trace" ? holder : el("div", { cls: "split" }, el("div", {}, answer, holder), side),
	);
	await refresh();
	const make = { trace: traceTab, events: eventsTab, changes: changesTab }[tab];
	// Once it is in the page: what is drawn has a size only there.
	const start = async () => {
		try {
			again = await make(holder, id);
		} catch (error) {
			holder.replaceChildren(wrong(error));
		}
	};
	const keys = {
		s: () => t.ended === null && may("control") && steer(id).then(refresh),
		p: () => head.querySelector("[data-do=pause],[data-do=resume]")?.click(),
		x: () => head.querySelector("[data-do=cancel]")?.click(),
		u: () => {
			location.hash = "#/tasks";
		},
	};
	return { refresh, keys, start: make && start, events: (e) => family.has(e.task) || family.has(e.parent) };
}
