// numbers.js - cost, schedules, health, and the proof of the record.
import {
	ask,
	attempt,
	bytes,
	call,
	cards,
	el,
	empty,
	facts,
	get,
	json,
	many,
	may,
	post,
	query,
	renew,
	span,
	state,
	table,
	top,
	usd,
	when,
	wrong,
} from "./base.js";

// What the budgets in force have left: spent, what is reserved for calls under way, and how far that goes.
function budgetsTable(budgets) {
	const amount = (b, key) =>
		b[key] === null
			? ""
			: b.unit === "usd"
				? usd(b[key])
				: b.unit === "time"
					? span(b[key])
					: `${many(b[key])} ${b.unit}`;
	const level = (percent) => (percent >= 100 ? "over" : percent >= 80 ? "high" : percent >= 50 ? "half" : "");
	const meter = (b) =>
		b.percent === null
			? el("span", { cls: "sub small" }, `counted for each ${b.per}`)
			: el(
					"div",
					{
						cls: `meter ${level(b.percent)}`,
						role: "meter",
						"aria-label": `${b.budget}: used`,
						"aria-valuenow": Math.min(b.percent, 100),
						"aria-valuemin": 0,
						"aria-valuemax": 100,
					},
					el("i", { css: { width: `${Math.min(b.percent, 100)}%` } }),
				);
	return [
		el("h2", {}, "Budgets"),
		table(
			"Budgets",
			[
				["Budget", (b) => b.budget, "goal"],
				["Per", (b) => b.per],
				["Used", meter],
				["", (b) => (b.percent === null ? "" : `${b.percent} %`), "num"],
				["Spent", (b) => amount(b, "spent"), "num"],
				["Reserved", (b) => amount(b, "reserved"), "num opt"],
				["Of", (b) => amount(b, "most"), "num"],
				[
					"Beyond",
					(b) => ({ deny: "it is denied", ask: "a person is asked", wait: "it waits" })[b.over] ?? b.over,
					"opt",
				],
				["Written in", (b) => el("code", {}, b.source ?? ""), "opt"],
			],
			budgets,
		),
	];
}

export async function costView(root, params) {
	const by = params.get("by") ?? "day",
		since = params.get("since") ?? "",
		holder = el("div");
	const go = (change) => {
		location.hash = `#/cost${query({ by, since, ...change })}`;
	};
	const pick = (label, value, rows, name) => {
		const s = el(
			"select",
			{ "aria-label": label, onchange: (e) => go({ [name]: e.target.value }) },
			rows.map(([v, t]) => el("option", { value: v }, t)),
		);
		s.value = value;
		return s;
	};
	root.append(
		top(
			"Cost",
			pick(
				"By",
				by,
				["day", "model", "user", "session", "task"].map((w) => [w, `by ${w}`]),
				"by",
			),
			pick(
				"Since",
				since,
				[
					["", "all time"],
					["24h", "24 hours"],
					["7d", "7 days"],
					["30d", "30 days"],
					["90d", "90 days"],
				],
				"since",
			),
		),
		holder,
	);
	const refresh = async () => {
		const [c, held] = await Promise.all([
			get(`/v1/cost${query({ by, since })}`),
			get("/v1/budgets").catch(() => ({ budgets: [] })),
		]);
		const rows = c.rows,
			most = Math.max(1, ...rows.map((r) => r.usd_nanos_known ?? 0)),
			t = c.total;
		const name = (r) =>
			by === "task" ? el("a", { href: `#/task/${r.task}` }, r.goal) : by === "day" ? r.day : (r[by] ?? "");
		const bars =
			by === "day" && rows.length > 1
				? el(
						"div",
						{ cls: "bars", role: "img", "aria-label": "Cost of each day; the table has the figures" },
						[...rows]
							.sort((a, b) => (a.day < b.day ? -1 : 1))
							.slice(-60)
							.map((r) =>
								el("i", {
									title: `${r.day} ${usd(r.usd_nanos_known)}`,
									css: { height: `${((r.usd_nanos_known ?? 0) / most) * 100}%` },
								}),
							),
					)
				: "";
		renew(
			holder,
			cards([
				[
					usd(t.usd_nanos_known),
					t.replies_of_unknown_cost
						? `known cost; ${t.replies_of_unknown_cost} replies of unknown cost`
						: "cost",
				],
				[many(t.tasks), "tasks"],
				[many(t.turns), "turns"],
				[many(t.input + t.cache_read + t.cache_write), "tokens read"],
				[many(t.cache_read), "of these from cache"],
				[many(t.output), "tokens written"],
			]),
			bars,
			...(held.budgets.length ? budgetsTable(held.budgets) : []),
			...(held.budgets.length ? [el("h2", {}, "Spent")] : []),
			rows.length
				? table(
						"Cost",
						[
							[by[0].toUpperCase() + by.slice(1), name, "goal"],
							["Cost", (r) => usd(r.usd_nanos_known), "num"],
							[
								"",
								(r) =>
									el(
										"div",
										{ cls: "meter", "aria-hidden": "true" },
										el("i", { css: { width: `${((r.usd_nanos_known ?? 0) / most) * 100}%` } }),
									),
								"opt",
							],
							["Tasks", (r) => many(r.tasks), "num"],
							["Turns", (r) => many(r.turns), "num opt"],
							["Calls", (r) => many(r.calls), "num opt"],
							["Read", (r) => many(r.input + r.cache_read), "num opt"],
							["Written", (r) => many(r.output), "num opt"],
						],
						rows,
					)
				: empty("Nothing was spent yet."),
		);
	};
	await refresh();
	return {
		refresh,
		events: (e) => e.type === "model.replied" || e.type === "task.finished" || e.type.startsWith("budget."),
	};
}

