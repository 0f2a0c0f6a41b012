// policy.js - the rules in force in a workspace, what they would say to an action, and what they would say to what was decided.
import { cards, el, empty, facts, get, json, many, may, post, query, state, table, top, wrong } from "./base.js";

const KINDS = { tool: "a call of a tool", exec: "a program start", net: "a connection" };

function playground(workspace) {
	const out = el("div", { "aria-live": "polite", id: "said" }),
		kind = el(
			"select",
			{ name: "kind" },
			Object.entries(KINDS).map(([v, t]) => el("option", { value: v }, t)),
		);
	const what = el("input", {
			name: "what",
			cls: "code",
			required: true,
			value: "read_file",
			autocomplete: "off",
			spellcheck: "false",
		}),
		args = el("textarea", {
			name: "args",
			cls: "code",
			rows: 3,
			spellcheck: "false",
			value: '{ "path": "README.md" }',
		}),
		facts_ = el("input", {
			name: "when",
			cls: "code",
			placeholder: "role=worker taint=web time=2026-12-24T03:00",
			autocomplete: "off",
		});
	const label = el("span", {}, "Tool"),
		argsField = el("label", {}, "Arguments, as JSON", args);
	kind.addEventListener("change", () => {
		const k = kind.value;
		label.textContent =
			k === "tool" ? "Tool" : k === "exec" ? "Program and arguments, as JSON list or words" : "HOST:PORT";
		what.value = k === "tool" ? "read_file" : k === "exec" ? "rm -rf build" : "example.org:443";
		argsField.hidden = k !== "tool";
	});
	const send = async (e) => {
		e.preventDefault();
		try {
			const body = { workspace },
				k = kind.value;
			if (k === "tool") {
				body.tool = what.value;
				try {
					body.args = JSON.parse(args.value || "{}");
				} catch (x) {
					throw new Error(`Arguments: this is no JSON: ${x.message}`);
				}
			}
			if (k === "exec")
				body.exec = what.value.trim().startsWith("[") ? JSON.parse(what.value) : what.value.trim().split(/\s+/);
			if (k === "net") body.net = what.value.trim();
			const pairs = facts_.value
				.trim()
				.split(/\s+/)
				.filter(Boolean)
				.map((p) => [p.slice(0, p.indexOf("=")), p.slice(p.indexOf("=") + 1)]);
			if (pairs.some(([n]) => !n)) throw new Error("Facts: NAME=VALUE is wanted, separated by blanks");
			if (pairs.length) body.when = Object.fromEntries(pairs);
			const d = await post("/v1/policy/check", body);
			out.replaceChildren(
				el(
					"div",
					{ cls: "box" },
					el(
						"div",
						{ cls: "top" },
						state(d.effect),
						el("b", {}, d.rule ?? "no rule matches: the default"),
						el("span", { cls: "sub mono" }, d.source ?? ""),
					),
					el("p", {}, d.reason ?? ""),
					d.also?.length
						? [
								el("h3", {}, "These match, too"),
								table(
									"Also",
									[
										["Effect", (r) => state(r.effect)],
										["Rule", (r) => r.rule ?? String(r)],
										["Where", (r) => el("span", { cls: "mono" }, r.source ?? "")],
									],
									d.also,
								),
							]
						: "",
					el(
						"p",
						{ cls: "sub small" },
						`decided in ${many(d.ns)} ns by policy ${String(d.policy).slice(0, 12)}`,
					),
				),
			);
		} catch (error) {
			out.replaceChildren(wrong(error));
		}
	};
	return el(
		"div",
		{},
		el(
			"form",
			{ cls: "grid box", id: "playground", onsubmit: send },
			el("div", { cls: "two" }, el("label", {}, "What happens", kind), el("label", {}, label, what)),
			argsField,
			el("label", {}, "Facts (optional)", facts_),
			el("div", { cls: "row end" }, el("button", { cls: "main" }, "What does the policy say?")),
		),
		out,
	);
}

