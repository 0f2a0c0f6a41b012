// people.js - what waits for a person: the exact action, yes with or without other arguments, no with a reason.
import {
	ago,
	ask,
	attempt,
	call,
	diffText,
	el,
	empty,
	facts,
	get,
	json,
	may,
	post,
	renew,
	span,
	state,
	table,
	toast,
	top,
	when,
} from "./base.js";

// What a change to a file would be, as lines; null where the action is none.
function change(args) {
	const lines = (sign, text) =>
		String(text)
			.split("\n")
			.map((l) => sign + l)
			.join("\n");
	if (typeof args?.patch === "string") return args.patch;
	if (typeof args?.old === "string" && typeof args?.new === "string")
		return `${lines("-", args.old)}\n${lines("+", args.new)}`;
	return typeof args?.content === "string" ? lines("+", args.content) : null;
}
const SETTLE_MS = 700,
	DAY_MS = 864e5;
// How long a yes may hold by the terms of the rule, as the service takes it.
function spans(terms) {
	const widest = ["once", "task", "session", "date"].indexOf(terms?.remember),
		most = terms?.remember_ms ?? 0,
		days = [1, 7].filter((d) => d * DAY_MS < most).map((d) => [`${d}d`, `for ${d === 1 ? "a day" : `${d} days`}`]);
	return [
		["", "this once"],
		...(widest >= 1 ? [["task", "for this task"]] : []),
		...(widest >= 2 ? [["session", "for this session"]] : []),
		...(widest >= 3 && most > 0
			? [...days, [`${Math.floor(most / 1000)}s`, `for ${span(most)}, the longest`]]
			: []),
	];
}

// As it would be typed; the exact bytes stand below it.
const typed = (argv) => argv.map((w) => (/^[\w@%+=:,./-]+$/.test(w) ? w : `'${w.replaceAll("'", "'\\''")}'`)).join(" ");

// JSON to edit: what cannot be seen is an escape.
const units = (text) => text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
const plain = (value) => json(value).replace(/[^\P{C}\n]|[^\P{Z} ]/gu, units);

// What it shows is `visible`: no character of it hides, turns the line round or passes for another.
function box(a, refresh, moved) {
	const seen = a.visible,
		args = seen.action?.args,
		diff = change(args),
		line = args?.command ?? (Array.isArray(seen.action?.argv) ? typed(seen.action.argv) : undefined),
		what = seen.action?.tool ?? seen.action?.program ?? seen.action?.host ?? a.kind,
		quorum = a.terms?.count ?? 1;
	const say = (body) => post(`/v1/approvals/${a.approval}`, { digest: a.digest, ...body });
	const clock = a.expires ? el("span", { cls: "sub small clock", "data-until": a.expires }, "") : "";
	const button = (name, title, cls, answer) =>
		el(
			"button",
			{ cls, "data-do": name, onclick: (e) => moved(a.approval) || answer(e.target.closest(".box")) },
			title,
		);
	const yes = async (here) => {
		const remember = here.querySelector("select")?.value;
		await attempt(() => say({ answer: "approve", ...(remember ? { remember } : {}) }), "approved");
		refresh();
	};
	const edit = async () => {
		await ask(
			"Approve with other arguments",
			[
				{
					name: "args",
					label: "Arguments, as JSON; policy decides about them afresh",
					long: true,
					code: true,
					rows: 12,
					value: plain(a.action.args),
					wanted: true,
				},
			],
			{
				button: "Approve these",
				send: async (v) => {
					let value;
					try {
						value = JSON.parse(v.args);
					} catch (e) {
						throw new Error(`This is no JSON: ${e.message}`);
					}
					return say({ answer: "approve", args: value });
				},
			},
		);
		refresh();
	};
	const no = async () => {
		await ask(
			"Deny",
			[{ name: "reason", label: "Reason, for the model", long: true, hint: "so that it can do better" }],
			{
				button: "Deny",
				bad: true,
				send: (v) => say({ answer: "deny", ...(v.reason ? { reason: v.reason } : {}) }),
			},
		);
		refresh();
	};
	const remember = el(
		"select",
		{ "aria-label": "How long the yes holds" },
		spans(a.terms).map(([v, t]) => el("option", { value: v }, t)),
	);
	return el(
		"section",
		{
			cls: "box",
			"data-row": a.approval,
			"data-go": `#/task/${a.task}`,
			"aria-label": `${what} of task ${a.task}`,
		},
		el(
			"div",
			{ cls: "top" },
			state(a.state),
			el("b", {}, what),
			el("a", { href: `#/task/${a.task}`, cls: "mono" }, `${a.task} ${a.call ?? ""}`),
			el("span", { cls: "sub small" }, "asked ", when(a.requested), ` for ${a.user}`),
			el("span", { cls: "gap" }),
			clock,
		),
		seen.goal ? el("p", { cls: "sub" }, seen.goal) : "",
		seen.question ? el("p", {}, seen.question) : "",
		diff
			? [facts([["path", args.path]]), diffText(diff)]
			: el("pre", { tabindex: "0" }, line ?? json(args ?? seen.action)),
		diff || line !== undefined
			? el(
					"details",
					{},
					el("summary", { cls: "sub small" }, "the whole action"),
					el("pre", { tabindex: "0" }, json(seen.action)),
				)
			: "",
		facts([
			[
				"rule",
				a.rule ? el("span", {}, el("b", {}, a.rule), " ", el("span", { cls: "sub mono" }, a.source ?? "")) : "",
			],
			["reason", seen.reason ?? ""],
			[
				"who counts",
				[a.terms?.from ?? "", a.terms?.members?.length ? `(${a.terms.members.join(", ")})` : ""]
					.filter(Boolean)
					.join(" "),
			],
			["votes", quorum > 1 || a.votes > 0 ? `${a.votes} of ${quorum}${a.voters ? `: ${a.voters}` : ""}` : ""],
			["decided by", a.by ?? ""],
			["engine", a.engine ? "" : "it rests: an answer takes it up again"],
		]),
		a.state === "pending" && may("approve")
			? el(
					"div",
					{ cls: "row end" },
					remember.options.length > 1 && remember,
					button("approve", "Approve", "main", yes),
					args && button("edit", "Edit and approve", null, edit),
					button("deny", "Deny", "bad", no),
				)
			: "",
	);
}

