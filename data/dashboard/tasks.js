// tasks.js - the list of tasks as they go on, the search through all of them, and a goal for a new one.
import {
	ask,
	attempt,
	el,
	empty,
	get,
	many,
	may,
	post,
	query,
	renew,
	state,
	table,
	took,
	top,
	usd,
	when,
} from "./base.js";

const PAGE = 100,
	STATES = ["running", "parked", "paused", "done", "failed", "denied", "cancelled"];

export const goalCell = (t) => el("a", { href: `#/task/${t.task}`, title: t.goal }, t.goal);

// It goes on when a person has answered.
const asking = (t) =>
	el(
		"a",
		{ href: "#/approvals", title: `${t.state}: ${many(t.asks)} open, under Approvals` },
		el("span", { cls: "state ask" }, "asks you"),
	);

function list(rows, chosen) {
	return table(
		"Tasks",
		[
			["State", (t) => (t.asks ? asking(t) : state(t.state))],
			["Goal", goalCell, "goal"],
			["Agent", (t) => t.agent, "opt"],
			["User", (t) => t.user, "opt"],
			["Tasks", (t) => many(t.tasks), "num opt"],
			[
				"Calls",
				(t) => [
					many(t.calls),
					t.denied ? el("span", { cls: "sub", title: `${t.denied} denied` }, ` · ${t.denied} ✕`) : "",
				],
				"num opt",
			],
			["Cost", (t) => usd(t.usd_nanos), "num"],
			["Took", (t) => took(t.started, t.ended), "num opt"],
			["Began", (t) => when(t.started), "num opt"],
		],
		rows,
		{ row: (t) => ({ "data-row": t.task, "aria-selected": String(t.task === chosen) }) },
	);
}

export async function startTask() {
	const last = JSON.parse(sessionStorage.getItem("mishri-start") ?? "{}");
	const made = await ask(
		"Start a task",
		[
			{ name: "goal", label: "Goal", long: true, rows: 4, wanted: true },
			{
				name: "workspace",
				label: "Workspace: an absolute path on the machine of the service",
				wanted: true,
				value: last.workspace ?? "",
				hint: "/srv/project",
			},
			{ name: "model", label: "Model (empty: the service's)", value: last.model ?? "", hint: "openai/gpt-5" },
			{ name: "agent", label: "Agent (empty: master)" },
			{
				name: "plan",
				label: "Plan",
				options: [
					["auto", "where it helps"],
					["always", "always"],
					["never", "never: one agent"],
				],
				value: last.plan ?? "auto",
			},
			{
				name: "workspace_mode",
				label: "What it changes",
				options: [
					["", "as the service is set"],
					["overlay", "stays in a layer until it is applied"],
					["direct", "goes to the workspace at once"],
					["readonly", "nothing may be changed"],
				],
			},
			{
				name: "budget",
				label: "Budget in US dollars, for it and all below (empty: the service's)",
				hint: "2.50",
			},
		],
		{
			button: "Start",
			send: async (v) => {
				sessionStorage.setItem(
					"mishri-start",
					JSON.stringify({ workspace: v.workspace, model: v.model, plan: v.plan }),
				);
				const body = Object.fromEntries(Object.entries(v).filter(([, text]) => text !== ""));
				return post("/v1/tasks", body, {
					headers: { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` },
				});
			},
		},
	);
	if (made?.task) location.hash = `#/task/${made.task}`;
}

// parts: filters from the address; the same view is the search.
export async function tasksView(root, params, search = false) {
	const filter = {
		q: params.get("q") ?? "",
		state: params.get("state") ?? "",
		tool: params.get("tool") ?? "",
		since: params.get("since") ?? "",
		user: params.get("user") ?? "",
		denied: params.get("denied") ?? "",
	};
	const holder = el("div"),
		more = el("div", { cls: "row end" }),
		count = el("span", { cls: "sub small", role: "status" });
	let rows = [],
		next = null,
		pages = 1;
	const go = (change) => {
		location.hash = `#/${search ? "search" : "tasks"}${query({ ...filter, ...change })}`;
	};
	const field = (name, label, hint, size) =>
		el("input", {
			type: "search",
			"aria-label": label,
			placeholder: hint,
			size,
			value: filter[name],
			name,
			onchange: (e) => go({ [name]: e.target.value }),
		});
	const pick = el(
		"select",
		{ "aria-label": "State", onchange: (e) => go({ state: e.target.value }) },
		el("option", { value: "" }, "every state"),
		STATES.map((s) => el("option", { value: s }, s)),
	);
	pick.value = filter.state;
	root.append(
		top(
			search ? "Search" : "Tasks",
			field(
				"q",
				"Words in goals, results, replies and outputs",
				search ? "words in goals, results, replies and outputs" : "search  ( / )",
				search ? 40 : 24,
			),
			pick,
			search
				? [
						field("tool", "Tool", "tool", 10),
						field("since", "Since", "since: 7d, 2026-11-01", 16),
						may("read_all") && field("user", "User", "user", 10),
						el(
							"label",
							{ cls: "check field" },
							el("input", {
								type: "checkbox",
								checked: filter.denied !== "",
								onchange: (e) => go({ denied: e.target.checked ? "1" : "" }),
							}),
							"something was denied",
						),
					]
				: "",
			count,
			el("span", { cls: "gap" }),
			may("start") && el("button", { cls: "main", id: "start", onclick: startTask }, "Start a task"),
		),
		holder,
		more,
	);
	const read = async () => {
		const all = [];
		for (let i = 0, before; i < pages; i++) {
			const page = await get(
				`/v1/tasks${query({ ...filter, denied: filter.denied ? "1" : "", limit: PAGE, before })}`,
			);
			all.push(...page.tasks);
			before = next = page.next;
			if (!next) break;
		}
		rows = all;
		draw();
	};
	const draw = () => {
		const chosen = root.querySelector("[aria-selected=true]")?.dataset.row;
		count.textContent = rows.length ? `${rows.length}${next ? "+" : ""} shown` : "";
		renew(
			holder,
			rows.length
				? list(rows, chosen)
				: filter.q || filter.state || search
					? empty("Nothing fits. ", el("a", { href: `#/${search ? "search" : "tasks"}` }, "Show all"))
					: empty(
							"No task yet. ",
							may("start") ? "Start one here, or with " : "Start one with ",
							el("code", {}, 'mishri run --detach "…"'),
						),
		);
		renew(
			more,
			...(next
				? [
						el(
							"button",
							{
								onclick: async (e) => {
									e.target.disabled = true;
									pages++;
									await read();
								},
							},
							"Older tasks",
						),
					]
				: []),
		);
	};
	await read();
	return {
		refresh: read,
		search: root.querySelector("input[name=q]"),
		events: (e) => !/^(exec|net|call\.(proposed|started)|model\.requested)/.test(e.type),
	};
}

export const cancelTask = (task) =>
	ask("Cancel this task?", [{ name: "now", label: "at once, without waiting for what runs", check: true }], {
		button: "Cancel it",
		bad: true,
		about: el("p", {}, "It ends, and all below it."),
		send: (v) => post(`/v1/tasks/${task}/cancel`, v.now ? { now: true } : {}),
	}).then((r) => r?.said !== undefined && attempt(async () => r));