async function backtest(holder, workspace, since) {
	holder.replaceChildren(el("p", { cls: "sub" }, "putting all recorded decisions to it …"));
	try {
		const b = await get(`/v1/policy/backtest${query({ workspace, since })}`);
		holder.replaceChildren(
			cards([
				[many(b.decisions), "recorded decisions"],
				[many(b.changed), "would change"],
				...Object.entries(b.counts)
					.filter(([k, n]) => n && k.split("_")[0] !== k.split("_")[1])
					.map(([k, n]) => [many(n), k.replace("_", " → ")]),
			]),
			b.changes.length
				? table(
						"Changes",
						[
							["Was", (r) => state(r.before)],
							["Would be", (r) => state(r.after)],
							["Action", (r) => el("span", { cls: "mono" }, r.action), "wrap"],
							["By", (r) => r.rule_after ?? "the default"],
							["Times", (r) => many(r.count), "num"],
							["Task", (r) => el("a", { href: `#/task/${r.task}` }, r.task)],
						],
						b.changes.slice(0, 500),
					)
				: empty("Nothing would be decided otherwise."),
		);
		return b.hits;
	} catch (error) {
		holder.replaceChildren(wrong(error));
		return null;
	}
}

export async function policyView(root, params) {
	const workspace =
		params.get("workspace") ??
		sessionStorage.getItem("mishri-policy") ??
		JSON.parse(sessionStorage.getItem("mishri-start") ?? "{}").workspace ??
		"";
	root.append(
		top(
			"Policy",
			el(
				"form",
				{
					cls: "row",
					onsubmit: (e) => {
						e.preventDefault();
						location.hash = `#/policy${query({ workspace: e.target.workspace.value })}`;
					},
				},
				el("input", {
					name: "workspace",
					"aria-label": "Workspace, an absolute path",
					placeholder: "workspace: /srv/project",
					size: 40,
					value: workspace,
				}),
				el("button", {}, "Show"),
			),
		),
	);
	const nothing = { refresh: async () => {}, events: () => false };
	if (!workspace) {
		root.append(empty("Name a workspace: which policy holds depends on where a task works."));
		return nothing;
	}
	sessionStorage.setItem("mishri-policy", workspace);
	let p;
	try {
		p = await get(`/v1/policy${query({ workspace })}`);
	} catch (error) {
		root.append(wrong(error));
		return nothing;
	}
	let hits = null;
	const rules = el("div"),
		again = el("div"),
		since = el(
			"select",
			{ "aria-label": "Since" },
			[
				["", "all time"],
				["24h", "24 hours"],
				["7d", "7 days"],
				["30d", "30 days"],
			].map(([v, t]) => el("option", { value: v }, t)),
		);
	const draw = () =>
		rules.replaceChildren(
			table(
				"Rules",
				[
					["Effect", (r) => state(r.effect)],
					["Kind", (r) => r.kind],
					["Rule", (r) => el("b", {}, r.id)],
					...(hits ? [["Hits", (r) => many(hits[r.id] ?? 0), "num"]] : []),
					[
						"Matches",
						(r) => [
							el("span", { cls: "mono" }, r.matches ?? ""),
							r.unless ? el("span", { cls: "mono sub" }, ` unless ${r.unless}`) : "",
							r.when
								? el(
										"span",
										{ cls: "mono sub" },
										` when ${typeof r.when === "string" ? r.when : json(r.when)}`,
									)
								: "",
						],
						"wrap",
					],
					["Where", (r) => el("span", { cls: "mono sub" }, r.source ?? ""), "opt"],
				],
				p.rules,
				{ row: (r) => ({ "data-rule": r.id }) },
			),
		);
	root.append(
		el("h2", {}, "What does it say to …"),
		playground(workspace),
		el("h2", {}, `In force: ${p.rules.length} rules`),
		facts(p.sources.map((s) => [s.layer, `${s.file} · ${s.name ?? ""} · default ${s.default ?? ""}`])),
		el("p"),
		rules,
		...(p.limits?.length || p.budgets?.length
			? [
					el("h2", {}, "Limits and budgets"),
					el("pre", { tabindex: "0" }, json({ limits: p.limits, budgets: p.budgets })),
				]
			: []),
	);
	draw();
	if (may("read_all"))
		root.append(
			el("h2", {}, "Backtest and hits"),
			el(
				"div",
				{ cls: "top" },
				since,
				el(
					"button",
					{
						id: "backtest",
						onclick: async () => {
							const found = await backtest(again, workspace, since.value);
							if (found) {
								hits = found;
								draw();
							}
						},
					},
					"Put what was decided to these rules",
				),
				el("span", { cls: "sub small" }, "also counts how often each rule is the one that decides"),
			),
			again,
		);
	return nothing;
}