export async function schedulesView(root) {
	const holder = el("div");
	root.append(
		top(
			"Schedules",
			el(
				"span",
				{ cls: "sub small" },
				"added with ",
				el("code", {}, "mishri schedule add"),
				", so that no token leaves goals behind that outlive it",
			),
		),
		holder,
	);
	const order = (s, what, body, title) => async () => {
		await attempt(() => post(`/v1/schedules/${s.schedule}/${what}`, body).then(() => ({ said: title })));
		refresh();
	};
	const about = async (s) => {
		const one = await get(`/v1/schedules/${s.schedule}`);
		await ask(s.name, [], {
			button: "Close",
			about: el(
				"div",
				{},
				facts(Object.entries(one.spec ?? {}).map(([k, v]) => [k, typeof v === "object" ? json(v) : String(v)])),
				el("h3", {}, "Next"),
				one.next.map((n) => el("div", {}, when(n), " ", el("span", { cls: "sub mono" }, n ?? ""))),
				el("h3", {}, "Last runs"),
				one.last_runs.length
					? table(
							"Runs",
							[
								["When", (r) => when(r.instant)],
								["State", (r) => state(r.state)],
								["Task", (r) => (r.task ? el("a", { href: `#/task/${r.task}` }, r.task) : "")],
								["Why", (r) => r.reason ?? r.cause ?? ""],
							],
							one.last_runs,
						)
					: "none yet",
			),
		});
	};
	const refresh = async () => {
		const { schedules } = await get("/v1/schedules");
		renew(
			holder,
			schedules.length
				? table(
						"Schedules",
						[
							["State", (s) => state(s.state)],
							[
								"Name",
								(s) =>
									el(
										"button",
										{ onclick: () => about(s).catch((e) => holder.prepend(wrong(e))) },
										s.name,
									),
							],
							["Goal", (s) => s.spec?.task?.goal ?? "", "wrap"],
							[
								"When",
								(s) => el("span", { cls: "mono" }, s.spec?.cron ?? s.spec?.every ?? s.spec?.at ?? ""),
							],
							["Next", (s) => when(s.next?.[0])],
							["Started", (s) => many(s.started), "num opt"],
							["Missed", (s) => many(s.missed), "num opt"],
							["Failed", (s) => many(s.failed), "num opt"],
							["User", (s) => s.user, "opt"],
							[
								"",
								(s) =>
									may("control") &&
									s.state !== "ended" &&
									el(
										"div",
										{ cls: "row" },
										s.state === "paused"
											? el("button", { onclick: order(s, "resume", {}, "it goes on") }, "Resume")
											: el("button", { onclick: order(s, "pause", {}, "paused") }, "Pause"),
										el("button", { onclick: order(s, "run", {}, "started") }, "Run now"),
										el(
											"button",
											{
												cls: "bad",
												onclick: async () => {
													const r = await ask(`Remove ${s.name}?`, [], {
														button: "Remove",
														bad: true,
														send: () => call("DELETE", `/v1/schedules/${s.schedule}`),
													});
													if (r) refresh();
												},
											},
											"Remove",
										),
									),
							],
						],
						schedules,
						{ row: (s) => ({ "data-row": s.schedule }) },
					)
				: empty("No schedule. ", el("code", {}, 'mishri schedule add NAME "goal" --cron "0 3 * * *"')),
		);
	};
	await refresh();
	return { refresh, events: (e) => /^schedule\./.test(e.type) };
}