export async function approvalsView(root, params) {
	const all = params.has("all"),
		holder = el("div"),
		grants = el("div");
	root.append(
		top(
			"Approvals",
			el(
				"a",
				{ href: all ? "#/approvals" : "#/approvals?all=1" },
				all ? "only what waits" : "also what was answered",
			),
			el("span", { cls: "gap" }),
			!may("approve") && el("span", { cls: "sub small" }, "this token may look, not answer"),
		),
		holder,
		grants,
	);
	const tick = () => {
		for (const c of root.querySelectorAll(".clock")) {
			const left = Date.parse(c.dataset.until) - Date.now();
			c.textContent = left > 0 ? `expires in ${span(left)}` : `expired ${ago(c.dataset.until)}`;
		}
	};
	// A box that has just moved takes no answer: who was about to press a button would press that of another action.
	const places = () => new Map([...holder.querySelectorAll("[data-row]")].map((b) => [b.dataset.row, b.offsetTop])),
		until = new Map();
	let drawn = false;
	const moved = (row) => {
		const yes = performance.now() < (until.get(row) ?? 0);
		if (yes) toast("This has just moved here. Look again, then answer.");
		return yes;
	};
	const hold = () => {
		for (const b of holder.querySelectorAll(".box button[data-do]"))
			if (performance.now() < (until.get(b.closest(".box").dataset.row) ?? 0))
				b.setAttribute("aria-disabled", "true");
			else b.removeAttribute("aria-disabled");
	};
	const refresh = async () => {
		const [rows, held] = await Promise.all([get(`/v1/approvals${all ? "?all=1" : ""}`), get("/v1/grants")]),
			before = places();
		renew(
			holder,
			...(rows.approvals.length
				? rows.approvals.map((a) => box(a, refresh, moved))
				: [empty("Nothing waits for a person.")]),
		);
		if (drawn)
			for (const [row, top] of places())
				if (before.get(row) !== top) until.set(row, performance.now() + SETTLE_MS);
		drawn = true;
		hold();
		setTimeout(hold, SETTLE_MS + 1);
		renew(
			grants,
			...(held.grants.length
				? [
						el("h2", {}, "Answers that are remembered"),
						table(
							"Grants",
							[
								["Rule", (g) => g.rule ?? ""],
								[
									"Action",
									(g) =>
										el(
											"span",
											{ cls: "mono" },
											g.same === "program"
												? `the program of ${json(g.action)}`
												: json(g.action ?? {}),
										),
								],
								["User", (g) => g.user],
								["By", (g) => g.by ?? "", "opt"],
								["For", (g) => g.scope],
								["Until", (g) => when(g.until)],
								["Used", (g) => g.uses, "num opt"],
								[
									"",
									(g) =>
										may("approve") &&
										el(
											"button",
											{
												cls: "bad",
												onclick: async () => {
													await attempt(() =>
														call("DELETE", `/v1/grants/${g.grant}`).then(() => ({
															said: "revoked",
														})),
													);
													refresh();
												},
											},
											"Revoke",
										),
								],
							],
							held.grants,
						),
					]
				: []),
		);
		tick();
	};
	await refresh();
	// The marked one; no mark is needed where there is one alone.
	const on = (what) => () => {
		const boxes = root.querySelectorAll(".box");
		(boxes.length === 1 ? boxes[0] : root.querySelector(".box.on"))?.querySelector(`[data-do=${what}]`)?.click();
	};
	return {
		refresh,
		tick,
		keys: { a: on("approve"), e: on("edit"), d: on("deny") },
		events: (e) => /^(approval|grant|task)\./.test(e.type),
	};
}
