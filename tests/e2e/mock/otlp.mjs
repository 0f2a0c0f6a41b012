// otlp.mjs - an OTLP receiver for tests, made from the official protobuf definitions: it takes both encodings, packed or not,
// decodes them to the same shape, and fails as it is told to.
//
//   const receiver = await startReceiver();
//   receiver.url                  'http://127.0.0.1:PORT'
//   receiver.requests             [{ path, headers, type, bytes, body, answered }]
//   receiver.spans                all that were taken, each once by its id (a later one counts): see span()
//   receiver.plan = [step, ...]   one for each request that comes, then all is well: { status, headers, body, hang, cut, partial: {...} }
import http from 'node:http';
import { createRequire } from 'node:module';
import zlib from 'node:zlib';

const require = createRequire(import.meta.url);
const { trace } = require('@opentelemetry/otlp-transformer/build/src/generated/root.js').opentelemetry.proto.collector;
const { ExportTraceServiceRequest: Request, ExportTraceServiceResponse: Response } = trace.v1;

const value = (v) => v.stringValue ?? v.boolValue ?? (v.intValue !== undefined ? Number(v.intValue) : undefined) ?? v.doubleValue ??
	v.arrayValue?.values.map(value);
export const attributes = (list) => Object.fromEntries((list ?? []).map((a) => [a.key, value(a.value)]));

const hex = (bytes, json) => bytes === undefined ? '' : json ? bytes.toLowerCase() : Buffer.from(bytes).toString('hex');

// What a span says, whatever it came in.
function span(s, resource, scope, json) {
	return { trace: hex(s.traceId, json), id: hex(s.spanId, json), parent: hex(s.parentSpanId, json), state: s.traceState ?? '', name: s.name,
		kind: s.kind, flags: s.flags, start: String(s.startTimeUnixNano), end: String(s.endTimeUnixNano), attributes: attributes(s.attributes),
		events: (s.events ?? []).map((e) => ({ name: e.name, time: String(e.timeUnixNano), attributes: attributes(e.attributes) })),
		links: (s.links ?? []).map((l) => ({ trace: hex(l.traceId, json), id: hex(l.spanId, json), ...attributes(l.attributes) })),
		status: { code: s.status?.code ?? 0, message: s.status?.message ?? '' }, resource: attributes(resource?.attributes), scope };
}

function decode(request, body) {
	const json = request.headers['content-type'] === 'application/json';
	const plain = request.headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(body) : body;
	if (json)
		return { json, object: JSON.parse(plain.toString('utf8')), bytes: plain.length };
	const message = Request.decode(plain);
	// nothing unknown, nothing lost: written again by the official library it has the same length
	if (Request.encode(message).finish().length !== plain.length)
		throw new Error('it is not what the definitions would write');
	return { json, object: Request.toObject(message, { longs: String }), bytes: plain.length };
}

export async function startReceiver() {
	const receiver = { requests: [], plan: [], bad: [], byId: new Map() };
	const take = ({ json, object }) => {
		const all = object.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) =>
			s.spans.map((one) => span(one, r.resource, { ...s.scope, schemaUrl: s.schemaUrl ?? '' }, json))));
		for (const one of all)
			receiver.byId.set(one.id, one);
		return all.length;
	};
	const server = http.createServer((request, response) => {
		const chunks = [], step = receiver.plan.shift() ?? {};
		if (step.cut === 'before')
			return request.socket.destroy();
		request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
			const body = Buffer.concat(chunks), type = request.headers['content-type'];
			const record = { path: request.url, method: request.method, headers: request.headers, type, raw: body, answered: step.status ?? 200 };
			receiver.requests.push(record);
			if (step.hang)
				return;
			if (step.cut)
				return request.socket.destroy();
			if (step.status && step.status >= 300) {
				response.writeHead(step.status, step.headers);
				return response.end(step.body ?? '');
			}
			try {
				record.decoded = decode(request, body);
				record.count = take(record.decoded);
			} catch (error) {
				receiver.bad.push(String(error));
				response.writeHead(400);
				return response.end(String(error));
			}
			const said = step.partial ? { partialSuccess: step.partial } : {};
			response.writeHead(200, { 'content-type': type });
			response.end(type === 'application/json' ? JSON.stringify(said) : Response.encode(Response.fromObject(said)).finish());
		});
	});
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	Object.defineProperty(receiver, 'spans', { get: () => [...receiver.byId.values()] });
	return Object.assign(receiver, {
		url: `http://127.0.0.1:${server.address().port}`,
		async until(fits, ms = 20000) {
			for (const end = Date.now() + ms; !fits(receiver); await new Promise((done) => setTimeout(done, 20)))
				if (Date.now() > end)
					throw new Error(`it never came: ${receiver.spans.map((s) => s.name).join(', ')}; ${receiver.bad}`);
		},
		forget() { receiver.requests.length = 0; receiver.plan = []; receiver.bad.length = 0; receiver.byId.clear(); },
		close() { server.closeAllConnections(); server.close(); },
	});
}