export async function healthView(root) {
	const holder = el("div");
	root.append(top("Health"), holder);
	const refresh = async () => {
		const h = await get("/v1/health"),
			s = h.store;
		renew(
			holder,
			cards([
				[el("span", { cls: `state ${h.status === "ok" ? "good" : "failed"}` }, h.status), "service"],
				[h.version, "version"],
				[many(h.connections), "connections"],
				[many(h.streams), "streams"],
				...(s
					? [
							[many(s.events), "events"],
							[bytes(s.db_bytes ?? 0), "database"],
							[bytes(s.free_bytes ?? 0), "free on the disk"],
						]
					: []),
			]),
			...(h.beats
				? [
						el("h2", {}, "What beats"),
						table(
							"Beats",
							[
								[
									"State",
									(b) =>
										el("span", { cls: `state ${b.state === "late" ? "failed" : "good"}` }, b.state),
								],
								["What", (b) => b.kind],
								["Name", (b) => b.name ?? "", "wrap"],
								[
									"Facts",
									(b) =>
										el(
											"span",
											{ cls: "mono small" },
											Object.entries(b)
												.filter(([k]) => !["kind", "name", "state"].includes(k))
												.map(
													([k, v]) => `${k} ${typeof v === "object" ? JSON.stringify(v) : v}`,
												)
												.join(" · "),
										),
									"wrap opt",
								],
							],
							h.beats,
						),
					]
				: []),
			el("details", {}, el("summary", { cls: "sub" }, "all of it"), el("pre", { tabindex: "0" }, json(h))),
		);
	};
	await refresh();
	return { refresh, every: 5000, events: () => false };
}

export async function auditView(root) {
	const holder = el("div", { "aria-live": "polite" });
	const check = async () => {
		holder.replaceChildren(el("p", { cls: "sub" }, "reading all of it …"));
		try {
			const a = await get("/v1/audit");
			holder.replaceChildren(
				el(
					"p",
					{ cls: a.intact ? "note" : "wrong", id: "verdict" },
					a.intact ? "The record is as it was written." : `The record is broken: ${a.problem ?? ""}`,
				),
				cards(
					[
						["events", "events"],
						["chains", "chains"],
						["checkpoints", "checkpoints"],
						["signatures", "signatures"],
						["blobs", "blobs"],
						["pruned", "pruned"],
					]
						.filter(([k]) => a[k] !== undefined)
						.map(([k, n]) => [many(a[k]), n]),
				),
			);
		} catch (error) {
			holder.replaceChildren(wrong(error));
		}
	};
	root.append(
		top(
			"Audit",
			may("read_all") && el("button", { cls: "main", id: "verify", onclick: check }, "Verify the record"),
		),
		el(
			"p",
			{ cls: "sub" },
			"Each event holds the SHA-256 of the one before. Verify computes all of them again; with ",
			el("code", {}, "mishri audit export"),
			" others can do it without Mishri.",
		),
		may("read_all") ? holder : empty("The whole record is for auditors, approvers and admins."),
	);
	return { refresh: async () => {}, events: () => false };
}
