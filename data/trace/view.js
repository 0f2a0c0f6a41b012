"use strict";
// view.js - graph and waterfall of a trace, drawn into `page`: a document or a shadow root that holds view.html. What models and
// tools wrote is text in it and nothing else. show() takes a newer state of the same trace and keeps what was chosen.
function traceView(page) {
	const $ = (id) => page.getElementById(id),
		ROW = 22;
	let trace,
		spans = [],
		total = 1,
		root,
		roots = [];
	const endOf = (s) => s.t1 ?? trace.now;
	const stateOf = (s) => (s.d ? "denied" : s.t1 === null ? "running" : s.f ? "failed" : "ok");

	const ms = (us) =>
		us < 1e3
			? `${us} µs`
			: us < 1e6
				? `${(us / 1e3).toFixed(us < 1e4 ? 1 : 0)} ms`
				: us < 6e7
					? `${(us / 1e6).toFixed(2)} s`
					: `${Math.floor(us / 6e7)} min ${Math.round((us % 6e7) / 1e6)} s`;
	const usd = (n) => (n === null ? "unknown" : n === undefined ? "" : `$${(n / 1e9).toFixed(n < 1e8 ? 6 : 2)}`);
	const nameOf = (s) =>
		s.k === "task"
			? `${s.n} ${s.l}`
			: s.k === "exec"
				? s.d
					? "exec denied"
					: "exec"
				: s.k === "decision"
					? `policy: ${s.n}`
					: s.l
						? `${s.l} ${s.n}`
						: s.n;

	// ---- filters ----
	const filter = { text: "", tool: "", state: "", decision: "", execs: false, critical: false };
	const closed = new Set();
	let visible = [],
		shown = new Set(),
		chosen;

	const hit = (s) =>
		(!filter.text || s.hay.includes(filter.text)) &&
		(!filter.tool || (s.k === "call" && s.n === filter.tool)) &&
		(!filter.state || stateOf(s) === filter.state) &&
		(!filter.decision || s.a["mishri.policy.decision"] === filter.decision) &&
		(filter.execs ||
			(s.k === "exec" && (s.d || (filter.text !== "" && s.hay.includes(filter.text)))) ||
			(s.k !== "exec" && s.k !== "decision")) &&
		(!filter.critical || s.crit);
	const filtering = () => filter.text || filter.tool || filter.state || filter.decision || filter.critical;

	// What fits, and what it hangs from, so that it is seen where it belongs.
	function apply() {
		shown = new Set();
		let hits = 0;
		for (const s of spans)
			if (hit(s)) {
				hits++;
				for (let a = s; a && !shown.has(a.i); a = spans[a.p]) shown.add(a.i);
			}
		visible = [];
		const walk = (s) => {
			if (!shown.has(s.i)) return;
			visible.push(s);
			if (!closed.has(s.i) || filtering()) s.kids.forEach(walk);
		};
		roots.forEach(walk);
		visible.forEach((s, at) => {
			s.at = at;
		});
		$("count").textContent = filtering() ? `${hits} of ${spans.length} spans fit` : `${spans.length} spans`;
		$("space").style.height = `${visible.length * ROW}px`;
		$("rows").setAttribute("aria-rowcount", visible.length);
		drawRows();
		layout();
		draw();
	}

	// ---- the waterfall: only what is in view is in the page ----
	const pool = new Map();
	function makeRow(s) {
		const row = document.createElement("div"),
			what = document.createElement("span"),
			lane = document.createElement("span");
		const bar = document.createElement("i"),
			took = document.createElement("em"),
			tog = document.createElement("span");
		row.className = `row ${s.k}${s.d ? " denied" : s.f ? " failed" : ""}`;
		row.id = `r${s.i}`;
		row.setAttribute("role", "row");
		row.setAttribute("aria-level", s.depth + 1);
		what.className = "what";
		what.setAttribute("role", "gridcell");
		lane.className = "lane";
		lane.setAttribute("role", "gridcell");
		tog.className = "tog";
		tog.setAttribute("aria-hidden", "true");
		tog.dataset.tog = "1";
		const name = document.createElement("b"),
			gist = document.createElement("span");
		name.textContent = nameOf(s);
		gist.className = "gist";
		gist.textContent = ` ${stateOf(s) === "ok" ? "" : stateOf(s) + " "}${s.x || ""}`;
		if (s.d || s.f) name.className = "bad";
		what.style.paddingLeft = `${s.depth * 12 + 4}px`;
		what.append(tog, name, gist);
		what.title = `${nameOf(s)} ${s.x || ""}`;
		const from = (s.t0 / total) * 100,
			width = (Math.max(0, endOf(s) - s.t0) / total) * 100;
		bar.style.left = `${from}%`;
		bar.style.width = `${width}%`;
		if (s.crit) bar.classList.add("crit");
		if (s.t1 === null) bar.classList.add("open");
		took.textContent = s.k === "exec" || s.k === "decision" ? "" : ms(endOf(s) - s.t0);
		if (from + width > 80 && from < 20) {
			took.style.left = `${from}%`;
			took.className = "inside";
		} else if (from + width > 80) took.style.right = `${100 - from}%`;
		else took.style.left = `${from + width}%`;
		lane.append(bar, took);
		row.append(what, lane);
		row.setAttribute(
			"aria-label",
			`${s.k} ${nameOf(s)}, ${stateOf(s)}, ${ms(endOf(s) - s.t0)}${s.crit ? ", on the critical path" : ""}`,
		);
		return row;
	}
	function drawRows() {
		const box = $("rows"),
			first = Math.max(0, Math.floor(box.scrollTop / ROW) - 5),
			last = Math.min(visible.length, first + Math.ceil(box.clientHeight / ROW) + 12);
		const keep = new Set();
		for (let at = first; at < last; at++) {
			const s = visible[at];
			let row = pool.get(s.i);
			if (!row) {
				row = makeRow(s);
				pool.set(s.i, row);
				$("space").append(row);
			}
			row.style.top = `${at * ROW}px`;
			row.setAttribute("aria-rowindex", at + 1);
			row.setAttribute("aria-selected", s === chosen);
			const open = s.kids.some((k) => shown.has(k.i)) ? !closed.has(s.i) || !!filtering() : null;
			if (open === null) row.removeAttribute("aria-expanded");
			else row.setAttribute("aria-expanded", open);
			row.firstChild.firstChild.textContent = open === null ? "" : open ? "▾" : "▸";
			keep.add(s.i);
		}
		for (const [i, row] of pool)
			if (!keep.has(i)) {
				row.remove();
				pool.delete(i);
			}
		if (chosen && keep.has(chosen.i)) box.setAttribute("aria-activedescendant", `r${chosen.i}`);
		else box.removeAttribute("aria-activedescendant");
	}
	function drawAxis() {
		const step =
			[1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 6e7, 3e8, 6e8, 36e8, 864e8].find(
				(x) => total / x <= 6,
			) || total;
		$("axis").replaceChildren();
		for (let t = 0; t < total; t += step) {
			const e = document.createElement("span");
			e.style.left = `${(t / total) * 100}%`;
			e.textContent = ms(t);
			$("axis").append(e);
		}
	}
	function reveal(s) {
		for (let a = spans[s.p]; a; a = spans[a.p]) closed.delete(a.i);
		if (!shown.has(s.i) || visible[s.at] !== s) apply();
		const box = $("rows"),
			top = s.at * ROW;
		if (top < box.scrollTop || top + ROW > box.scrollTop + box.clientHeight)
			box.scrollTop = top - box.clientHeight / 2;
	}
	function choose(s, from) {
		chosen = s;
		reveal(s);
		drawRows();
		detail(s);
		if (from !== "graph") centre(s);
		draw();
	}
	$("rows").addEventListener("scroll", drawRows);
	$("rows").addEventListener("click", (e) => {
		const row = e.target.closest(".row");
		if (!row) return;
		const s = spans[+row.id.slice(1)];
		if (e.target.dataset.tog) toggle(s);
		else choose(s);
	});
	function toggle(s) {
		if (!closed.delete(s.i)) closed.add(s.i);
		apply();
	}
	$("rows").addEventListener("keydown", (e) => {
		const page = Math.max(1, Math.floor($("rows").clientHeight / ROW) - 1),
			at = chosen.at ?? 0;
		const go = (n) => choose(visible[Math.min(visible.length - 1, Math.max(0, n))]);
		const keys = {
			ArrowDown: () => go(at + 1),
			ArrowUp: () => go(at - 1),
			PageDown: () => go(at + page),
			PageUp: () => go(at - page),
			Home: () => go(0),
			End: () => go(visible.length - 1),
			Enter: () => choose(chosen),
			" ": () => toggle(chosen),
			ArrowRight: () => (closed.has(chosen.i) ? toggle(chosen) : chosen.kids.length && go(at + 1)),
			ArrowLeft: () =>
				chosen.kids.length && !closed.has(chosen.i) ? toggle(chosen) : chosen.p >= 0 && choose(spans[chosen.p]),
		};
		if (visible.length && keys[e.key]) {
			e.preventDefault();
			keys[e.key]();
		}
	});

	// ---- the graph ----
	const canvas = $("canvas"),
		ctx = canvas.getContext("2d"),
		view = { x: 0, y: 0, k: 1 },
		W = 150,
		H = 22,
		GAP = 30;
	let nodes = [],
		edges = [];
	function layout() {
		let y = 0;
		nodes = [];
		const place = (s, x) => {
			const kids = s.kids.filter((k) => shown.has(k.i) && (!closed.has(s.i) || filtering()));
			const from = y;
			kids.forEach((k) => place(k, x + W + GAP));
			s.gx = x;
			s.gy = kids.length ? (kids[0].gy + kids[kids.length - 1].gy) / 2 : y;
			if (!kids.length) y += H + 6;
			s.span = [from, y];
			nodes.push(s);
		};
		roots.filter((s) => shown.has(s.i)).forEach((s) => place(s, 0));
		edges = [];
		const on = new Set(nodes);
		for (const s of nodes) {
			if (s.p >= 0) edges.push([spans[s.p], s, "parent"]);
			for (const [kind, from] of s.e || []) if (on.has(spans[from])) edges.push([spans[from], s, kind]);
		}
	}
	const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
	let queued = false;
	function draw() {
		if (!queued) {
			queued = true;
			requestAnimationFrame(paint);
		}
	}
	function paint() {
		queued = false;
		const dpr = devicePixelRatio || 1,
			w = canvas.clientWidth,
			h = canvas.clientHeight,
			c = {};
		if (canvas.width !== Math.round(w * dpr) || canvas.height !== Math.round(h * dpr)) {
			canvas.width = Math.round(w * dpr);
			canvas.height = Math.round(h * dpr);
		}
		for (const n of [
			"bg",
			"fg",
			"soft",
			"line",
			"focus",
			"task",
			"model",
			"call",
			"exec",
			"person",
			"parked",
			"bad",
			"crit",
		])
			c[n] = css(`--${n}`);
		ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
		ctx.clearRect(0, 0, w, h);
		ctx.translate(view.x, view.y);
		ctx.scale(view.k, view.k);
		const left = -view.x / view.k - W,
			top = -view.y / view.k - H,
			right = (w - view.x) / view.k,
			bottom = (h - view.y) / view.k;
		const seen = (s) => s.gx > left && s.gx < right && s.gy > top && s.gy < bottom;
		const style = {
			parent: [c.line, []],
			sequence: [c.soft, [4, 3]],
			data: [c.focus, []],
			wait: [c.person, [1, 3]],
		};
		for (const [a, b, kind] of edges) {
			if (!seen(a) && !seen(b)) continue;
			if (kind !== "parent" && view.k < 0.15) continue;
			const crit = kind === "parent" && a.crit && b.crit;
			ctx.strokeStyle = crit ? c.crit : style[kind][0];
			ctx.lineWidth = crit ? 2 : 1;
			ctx.setLineDash(style[kind][1]);
			ctx.beginPath();
			const back = b.gx <= a.gx,
				x0 = back ? a.gx : a.gx + W,
				x1 = back && kind !== "sequence" ? b.gx + W : b.gx,
				y0 = a.gy + H / 2,
				y1 = b.gy + H / 2;
			ctx.moveTo(x0, y0);
			if (kind === "sequence") {
				ctx.lineTo(x0 - 8, y0);
				ctx.lineTo(x0 - 8, y1);
				ctx.lineTo(b.gx, y1);
			} else {
				const m = (x0 + x1) / 2;
				ctx.bezierCurveTo(m, y0, m, y1, x1, y1);
			}
			ctx.stroke();
		}
		ctx.setLineDash([]);
		ctx.font = "11px system-ui, sans-serif";
		ctx.textBaseline = "middle";
		for (const s of nodes) {
			if (!seen(s)) continue;
			ctx.fillStyle = s.d || s.f ? c.bad : (c[s.k] ?? (s.k === "decision" ? c.person : c.exec));
			ctx.globalAlpha = s === chosen ? 1 : 0.85;
			ctx.fillRect(s.gx, s.gy, 4, H);
			ctx.globalAlpha = 1;
			if (view.k > 0.35) {
				ctx.fillStyle = c.bg;
				ctx.fillRect(s.gx + 4, s.gy, W - 4, H);
				ctx.fillStyle = c.fg;
				const label = `${nameOf(s)}${stateOf(s) === "ok" ? "" : " · " + stateOf(s)}`;
				ctx.fillText(label.length > 25 ? label.slice(0, 24) + "…" : label, s.gx + 10, s.gy + H / 2);
			} else {
				ctx.globalAlpha = 0.5;
				ctx.fillRect(s.gx, s.gy, W, H);
				ctx.globalAlpha = 1;
			}
			ctx.strokeStyle = s === chosen ? c.focus : s.crit ? c.crit : c.line;
			ctx.lineWidth = s === chosen ? 3 : 1;
			ctx.strokeRect(s.gx, s.gy, W, H);
		}
	}
	function fit() {
		if (!nodes.length) return;
		const x1 = nodes.reduce((m, s) => Math.max(m, s.gx), 0) + W,
			y1 = nodes.reduce((m, s) => Math.max(m, s.gy), 0) + H;
		view.k = Math.min(
			1.2,
			Math.max(0.02, Math.min((canvas.clientWidth - 20) / x1, (canvas.clientHeight - 20) / y1)),
		);
		view.x = 10;
		view.y = 10;
		draw();
	}
	function zoom(by, x, y) {
		const k = Math.min(4, Math.max(0.02, view.k * by));
		view.x = x - ((x - view.x) * k) / view.k;
		view.y = y - ((y - view.y) * k) / view.k;
		view.k = k;
		draw();
	}
	function centre(s) {
		if (s.gx === undefined || !shown.has(s.i)) return;
		const x = s.gx * view.k + view.x,
			y = s.gy * view.k + view.y;
		if (x < 0 || y < 0 || x > canvas.clientWidth - 40 || y > canvas.clientHeight - 20) {
			view.x += canvas.clientWidth / 2 - x;
			view.y += canvas.clientHeight / 2 - y;
		}
	}
	canvas.addEventListener(
		"wheel",
		(e) => {
			e.preventDefault();
			zoom(Math.exp(-e.deltaY / 400), e.offsetX, e.offsetY);
		},
		{ passive: false },
	);
	let drag = null;
	canvas.addEventListener("pointerdown", (e) => {
		drag = { x: e.clientX, y: e.clientY, moved: false };
		canvas.setPointerCapture(e.pointerId);
	});
	canvas.addEventListener("pointermove", (e) => {
		if (!drag) return;
		const dx = e.clientX - drag.x,
			dy = e.clientY - drag.y;
		if (drag.moved || Math.abs(dx) + Math.abs(dy) > 4) {
			drag.moved = true;
			view.x += dx;
			view.y += dy;
			drag.x = e.clientX;
			drag.y = e.clientY;
			draw();
		}
	});
	canvas.addEventListener("pointerup", (e) => {
		const was = drag;
		drag = null;
		if (!was || was.moved) return;
		const x = (e.offsetX - view.x) / view.k,
			y = (e.offsetY - view.y) / view.k;
		const s = nodes.find((n) => x >= n.gx && x <= n.gx + W && y >= n.gy && y <= n.gy + H);
		if (s) choose(s, "graph");
	});
	canvas.addEventListener("keydown", (e) => {
		const move = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[e.key];
		const w = canvas.clientWidth / 2,
			h = canvas.clientHeight / 2;
		if (move) {
			view.x += move[0];
			view.y += move[1];
			draw();
		} else if (e.key === "+" || e.key === "=") zoom(1.25, w, h);
		else if (e.key === "-") zoom(0.8, w, h);
		else if (e.key === "0") fit();
		else return;
		e.preventDefault();
	});

	// ---- detail ----
	function detail(s) {
		const box = $("facts"),
			list = document.createElement("dl");
		const add = (k, v) => {
			if (v === undefined || v === null || v === "") return;
			const t = document.createElement("dt"),
				d = document.createElement("dd");
			t.textContent = k;
			d.textContent = typeof v === "object" ? JSON.stringify(v) : v;
			list.append(t, d);
		};
		const block = (title, text) => {
			if (text === undefined || text === null || text === "") return [];
			const h = document.createElement("h3"),
				p = document.createElement("pre");
			h.textContent = title;
			h.style.cssText = "font-size:12px;margin:8px 0 0";
			p.tabIndex = 0;
			p.textContent = typeof text === "string" ? text : JSON.stringify(text, null, 2);
			return [h, p];
		};
		add("what", `${s.k} ${nameOf(s)}`);
		add("state", s.s ? `${stateOf(s)} (${s.s})` : stateOf(s));
		add("why", s.w);
		add("began", `${ms(s.t0)} after the start`);
		add("took", s.t1 === null ? `${ms(endOf(s) - s.t0)} so far` : ms(s.t1 - s.t0));
		if (s.k === "model") add("cost", usd(s.a["mishri.cost.usd_nanos"]));
		add("rule", s.a["mishri.policy.rule"]);
		add("decision", s.a["mishri.policy.decision"]);
		add("reason", s.a["mishri.policy.reason"]);
		for (const [k, v] of Object.entries(s.a)) if (!/^mishri\.policy\.(rule|decision|reason)$/.test(k)) add(k, v);
		box.replaceChildren(
			list,
			...block("goal", s.c.goal),
			...block("arguments", s.c.args),
			...block("result", s.c.output),
			...block("reply", s.c.text),
			...(s.k === "exec" ? block("command", s.x) : []),
		);
	}

	// ---- controls ----
	const later = (fn, wait) => {
		let t;
		return () => {
			clearTimeout(t);
			t = setTimeout(fn, wait);
		};
	};
	$("text").addEventListener(
		"input",
		later(() => {
			filter.text = $("text").value.trim().toLowerCase();
			apply();
		}, 120),
	);
	for (const id of ["tool", "state", "decision"])
		$(id).addEventListener("change", () => {
			filter[id] = $(id).value;
			apply();
		});
	for (const id of ["execs", "critical"])
		$(id).addEventListener("change", () => {
			filter[id] = $(id).checked;
			apply();
		});
	$("reset").addEventListener("click", () => {
		for (const id of ["text", "tool", "state", "decision"]) {
			$(id).value = "";
			filter[id] = "";
		}
		for (const id of ["execs", "critical"]) {
			$(id).checked = false;
			filter[id] = false;
		}
		apply();
	});
	$("all").addEventListener("click", () => {
		closed.clear();
		apply();
	});
	$("none").addEventListener("click", () => {
		for (const s of spans) if (s.kids.length && s.depth >= 1) closed.add(s.i);
		apply();
		fit();
	});
	$("fit").addEventListener("click", fit);
	$("in").addEventListener("click", () => zoom(1.25, canvas.clientWidth / 2, canvas.clientHeight / 2));
	$("out").addEventListener("click", () => zoom(0.8, canvas.clientWidth / 2, canvas.clientHeight / 2));
	$("theme").addEventListener("click", () => {
		const dark = css("--bg").toLowerCase() !== "#fff";
		document.documentElement.dataset.theme = dark ? "light" : "dark";
		draw();
	});
	page.addEventListener("keydown", (e) => {
		if (e.key === "/" && !/INPUT|SELECT/.test(e.target.tagName)) {
			e.preventDefault();
			$("text").focus();
		}
	});
	new ResizeObserver(() => {
		drawRows();
		draw();
	}).observe($("rows"));

	// ---- a state of the trace ----
	function take(next) {
		trace = next;
		spans = trace.spans;
		root = spans[0];
		total = spans.reduce((most, s) => Math.max(most, s.t1 ?? trace.now), 1);
		spans.forEach((s, i) => {
			s.i = i;
			s.kids = [];
			s.crit = !!s.cr;
		});
		for (const s of spans) if (s.p >= 0) spans[s.p].kids.push(s);
		for (const s of spans) s.depth = s.p >= 0 ? spans[s.p].depth + 1 : 0;
		for (const s of spans) s.hay = [s.n, s.l, s.x, s.w, s.a["mishri.policy.rule"], s.s].join("\n").toLowerCase();
		roots = spans.filter((s) => s.p < 0);
		for (const row of pool.values()) row.remove();
		pool.clear();
	}
	function sums() {
		const cost = spans.filter((s) => s.k === "model").map((s) => s.a["mishri.cost.usd_nanos"]),
			denied = spans.filter((s) => s.d).length;
		$("title").textContent = root ? root.x : "Nothing recorded";
		$("title").title = $("title").textContent;
		$("sums").textContent = root
			? `task ${trace.task} · ${stateOf(root) === "running" ? "still running · " : ""}${ms(total)} · ${spans.filter((s) => s.k === "call").length} calls · ${denied} denied · ${cost.some((n) => n == null) ? "cost partly unknown" : usd(cost.reduce((a, b) => a + b, 0))}${trace.left_out ? ` · ${trace.left_out} more spans are left out` : ""}`
			: "";
	}
	function show(next) {
		const first = !chosen,
			at = chosen?.i ?? 0;
		take(next);
		if (first) for (const s of spans) if (s.kids.length && spans.length > 400 && s.depth >= 4) closed.add(s.i);
		for (const t of [...new Set(spans.filter((s) => s.k === "call").map((s) => s.n))].sort())
			if (![...$("tool").options].some((o) => o.value === t)) $("tool").append(new Option(t, t));
		sums();
		drawAxis();
		if (!root) return;
		chosen = spans[at] ?? root;
		apply();
		if (first) {
			fit();
			choose(chosen);
		} else detail(chosen);
	}
	return { show };
}
